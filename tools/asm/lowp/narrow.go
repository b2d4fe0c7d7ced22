package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Rows of the tiles of AVX2, which are one panel wide.
const int8Rows, bf16Rows = 2, 4

// narrowTiles writes the kernels of AVX2.
func (g *generator) narrowTiles() {
	for r := 1; r <= int8Rows; r++ {
		g.int8Tile(r)
	}
	for r := 1; r <= bf16Rows; r++ {
		g.bf16Tile(r)
	}
	g.table("int8AVX2", func(r, p int) bool { return r <= int8Rows && p == 1 })
	g.table("bf16AVX2", func(r, p int) bool { return r <= bf16Rows && p == 1 })
}

// loop writes the loop over lines; step leaves index and bPtr alone.
func (g *generator) loop(step func()) {
	g.XORQ(index, index)
	g.MOVQ(field(offLines), count)
	g.TESTQ(count, count)
	g.JZ(operand.LabelRef("done"))
	g.Label("loop")
	step()
	g.ADDQ(operand.Imm(4), index)
	g.ADDQ(operand.Imm(64), bPtr)
	g.DECQ(count)
	g.JNZ(operand.LabelRef("loop"))
	g.Label("done")
}

// int8Tile widens both operands to 16 bits. An accumulator holds two sums of each of 4 columns; they are added in the
// end. Integers are exact, so that their order does not matter.
func (g *generator) int8Tile(r int) {
	g.begin(fmt.Sprintf("int8AVX2_%dx16", r), "func(t *byte)", "(t unsafe.Pointer)",
		fmt.Sprintf("computes %d rows and 16 columns of a product of int8.", r))
	at := func(i, q int) reg.VecPhysical { return g.ymm[i*4+q] }
	row, w, t := g.ymm[8:10], g.ymm[10], g.ymm[11]
	g.Load(g.Param("t"), args)
	g.rows(r)
	g.MOVQ(field(offB), bPtr)
	for _, a := range g.ymm[:4*r] {
		g.VPXOR(a, a, a)
	}
	g.loop(func() {
		for i := range r {
			x := row[i]
			g.VPBROADCASTD(operand.Mem{Base: rowPtr[i], Index: index, Scale: 1}, x.AsX())
			g.VPMOVZXBW(x.AsX(), x)
		}
		for q := range 4 {
			g.VPMOVSXBW(operand.Mem{Base: bPtr, Disp: 16 * q}, w)
			for i := range r {
				g.VPMADDWD(row[i], w, t)
				g.VPADDD(t, at(i, q), at(i, q))
			}
		}
	})
	for i := range r {
		for h := range 2 {
			lo := at(i, 2*h)
			g.VPHADDD(at(i, 2*h+1), lo, lo)
			g.VPERMQ(operand.Imm(0xD8), lo, lo)
			g.MOVQ(field(offStart), index)
			g.VPADDD(operand.Mem{Base: index, Disp: 32 * h}, lo, lo)
			g.MOVQ(field(offRowS), index)
			g.VBROADCASTSS(operand.Mem{Base: index, Disp: 4 * i}, t)
			g.MOVQ(field(offScale), index)
			g.VMULPS(operand.Mem{Base: index, Disp: 32 * h}, t, t)
			g.VCVTDQ2PS(lo, lo)
			g.VMULPS(t, lo, lo)
		}
	}
	g.storeNarrow(r, func(i, h int) reg.VecPhysical { return at(i, 2*h) })
}

// storeNarrow adds the bias and stores 16 columns of r rows, of which at returns the halves.
func (g *generator) storeNarrow(r int, at func(i, h int) reg.VecPhysical) {
	g.bias(func(m operand.Mem) {
		for i := range r {
			for h := range 2 {
				m.Disp = 32 * h
				g.VADDPS(m, at(i, h), at(i, h))
			}
		}
	})
	g.MOVQ(field(offC), index)
	g.MOVQ(field(offStrideC), bPtr)
	for i := range r {
		for h := range 2 {
			g.VMOVUPS(at(i, h), operand.Mem{Base: index, Disp: 32 * h})
		}
		if i < r-1 {
			g.ADDQ(bPtr, index)
		}
	}
	g.VZEROUPPER()
	g.RET()
}

// flush holds the bits of MXCSR that flush denormal results and operands to zero, beside its default.
const flush, mxcsr = 1<<15 | 1<<6, 0x1F80

// bf16Tile does what VDPBF16PS does: the upper element of a pair, then the lower one, a fused
// multiply-add each that flushes denormals.
func (g *generator) bf16Tile(r int) {
	g.begin(fmt.Sprintf("bf16AVX2_%dx16", r), "func(t *byte)", "(t unsafe.Pointer)",
		fmt.Sprintf("computes %d rows and 16 columns of a product of bf16.", r))
	at := func(i, h int) reg.VecPhysical { return g.ymm[i*2+h] }
	hi, lo, mask, x, y := g.ymm[8:10], g.ymm[10:12], g.ymm[12], g.ymm[13], g.ymm[14]
	state := g.AllocLocal(8)
	g.Load(g.Param("t"), args)
	g.STMXCSR(state)
	g.MOVL(operand.U32(mxcsr|flush), state.Offset(4))
	g.LDMXCSR(state.Offset(4))
	g.rows(r)
	g.MOVQ(field(offB), bPtr)
	for _, a := range g.ymm[:2*r] {
		g.VPXOR(a, a, a)
	}
	g.VPCMPEQD(mask, mask, mask)
	g.VPSLLD(operand.Imm(16), mask, mask)
	g.loop(func() {
		for h := range 2 {
			g.VPAND(operand.Mem{Base: bPtr, Disp: 32 * h}, mask, hi[h])
			g.VMOVDQU(operand.Mem{Base: bPtr, Disp: 32 * h}, lo[h])
			g.VPSLLD(operand.Imm(16), lo[h], lo[h])
		}
		for i := range r {
			g.VPBROADCASTD(operand.Mem{Base: rowPtr[i], Index: index, Scale: 1}, y)
			g.VPAND(mask, y, x)
			g.VPSLLD(operand.Imm(16), y, y)
			for h := range 2 {
				g.VFMADD231PS(x, hi[h], at(i, h))
			}
			for h := range 2 {
				g.VFMADD231PS(y, lo[h], at(i, h))
			}
		}
	})
	g.LDMXCSR(state)
	g.storeNarrow(r, at)
}
