package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of the fields of type listed; a test of the package compares them with unsafe.Offsetof.
const (
	listB, listPanel, listAt, listValues = 0, 8, 16, 24
	listN, listAdd, listMask             = 32, 40, 48
	listNegative, listBias, listC        = 56, 64, 72
)

// The same for type scan.
const (
	scanA, scanRow, scanN, scanAt, scanValues, scanFrom, scanStep, scanCount = 0, 8, 16, 24, 32, 40, 48, 56
)

// listRow are the bytes from the values of a row to those of the next one.
const listRow = 4 * (256 + 16)

// listRows is the most rows of a listed kernel.
const listRows = 8

// listPanels is the most panels of a listed kernel of r rows: 24 accumulators of AVX-512, 12 of AVX2.
func (s isa) listPanels(r int) int {
	switch {
	case s.f64 || s.width < 64 && r > 2:
		return 0
	case s.width == 64 && r > 2: // of 32 registers, a line and a value are kept
		return min(24/r, 31/(r+1))
	case s.width == 64:
		return 12
	default:
		return 3
	}
}

func (s isa) listName(r, p int) string { return fmt.Sprintf("list%s_%dx%d", s.name, r, p*16) }

// list writes the kernel of r rows and p panels that takes the lines of B of a list alone.
func (s isa) list(r, p int) {
	name := s.listName(r, p)
	s.begin(name, "func(t *byte)")
	s.Doc(fmt.Sprintf("%s computes a tile of %d rows and %d columns from the lines of a list.", name, r, p*16))
	n := p * s.parts
	acc := func(i, j int) reg.VecPhysical { return s.regs[i*n+j] }
	// Registers for values and for lines of B: one of the two is kept for a whole k.
	kept := r
	if r > 2 {
		kept = len(s.regs) - r*n - n
	}
	value, line := s.regs[r*n:r*n+kept], s.regs[r*n+kept:]
	at, i, b, c, values := reg.RAX, reg.RBX, reg.RCX, reg.RDI, reg.RSI
	// Distances of panels: an address takes one, two, four or eight times a register.
	odd := map[int]reg.Register{1: reg.R9, 3: reg.R10, 5: reg.R11, 7: reg.R12, 9: reg.R13, 11: reg.R14}
	s.Load(s.Param("t"), args)
	s.KMOVWIf(listMask)
	s.MOVQ(field(listPanel), odd[1])
	for k := 3; k < p; k += 2 {
		s.LEAQ(operand.Mem{Base: odd[k-2], Index: odd[1], Scale: 2}, odd[k])
	}
	s.MOVQ(field(listAt), at)
	s.MOVQ(field(listValues), values)
	for k := range r * n {
		if s.width == 64 {
			s.VPXORD(s.regs[k], s.regs[k], s.regs[k])
		} else {
			s.VXORPS(s.regs[k], s.regs[k], s.regs[k])
		}
	}
	s.XORQ(i, i)
	s.CMPQ(field(listN), operand.Imm(0))
	s.JEQ(operand.LabelRef("store"))
	s.Label("loop")
	s.MOVLQSX(operand.Mem{Base: at, Index: i, Scale: 4}, b)
	s.ADDQ(field(listB), b)
	load := func(j int) reg.VecPhysical {
		m := operand.Mem{Base: b, Disp: j % s.parts * s.width}
		if panel := j / s.parts; panel > 0 {
			scale := 1
			for panel%2 == 0 && scale < 8 {
				panel, scale = panel/2, 2*scale
			}
			m.Index, m.Scale = odd[panel], uint8(scale)
		}
		x := line[j%len(line)]
		if s.width == 64 && j == n-1 {
			s.VMOVUPS_Z(m, mask, x)
		} else {
			s.VMOVUPS(m, x)
		}
		return x
	}
	broadcast := func(k int) reg.VecPhysical {
		x := value[k%len(value)]
		s.VBROADCASTSS(operand.Mem{Base: values, Index: i, Scale: 4, Disp: k * listRow}, x)
		return x
	}
	if r <= 2 { // few values, many panels
		for k := range r {
			broadcast(k)
		}
		for j := range n {
			x := load(j)
			for k := range r {
				s.VFMADD231PS(x, value[k], acc(k, j))
			}
		}
	} else {
		for j := range n {
			load(j)
		}
		for k := range r {
			x := broadcast(k)
			for j := range n {
				s.VFMADD231PS(line[j], x, acc(k, j))
			}
		}
	}
	s.INCQ(i)
	s.CMPQ(i, field(listN))
	s.JLT(operand.LabelRef("loop"))
	s.Label("store")
	add := func(k, j int, m operand.Mem, masked bool) {
		if masked {
			s.VMOVUPS_Z(m, mask, line[0])
			s.VADDPS(line[0], acc(k, j), acc(k, j))
		} else {
			s.VADDPS(m, acc(k, j), acc(k, j))
		}
	}
	for k := range r {
		s.MOVQ(field(listC+8*k), c)
		skip := fmt.Sprintf("first%d", k)
		s.CMPQ(field(listAdd), operand.Imm(0))
		s.JEQ(operand.LabelRef(skip))
		s.rowOf(c, n, func(j int, m operand.Mem, masked bool) { add(k, j, m, masked) })
		s.Label(skip)
		if s.width == 64 {
			sum := fmt.Sprintf("sum%d", k)
			s.MOVQ(field(listBias), at)
			s.TESTQ(at, at)
			s.JZ(operand.LabelRef(sum))
			s.rowOf(at, n, func(j int, m operand.Mem, masked bool) { add(k, j, m, masked) })
			s.Label(sum)
		}
		s.rowOf(c, n, func(j int, m operand.Mem, masked bool) {
			if masked {
				s.VMOVUPS(acc(k, j), mask, m)
			} else {
				s.VMOVUPS(acc(k, j), m)
			}
		})
	}
	s.negative(r*n, line)
	s.VZEROUPPER()
	s.RET()
}

// KMOVWIf loads the mask of the last panel's columns where the set has masks.
func (s isa) KMOVWIf(off int) {
	if s.width == 64 {
		s.KMOVW(field(off), mask)
	}
}

// rowOf visits the n registers of a row of C.
func (s isa) rowOf(c reg.Register, n int, visit func(j int, m operand.Mem, masked bool)) {
	for j := range n {
		visit(j, operand.Mem{Base: c, Disp: j * s.width}, s.width == 64 && j == n-1)
	}
}

// negative sets the field negative if one of n accumulators, which it destroys, holds -0: as an integer that is the
// least there is.
func (s isa) negative(n int, spare []reg.VecPhysical) {
	zero := spare[0]
	for ; n > 1; n = (n + 1) / 2 {
		for k := range n / 2 {
			s.VPMINSD(s.regs[n-1-k], s.regs[k], s.regs[k])
		}
	}
	s.MOVL(operand.U32(1<<31), reg.EAX)
	if s.width == 64 {
		s.VPBROADCASTD(reg.EAX, zero)
		s.VPCMPEQD(zero, s.regs[0], reg.K2)
		s.KMOVW(reg.K2, reg.EAX)
	} else {
		s.VMOVD(reg.EAX, zero.AsX())
		s.VPBROADCASTD(zero.AsX(), zero)
		s.VPCMPEQD(zero, s.regs[0], s.regs[0])
		s.VMOVMSKPS(s.regs[0], reg.EAX)
	}
	s.ORQ(reg.RAX, field(listNegative))
}

// Offsets of the fields of type inspection.
const lookB, lookRow, lookLines, lookPanels, lookMask, lookTop, lookCopy, lookCopyRow = 0, 8, 16, 24, 32, 40, 48, 56

// inspect writes the kernel that copies lines and finds the largest of the bits of their numbers without signs, which
// tells whether all are finite.
func (s isa) inspect() {
	s.begin("inspect"+s.name, "func(t *byte)")
	s.Doc("inspect" + s.name + " copies numbers and finds the largest of their bits without signs.")
	const unroll = 4
	b, row, n, panels, at, left := reg.RAX, reg.RBX, reg.RCX, reg.RSI, reg.RDI, reg.R8
	to, line, step := reg.R9, reg.R10, reg.R11
	top, x := s.regs[:unroll], s.regs[unroll:]
	s.Load(s.Param("t"), args)
	s.MOVQ(field(lookB), b)
	s.MOVQ(field(lookRow), row)
	s.MOVQ(field(lookLines), n)
	s.MOVQ(field(lookPanels), panels)
	s.MOVQ(field(lookCopy), line)
	s.MOVQ(field(lookCopyRow), step)
	s.KMOVW(field(lookMask), mask)
	for _, t := range top {
		s.VPXORD(t, t, t)
	}
	look := func(k int, masked bool) {
		m := operand.Mem{Base: at, Disp: k * s.width}
		if masked {
			s.VMOVUPS_Z(m, mask, x[k])
		} else {
			s.VMOVUPS(m, x[k])
		}
		s.VMOVUPS(x[k], operand.Mem{Base: to, Disp: k * s.width})
		s.VPADDD(x[k], x[k], x[k]) // the sign goes
		s.VPMAXUD(x[k], top[k], top[k])
	}
	s.Label("line")
	s.MOVQ(b, at)
	s.MOVQ(line, to)
	s.MOVQ(panels, left)
	s.SUBQ(operand.Imm(unroll+1), left)
	s.JLT(operand.LabelRef("few"))
	s.Label("many")
	for k := range unroll {
		look(k, false)
	}
	s.ADDQ(operand.U32(unroll*s.width), at)
	s.ADDQ(operand.U32(unroll*s.width), to)
	s.SUBQ(operand.Imm(unroll), left)
	s.JGE(operand.LabelRef("many"))
	s.Label("few")
	s.ADDQ(operand.Imm(unroll), left)
	s.JLE(operand.LabelRef("last"))
	s.Label("one")
	look(0, false)
	s.ADDQ(operand.U32(s.width), at)
	s.ADDQ(operand.U32(s.width), to)
	s.DECQ(left)
	s.JNZ(operand.LabelRef("one"))
	s.Label("last")
	look(0, true)
	s.ADDQ(row, b)
	s.ADDQ(step, line)
	s.DECQ(n)
	s.JNZ(operand.LabelRef("line"))
	for k := unroll / 2; k > 0; k /= 2 {
		for i := range k {
			s.VPMAXUD(top[i+k], top[i], top[i])
		}
	}
	s.MOVQ(field(lookTop), at)
	s.VMOVDQU32(top[0], operand.Mem{Base: at})
	s.VZEROUPPER()
	s.RET()
}

func (s isa) scanName(r int) string { return fmt.Sprintf("scan%s_%d", s.name, r) }

// scan writes the kernel that lists the columns in which one of r rows is not 0, and what the rows hold there.
func (s isa) scan(r int) {
	name := s.scanName(r)
	s.begin(name, "func(t *byte)")
	s.Doc(fmt.Sprintf("%s lists the columns in which one of %d rows is not 0.", name, r))
	a, n, at, values, count, g := reg.RAX, reg.RCX, reg.RSI, reg.RDI, reg.R8, reg.R9L
	odd := map[int]reg.Register{1: reg.R10, 3: reg.R11, 5: reg.R12, 7: reg.R13}
	x, where, step, size, out := s.regs[:r], s.regs[8], s.regs[9], s.regs[10], s.regs[11]
	s.Load(s.Param("t"), args)
	s.MOVQ(field(scanA), a)
	s.MOVQ(field(scanRow), odd[1])
	for k := 3; k < r; k += 2 {
		s.LEAQ(operand.Mem{Base: odd[k-2], Index: odd[1], Scale: 2}, odd[k])
	}
	s.MOVQ(field(scanN), n)
	s.MOVQ(field(scanAt), at)
	s.MOVQ(field(scanValues), values)
	s.XORQ(count, count)
	s.MOVL(operand.U32(1<<31-1), g)
	s.VPBROADCASTD(g, size)
	s.VPBROADCASTD(field(scanStep), step)
	s.MOVQ(field(scanFrom), reg.R9)
	s.VMOVDQU32(operand.Mem{Base: reg.R9}, where)
	s.MOVL(operand.U32(1<<16-1), g)
	s.KMOVW(g, reg.K1)
	s.Label("loop")
	s.CMPQ(n, operand.Imm(16))
	s.JGE(operand.LabelRef("whole"))
	// The columns that are left.
	s.TESTQ(n, n)
	s.JLE(operand.LabelRef("done"))
	s.MOVL(operand.U32(1), g)
	s.SHLXL(reg.ECX, g, g)
	s.DECL(g)
	s.KMOVW(g, reg.K1)
	s.Label("whole")
	for k := range r {
		m := operand.Mem{Base: a}
		if row := k; row > 0 {
			scale := 1
			for row%2 == 0 {
				row, scale = row/2, 2*scale
			}
			m.Index, m.Scale = odd[row], uint8(scale)
		}
		s.VMOVUPS_Z(m, reg.K1, x[k])
		if k == 0 {
			s.VPTESTMD(size, x[k], reg.K2)
			continue
		}
		s.VPTESTMD(size, x[k], reg.K3)
		s.KORW(reg.K3, reg.K2, reg.K2)
	}
	s.ADDQ(operand.Imm(64), a)
	s.KMOVW(reg.K2, g)
	s.VPCOMPRESSD_Z(where, reg.K2, out)
	s.VMOVDQU32(out, operand.Mem{Base: at, Index: count, Scale: 4})
	for k := range r {
		s.VCOMPRESSPS_Z(x[k], reg.K2, out)
		s.VMOVUPS(out, operand.Mem{Base: values, Index: count, Scale: 4, Disp: k * listRow})
	}
	s.POPCNTL(g, g)
	s.ADDQ(reg.R9, count)
	s.VPADDD(step, where, where)
	s.SUBQ(operand.Imm(16), n)
	s.JMP(operand.LabelRef("loop"))
	s.Label("done")
	s.MOVQ(count, field(scanCount))
	s.VZEROUPPER()
	s.RET()
}
