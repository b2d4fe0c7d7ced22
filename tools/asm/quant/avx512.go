package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Largest tiles of the AVX-512 kernels: rows of a few-row kernel, rows and panels of a many-row kernel.
const (
	wideRows   = 8
	manyRows   = 4
	widePanels = 3
)

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
	strW   = reg.R13 // bytes between panels
)

// Vector registers of the few-row and unpacking kernels: Z0-Z7 sums, Z8-Z15 integer sums.
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
	add   = reg.Z29 // 120 in every byte
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
func (g *gen) groups(k kind, half int, use func(group int, line reg.VecPhysical)) {
	switch k.name {
	case q8.name:
		for i := range 8 {
			l := []reg.VecPhysical{lineA, lineB}[i%2]
			g.VMOVDQU64(at(lines, i*lineBytes), l)
			use(i, l)
		}
	case q4.name, q4k.name:
		for i := range 4 {
			g.VMOVDQU64(at(lines, i*lineBytes), lineB)
			g.VPANDD(mask4, lineB, lineA)
			use(i, lineA)
			g.VPSRLW(imm(4), lineB, lineB)
			g.VPANDD(mask4, lineB, lineB)
			use(i+4, lineB)
		}
	case q6k.name:
		base := half * 192
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
			g.groups(k, half, func(group int, line reg.VecPhysical) {
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

// unpack512 writes the unpacking of steps of one panel for the many-row kernels: for every step the float32 scales
// (two lines of Q6_K, and of Q4_K with the minima), then eight lines of unsigned bytes. Q4_0 is raised by 120, so that
// its offset is that of Q8_0.
func (g *gen) unpack512(k kind) {
	g.begin(unpackName(k), "unpacks a panel for the many-row kernels.")
	g.constants(k)
	if k.name == q4.name {
		g.constant(0x78787878, add)
	}
	g.MOVQ(field(offW), head)
	g.MOVQ(field(offC), out)
	g.MOVQ(field(offSteps), left)
	header := k.unpackedHeader()
	g.walk(k, func() {
		for half := range k.halves() {
			g.scales(k, half)
			g.VMOVUPS(scale, at(out, half*lineBytes))
			if k.name == q4k.name {
				g.VMOVUPS(minus, at(out, lineBytes))
			}
			g.groups(k, half, func(group int, line reg.VecPhysical) {
				if k.name == q4.name {
					g.VPADDB(add, line, line)
				}
				g.VMOVDQU64(line, at(out, header+group*lineBytes))
			})
		}
	}, func() { g.ADDQ(imm(header+512), out) })
	g.VZEROUPPER()
	g.RET()
}

// unpackedHeader is the number of bytes before the lines of an unpacked step.
func (k kind) unpackedHeader() int {
	if k.k {
		return 2 * lineBytes
	}
	return lineBytes
}

// many512 writes the kernel of four rows and p unpacked panels.
func (g *gen) many512(k kind, p int) {
	g.begin(manyName(k, p), "multiplies four rows by unpacked panels.")
	header := k.unpackedHeader()
	g.MOVQ(field(offW), head)
	g.MOVQ(field(offPanelW), strW)
	g.MOVQ(field(offC), out)
	g.MOVQ(field(offRowA), strA)
	g.LEAQ(operand.Mem{Base: strA, Index: strA, Scale: 2}, strA3)
	g.loadRows(manyRows)
	g.MOVQ(field(offSteps), left)
	sums, ints, w, x := zs[:4*p], zs[12:12+4*p], zs[24:24+p], zs[27:31]
	// panel is memory of panel j.
	panel := func(j, off int) operand.Mem {
		m := operand.Mem{Base: head, Disp: off}
		if j > 0 {
			m.Index, m.Scale = strW, uint8(j)
		}
		return m
	}
	result := func(each func(i, j int, m operand.Mem)) {
		g.MOVQ(out, tmp)
		for i := range manyRows {
			for j := range p {
				each(i, j, at(tmp, j*lineBytes))
			}
			if i+1 < manyRows {
				g.ADDQ(field(offRowC), tmp)
			}
		}
	}
	for _, s := range sums {
		g.VPXORD(s, s, s)
	}
	g.CMPQ(field(offAdd), operand.Imm(0))
	g.JEQ(operand.LabelRef("step"))
	result(func(i, j int, m operand.Mem) { g.VMOVUPS(m, sums[i*p+j]) })
	g.Label("step")
	for half := range k.halves() {
		for i := range manyRows {
			for j := range p {
				if k.start == 0 {
					g.VPXORD(ints[i*p+j], ints[i*p+j], ints[i*p+j])
				} else {
					g.VPBROADCASTD(rec(i, k.start+4*half), ints[i*p+j])
				}
			}
		}
		first, end := 0, 8
		if k.halves() == 2 {
			first, end = 4*half, 4*half+4
		}
		for group := first; group < end; group++ {
			for j := range p {
				g.VMOVDQU64(panel(j, header+group*lineBytes), w[j])
			}
			for i := range manyRows {
				g.VPBROADCASTD(rec(i, 4*group), x[i])
				for j := range p {
					g.dot(x[i], w[j], ints[i*p+j])
				}
			}
		}
		for j := range p {
			g.VMOVUPS(panel(j, half*lineBytes), w[0])
			for i := range manyRows {
				g.VMULPS_BCST(rec(i, recScale), w[0], x[i])
				g.VCVTDQ2PS(ints[i*p+j], ints[i*p+j])
				g.VFMADD231PS(ints[i*p+j], x[i], sums[i*p+j])
			}
			if k.name == q4k.name {
				g.VMOVUPS(panel(j, lineBytes), w[1%p])
				for i := range manyRows {
					g.VFNMADD231PS_BCST(rec(i, recSum), w[1%p], sums[i*p+j])
				}
			}
		}
	}
	g.ADDQ(imm(header+512), head)
	g.ADDQ(imm(recordBytes), rows0)
	g.DECQ(left)
	g.JNZ(operand.LabelRef("step"))
	result(func(i, j int, m operand.Mem) { g.VMOVUPS(sums[i*p+j], m) })
	g.VZEROUPPER()
	g.RET()
}
