package main

import (
	"fmt"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// elementwise is a kernel that computes its outputs lane by lane. Outputs named like an input are updated
// in place.
type elementwise struct {
	name    string
	outs    []string
	ins     []string
	scalars []string
	body    func(m *machine, in, s []value) []value
}

// params lists the pointer parameters: outputs, then inputs that are not outputs.
func (e elementwise) params() []string {
	l := append([]string{}, e.outs...)
	for _, i := range e.ins {
		if !contains(l, i) {
			l = append(l, i)
		}
	}
	return l
}

func contains(l []string, s string) bool {
	for _, x := range l {
		if x == s {
			return true
		}
	}
	return false
}

func (e elementwise) signature() string {
	s := strings.Join(e.params(), ", ") + " *float32, "
	if len(e.scalars) > 0 {
		s += strings.Join(e.scalars, ", ") + " float32, "
	}
	return "(" + s + "n int)"
}

func (e elementwise) args() string {
	return strings.Join(append(append(e.params(), e.scalars...), "n"), ", ")
}

func unary(name string, f func(m *machine, x value) value) elementwise {
	return elementwise{name: name, outs: []string{"dst"}, ins: []string{"x"},
		body: func(m *machine, in, _ []value) []value { return []value{f(m, in[0])} }}
}

func binary(name string, f func(m *machine, a, b value) value) elementwise {
	return elementwise{name: name, outs: []string{"dst"}, ins: []string{"a", "b"},
		body: func(m *machine, in, _ []value) []value { return []value{f(m, in[0], in[1])} }}
}

// scalarRight is op(a, s) and scalarLeft op(s, a).
func scalarRight(name string, f func(m *machine, a, b value) value) elementwise {
	return elementwise{name: name + "Right", outs: []string{"dst"}, ins: []string{"a"}, scalars: []string{"s"},
		body: func(m *machine, in, s []value) []value { return []value{f(m, in[0], s[0])} }}
}

func scalarLeft(name string, f func(m *machine, a, b value) value) elementwise {
	return elementwise{name: name + "Left", outs: []string{"dst"}, ins: []string{"a"}, scalars: []string{"s"},
		body: func(m *machine, in, s []value) []value { return []value{f(m, s[0], in[0])} }}
}

func canonical(f func(m *machine, a, b value) value) func(m *machine, a, b value) value {
	return func(m *machine, a, b value) value { return m.canon(f(m, a, b)) }
}

func one(f func(m *machine, in, s []value) value) func(m *machine, in, s []value) []value {
	return func(m *machine, in, s []value) []value { return []value{f(m, in, s)} }
}

func elementwiseKernels() []elementwise {
	l := []elementwise{
		unary("neg", (*machine).neg),
		unary("abs", (*machine).abs),
		unary("square", func(m *machine, x value) value { return m.canon(m.mul(x, x)) }),
		unary("recip", func(m *machine, x value) value { return m.canon(m.div(m.c("one"), x)) }),
		unary("sqrt", func(m *machine, x value) value { return m.canon(m.sqrt(x)) }),
		unary("rsqrt", func(m *machine, x value) value { return m.canon(m.div(m.c("one"), m.sqrt(x))) }),
		unary("relu", func(m *machine, x value) value { return m.canon(m.keep(m.cmp(notLE, x, m.zero()), x)) }),
		unary("exp", (*machine).exp),
		unary("log", (*machine).log),
		unary("tanh", (*machine).tanh),
		unary("sigmoid", (*machine).sigmoid),
		unary("silu", (*machine).silu),
		unary("softplus", (*machine).softplus),
		unary("erf", (*machine).erf),
		unary("gelu", (*machine).gelu),
		unary("geluTanh", (*machine).geluTanh),
		unary("sin", func(m *machine, x value) value { return m.sinCos(x, false) }),
		unary("cos", func(m *machine, x value) value { return m.sinCos(x, true) }),
		{name: "siluGrad", outs: []string{"dst"}, ins: []string{"x", "dy"},
			body: one(func(m *machine, in, _ []value) value { return m.siluGrad(in[0], in[1]) })},
		{name: "geluGrad", outs: []string{"dst"}, ins: []string{"x", "dy"},
			body: one(func(m *machine, in, _ []value) value { return m.geluGrad(in[0], in[1]) })},
		{name: "where", outs: []string{"dst"}, ins: []string{"cond", "a", "b"},
			body: one(func(m *machine, in, _ []value) value {
				return m.sel(m.cmp(notEQ, in[0], m.zero()), in[1], in[2])
			})},
		{name: "clamp", outs: []string{"dst"}, ins: []string{"x"}, scalars: []string{"lo", "hi"},
			body: one(func(m *machine, in, s []value) value { return m.canon(m.lower(m.raise(in[0], s[0]), s[1])) })},
		{name: "axpy", outs: []string{"dst"}, ins: []string{"dst", "x"}, scalars: []string{"a"},
			body: one(func(m *machine, in, s []value) value { return m.canon(m.fma(s[0], in[1], in[0])) })},
		{name: "lerp", outs: []string{"dst"}, ins: []string{"dst", "x"}, scalars: []string{"t"},
			body: one(func(m *machine, in, s []value) value { return m.canon(m.fma(s[0], m.sub(in[1], in[0]), in[0])) })},
		{name: "scaleAdd", outs: []string{"dst"}, ins: []string{"x", "y"}, scalars: []string{"a", "b"},
			body: one(func(m *machine, in, s []value) value { return m.canon(m.fma(s[0], in[0], m.mul(s[1], in[1]))) })},
		{name: "mulAdd", outs: []string{"dst"}, ins: []string{"a", "b", "c"},
			body: one(func(m *machine, in, _ []value) value { return m.canon(m.fma(in[0], in[1], in[2])) })},
		{name: "mulAddSiLU", outs: []string{"dst"}, ins: []string{"a", "b", "c"},
			body: one(func(m *machine, in, _ []value) value { return m.silu(m.fma(in[0], in[1], in[2])) })},
		{name: "mulDiff", outs: []string{"dst"}, ins: []string{"y", "dy"}, scalars: []string{"d"},
			body: one(func(m *machine, in, s []value) value { return m.canon(m.mul(in[0], m.sub(in[1], s[0]))) })},
		{name: "subSub", outs: []string{"dst"}, ins: []string{"x"}, scalars: []string{"a", "b"},
			body: one(func(m *machine, in, s []value) value { return m.canon(m.sub(m.sub(in[0], s[0]), s[1])) })},
		{name: "logSoftmaxGrad", outs: []string{"dst"}, ins: []string{"y", "dy"}, scalars: []string{"s"},
			body: one(func(m *machine, in, s []value) value { return m.canon(m.fnma(m.exp(in[0]), s[0], in[1])) })},
		{name: "normApply", outs: []string{"dst"}, ins: []string{"x", "gamma", "beta"}, scalars: []string{"mean", "rstd"},
			body: one(func(m *machine, in, s []value) value {
				return m.canon(m.fma(m.mul(m.sub(in[0], s[0]), s[1]), in[1], in[2]))
			})},
		{name: "normGradApply", outs: []string{"dst"}, ins: []string{"x", "dy", "gamma"},
			scalars: []string{"mean", "rstd", "m1", "m2"},
			body: one(func(m *machine, in, s []value) value {
				h := m.mul(m.sub(in[0], s[0]), s[1])
				g := m.sub(m.mul(in[1], in[2]), s[2])
				m.nmadd231(g, h, s[3])
				return m.canon(m.mul(s[1], g))
			})},
		{name: "normParamGrad", outs: []string{"dgamma", "dbeta"}, ins: []string{"dgamma", "dbeta", "x", "dy"},
			scalars: []string{"mean", "rstd"},
			body: func(m *machine, in, s []value) []value {
				h := m.mul(m.sub(in[2], s[0]), s[1])
				return []value{m.canon(m.fma(in[3], h, in[0])), m.canon(m.add(in[1], in[3]))}
			}},
		{name: "affineGrad", outs: []string{"dst"}, ins: []string{"dy", "x", "a", "mean", "b", "d"},
			body: one(func(m *machine, in, _ []value) value {
				return m.canon(m.fma(in[0], in[2], m.fma(m.sub(in[1], in[3]), in[4], in[5])))
			})},
		{name: "adamW", outs: []string{"param", "m", "v"}, ins: []string{"param", "grad", "m", "v"},
			scalars: []string{"gs", "w1", "b2", "w2", "r2", "eps", "decay", "step"},
			body: func(m *machine, in, s []value) []value {
				p, mm, v := m.adamW(in, s)
				return []value{p, mm, v}
			}},
		{name: "sgd", outs: []string{"param", "vel"}, ins: []string{"param", "grad", "vel"},
			scalars: []string{"lr", "mu", "wd", "gs"},
			body: func(m *machine, in, s []value) []value {
				g := m.mul(in[1], s[3])
				m.madd231(g, s[2], in[0])
				v := m.canon(m.fma(s[1], in[2], g))
				return []value{m.canon(m.fnma(s[0], v, in[0])), v}
			}},
	}
	pairs := []struct {
		name string
		f    func(m *machine, a, b value) value
		comm bool // op(a, s) = op(s, a), so one scalar form is enough
	}{
		{"add", canonical((*machine).add), true},
		{"sub", canonical((*machine).sub), false},
		{"mul", canonical((*machine).mul), true},
		{"div", canonical((*machine).div), false},
		{"maximum", (*machine).maximum, true},
		{"minimum", (*machine).minimum, true},
		{"greater", (*machine).greater, false},
	}
	for _, p := range pairs {
		l = append(l, binary(p.name, p.f), scalarRight(p.name, p.f))
		if !p.comm {
			l = append(l, scalarLeft(p.name, p.f))
		}
	}
	return append(l, trainKernels()...)
}

// emit writes the kernel: a loop over whole vectors, then one masked vector. NEON, whose registers have 4 lanes
// and which has no masked loads, has a second loop over single registers before that.
func (e elementwise) emit(m *machine) {
	TEXT(e.name+m.suffix(), NOSPLIT, "func"+e.signature())
	Pragma("noescape")
	Doc(fmt.Sprintf("%s%s is the kernel %s for n elements.", e.name, m.suffix(), e.name))
	ptr := map[string]reg.Register{}
	for _, p := range e.params() {
		ptr[p] = Load(Param(p), GP64())
	}
	var s []value
	for _, name := range e.scalars {
		s = append(s, m.param(name))
	}
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	i := GP64()
	XORQ(i, i)
	step := func() {
		var in []value
		for _, name := range e.ins {
			in = append(in, m.loadMem(Mem{Base: ptr[name], Index: i, Scale: 4}))
		}
		for k, v := range e.body(m, in, s) {
			m.storeMem(v, Mem{Base: ptr[e.outs[k]], Index: i, Scale: 4})
		}
	}
	m.tail = false
	loop := func(label, rest string) {
		SUBQ(Imm(uint64(m.lanes)), n)
		if m.lanes == 4 {
			CMPQ(i, n)
			JGT(LabelRef(rest))
		} else {
			JLT(LabelRef(rest))
		}
		Label(label)
		step()
		ADDQ(Imm(uint64(m.lanes)), i)
		CMPQ(i, n)
		JLE(LabelRef(label))
		Label(rest)
		ADDQ(Imm(uint64(m.lanes)), n)
	}
	loop("loop", "rest")
	if m.neon {
		defer m.narrow()()
		for k := range s {
			s[k] = s[k].(reg.VecVirtual).AsX()
		}
		loop("single", "few")
	}
	SUBQ(i, n)
	JZ(LabelRef("done"))
	m.setTail(n)
	step()
	m.tail = false
	Label("done")
	VZEROUPPER()
	RET()
}
