package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose writes the transposition of 8 rows, n times 8 columns: dst[k*ldd+r] = src[r*ld+k], strides in
// bytes. It serves both vector widths.
func (s isa) transpose() {
	s.begin("transpose8", "func(dst *byte, src *byte, ldd int, ld int, n int)")
	s.Doc("transpose8 transposes 8 rows, ld bytes apart, of n times 8 columns; results lie ldd bytes apart.")
	dst, src, ld, n, ld3, src4 := reg.RDI, reg.RSI, reg.RBX, reg.RCX, reg.R8, reg.R9
	ldd, ldd3, dst4 := reg.R10, reg.R11, reg.R12
	s.Load(s.Param("dst"), dst)
	s.Load(s.Param("src"), src)
	s.Load(s.Param("ldd"), ldd)
	s.Load(s.Param("ld"), ld)
	s.Load(s.Param("n"), n)
	s.LEAQ(operand.Mem{Base: ld, Index: ld, Scale: 2}, ld3)
	s.LEAQ(operand.Mem{Base: ldd, Index: ldd, Scale: 2}, ldd3)
	a, b := s.regs[:8], s.regs[8:16]
	// row is line i of 8 that begin at base; line 4 begins at base4.
	row := func(i int, base, base4, step, step3 reg.Register) operand.Mem {
		m := operand.Mem{Base: base}
		if i >= 4 {
			m.Base = base4
		}
		switch i % 4 {
		case 1:
			m.Index, m.Scale = step, 1
		case 2:
			m.Index, m.Scale = step, 2
		case 3:
			m.Index, m.Scale = step3, 1
		}
		return m
	}
	s.Label("loop")
	s.LEAQ(operand.Mem{Base: src, Index: ld, Scale: 4}, src4)
	for i := range 8 {
		s.VMOVUPS(row(i, src, src4, ld, ld3), a[i])
	}
	// Pairs of rows, then quadruples within each 128-bit lane, then the two lanes.
	for i := 0; i < 8; i += 2 {
		s.VUNPCKLPS(a[i+1], a[i], b[i])
		s.VUNPCKHPS(a[i+1], a[i], b[i+1])
	}
	for i := 0; i < 8; i += 4 {
		s.VSHUFPS(operand.U8(0x44), b[i+2], b[i], a[i])
		s.VSHUFPS(operand.U8(0xEE), b[i+2], b[i], a[i+1])
		s.VSHUFPS(operand.U8(0x44), b[i+3], b[i+1], a[i+2])
		s.VSHUFPS(operand.U8(0xEE), b[i+3], b[i+1], a[i+3])
	}
	for i := range 4 {
		s.VPERM2F128(operand.U8(0x20), a[i+4], a[i], b[i])
		s.VPERM2F128(operand.U8(0x31), a[i+4], a[i], b[i+4])
	}
	s.LEAQ(operand.Mem{Base: dst, Index: ldd, Scale: 4}, dst4)
	for i := range 8 {
		s.VMOVUPS(b[i], row(i, dst, dst4, ldd, ldd3))
	}
	s.ADDQ(operand.Imm(32), src)
	s.LEAQ(operand.Mem{Base: dst, Index: ldd, Scale: 8}, dst)
	s.DECQ(n)
	s.JNZ(operand.LabelRef("loop"))
	s.VZEROUPPER()
	s.RET()
}
