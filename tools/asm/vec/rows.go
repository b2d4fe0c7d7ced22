package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// row is a kernel of several passes over one row, written out by hand.
type row struct {
	name, sig, call string
	body            func(m *machine)
}

func (e row) signature() string { return e.sig }

func (e row) args() string { return e.call }

func (e row) emit(m *machine) {
	TEXT(e.name+m.suffix(), NOSPLIT, "func"+e.sig)
	Pragma("noescape")
	Doc(e.name + m.suffix() + " is the row kernel " + e.name + " for n elements.")
	m.tail = false
	e.body(m)
	VZEROUPPER()
	RET()
}

// spread copies lane 0 of x to all lanes.
func (m *machine) spread(x reg.VecVirtual) value {
	d := m.reg()
	VBROADCASTSS(x, d)
	return d
}

// accumulators returns one zeroed register per part of 16 lanes.
func (m *machine) accumulators(from value) []value {
	var l []value
	for range 16 / m.lanes {
		if from == nil {
			l = append(l, m.zero())
		} else {
			l = append(l, m.load(from))
		}
	}
	return l
}

// at addresses element i of p in part h.
func (m *machine) at(p, i reg.Register, h int) Mem {
	return Mem{Base: p, Index: i, Scale: 4, Disp: 4 * m.lanes * h}
}

func rowKernels() []row {
	return []row{
		// softmax returns 0 without writing if no element is above -Inf.
		{"softmax", "(dst, x *float32, n int) (ok int)", "dst, x, n", func(m *machine) {
			dst, x, n := Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("n"), GP64())
			acc := m.accumulators(m.c("negInf"))
			m.span("max", n, func(i reg.Register, h int) {
				v := m.inTailOr(m.loadMem(m.at(x, i, h)), m.c("negInf"))
				VMAXPS(v, acc[h], acc[h])
			})
			top := m.fold(VMAXPS, acc)
			bits := GP32()
			VMOVD(top, bits)
			CMPL(bits, U32(rawConsts["negInf"]))
			JNE(LabelRef("some"))
			zero := GP64()
			XORQ(zero, zero)
			Store(zero, ReturnIndex(0))
			VZEROUPPER()
			RET()
			Label("some")
			largest := m.spread(top)
			sum := m.accumulators(nil)
			m.span("exp", n, func(i reg.Register, h int) {
				e := m.exp(m.sub(m.loadMem(m.at(x, i, h)), largest))
				VADDPS(m.inTail(e), sum[h], sum[h])
				m.storeMem(e, m.at(dst, i, h))
			})
			inv := m.div(m.c("one"), m.spread(m.fold(VADDPS, sum)))
			m.span("scale", n, func(i reg.Register, h int) {
				m.storeMem(m.canon(m.mul(m.loadMem(m.at(dst, i, h)), inv)), m.at(dst, i, h))
			})
			one := GP64()
			MOVQ(U32(1), one)
			Store(one, ReturnIndex(0))
		}},
		{"softmaxGrad", "(dst, y, dy *float32, n int)", "dst, y, dy, n", func(m *machine) {
			dst, y, dy := Load(Param("dst"), GP64()), Load(Param("y"), GP64()), Load(Param("dy"), GP64())
			n := Load(Param("n"), GP64())
			acc := m.accumulators(nil)
			m.span("dot", n, func(i reg.Register, h int) {
				m.madd231(acc[h], m.loadMem(m.at(y, i, h)), m.loadMem(m.at(dy, i, h)))
			})
			d := m.spread(m.fold(VADDPS, acc))
			m.span("apply", n, func(i reg.Register, h int) {
				v := m.mul(m.loadMem(m.at(y, i, h)), m.sub(m.loadMem(m.at(dy, i, h)), d))
				m.storeMem(m.canon(v), m.at(dst, i, h))
			})
		}},
		// layerNorm takes n as a float, too, and eps.
		{"layerNorm", "(dst, x, gamma, beta *float32, count, eps float32, n int) (mean, rstd float32)",
			"dst, x, gamma, beta, count, eps, n", func(m *machine) {
				dst, x := Load(Param("dst"), GP64()), Load(Param("x"), GP64())
				gamma, beta := Load(Param("gamma"), GP64()), Load(Param("beta"), GP64())
				n := Load(Param("n"), GP64())
				count, eps := m.param("count"), m.param("eps")
				acc := m.accumulators(nil)
				m.span("sum", n, func(i reg.Register, h int) { VADDPS(m.loadMem(m.at(x, i, h)), acc[h], acc[h]) })
				mean := m.canon(m.div(m.spread(m.fold(VADDPS, acc)), count))
				dev := m.accumulators(nil)
				m.span("dev", n, func(i reg.Register, h int) {
					d := m.inTail(m.sub(m.loadMem(m.at(x, i, h)), mean))
					m.madd231(dev[h], d, d)
				})
				variance := m.div(m.spread(m.fold(VADDPS, dev)), count)
				rstd := m.canon(m.div(m.c("one"), m.sqrt(m.add(variance, eps))))
				m.span("apply", n, func(i reg.Register, h int) {
					v := m.mul(m.sub(m.loadMem(m.at(x, i, h)), mean), rstd)
					b := m.loadMem(m.at(beta, i, h))
					m.madd231(b, v, m.loadMem(m.at(gamma, i, h)))
					m.storeMem(m.canon(b), m.at(dst, i, h))
				})
				Store(mean.(reg.VecVirtual).AsX(), ReturnIndex(0))
				Store(rstd.(reg.VecVirtual).AsX(), ReturnIndex(1))
			}},
	}
}

// param is a float32 parameter in all lanes.
func (m *machine) param(name string) value {
	r := m.reg()
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(b.Addr, r)
	return r
}
