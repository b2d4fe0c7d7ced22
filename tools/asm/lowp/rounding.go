package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rounding writes the kernels that narrow rows: n is a multiple of 16.
func (g *generator) rounding() {
	for _, wide := range []bool{true, false} {
		g.quantize(wide)
		g.round(wide)
	}
}

// wideName is the name of a kernel of AVX-512 or AVX2.
func wideName(name string, wide bool) string {
	if wide {
		return name + "AVX512"
	}
	return name + "AVX2"
}

var src, dst = reg.RBX, reg.RDX

// elements writes the loop over 16 elements at a time.
func (g *generator) elements(dstStep int, body func()) {
	g.Load(g.Param("n"), count)
	g.Label("loop")
	body()
	g.ADDQ(operand.Imm(64), src)
	g.ADDQ(operand.Imm(uint64(dstStep)), dst)
	g.SUBQ(operand.Imm(16), count)
	g.JNZ(operand.LabelRef("loop"))
	g.VZEROUPPER()
	g.RET()
}

// quantize writes dst[i] = 128 + round(x[i]*inv), ties to even; the products are within [-128, 127].
func (g *generator) quantize(wide bool) {
	g.begin(wideName("quantize", wide), "func(dst *byte, x *float32, inv float32, n int)",
		"(dst *byte, x *float32, inv float32, n int)",
		"sets dst[i] = 128 + round(x[i]*inv) for i < n, a multiple of 16.")
	g.Load(g.Param("dst"), dst)
	g.Load(g.Param("x"), src)
	inv := operand.NewParamAddr("inv", 16)
	if wide {
		g.VBROADCASTSS(inv, reg.Z0)
		g.MOVL(operand.U32(0x80808080), reg.EAX)
		g.VPBROADCASTD(reg.EAX, reg.Z1)
		g.elements(16, func() {
			g.VMULPS(operand.Mem{Base: src}, reg.Z0, reg.Z2)
			g.VCVTPS2DQ(reg.Z2, reg.Z2)
			g.VPMOVDB(reg.Z2, reg.X2)
			g.VPXOR(reg.X1, reg.X2, reg.X2)
			g.VMOVDQU(reg.X2, operand.Mem{Base: dst})
		})
		return
	}
	g.VBROADCASTSS(inv, reg.Y0)
	g.MOVL(operand.U32(0x80808080), reg.EAX)
	g.VMOVD(reg.EAX, reg.X1)
	g.VPBROADCASTD(reg.X1, reg.X1)
	g.elements(16, func() {
		g.VMULPS(operand.Mem{Base: src}, reg.Y0, reg.Y2)
		g.VMULPS(operand.Mem{Base: src, Disp: 32}, reg.Y0, reg.Y3)
		g.VCVTPS2DQ(reg.Y2, reg.Y2)
		g.VCVTPS2DQ(reg.Y3, reg.Y3)
		g.VPACKSSDW(reg.Y3, reg.Y2, reg.Y2) // 0-3 8-11 | 4-7 12-15
		g.VPERMQ(operand.Imm(0xD8), reg.Y2, reg.Y2)
		g.VEXTRACTI128(operand.Imm(1), reg.Y2, reg.X3)
		g.VPACKSSWB(reg.X3, reg.X2, reg.X2)
		g.VPXOR(reg.X1, reg.X2, reg.X2)
		g.VMOVDQU(reg.X2, operand.Mem{Base: dst})
	})
}

// round writes the narrowing to bf16: add 0x7FFF and the lowest bit that stays, drop 16 bits; NaN is 0x7FC0.
func (g *generator) round(wide bool) {
	g.begin(wideName("round", wide), "func(dst *uint16, x *float32, n int)", "(dst *uint16, x *float32, n int)",
		"rounds x[i] to bf16 for i < n, a multiple of 16.")
	g.Load(g.Param("dst"), dst)
	g.Load(g.Param("x"), src)
	v := g.ymm
	if wide {
		v = g.zmm
	}
	one, half, nan := v[0], v[1], v[2]
	for i, c := range []uint32{1, 0x7FFF, 0x7FC0} {
		g.MOVL(operand.U32(c), reg.EAX)
		if wide {
			g.VPBROADCASTD(reg.EAX, v[i])
		} else {
			g.VMOVD(reg.EAX, v[i].AsX())
			g.VPBROADCASTD(v[i].AsX(), v[i])
		}
	}
	rounded := func(x, t reg.VecPhysical, at int) {
		m := operand.Mem{Base: src, Disp: at}
		g.VMOVUPS(m, x)
		g.VPSRLD(operand.Imm(16), x, t)
		if wide {
			g.VPANDD(one, t, t)
		} else {
			g.VPAND(one, t, t)
		}
		g.VPADDD(half, t, t)
		g.VPADDD(x, t, t)
		g.VPSRLD(operand.Imm(16), t, t)
		if wide {
			g.VCMPPS(operand.Imm(3), x, x, reg.K1)
			g.VMOVDQA32(nan, reg.K1, t)
		} else {
			g.VCMPPS(operand.Imm(3), x, x, x)
			g.VPBLENDVB(x, nan, t, t)
		}
	}
	if wide {
		g.elements(32, func() {
			rounded(v[3], v[4], 0)
			g.VPMOVDW(v[4], reg.Y4)
			g.VMOVDQU(reg.Y4, operand.Mem{Base: dst})
		})
		return
	}
	g.elements(32, func() {
		rounded(v[3], v[4], 0)
		rounded(v[3], v[5], 32)
		g.VPACKUSDW(v[5], v[4], v[4])
		g.VPERMQ(operand.Imm(0xD8), v[4], v[4])
		g.VMOVDQU(v[4], operand.Mem{Base: dst})
	})
}
