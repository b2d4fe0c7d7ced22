package main

import (
	"fmt"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// reduction is a kernel with 16 accumulating lanes per set. The lanes are read from and written back to
// acc (16 floats per set), so that a long reduction can be cut at multiples of 16. An additive reduction also
// returns its lanes combined by the tree, and takes a nil acc for lanes that start at 0 and are not kept.
type reduction struct {
	name    string
	sets    int
	add     bool
	outs    []string // at most one, written lane by lane
	ins     []string
	scalars []string
	// body updates acc in place and returns the output, if any.
	body func(m *machine, acc, in, s []value) value
}

func (e reduction) signature() string {
	s := "acc, " + strings.Join(append(append([]string{}, e.outs...), e.ins...), ", ") + " *float32, "
	if len(e.scalars) > 0 {
		s += strings.Join(e.scalars, ", ") + " float32, "
	}
	if e.add {
		return "(" + s + "n int) " + addResults[e.sets]
	}
	return "(" + s + "n int)"
}

// addResults are the results of additive reductions by the number of sets.
var addResults = []string{"", "(r0 float32)", "(r0, r1 float32)"}

func (e reduction) args() string {
	l := append([]string{"acc"}, e.outs...)
	l = append(append(l, e.ins...), e.scalars...)
	return strings.Join(append(l, "n"), ", ")
}

func reductionKernels() []reduction {
	return []reduction{
		{name: "sumLanes", sets: 1, add: true, ins: []string{"x"},
			body: func(m *machine, acc, in, _ []value) value { VADDPS(in[0], acc[0], acc[0]); return nil }},
		{name: "sumSquaresLanes", sets: 1, add: true, ins: []string{"x"},
			body: func(m *machine, acc, in, _ []value) value { m.madd231(acc[0], in[0], in[0]); return nil }},
		{name: "sumSquareDevsLanes", sets: 1, add: true, ins: []string{"x"}, scalars: []string{"mean"},
			body: func(m *machine, acc, in, s []value) value {
				d := m.inTail(m.sub(in[0], s[0]))
				m.madd231(acc[0], d, d)
				return nil
			}},
		{name: "dotLanes", sets: 1, add: true, ins: []string{"x", "y"},
			body: func(m *machine, acc, in, _ []value) value { m.madd231(acc[0], in[0], in[1]); return nil }},
		// The second set of max and min holds the largest magnitude as an integer: above +Inf it shows NaN.
		{name: "maxLanes", sets: 2, ins: []string{"x"},
			body: func(m *machine, acc, in, _ []value) value {
				x := m.inTailOr(in[0], m.c("negInf"))
				if m.neon {
					VMOVAPS(m.larger(acc[0], x), acc[0])
				} else {
					t := m.maxps(acc[0], x)
					VMAXPS(acc[0], x, acc[0])
					VANDPS(t, acc[0], acc[0])
				}
				VPMAXUD(m.abs(in[0]), acc[1], acc[1])
				return nil
			}},
		{name: "minLanes", sets: 2, ins: []string{"x"},
			body: func(m *machine, acc, in, _ []value) value {
				x := m.inTailOr(in[0], m.c("posInf"))
				if m.neon {
					VMOVAPS(m.smaller(acc[0], x), acc[0])
				} else {
					t := m.minps(acc[0], x)
					VMINPS(acc[0], x, acc[0])
					VORPS(t, acc[0], acc[0])
				}
				VPMAXUD(m.abs(in[0]), acc[1], acc[1])
				return nil
			}},
		{name: "absMaxLanes", sets: 1, ins: []string{"x"},
			body: func(m *machine, acc, in, _ []value) value { VPMAXUD(m.abs(in[0]), acc[0], acc[0]); return nil }},
		{name: "subExpSumLanes", sets: 1, add: true, outs: []string{"dst"}, ins: []string{"x"}, scalars: []string{"a"},
			body: func(m *machine, acc, in, s []value) value {
				e := m.exp(m.sub(in[0], s[0]))
				VADDPS(m.inTail(e), acc[0], acc[0])
				return e
			}},
		{name: "normGradLanes", sets: 2, add: true, ins: []string{"x", "dy", "gamma"}, scalars: []string{"mean", "rstd"},
			body: func(m *machine, acc, in, s []value) value {
				h := m.mul(m.sub(in[0], s[0]), s[1])
				g := m.mul(in[1], in[2]) // +-0 in missing lanes
				VADDPS(g, acc[0], acc[0])
				m.madd231(acc[1], g, m.inTail(h))
				return nil
			}},
	}
}

// emit writes the kernel: 16 elements a round in one wide or two narrow vectors, then the rest masked.
func (e reduction) emit(m *machine) {
	TEXT(e.name+m.suffix(), NOSPLIT, "func"+e.signature())
	Pragma("noescape")
	Doc(fmt.Sprintf("%s%s is the reduction %s over n elements.", e.name, m.suffix(), e.name))
	halves := 16 / m.lanes
	accPtr := Load(Param("acc"), GP64())
	ptr := map[string]reg.Register{}
	for _, p := range append(append([]string{}, e.outs...), e.ins...) {
		ptr[p] = Load(Param(p), GP64())
	}
	var s []value
	for _, name := range e.scalars {
		s = append(s, m.param(name))
	}
	m.tail = false
	acc := make([][]value, halves)
	if e.add {
		for h := range halves {
			for range e.sets {
				acc[h] = append(acc[h], m.zero())
			}
		}
		TESTQ(accPtr, accPtr)
		JZ(LabelRef("start"))
		for h := range halves {
			for k := range e.sets {
				VMOVUPS(Mem{Base: accPtr, Disp: 64*k + 32*h}, acc[h][k])
			}
		}
		Label("start")
	} else {
		for h := range halves {
			for k := range e.sets {
				acc[h] = append(acc[h], m.loadMem(Mem{Base: accPtr, Disp: 64*k + 32*h}))
			}
		}
	}
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	m.span("", n, func(i reg.Register, h int) {
		disp := 4 * m.lanes * h
		var in []value
		for _, name := range e.ins {
			in = append(in, m.loadMem(Mem{Base: ptr[name], Index: i, Scale: 4, Disp: disp}))
		}
		if y := e.body(m, acc[h], in, s); y != nil {
			m.storeMem(y, Mem{Base: ptr[e.outs[0]], Index: i, Scale: 4, Disp: disp})
		}
	})
	if e.add {
		TESTQ(accPtr, accPtr)
		JZ(LabelRef("fold"))
	}
	for h := range halves {
		for k := range e.sets {
			m.storeMem(acc[h][k], Mem{Base: accPtr, Disp: 64*k + 32*h})
		}
	}
	if e.add {
		Label("fold")
		for k := range e.sets {
			var l []value
			for h := range halves {
				l = append(l, acc[h][k])
			}
			Store(m.fold(VADDPS, l), ReturnIndex(k))
		}
	}
	VZEROUPPER()
	RET()
}

// span emits step for n elements from index 0: rounds of 16 in one wide or two narrow vectors (h = 0, 1), then
// the rest masked. n is kept.
func (m *machine) span(label string, n reg.Register, step func(i reg.Register, h int)) {
	i, left := GP64(), GP64()
	XORQ(i, i)
	MOVQ(n, left)
	SUBQ(Imm(16), left)
	JLT(LabelRef(label + "rest"))
	Label(label + "loop")
	for h := range 16 / m.lanes {
		step(i, h)
	}
	ADDQ(Imm(16), i)
	CMPQ(i, left)
	JLE(LabelRef(label + "loop"))
	Label(label + "rest")
	ADDQ(Imm(16), left)
	SUBQ(i, left)
	JZ(LabelRef(label + "done"))
	if !m.wide() {
		CMPQ(left, Imm(8))
		JLT(LabelRef(label + "short"))
		step(i, 0)
		SUBQ(Imm(8), left)
		JZ(LabelRef(label + "done"))
		m.setTail(left)
		step(i, 1)
		m.tail = false
		JMP(LabelRef(label + "done"))
		Label(label + "short")
	}
	m.setTail(left)
	step(i, 0)
	m.tail = false
	Label(label + "done")
}

// fold combines 16 lanes by the tree 8, 4, 2, 1 and returns the result in lane 0 of an XMM register. The
// registers are destroyed.
func (m *machine) fold(f func(...Op), acc []value) reg.VecVirtual {
	y := YMM()
	if m.wide() {
		z := acc[0].(reg.VecVirtual)
		VEXTRACTF64X4(Imm(1), z, y)
		f(y, z.AsY(), y)
	} else {
		f(acc[1], acc[0], y)
	}
	x, t := y.AsX(), XMM()
	VEXTRACTF128(Imm(1), y, t)
	f(t, x, t)
	u := XMM()
	VPERMILPS(Imm(0x0E), t, u) // lanes 2, 3
	f(u, t, u)
	w := XMM()
	VMOVSHDUP(u, w) // lane 1
	f(w, u, w)
	return w
}

// columns is a kernel that reduces over rows, vectorised over columns.
type columns struct {
	name    string
	sets    int // results per column
	outs    []string
	ins     []string // read per row
	vectors []string // read once per column
	phases  int      // 4, or 1 to continue from the values in outs
	wide    int      // vectors per tile, AVX-512
	narrow  int      // vectors per tile, AVX2
	body    func(m *machine, acc, in, vec []value)
}

func (e columns) signature() string {
	l := append(append(append([]string{}, e.outs...), e.ins...), e.vectors...)
	return "(" + strings.Join(l, ", ") + " *float32, rows, cols, ld int)"
}

func (e columns) args() string {
	l := append(append(append([]string{}, e.outs...), e.ins...), e.vectors...)
	return strings.Join(l, ", ") + ", rows, cols, ld"
}

func columnKernels() []columns {
	add := func(m *machine, acc, in, _ []value) { VADDPS(in[0], acc[0], acc[0]) }
	return []columns{
		{name: "sumRows", sets: 1, outs: []string{"dst"}, ins: []string{"x"}, phases: 1, wide: 4, narrow: 4, body: add},
		{name: "colSums", sets: 1, outs: []string{"dst"}, ins: []string{"x"}, phases: 4, wide: 4, narrow: 2, body: add},
		{name: "colSquareDevs", sets: 1, outs: []string{"dst"}, ins: []string{"x"}, vectors: []string{"mean"},
			phases: 4, wide: 4, narrow: 2,
			body: func(m *machine, acc, in, vec []value) {
				d := m.sub(in[0], vec[0])
				m.madd231(acc[0], d, d)
			}},
		{name: "colGradSums", sets: 2, outs: []string{"dsum", "dxhat"}, ins: []string{"dy", "x"},
			vectors: []string{"mean", "rstd"}, phases: 4, wide: 1, narrow: 1,
			body: func(m *machine, acc, in, vec []value) {
				h := m.mul(m.sub(in[1], vec[0]), vec[1])
				VADDPS(in[0], acc[0], acc[0])
				m.madd231(acc[1], in[0], h)
			}},
	}
}

// lanesNEON is the number of columns in a vector for NEON: at most 16 of its 32 registers accumulate.
func (e columns) lanesNEON() int {
	if e.sets*e.phases > 4 {
		return 8
	}
	return 16
}

// emit writes the kernel: tiles of several whole vectors of columns, then single masked vectors.
func (e columns) emit(m *machine) {
	if m.neon {
		defer func(lanes int) { m.lanes = lanes }(m.lanes)
		m.lanes = e.lanesNEON()
	}
	TEXT(e.name+m.suffix(), NOSPLIT, "func"+e.signature())
	Pragma("noescape")
	Doc(fmt.Sprintf("%s%s is the column reduction %s.", e.name, m.suffix(), e.name))
	ptr := map[string]reg.Register{}
	for _, p := range append(append(append([]string{}, e.outs...), e.ins...), e.vectors...) {
		ptr[p] = Load(Param(p), GP64())
	}
	cols := Load(Param("cols"), GP64()).(reg.GPVirtual)
	ld := Load(Param("ld"), GP64())
	SHLQ(Imm(2), ld)
	nv := e.narrow
	switch {
	case m.neon && e.phases > 1:
		nv = 1
	case m.wide():
		nv = e.wide
	}
	Label("tiles")
	CMPQ(cols, Imm(uint64(nv*m.lanes)))
	JLT(LabelRef("single"))
	m.tail = false
	e.tile(m, ptr, ld, nv, "tile")
	SUBQ(Imm(uint64(nv*m.lanes)), cols)
	JMP(LabelRef("tiles"))
	Label("single")
	if m.neon {
		m.lanes = 4
		CMPQ(cols, Imm(4))
		JLT(LabelRef("few"))
		e.tile(m, ptr, ld, 1, "four")
		SUBQ(Imm(4), cols)
		JMP(LabelRef("single"))
		Label("few")
	}
	TESTQ(cols, cols)
	JZ(LabelRef("done"))
	n := GP64()
	MOVQ(cols, n)
	CMPQ(n, Imm(uint64(m.lanes)))
	JLE(LabelRef("masked"))
	MOVQ(U32(uint32(m.lanes)), n)
	Label("masked")
	SUBQ(n, cols)
	m.setTail(n)
	e.tile(m, ptr, ld, 1, "last")
	m.tail = false
	JMP(LabelRef("single"))
	Label("done")
	VZEROUPPER()
	RET()
}

// tile reduces nv vectors of columns over all rows and moves every pointer to the next columns.
func (e columns) tile(m *machine, ptr map[string]reg.Register, ld reg.Register, nv int, label string) {
	step := 4 * m.lanes
	vec := make([][]value, nv)
	acc := make([][][]value, e.phases)
	for v := range nv {
		for _, name := range e.vectors {
			vec[v] = append(vec[v], m.loadMem(Mem{Base: ptr[name], Disp: v * step}))
		}
	}
	for p := range e.phases {
		acc[p] = make([][]value, nv)
		for v := range nv {
			for k := range e.sets {
				if e.phases == 1 {
					acc[p][v] = append(acc[p][v], m.loadMem(Mem{Base: ptr[e.outs[k]], Disp: v * step}))
				} else {
					acc[p][v] = append(acc[p][v], m.zero())
				}
			}
		}
	}
	row := map[string]reg.GPVirtual{}
	for _, name := range e.ins {
		r := GP64()
		MOVQ(ptr[name], r)
		row[name] = r
	}
	rows := Load(Param("rows"), GP64())
	one := func(p int) {
		for v := range nv {
			var in []value
			for _, name := range e.ins {
				in = append(in, m.loadMem(Mem{Base: row[name], Disp: v * step}))
			}
			e.body(m, acc[p][v], in, vec[v])
		}
		for _, name := range e.ins {
			ADDQ(ld, row[name])
		}
	}
	Label(label + "Rows")
	SUBQ(Imm(uint64(e.phases)), rows)
	JLT(LabelRef(label + "Rest"))
	for p := range e.phases {
		one(p)
	}
	JMP(LabelRef(label + "Rows"))
	Label(label + "Rest")
	for p := range e.phases - 1 {
		// rows is now the number of rows left minus the number of phases.
		CMPQ(rows, I32(int32(p-e.phases)))
		JLE(LabelRef(label + "Out"))
		one(p)
	}
	Label(label + "Out")
	for v := range nv {
		for k, out := range e.outs {
			a := acc[0][v][k]
			if e.phases == 4 {
				VADDPS(acc[2][v][k], a, a)
				VADDPS(acc[3][v][k], acc[1][v][k], acc[1][v][k])
				VADDPS(acc[1][v][k], a, a)
			}
			m.storeMem(m.canon(a), Mem{Base: ptr[out], Disp: v * step})
		}
	}
	for _, p := range append(append(append([]string{}, e.outs...), e.ins...), e.vectors...) {
		ADDQ(U32(uint32(nv*step)), ptr[p])
	}
}
