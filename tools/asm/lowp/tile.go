package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// unroll is the number of lines that a round of the loop takes.
const unroll = 4

// tiles writes the kernels of AVX-512.
func (g *generator) tiles() {
	have := func(r, p int) bool { return r*p <= accumulators }
	for _, ints := range []bool{true, false} {
		for r := 1; r <= maxRows; r++ {
			for p := 1; p <= maxPanels; p++ {
				if have(r, p) {
					g.tile(r, p, ints)
				}
			}
		}
	}
	g.table("int8AVX512", have)
	g.table("bf16AVX512", have)
}

// tile writes the kernel of r rows and p panels.
func (g *generator) tile(r, p int, ints bool) {
	name, kind := fmt.Sprintf("bf16AVX512_%dx%d", r, p*16), "bf16"
	if ints {
		name, kind = fmt.Sprintf("int8AVX512_%dx%d", r, p*16), "int8"
	}
	g.begin(name, "func(t *byte)", "(t unsafe.Pointer)",
		fmt.Sprintf("computes %d rows and %d columns of a product of %s.", r, p*16, kind))
	at := func(i, j int) reg.VecPhysical { return g.zmm[i*p+j] }
	line := g.zmm[r*p : r*p+p]
	spare := g.zmm[r*p+p:]

	g.Load(g.Param("t"), args)
	g.rows(r)
	g.MOVQ(field(offB), bPtr)
	g.MOVQ(field(offPanelB), panelB)
	if p == 4 {
		g.LEAQ(operand.Mem{Base: panelB, Index: panelB, Scale: 2}, panel3)
	}
	if ints {
		g.MOVQ(field(offStart), index)
		for j := range p {
			g.VMOVDQU32(operand.Mem{Base: index, Disp: 64 * j}, at(0, j))
			for i := 1; i < r; i++ {
				g.VMOVDQA32(at(0, j), at(i, j))
			}
		}
	} else {
		for _, a := range g.zmm[:r*p] {
			g.VPXORD(a, a, a)
		}
	}
	next := panel3 // what is fetched
	if p == 4 {
		next = reg.R15
	}
	g.MOVQ(field(offAhead), next)
	g.ADDQ(bPtr, next)
	weights := func(base reg.Register, j, l int) operand.Mem {
		m := operand.Mem{Base: base, Disp: 64 * l}
		switch j {
		case 1, 2:
			m.Index, m.Scale = panelB, uint8(j)
		case 3:
			m.Index, m.Scale = panel3, 1
		}
		return m
	}
	n := 0
	step := func(l int) {
		for j := range p {
			g.VMOVDQU32(weights(bPtr, j, l), line[j])
		}
		for j := range p {
			g.PREFETCHT0(weights(next, j, l))
		}
		for i := range r {
			x := spare[n%len(spare)]
			n++
			g.VPBROADCASTD(operand.Mem{Base: rowPtr[i], Index: index, Scale: 1, Disp: 4 * l}, x)
			for j := range p {
				if ints {
					g.VPDPBUSD(line[j], x, at(i, j))
				} else {
					g.VDPBF16PS(line[j], x, at(i, j))
				}
			}
		}
	}
	g.XORQ(index, index)
	g.MOVQ(field(offLines), count)
	g.SUBQ(operand.Imm(unroll), count)
	g.JLT(operand.LabelRef("tail"))
	g.Label("loop")
	for l := range unroll {
		step(l)
	}
	g.ADDQ(operand.Imm(4*unroll), index)
	g.ADDQ(operand.U32(64*unroll), bPtr)
	g.ADDQ(operand.U32(64*unroll), next)
	g.SUBQ(operand.Imm(unroll), count)
	g.JGE(operand.LabelRef("loop"))
	g.Label("tail")
	g.ADDQ(operand.Imm(unroll), count)
	g.JZ(operand.LabelRef("done"))
	g.Label("single")
	step(0)
	g.ADDQ(operand.Imm(4), index)
	g.ADDQ(operand.Imm(64), bPtr)
	g.ADDQ(operand.Imm(64), next)
	g.DECQ(count)
	g.JNZ(operand.LabelRef("single"))
	g.Label("done")

	if ints { // the sums become float32 and are scaled
		g.MOVQ(field(offScale), index)
		for j := range p {
			g.VMOVUPS(operand.Mem{Base: index, Disp: 64 * j}, line[j])
		}
		g.MOVQ(field(offRowS), index)
		for i := range r {
			g.VBROADCASTSS(operand.Mem{Base: index, Disp: 4 * i}, spare[0])
			for j := range p {
				s := spare[1+j%(len(spare)-1)]
				g.VMULPS(spare[0], line[j], s)
				g.VCVTDQ2PS(at(i, j), at(i, j))
				g.VMULPS(s, at(i, j), at(i, j))
			}
		}
	}
	g.bias(func(m operand.Mem) {
		for j := range p {
			m.Disp = 64 * j
			g.VMOVUPS(m, line[j])
			for i := range r {
				g.VADDPS(line[j], at(i, j), at(i, j))
			}
		}
	})
	g.MOVQ(field(offC), index)
	g.MOVQ(field(offStrideC), bPtr)
	for i := range r {
		for j := range p {
			g.VMOVUPS(at(i, j), operand.Mem{Base: index, Disp: 64 * j})
		}
		if i < r-1 {
			g.ADDQ(bPtr, index)
		}
	}
	g.VZEROUPPER()
	g.RET()
}

// bias calls add with the address of the bias if there is one.
func (g *generator) bias(add func(m operand.Mem)) {
	g.MOVQ(field(offBias), index)
	g.TESTQ(index, index)
	g.JZ(operand.LabelRef("store"))
	add(operand.Mem{Base: index})
	g.Label("store")
}

// peakChains is the number of independent chains in the loops that measure peaks.
const peakChains = 12

// peaks writes loops of n rounds of peakChains instructions on registers alone.
func (g *generator) peaks() {
	for _, ints := range []bool{true, false} {
		name, instruction := "peakBF16", "VDPBF16PS"
		if ints {
			name, instruction = "peakInt8", "VPDPBUSD"
		}
		g.begin(name, "func(n int)", "(n int)",
			fmt.Sprintf("runs n rounds of %d %s on 512-bit registers.", peakChains, instruction))
		g.Load(g.Param("n"), count)
		for _, a := range g.zmm[:peakChains+2] {
			g.VPXORD(a, a, a)
		}
		g.Label("loop")
		for i := range peakChains {
			if ints {
				g.VPDPBUSD(g.zmm[peakChains], g.zmm[peakChains+1], g.zmm[i])
			} else {
				g.VDPBF16PS(g.zmm[peakChains], g.zmm[peakChains+1], g.zmm[i])
			}
		}
		g.DECQ(count)
		g.JNZ(operand.LabelRef("loop"))
		g.VZEROUPPER()
		g.RET()
	}
}
