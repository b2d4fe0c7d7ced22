package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of the fields of type listed; a test of the package compares them with unsafe.Offsetof.
const (
	listB, listPanel, listAt, listValues = 0, 8, 16, 24 // values: of two rows
	listN, listC, listAdd, listMask      = 40, 48, 64, 72
	listNegative                         = 80
)

// The same for type scan.
const (
	scanA, scanN, scanAt, scanValues, scanFrom, scanStep, scanCount = 0, 16, 24, 32, 48, 56, 64
)

// Largest tile of a listed kernel.
const listRows = 2

// listPanels is the most panels of a listed kernel: 24 accumulators of AVX-512, 12 of AVX2.
func (s isa) listPanels() int {
	switch {
	case s.f64:
		return 0
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
	value, line := s.regs[r*n:r*n+r], s.regs[r*n+r:]
	at, i, b, c := reg.RAX, reg.RBX, reg.RCX, reg.RDI
	values := []reg.Register{reg.RSI, reg.R8}
	// Distances of panels: an address takes one, two, four or eight times a register.
	odd := map[int]reg.Register{1: reg.R9, 3: reg.R10, 5: reg.R11, 7: reg.R12, 9: reg.R13, 11: reg.R14}
	s.Load(s.Param("t"), args)
	s.KMOVWIf(listMask)
	s.MOVQ(field(listPanel), odd[1])
	for k := 3; k < p; k += 2 {
		s.LEAQ(operand.Mem{Base: odd[k-2], Index: odd[1], Scale: 2}, odd[k])
	}
	s.MOVQ(field(listAt), at)
	for k := range r {
		s.MOVQ(field(listValues+8*k), values[k])
	}
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
	for k := range r {
		s.VBROADCASTSS(operand.Mem{Base: values[k], Index: i, Scale: 4}, value[k])
	}
	for j := range n {
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
		for k := range r {
			s.VFMADD231PS(x, value[k], acc(k, j))
		}
	}
	s.INCQ(i)
	s.CMPQ(i, field(listN))
	s.JLT(operand.LabelRef("loop"))
	s.Label("store")
	for k := range r {
		s.MOVQ(field(listC+8*k), c)
		skip := fmt.Sprintf("first%d", k)
		s.CMPQ(field(listAdd), operand.Imm(0))
		s.JEQ(operand.LabelRef(skip))
		s.rowOf(c, n, func(j int, m operand.Mem, masked bool) {
			if masked {
				s.VMOVUPS_Z(m, mask, line[0])
				s.VADDPS(line[0], acc(k, j), acc(k, j))
			} else {
				s.VADDPS(m, acc(k, j), acc(k, j))
			}
		})
		s.Label(skip)
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

// negative sets the field negative if one of n accumulators holds -0.
func (s isa) negative(n int, spare []reg.VecPhysical) {
	zero := spare[0]
	s.MOVL(operand.U32(1<<31), reg.EAX)
	if s.width == 64 {
		s.VPBROADCASTD(reg.EAX, zero)
		s.KXORW(reg.K2, reg.K2, reg.K2)
		for k := range n {
			s.VPCMPEQD(zero, s.regs[k], reg.K3)
			s.KORW(reg.K3, reg.K2, reg.K2)
		}
		s.KMOVW(reg.K2, reg.EAX)
	} else {
		s.VMOVD(reg.EAX, zero.AsX())
		s.VPBROADCASTD(zero.AsX(), zero)
		for k := range n {
			s.VPCMPEQD(zero, s.regs[k], s.regs[k])
			if k > 0 {
				s.VPOR(s.regs[k], s.regs[0], s.regs[0])
			}
		}
		s.VMOVMSKPS(s.regs[0], reg.EAX)
	}
	s.ORQ(reg.RAX, field(listNegative))
}

// scan writes the kernel that lists the columns in which one of two rows is not 0, and what the rows hold there.
func (s isa) scan() {
	s.begin("scan"+s.name, "func(t *byte)")
	s.Doc("scan" + s.name + " lists the columns in which one of two rows is not 0.")
	rows, n, at, count := []reg.Register{reg.RAX, reg.RBX}, reg.RCX, reg.RSI, reg.R9
	values := []reg.Register{reg.RDI, reg.R8}
	x, where, step, size := []reg.VecPhysical{reg.Z0, reg.Z1}, reg.Z2, reg.Z3, reg.Z4
	s.Load(s.Param("t"), args)
	for k := range rows {
		s.MOVQ(field(scanA+8*k), rows[k])
		s.MOVQ(field(scanValues+8*k), values[k])
	}
	s.MOVQ(field(scanN), n)
	s.MOVQ(field(scanAt), at)
	s.XORQ(count, count)
	s.MOVL(operand.U32(1<<31-1), reg.R10L)
	s.VPBROADCASTD(reg.R10L, size)
	s.VPBROADCASTD(field(scanStep), step)
	s.MOVQ(field(scanFrom), reg.R10)
	s.VMOVDQU32(operand.Mem{Base: reg.R10}, where)
	s.MOVL(operand.U32(1<<16-1), reg.R10L)
	s.KMOVW(reg.R10L, reg.K1)
	s.Label("loop")
	s.CMPQ(n, operand.Imm(16))
	s.JGE(operand.LabelRef("whole"))
	// The columns that are left.
	s.TESTQ(n, n)
	s.JLE(operand.LabelRef("done"))
	s.MOVL(operand.U32(1), reg.R10L)
	s.SHLXL(reg.ECX, reg.R10L, reg.R10L)
	s.DECL(reg.R10L)
	s.KMOVW(reg.R10L, reg.K1)
	s.Label("whole")
	for k := range rows {
		s.VMOVUPS_Z(operand.Mem{Base: rows[k]}, reg.K1, x[k])
		s.VPTESTMD(size, x[k], []reg.OpmaskPhysical{reg.K2, reg.K3}[k])
	}
	s.KORW(reg.K3, reg.K2, reg.K2)
	s.KMOVW(reg.K2, reg.R10L)
	s.VPCOMPRESSD_Z(where, reg.K2, reg.Z5)
	s.VMOVDQU32(reg.Z5, operand.Mem{Base: at, Index: count, Scale: 4})
	for k := range rows {
		s.VCOMPRESSPS_Z(x[k], reg.K2, reg.Z5)
		s.VMOVUPS(reg.Z5, operand.Mem{Base: values[k], Index: count, Scale: 4})
		s.ADDQ(operand.Imm(64), rows[k])
	}
	s.POPCNTL(reg.R10L, reg.R10L)
	s.ADDQ(reg.R10, count)
	s.VPADDD(step, where, where)
	s.SUBQ(operand.Imm(16), n)
	s.JMP(operand.LabelRef("loop"))
	s.Label("done")
	s.MOVQ(count, field(scanCount))
	s.VZEROUPPER()
	s.RET()
}
