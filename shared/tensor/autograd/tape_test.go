package autograd

import (
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
)

func vec(xs ...float64) *tensor.Tensor { return tensor.FromFloat64(xs, len(xs)) }

func want(t *testing.T, what string, got *Value, xs ...float64) {
	t.Helper()
	for i, x := range xs {
		if g := got.F64()[i]; math.Abs(g-x) > 1e-14*(1+math.Abs(x)) {
			t.Errorf("%s: %v, want %v", what, got.F64(), xs)
			return
		}
	}
}

func TestLeafIsOneValue(t *testing.T) {
	tape, x := NewTape(nil), vec(2)
	if first := tape.Leaf(x); first != tape.Leaf(x) {
		t.Error("the same tensor makes two leaves")
	}
	y := Mul(tape.Leaf(x), tape.Leaf(x))
	want(t, "derivative of x*x", tape.Grad(y, []*Value{tape.Leaf(x)}, false)[0], 4)
	old := tape.Leaf(x)
	tape.Reset()
	if tape.Leaf(vec(1)); tape.Leaf(x) == old {
		t.Error("a leaf outlived Reset")
	}
}

func TestGradOfIntermediateAndUnrelated(t *testing.T) {
	tape := NewTape(nil)
	x, z := tape.Leaf(vec(3)), tape.Leaf(vec(1, 2))
	y := Square(x)
	l := Mul(y, x)
	g := tape.Grad(l, []*Value{y, x, z, y, l}, false)
	want(t, "by y", g[0], 3)
	want(t, "by x", g[1], 27)
	want(t, "by an unrelated leaf", g[2], 0, 0)
	want(t, "by y again", g[3], 3)
	want(t, "by itself", g[4], 1)
	// A second walk over the same tape starts from nothing.
	want(t, "again", tape.Grad(l, []*Value{x}, false)[0], 27)
}

func TestThirdDerivative(t *testing.T) {
	tape := NewTape(nil)
	x := tape.Leaf(vec(0.7))
	d := SiLU(x)
	for range 3 {
		d = tape.Grad(d, []*Value{x}, true)[0]
	}
	f := func(x float64) float64 { // the second derivative of x*sigmoid(x)
		s := 1 / (1 + math.Exp(-x))
		return s * (1 - s) * (2 + x*(1-2*s))
	}
	if w := (f(0.7+1e-5) - f(0.7-1e-5)) / 2e-5; math.Abs(d.Item()-w) > 1e-8 {
		t.Errorf("third derivative %v, want %v", d.Item(), w)
	}
}

// The penalty of WGAN-GP: a gradient inside a loss.
func TestGradientPenalty(t *testing.T) {
	tape := NewTape(nil)
	w, x := tape.Leaf(vec(3, 4)), tape.Leaf(vec(0.1, 0.2))
	critic := Sum(Mul(w, x))
	gx := tape.Grad(critic, []*Value{x}, true)[0]
	norm := Sqrt(Sum(Square(gx)))
	penalty := Square(AddScalar(norm, -1)) // (|w|-1)^2: derivative 2(|w|-1) w/|w|
	want(t, "penalty", tape.Grad(penalty, []*Value{w}, false)[0], 2*4*3./5, 2*4*4./5)
}

// The walk runs no kernel for inputs that nobody asked about.
func TestSkipsWhatIsNotAsked(t *testing.T) {
	tape := NewTape(nil)
	x := tape.Leaf(in(1, 3, 3, 2).tensor(1))
	w := tape.Leaf(in(3, 3, 2, 2).tensor(2))
	ran := func(from int, op Op) bool {
		for i := from; i < tape.values.total; i++ {
			if tape.values.at(i).op == op {
				return true
			}
		}
		return false
	}
	l := Sum(Conv2D(x, w, tensor.Same(3), Epilogue{}))
	mark := tape.values.total
	tape.Grad(l, []*Value{w}, false)
	if ran(mark, OpConv2DInputGrad) || !ran(mark, OpConv2DWeightGrad) {
		t.Error("asked for the weights' gradient, the input's was computed")
	}
	mark = tape.values.total
	tape.Grad(l, []*Value{x}, false)
	if !ran(mark, OpConv2DInputGrad) || ran(mark, OpConv2DWeightGrad) {
		t.Error("asked for the input's gradient, the weights' was computed")
	}
	mark = tape.values.total
	l = Sum(Conv2D(tape.Const(x.Tensor), w, tensor.Same(3), Epilogue{}))
	tape.Grad(l, []*Value{w}, false)
	if ran(mark, OpConv2DInputGrad) {
		t.Error("a constant's gradient was computed")
	}
}

// Values computed from constants keep no inputs.
func TestConstantsAreNotRecorded(t *testing.T) {
	tape := NewTape(nil)
	y := Exp(tape.Const(vec(1)))
	if y.NeedsGrad() || y.in != nil {
		t.Error("a constant expression was recorded")
	}
	inf := NewInference(nil)
	z := Exp(inf.Leaf(vec(1)))
	if z.NeedsGrad() || z.in != nil || z.Op() != OpExp || z.Tape() != inf {
		t.Error("an inference tape recorded")
	}
}

// A backward walk needs memory for a few cotangents, not for one per value.
func TestBackwardRecyclesMemory(t *testing.T) {
	arena := tensor.NewArena()
	tape := NewTape(arena)
	x := tape.Leaf(tensor.New(tensor.Float32, 1<<18))
	h, y := x, x
	for range 64 {
		y = Add(Tanh(y), h)
	}
	l := Sum(y)
	forward := arena.Bytes()
	tape.Grad(l, []*Value{x}, false)
	if grown := arena.Bytes() - forward; grown > forward/8 {
		t.Errorf("the walk took %d MiB beyond the forward's %d MiB", grown>>20, forward>>20)
	}
}

// Done gives buffers to later operations of an inference tape.
func TestDoneRecycles(t *testing.T) {
	for _, done := range []bool{false, true} {
		arena := tensor.NewArena()
		tape := NewInference(arena)
		x := tape.Const(tensor.New(tensor.Float32, 1<<10, 1<<8))
		y := Tanh(x)
		for range 64 {
			z := Reshape(Tanh(y), 1<<8, -1)
			if done {
				tape.Done(y, x)
			}
			y = z
		}
		if large := arena.Bytes() > 16<<20; large == done {
			t.Errorf("done %v: the arena holds %d MiB", done, arena.Bytes()>>20)
		}
	}
	tape := NewTape(nil)
	x := tape.Leaf(vec(1, 2))
	y := Exp(x)
	tape.Done(y) // recording: the derivative reads the result, so nothing happens
	Square(x)
	want(t, "value after Done while recording", y, math.E, math.E*math.E)
	z := AddScalar(x, 1)
	tape.Done(z) // no derivative reads this one
	want(t, "a value in the buffer of another", Square(x), 1, 4)
	want(t, "the same buffer", z, 1, 4)
}

func TestMisusePanics(t *testing.T) {
	tape, other, inf := NewTape(nil), NewTape(nil), NewInference(nil)
	x, y := tape.Leaf(vec(1, 2)), tape.Leaf(vec(1, 2, 3))
	m := tape.Leaf(in(2, 2, 2).tensor(1))
	cases := map[string]func(){
		"loss of two elements": func() { tape.Grad(x, []*Value{x}, false) },
		"gradient of a constant": func() {
			tape.Grad(Sum(x), []*Value{tape.Const(vec(1))}, false)
		},
		"inference":              func() { v := inf.Leaf(vec(1)); inf.Grad(v, []*Value{v}, false) },
		"another tape's loss":    func() { tape.Grad(Sum(other.Leaf(vec(1))), []*Value{x}, false) },
		"another tape's value":   func() { tape.Grad(Sum(x), []*Value{other.Leaf(vec(1))}, false) },
		"operands of two tapes":  func() { Add(x, other.Leaf(vec(1, 2))) },
		"two element types":      func() { Add(x, tape.Leaf(tensor.New(tensor.Float32, 2))) },
		"shapes":                 func() { Add(x, y) },
		"cotangent's shape":      func() { tape.Pull(x, y, []*Value{x}, false) },
		"nil leaf":               func() { tape.Leaf(nil) },
		"no such axis":           func() { Sum(x, 1) },
		"transposed batch":       func() { MatMul(m, tape.Leaf(in(2, 2).tensor(1)), true, false) },
		"vector product":         func() { MatMul(x, x, false, false) },
		"Slice beyond":           func() { Slice(x, 0, 1, 2) },
		"too many parts":         func() { Concat(0, x, x, x, x, x, x, x, x, x) },
		"packed while recording": func() { LinearPacked(m, tensor.PackB(in(2, 2).tensor(1), false), Epilogue{}) },
		"Reshape":                func() { Reshape(x, 3) },
		"Permute":                func() { Permute(m, 0, 0, 1) },
	}
	for name, f := range cases {
		if err := tensor.Catch(f); err == nil {
			t.Errorf("%s: no panic", name)
		}
	}
}

func TestOpNames(t *testing.T) {
	if OpConv2D.String() != "Conv2D" || numOps.String() != "Op?" {
		t.Errorf("names: %s %s", OpConv2D, numOps)
	}
}

// Where several elements are largest, or two are equal, they share the gradient.
func TestTies(t *testing.T) {
	tape := NewTape(nil)
	x := tape.Leaf(tensor.FromFloat64([]float64{5, 1, 5, 2}, 1, 4))
	want(t, "MaxAlong", tape.Grad(Sum(MaxAlong(x, 1)), []*Value{x}, false)[0], 0.5, 0, 0.5, 0)
	a, b := tape.Leaf(vec(1, 2)), tape.Leaf(vec(1, 3))
	g := tape.Grad(Sum(Maximum(a, b)), []*Value{a, b}, false)
	want(t, "Maximum a", g[0], 0.5, 0)
	want(t, "Maximum b", g[1], 0.5, 1)
	g = tape.Grad(Sum(Minimum(a, b)), []*Value{a, b}, false)
	want(t, "Minimum a", g[0], 0.5, 1)
	z := tape.Leaf(vec(0, -1, 1))
	want(t, "ReLU at 0", tape.Grad(Sum(ReLU(z)), []*Value{z}, false)[0], 0, 0, 1)
	want(t, "Abs at 0", tape.Grad(Sum(Abs(z)), []*Value{z}, false)[0], 0, -1, 1)
	want(t, "Clamp at its bounds", tape.Grad(Sum(Clamp(z, -1, 0)), []*Value{z}, false)[0], 1, 1, 0)
}

// TestKnownWritesToSinks checks that derivatives that are known go where Into wants them, added up over two uses.
func TestKnownWritesToSinks(t *testing.T) {
	tape, x := NewTape(nil), tensor.FromFloat32([]float32{1, 2}, 2)
	into := tensor.New(tensor.Float32, 2)
	leaf := tape.Leaf(x)
	where := map[*float32]bool{}
	known := func() *Value {
		return Known(3, []*Value{leaf}, func(_ int, dst *tensor.Tensor) {
			where[&dst.F32()[0]] = true
			dst.Fill(5)
		})
	}
	loss := Add(known(), known())
	tape.Into(leaf, into)
	tape.Grad(loss, []*Value{leaf}, false)
	if loss.Item() != 6 || into.F32()[0] != 10 || into.F32()[1] != 10 || !where[&into.F32()[0]] {
		t.Errorf("loss %v, gradient %v", loss.Item(), into.F32())
	}
}
