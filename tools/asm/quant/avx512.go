package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// wideRows is the largest number of rows of an AVX-512 kernel.
const wideRows = 8

// near and far are how many bytes ahead of the lines in use the kernels fetch into the first and the second cache: the
// processor's own prefetching is too late where several rows share a line. One row takes lines as fast as they come;
// asking for each would delay them by a quarter from the third cache and a third from memory.
const near, far = 4 << 10, 16 << 10

// fetch asks for the lines ahead of the one at off.
func (g *gen) fetch(off, rows int) {
	if rows == 1 {
		return
	}
	g.PREFETCHT0(at(lines, off+near))
	g.PREFETCHT1(at(lines, off+far))
}

// General registers.
var (
	argPtr = reg.RDX
	head   = reg.RBX // scales of the step
	lines  = reg.RCX // lines of the step
	rows0  = reg.RSI // record of row 0
	rows4  = reg.R10 // record of row 4
	strA   = reg.R8  // bytes between rows
	strA3  = reg.R9  // three times that
	out    = reg.RDI
	left   = reg.R11 // steps left in the panel
	count  = reg.R12 // steps left in the chunk
	tmp    = reg.RAX
)

// Vector registers: Z0-Z7 sums, Z8-Z15 integer sums, Z23-Z26 products of scales.
var (
	zs    = zregs()
	scale = reg.Z16
	minus = reg.Z17
	dAll  = reg.Z18 // the chunk's d of the 16 outputs, as float32
	dMin  = reg.Z19
	lineA = reg.Z20
	lineB = reg.Z21
	bits2 = reg.Z22
	mask4 = reg.Z31 // 0x0F in every byte
	mask2 = reg.Z30 // 0x30 in every byte
)

func zregs() []reg.VecPhysical {
	return []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7,
		reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
		reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
		reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31}
}

// rec is the memory at off in the record of row r.
func rec(r, off int) operand.Mem {
	m := operand.Mem{Base: rows0, Disp: off}
	if r >= 4 {
		m.Base = rows4
	}
	switch r % 4 {
	case 1:
		m.Index, m.Scale = strA, 1
	case 2:
		m.Index, m.Scale = strA, 2
	case 3:
		m.Index, m.Scale = strA3, 1
	}
	return m
}

// at is memory behind a register.
func at(base reg.Register, off int) operand.Mem { return operand.Mem{Base: base, Disp: off} }

// loadRows sets the pointers to records.
func (g *gen) loadRows(r int) {
	g.MOVQ(field(offA), rows0)
	if r > 4 {
		g.LEAQ(operand.Mem{Base: rows0, Index: strA, Scale: 4}, rows4)
	}
}

// constants sets the masks that a kind needs.
func (g *gen) constants(k kind) {
	if k.name != q8.name {
		g.constant(0x0F0F0F0F, mask4)
	}
	if k.name == q6k.name {
		g.constant(0x30303030, mask2)
	}
}

// walk writes the loops over chunks and steps of a panel: left counts steps, head is at the panel.
func (g *gen) walk(k kind, step, next func()) {
	g.Label("chunk")
	g.MOVQ(operand.U32(k.chunkSteps), count)
	g.CMPQ(left, count)
	g.CMOVQLT(left, count)
	g.SUBQ(count, left)
	if k.k {
		g.VCVTPH2PS(at(head, 0), dAll)
		if k.name == q4k.name {
			g.VCVTPH2PS(at(head, 32), dMin)
		}
		g.ADDQ(imm(lineBytes), head)
	}
	g.LEAQ(at(head, k.chunkSteps*halfBytes), lines)
	g.Label("step")
	step()
	g.ADDQ(imm(halfBytes), head)
	g.ADDQ(imm(k.stepBytes), lines)
	next()
	g.DECQ(count)
	g.JNZ(operand.LabelRef("step"))
	g.MOVQ(lines, head)
	g.TESTQ(left, left)
	g.JNZ(operand.LabelRef("chunk"))
}

// scales puts the float32 scale of the 16 outputs into scale, and the minimum into minus for Q4_K. Q6_K has a scale
// for each half of a step.
func (g *gen) scales(k kind, half int) {
	switch k.name {
	case q4k.name:
		g.VPMOVZXBD(at(head, 0), scale)
		g.VCVTDQ2PS(scale, scale)
		g.VMULPS(dAll, scale, scale)
		g.VPMOVZXBD(at(head, 16), minus)
		g.VCVTDQ2PS(minus, minus)
		g.VMULPS(dMin, minus, minus)
	case q6k.name:
		g.VPMOVSXBD(at(head, 16*half), scale)
		g.VCVTDQ2PS(scale, scale)
		g.VMULPS(dAll, scale, scale)
	default:
		g.VCVTPH2PS(at(head, 0), scale)
	}
}

// groups unpacks the lines of a step, or of a half step of Q6_K, and calls use with the index of the group of four k
// and the register that holds its 64 unsigned bytes.
func (g *gen) groups(k kind, half, rows int, use func(group int, line reg.VecPhysical)) {
	switch k.name {
	case q8.name:
		for i := range 8 {
			l := []reg.VecPhysical{lineA, lineB}[i%2]
			g.fetch(i*lineBytes, rows)
			g.VMOVDQU64(at(lines, i*lineBytes), l)
			use(i, l)
		}
	case q4.name, q4k.name:
		for i := range 4 {
			g.fetch(i*lineBytes, rows)
			g.VMOVDQU64(at(lines, i*lineBytes), lineB)
			g.VPANDD(mask4, lineB, lineA)
			use(i, lineA)
			g.VPSRLW(imm(4), lineB, lineB)
			g.VPANDD(mask4, lineB, lineB)
			use(i+4, lineB)
		}
	case q6k.name:
		base := half * 192
		for i := range 3 {
			g.fetch(base+i*lineBytes, rows)
		}
		g.VMOVDQU64(at(lines, base+128), bits2)
		for i := range 4 {
			g.VMOVDQU64(at(lines, base+i%2*lineBytes), lineA)
			if i >= 2 {
				g.VPSRLW(imm(4), lineA, lineA)
			}
			g.VPANDD(mask4, lineA, lineA)
			high := lineB
			switch i {
			case 0:
				g.VPSLLW(imm(4), bits2, lineB)
			case 1:
				g.VPSLLW(imm(2), bits2, lineB)
			case 2:
				high = bits2
			case 3:
				g.VPSRLW(imm(2), bits2, lineB)
			}
			// lineA | (high & mask2)
			g.VPTERNLOGD(operand.U8(0xF8), mask2, high, lineA)
			use(4*half+i, lineA)
		}
	}
}

// halves is the number of scales of a step.
func (k kind) halves() int {
	if k.name == q6k.name {
		return 2
	}
	return 1
}

// few512 writes the kernel of r rows, one panel after the other.
func (g *gen) few512(k kind, r int) {
	g.begin(fewName(k, "512", r), "multiplies rows by panels of packed weights.")
	g.constants(k)
	g.MOVQ(field(offW), head)
	g.MOVQ(field(offC), out)
	g.MOVQ(field(offRowA), strA)
	g.LEAQ(operand.Mem{Base: strA, Index: strA, Scale: 2}, strA3)
	sums, ints := zs[:r], zs[8:8+r]
	g.Label("panel")
	g.loadRows(r)
	g.MOVQ(field(offSteps), left)
	for _, s := range sums {
		g.VPXORD(s, s, s)
	}
	g.walk(k, func() {
		for half := range k.halves() {
			for i, acc := range ints {
				if k.start == 0 {
					g.VPXORD(acc, acc, acc)
				} else {
					g.VPBROADCASTD(rec(i, k.start+4*half), acc)
				}
			}
			g.scales(k, half)
			g.groups(k, half, r, func(group int, line reg.VecPhysical) {
				for i, acc := range ints {
					g.dot(rec(i, 4*group), line, acc)
				}
			})
			for i, acc := range ints {
				t := zs[23+i%4]
				g.VMULPS_BCST(rec(i, recScale), scale, t)
				g.VCVTDQ2PS(acc, acc)
				g.VFMADD231PS(acc, t, sums[i])
				if k.name == q4k.name {
					g.VFNMADD231PS_BCST(rec(i, recSum), minus, sums[i])
				}
			}
		}
	}, func() {
		g.ADDQ(imm(recordBytes), rows0)
		if r > 4 {
			g.ADDQ(imm(recordBytes), rows4)
		}
	})
	g.MOVQ(out, tmp)
	for i, s := range sums {
		g.VMOVUPS(s, at(tmp, 0))
		if i+1 < r {
			g.ADDQ(field(offRowC), tmp)
		}
	}
	g.ADDQ(imm(lineBytes), out)
	g.DECQ(field(offPanels))
	g.JNZ(operand.LabelRef("panel"))
	g.VZEROUPPER()
	g.RET()
}
