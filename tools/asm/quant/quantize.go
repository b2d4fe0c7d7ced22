package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// quantize writes the quantisation of steps of 32 float32 into records, in AVX2 for every set: w points at the
// numbers, c at the records.
//
// Registers: Y0-Y3 the numbers; Y4 the magnitude and the scale; Y5 the reciprocal; Y6 a mask; Y10-Y15 constants.
func (g *gen) quantize() {
	y := yregs()
	g.begin("quantize256", "quantises steps of 32 float32 into records.")
	abs, c127, tiny, inf, order, zero := y[10], y[11], y[12], y[13], y[14], y[15]
	g.constant(0x7FFFFFFF, abs)
	g.constant(0x42FE0000, c127)
	g.constant(0x0D800000-1, tiny) // just below 2^-100
	g.constant(0x7F800000, inf)
	g.VPXOR(zero, zero, zero)
	// The order of the dwords after the packs: 0, 4, 1, 5, 2, 6, 3, 7.
	g.MOVQ(operand.U64(0x0703060205010400), reg.RAX)
	g.VMOVQ(reg.RAX, order.AsX())
	g.VPMOVZXBD(order.AsX(), order)
	g.MOVQ(field(offW), head)
	g.MOVQ(field(offC), out)
	g.MOVQ(field(offSteps), left)
	g.Label("step")
	for i := range 4 {
		g.VMOVUPS(at(head, 32*i), y[i])
	}
	// The largest magnitude, compared as integers, which puts NaN above everything.
	g.VPAND(abs, y[0], y[4])
	for i := 1; i < 4; i++ {
		g.VPAND(abs, y[i], y[5])
		g.VPMAXUD(y[5], y[4], y[4])
	}
	g.VPERM2I128(operand.U8(1), y[4], y[4], y[5])
	g.VPMAXUD(y[5], y[4], y[4])
	g.VPSHUFD(operand.U8(0x4E), y[4], y[5])
	g.VPMAXUD(y[5], y[4], y[4])
	g.VPSHUFD(operand.U8(0xB1), y[4], y[5])
	g.VPMAXUD(y[5], y[4], y[4])
	// A mask of blocks that have digits: 2^-100 <= magnitude < Inf.
	g.VPCMPGTD(tiny, y[4], y[6])
	g.VPCMPGTD(y[4], inf, y[7])
	g.VPAND(y[7], y[6], y[6])
	g.VDIVPS(y[4], c127, y[5])
	g.VDIVPS(c127, y[4], y[4])
	for i := range 4 {
		g.VMULPS(y[5], y[i], y[i])
		g.VCVTPS2DQ(y[i], y[i])
		g.VPAND(y[6], y[i], y[i])
	}
	g.VPADDD(y[1], y[0], y[7])
	g.VPADDD(y[3], y[2], y[8])
	g.VPACKSSDW(y[1], y[0], y[0])
	g.VPACKSSDW(y[3], y[2], y[2])
	g.VPACKSSWB(y[2], y[0], y[0])
	g.VPERMD(y[0], order, y[0])
	g.VMOVDQU(y[0], at(out, 0))
	// The sums of both halves: a, b, a, b.
	g.VPHADDD(y[8], y[7], y[7])
	g.VPHADDD(y[7], y[7], y[7])
	g.VEXTRACTI128(operand.U8(1), y[7], reg.X8)
	g.VPADDD(reg.X8, reg.X7, reg.X7)
	g.VPHADDD(reg.X7, reg.X7, reg.X8) // a+b
	g.VMOVSS(reg.X4, at(out, recScale))
	g.VCVTDQ2PS(reg.X8, reg.X9)
	g.VMULSS(reg.X4, reg.X9, reg.X9)
	g.VMOVSS(reg.X9, at(out, recSum))
	g.VPSUBD(reg.X8, zero.AsX(), reg.X8)
	g.VPSUBD(reg.X7, zero.AsX(), reg.X7)
	g.VPSLLD(imm(7), reg.X8, reg.X9)
	g.VMOVD(reg.X9, at(out, rec128))
	g.VPSLLD(imm(3), reg.X8, reg.X9)
	g.VMOVD(reg.X9, at(out, rec8))
	g.VPSLLD(imm(5), reg.X7, reg.X9)
	g.VMOVQ(reg.X9, at(out, rec32))
	g.ADDQ(imm(128), head)
	g.ADDQ(imm(recordBytes), out)
	g.DECQ(left)
	g.JNZ(operand.LabelRef("step"))
	g.VZEROUPPER()
	g.RET()
}
