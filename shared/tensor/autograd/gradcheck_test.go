package autograd

import (
	"fmt"
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// step and tolerance of the central differences. In float64 the truncation error is of the order of
// step^2 and the rounding error of 1e-16/step, so 1e-6 leaves room for large third derivatives.
const (
	step      = 1e-5
	tolerance = 1e-6
)

// noise returns n numbers in [-1, 1) that depend on the seed alone (splitmix64).
func noise(seed uint64, n int) []float64 {
	d := make([]float64, n)
	for i := range d {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		d[i] = float64((z^z>>31)>>11)/(1<<52) - 1
	}
	return d
}

// input is one argument of a check: a shape, and the range its numbers are spread over.
type input struct {
	shape  []int
	lo, hi float64
}

func in(shape ...int) input { return input{shape: shape, lo: -1.5, hi: 1.5} }

func (p input) in(lo, hi float64) input { return input{shape: p.shape, lo: lo, hi: hi} }

func (p input) tensor(seed uint64) *tensor.Tensor {
	t := tensor.New(tensor.Float64, p.shape...)
	for i, u := range noise(seed, t.Len()) {
		t.F64()[i] = p.lo + (u+1)/2*(p.hi-p.lo)
	}
	return t
}

// check is one row of the gradient test: y = f(inputs).
type check struct {
	name string
	in   []input
	f    func(in []*Value) *Value
}

// weigh is sum(v*c) with fixed random c, so that every element matters differently.
func weigh(v *Value, seed uint64) *Value {
	c := input{shape: v.Shape(), lo: -1, hi: 1}.tensor(seed)
	return Sum(Mul(v, v.tape.Const(c)))
}

// first is the loss of f at the tensors.
func (c *check) first(t *Tape, xs []*tensor.Tensor) (loss *Value, leaves []*Value) {
	for _, x := range xs {
		leaves = append(leaves, t.Leaf(x))
	}
	return weigh(c.f(leaves), 99), leaves
}

// second is a random projection of the gradient of first, itself recorded.
func (c *check) second(t *Tape, xs []*tensor.Tensor) (loss *Value, leaves []*Value) {
	first, leaves := c.first(t, xs)
	for i, g := range t.Grad(first, leaves, true) {
		p := weigh(g, 1000+uint64(i))
		if loss == nil {
			loss = p
		} else {
			loss = Add(loss, p)
		}
	}
	return loss, leaves
}

type lossFunc func(t *Tape, xs []*tensor.Tensor) (*Value, []*Value)

// compare checks Grad of the loss against central differences of the loss.
func compare(xs []*tensor.Tensor, f lossFunc, seen *[numOps]bool) error {
	t := NewTape(nil)
	loss, leaves := f(t, xs)
	if !loss.needs {
		return nil // constant, as the gradient of a linear function is; nothing to differentiate
	}
	if seen != nil {
		for i := range t.values.total {
			seen[t.values.at(i).op] = true
		}
	}
	var got [][]float64
	for _, g := range t.Grad(loss, leaves, false) {
		got = append(got, append([]float64(nil), g.F64()...))
	}
	at := func(x []float64, j int, v float64) float64 {
		old := x[j]
		x[j] = v
		defer func() { x[j] = old }()
		t.Reset()
		loss, _ := f(t, xs)
		return loss.Item()
	}
	for i, x := range xs {
		d := x.F64()
		for j := range d {
			want := (at(d, j, d[j]+step) - at(d, j, d[j]-step)) / (2 * step)
			if diff := math.Abs(got[i][j] - want); !(diff <= tolerance*(1+math.Abs(want))) {
				return fmt.Errorf("input %d element %d: derivative %.12g, central difference %.12g",
					i, j, got[i][j], want)
			}
		}
	}
	return nil
}

func TestDerivatives(t *testing.T) {
	var seen [numOps]bool
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			var xs []*tensor.Tensor
			for i, p := range c.in {
				xs = append(xs, p.tensor(uint64(i+1)*7919))
			}
			if err := compare(xs, c.first, &seen); err != nil {
				t.Errorf("first derivative: %v", err)
			}
			if err := compare(xs, c.second, &seen); err != nil {
				t.Errorf("second derivative: %v", err)
			}
		})
	}
	for op := range numOps {
		if !seen[op] && !t.Failed() {
			t.Errorf("no row of the gradient check records %s", op)
		}
	}
}

func TestEveryOpHasNameAndRow(t *testing.T) {
	for op := range numOps {
		if opNames[op] == "" {
			t.Errorf("operation %d has no name", op)
		}
		r, n := &table[op], 0
		for _, set := range []bool{r.pulls != nil, r.each != nil, r.fused != nil || r.expand != nil} {
			if set {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s has %d derivatives in the table, want exactly one", op, n)
		}
	}
}
