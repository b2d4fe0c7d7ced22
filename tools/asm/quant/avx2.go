package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// narrowRows is the largest number of rows of an AVX2 kernel.
const narrowRows = 1

func yregs() []reg.VecPhysical {
	return []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7,
		reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15}
}

// few256 writes the AVX2 kernel of one row, one panel after the other. Bytes are widened to int16 and multiplied by
// vpmaddwd, which is exact; a horizontal addition joins the pairs at the end of a step.
//
// Registers: Y0, Y1 sums of outputs 0-7 and 8-15; Y2-Y5 integer sums; Y6 and Y7 the halves of a line; Y8 four
// activations in every quadword; Y9 a product; Y10, Y11 scales; Y12 zero; Y13, Y14 masks; Y15 more.
func (g *gen) few256(k kind, r int) {
	y := yregs()
	zero, m4, m2 := y[12], y[13], y[14]
	g.begin(fewName(k, "256", r), "multiplies a row by panels of packed weights.")
	if k.name != q8.name {
		g.constant(0x0F0F0F0F, m4)
	}
	if k.name == q6k.name {
		g.constant(0x30303030, m2)
	}
	g.VPXOR(zero, zero, zero)
	g.MOVQ(field(offW), head)
	g.MOVQ(field(offC), out)
	g.Label("panel")
	g.MOVQ(field(offA), rows0)
	g.MOVQ(field(offSteps), left)
	g.VPXOR(y[0], y[0], y[0])
	g.VPXOR(y[1], y[1], y[1])

	g.Label("chunk")
	g.MOVQ(operand.U32(k.chunkSteps), count)
	g.CMPQ(left, count)
	g.CMOVQLT(left, count)
	g.SUBQ(count, left)
	if k.k {
		g.MOVQ(head, strA) // the chunk's d and dmin
		g.ADDQ(imm(lineBytes), head)
	}
	g.LEAQ(at(head, k.chunkSteps*halfBytes), lines)
	g.Label("step")
	for half := range k.halves() {
		for _, v := range y[2:6] {
			g.VPXOR(v, v, v)
		}
		g.groups256(k, half)
		for part := range 2 { // outputs 8*part to 8*part+7
			acc := y[2+2*part]
			g.VPHADDD(y[3+2*part], acc, acc)
			if k.start != 0 {
				g.VPBROADCASTD(rec(0, k.start+4*half), y[9])
				g.VPADDD(y[9], acc, acc)
			}
			g.VCVTDQ2PS(acc, acc)
			g.scales256(k, half, part)
			g.VBROADCASTSS(rec(0, recScale), y[9])
			g.VMULPS(y[9], y[10], y[10])
			g.VFMADD231PS(acc, y[10], y[part])
			if k.name == q4k.name {
				g.VBROADCASTSS(rec(0, recSum), y[9])
				g.VFNMADD231PS(y[9], y[11], y[part])
			}
		}
	}
	g.ADDQ(imm(halfBytes), head)
	g.ADDQ(imm(k.stepBytes), lines)
	g.ADDQ(imm(recordBytes), rows0)
	g.DECQ(count)
	g.JNZ(operand.LabelRef("step"))
	g.MOVQ(lines, head)
	g.TESTQ(left, left)
	g.JNZ(operand.LabelRef("chunk"))

	g.VMOVUPS(y[0], at(out, 0))
	g.VMOVUPS(y[1], at(out, 32))
	g.ADDQ(imm(lineBytes), out)
	g.DECQ(field(offPanels))
	g.JNZ(operand.LabelRef("panel"))
	g.VZEROUPPER()
	g.RET()
}

// scales256 puts the scales of 8 outputs into Y10, and the minima of Q4_K into Y11.
func (g *gen) scales256(k kind, half, part int) {
	y := yregs()
	switch k.name {
	case q4k.name:
		for i, v := range []reg.VecPhysical{y[10], y[11]} {
			g.VPMOVZXBD(at(head, 16*i+8*part), v)
			g.VCVTDQ2PS(v, v)
			g.VCVTPH2PS(at(strA, 32*i+16*part), y[9])
			g.VMULPS(y[9], v, v)
		}
	case q6k.name:
		g.VPMOVSXBD(at(head, 16*half+8*part), y[10])
		g.VCVTDQ2PS(y[10], y[10])
		g.VCVTPH2PS(at(strA, 16*part), y[9])
		g.VMULPS(y[9], y[10], y[10])
	default:
		g.VCVTPH2PS(at(head, 16*part), y[10])
	}
}

// use256 multiplies the 32 unsigned bytes in line, those of outputs 8*part on, with the activations in Y8.
func (g *gen) use256(part int, line reg.VecPhysical) {
	y := yregs()
	g.VPUNPCKLBW(y[12], line, y[9])
	g.VPMADDWD(y[8], y[9], y[9])
	g.VPADDD(y[9], y[2+2*part], y[2+2*part])
	g.VPUNPCKHBW(y[12], line, y[9])
	g.VPMADDWD(y[8], y[9], y[9])
	g.VPADDD(y[9], y[3+2*part], y[3+2*part])
}

// activations256 puts four activations, as int16, into every quadword of Y8.
func (g *gen) activations256(group int) {
	g.VPBROADCASTD(rec(0, 4*group), reg.X8)
	g.VPMOVSXBW(reg.X8, reg.Y8)
}

// groups256 unpacks the lines of a step, or of a half step of Q6_K, and multiplies them.
func (g *gen) groups256(k kind, half int) {
	y := yregs()
	switch k.name {
	case q8.name:
		for i := range 8 {
			g.activations256(i)
			for part := range 2 {
				g.VMOVDQU(at(lines, i*lineBytes+32*part), y[6])
				g.use256(part, y[6])
			}
		}
	case q4.name, q4k.name:
		for i := range 4 {
			for part := range 2 {
				g.VMOVDQU(at(lines, i*lineBytes+32*part), y[6+part])
			}
			for high := range 2 {
				g.activations256(i + 4*high)
				for part := range 2 {
					if high == 1 {
						g.VPSRLW(imm(4), y[6+part], y[6+part])
					}
					g.VPAND(y[13], y[6+part], y[15])
					g.use256(part, y[15])
				}
			}
		}
	case q6k.name:
		base := half * 192
		for i := range 4 {
			g.activations256(4*half + i)
			for part := range 2 {
				g.VMOVDQU(at(lines, base+128+32*part), y[7])
				switch i {
				case 0:
					g.VPSLLW(imm(4), y[7], y[7])
				case 1:
					g.VPSLLW(imm(2), y[7], y[7])
				case 3:
					g.VPSRLW(imm(2), y[7], y[7])
				}
				g.VPAND(y[14], y[7], y[7])
				g.VMOVDQU(at(lines, base+i%2*lineBytes+32*part), y[6])
				if i >= 2 {
					g.VPSRLW(imm(4), y[6], y[6])
				}
				g.VPAND(y[13], y[6], y[6])
				g.VPOR(y[7], y[6], y[6])
				g.use256(part, y[6])
			}
		}
	}
}
