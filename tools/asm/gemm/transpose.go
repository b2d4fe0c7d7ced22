package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose writes the movement of 8 rows of a row-major matrix, n times 8 columns of it, into half a
// panel: dst[k*16+r] = src[r*ld+k]. It serves both vector widths.
func (s isa) transpose() {
	s.begin("transpose8", "func(dst *byte, src *byte, ld int, n int)")
	s.Doc("transpose8 moves 8 rows, ld bytes apart, n times 8 columns, into half a panel.")
	dst, src, ld, n, ld3, src4 := reg.RDI, reg.RSI, reg.RBX, reg.RCX, reg.R8, reg.R9
	s.Load(s.Param("dst"), dst)
	s.Load(s.Param("src"), src)
	s.Load(s.Param("ld"), ld)
	s.Load(s.Param("n"), n)
	s.LEAQ(operand.Mem{Base: ld, Index: ld, Scale: 2}, ld3)
	s.LEAQ(operand.Mem{Base: src, Index: ld, Scale: 4}, src4)
	a, b := s.regs[:8], s.regs[8:16]
	s.Label("loop")
	for i := range 8 {
		m := operand.Mem{Base: src}
		if i >= 4 {
			m.Base = src4
		}
		switch i % 4 {
		case 1:
			m.Index, m.Scale = ld, 1
		case 2:
			m.Index, m.Scale = ld, 2
		case 3:
			m.Index, m.Scale = ld3, 1
		}
		s.VMOVUPS(m, a[i])
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
	for i := range 8 {
		s.VMOVUPS(b[i], operand.Mem{Base: dst, Disp: 64 * i})
	}
	s.ADDQ(operand.Imm(32), src)
	s.ADDQ(operand.Imm(32), src4)
	s.ADDQ(operand.U32(512), dst)
	s.DECQ(n)
	s.JNZ(operand.LabelRef("loop"))
	s.VZEROUPPER()
	s.RET()
}
