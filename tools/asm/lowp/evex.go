package main

import (
	"encoding/binary"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dpbf16 is the machine code of VDPBF16PS acc, a, b on 512-bit registers, which Go's assembler does not know:
// EVEX.512.F3.0F38.W0 52 /r (Intel SDM, volume 2).
func dpbf16(acc, a, b int) [6]byte {
	not := func(n, bit int) byte { return byte(^n >> bit & 1) }
	return [6]byte{
		0x62,
		not(acc, 3)<<7 | not(b, 4)<<6 | not(b, 3)<<5 | not(acc, 4)<<4 | 2, // R X B R', map 0F38
		byte(^a&15)<<3 | 1<<2 | 2,         // W0, vvvv, F3
		2<<5 | not(a, 4)<<3,               // 512 bits, V'
		0x52,                              // opcode
		0xC0 | byte(acc&7)<<3 | byte(b&7), // registers only
	}
}

// VDPBF16PS adds the products of the pairs of a and b to acc.
func (g *generator) VDPBF16PS(b, a, acc reg.VecPhysical) {
	code := dpbf16(int(acc.PhysicalIndex()), int(a.PhysicalIndex()), int(b.PhysicalIndex()))
	raw := func(opcode string, code operand.Op) {
		g.Instruction(&ir.Instruction{Opcode: opcode, Operands: []operand.Op{code}})
	}
	raw("LONG", operand.U32(binary.LittleEndian.Uint32(code[:4])))
	raw("WORD", operand.U16(binary.LittleEndian.Uint16(code[4:])))
}

// VPDPBUSD adds the products of the four unsigned bytes in a and the signed bytes in b to acc; avo does not know it,
// Go's assembler does.
func (g *generator) VPDPBUSD(b operand.Op, a, acc reg.VecPhysical) {
	g.Instruction(&ir.Instruction{Opcode: "VPDPBUSD", Operands: []operand.Op{b, a, acc}})
}
