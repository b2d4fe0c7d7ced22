package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rotate writes the rotations of the heads of a row in place, in AVX2 for every set: w points at the cosines, a at the
// sines, c at the first of panels heads, which lie rowC bytes apart; steps counts registers.
func (g *gen) rotate() {
	y := yregs()
	begin := func(name, doc string) {
		g.begin(name, doc)
		g.MOVQ(field(offC), out)
		g.MOVQ(field(offRowC), strA)
		g.MOVQ(field(offPanels), left)
		g.Label("head")
		g.MOVQ(field(offW), head)
		g.MOVQ(field(offA), lines)
		g.MOVQ(out, tmp)
		g.MOVQ(field(offSteps), count)
		g.Label("step")
	}
	end := func() {
		g.ADDQ(imm(32), head)
		g.ADDQ(imm(32), lines)
		g.ADDQ(imm(32), tmp)
		g.DECQ(count)
		g.JNZ(operand.LabelRef("step"))
		g.ADDQ(strA, out)
		g.DECQ(left)
		g.JNZ(operand.LabelRef("head"))
		g.VZEROUPPER()
		g.RET()
	}
	// The second half of a head begins half a head behind the first.
	begin("rotateHalf256", "rotates pairs made of the two halves of a head.")
	second := operand.Mem{Base: tmp, Index: reg.R9, Scale: 1}
	g.MOVQ(strA, reg.R9)
	g.SHRQ(imm(1), reg.R9)
	g.VMOVUPS(at(tmp, 0), y[0])
	g.VMOVUPS(second, y[1])
	g.VMOVUPS(at(head, 0), y[2])
	g.VMOVUPS(at(lines, 0), y[3])
	g.VMULPS(y[3], y[1], y[4])
	g.VFMSUB231PS(y[2], y[0], y[4])
	g.VMULPS(y[3], y[0], y[5])
	g.VFMADD231PS(y[2], y[1], y[5])
	g.VMOVUPS(y[4], at(tmp, 0))
	g.VMOVUPS(y[5], second)
	end()
	// Cosines are given twice, sines with both signs.
	begin("rotatePairs256", "rotates pairs of neighbours.")
	g.VMOVUPS(at(tmp, 0), y[0])
	g.VPERMILPS(operand.U8(0xB1), y[0], y[1])
	g.VMULPS(at(lines, 0), y[1], y[1])
	g.VFMADD231PS(at(head, 0), y[0], y[1])
	g.VMOVUPS(y[1], at(tmp, 0))
	end()
}
