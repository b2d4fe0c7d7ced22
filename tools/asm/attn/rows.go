package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// param loads an integer or pointer parameter.
func param(name string) reg.Register { return Load(Param(name), GP64()) }

// clearTo stores +0 from element i of p up to element wide, a multiple of 16 after i.
func (m *machine) clearTo(label string, p, i, wide reg.Register) {
	zero := m.zero()
	Label(label + "clear")
	CMPQ(i, wide)
	JGE(operand.LabelRef(label + "cleared"))
	for h := range m.parts() {
		VMOVUPS(zero, m.at(p, i, h))
	}
	ADDQ(operand.Imm(16), i)
	JMP(operand.LabelRef(label + "clear"))
	Label(label + "cleared")
}

// weigh turns rows of scores into weights.
func (m *machine) weigh() {
	m.begin("weigh", "(p *float32, ld, rows, wide int, n *int, m, top, sum *float32) (left int)",
		"weighs rows until one has no new maximum above -Inf, and returns how many are left then.")
	p, ld, rows, wide := param("p"), param("ld"), param("rows"), param("wide")
	n, old, top, sum := param("n"), param("m"), param("top"), param("sum")
	m.hold(expConsts...)
	m.hold("negInf")
	SHLQ(operand.Imm(2), ld)
	keys := GP64()

	Label("row")
	MOVQ(Mem{Base: n}, keys)
	var acc []value
	for range m.parts() {
		acc = append(acc, m.copy(m.c("negInf")))
	}
	m.vectors("max", keys, func(i reg.Register) {
		for h := range m.parts() {
			VMAXPS(m.at(p, i, h), acc[h], acc[h])
		}
	}, func(i, left reg.Register) {
		f := m.first(left)
		for h := range m.parts() {
			none := m.copy(m.c("negInf"))
			VMAXPS(m.or(f, h, m.copy(m.at(p, i, h)), none), acc[h], acc[h])
		}
	})
	largest := m.fold(VMAXPS, acc)
	VMAXSS(Mem{Base: old}, largest, largest) // the old one, if it is NaN
	lowest := XMM()
	VMOVSS(m.mem("negInf"), lowest)
	VUCOMISS(lowest, largest)
	JBE(operand.LabelRef("end")) // not above, or NaN
	VMOVSS(largest, Mem{Base: top})
	largestAll := m.spread(largest)
	var sums []value
	for range m.parts() {
		sums = append(sums, m.zero())
	}
	end := m.vectors("exp", keys, func(i reg.Register) {
		for h := range m.parts() {
			e := m.exp(m.sub(m.copy(m.at(p, i, h)), largestAll))
			VADDPS(e, sums[h], sums[h])
			VMOVUPS(e, m.at(p, i, h))
		}
	}, func(i, left reg.Register) {
		f := m.first(left)
		for h := range m.parts() {
			e := m.keep(f, h, m.exp(m.sub(m.copy(m.at(p, i, h)), largestAll)))
			VADDPS(e, sums[h], sums[h])
			VMOVUPS(e, m.at(p, i, h))
		}
	})
	m.clearTo("p", p, end, wide)
	VMOVSS(m.fold(VADDPS, sums), Mem{Base: sum})
	ADDQ(ld, p)
	ADDQ(operand.Imm(8), n)
	ADDQ(operand.Imm(4), old)
	ADDQ(operand.Imm(4), top)
	ADDQ(operand.Imm(4), sum)
	DECQ(rows)
	JNZ(operand.LabelRef("row"))
	Label("end")
	Store(rows, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// weighGrad turns rows of scores into weights and of the weights' derivatives into those of the scores.
func (m *machine) weighGrad() {
	m.begin("weighGrad", "(p, dp *float32, ld, rows, wide int, n *int, lse, d *float32)",
		"sets p = exp(p-lse) and dp = p*(dp-d) in rows, both +0 beyond n.")
	p, dp, ld, rows, wide := param("p"), param("dp"), param("ld"), param("rows"), param("wide")
	n, lse, d := param("n"), param("lse"), param("d")
	m.hold(expConsts...)
	SHLQ(operand.Imm(2), ld)
	keys := GP64()

	Label("row")
	MOVQ(Mem{Base: n}, keys)
	l, dot := m.spread(Mem{Base: lse}), m.spread(Mem{Base: d})
	weights := func(i reg.Register, h int) (e, g value) {
		e = m.exp(m.sub(m.copy(m.at(p, i, h)), l))
		return e, m.mul(e, m.sub(m.copy(m.at(dp, i, h)), dot))
	}
	end := m.vectors("exp", keys, func(i reg.Register) {
		for h := range m.parts() {
			e, g := weights(i, h)
			VMOVUPS(e, m.at(p, i, h))
			VMOVUPS(g, m.at(dp, i, h))
		}
	}, func(i, left reg.Register) {
		f := m.first(left)
		for h := range m.parts() {
			e, g := weights(i, h)
			VMOVUPS(m.keep(f, h, e), m.at(p, i, h))
			VMOVUPS(m.keep(f, h, g), m.at(dp, i, h))
		}
	})
	again := GP64()
	MOVQ(end, again)
	m.clearTo("p", p, end, wide)
	m.clearTo("dp", dp, again, wide)
	ADDQ(ld, p)
	ADDQ(ld, dp)
	ADDQ(operand.Imm(8), n)
	ADDQ(operand.Imm(4), lse)
	ADDQ(operand.Imm(4), d)
	DECQ(rows)
	JNZ(operand.LabelRef("row"))
	VZEROUPPER()
	RET()
}

// scaleRows multiplies rows by a number each.
func (m *machine) scaleRows() {
	m.begin("scaleRows", "(dst, src *float32, ldd, lds, rows, cols int, s *float32, next int)",
		"sets dst = fma(src, s, 0), a NaN being the canonical one; s moves on by next elements from row to row.")
	dst, src, ldd, lds := param("dst"), param("src"), param("ldd"), param("lds")
	rows, cols, s, next := param("rows"), param("cols"), param("s"), param("next")
	m.hold("nan")
	for _, r := range []reg.Register{ldd, lds, next} {
		SHLQ(operand.Imm(2), r)
	}
	step := func(x, c value) value {
		y := m.zero()
		VFMADD231PS(x, c, y)
		if m.wide() {
			k := K()
			VCMPPS(operand.Imm(3), y, y, k)
			VMOVAPS(m.c("nan"), k, y)
			return y
		}
		k, z := m.reg(), m.reg()
		VCMPPS(operand.Imm(3), y, y, k)
		VBLENDVPS(k, m.c("nan"), y, z)
		return z
	}
	Label("row")
	c := m.spread(Mem{Base: s})
	m.vectors("cols", cols, func(i reg.Register) {
		for h := range m.parts() {
			VMOVUPS(step(m.copy(m.at(src, i, h)), c), m.at(dst, i, h))
		}
	}, func(i, left reg.Register) {
		f := m.first(left)
		for h := range m.parts() {
			x := m.reg()
			if m.wide() {
				VMOVUPS_Z(m.at(src, i, h), f.parts[h], x)
				VMOVUPS(step(x, c), f.parts[h], m.at(dst, i, h))
			} else {
				VMASKMOVPS(m.at(src, i, h), f.parts[h], x)
				VMASKMOVPS(step(x, c), f.parts[h], m.at(dst, i, h))
			}
		}
	})
	ADDQ(ldd, dst)
	ADDQ(lds, src)
	ADDQ(next, s)
	DECQ(rows)
	JNZ(operand.LabelRef("row"))
	VZEROUPPER()
	RET()
}
