package optim

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// toy is a matrix, which decays, and a vector, which does not.
type toy struct {
	W *nn.Param `weights:"w"`
	B *nn.Param `weights:"b"`
}

func newToy(d tensor.DType) (*toy, []*nn.Param) {
	m := &toy{W: nn.NewParam(3, 5).Normal(1), B: nn.NewParam(7).Normal(1)}
	nn.Init(m, 1)
	nn.To(m, d)
	return m, nn.Params(m)
}

// setGrads gives step i its gradients.
func setGrads(params []*nn.Param, i int) {
	for j, p := range params {
		g := tensor.New(tensor.Float64, p.Shape()...)
		rng.New(2).Normal64(g.F64(), uint64(j), uint32(i), rng.General)
		p.Grad = g.To(p.DType())
	}
}

const steps = 7

// near fails unless the parameters are the numbers of the recurrence.
func near(t *testing.T, params []*nn.Param, want [][]float64) {
	t.Helper()
	for j, p := range params {
		for k, x := range p.F64() {
			if d := math.Abs(x - want[j][k]); !(d <= 1e-13*(1+math.Abs(x))) {
				t.Fatalf("%s[%d] is %.17g, the recurrence gives %.17g", p.Name, k, x, want[j][k])
			}
		}
	}
}

// recurrence is one step n of one number p with gradient g, state s and weight decay wd.
type recurrence func(p, g float64, s *[2]float64, n int, wd float64) float64

// follow runs the recurrence next(p, g, state, step, decay) for every number by itself.
func follow(params []*nn.Param, wd float64, next recurrence) [][]float64 {
	want := make([][]float64, len(params))
	for j, p := range params {
		want[j] = append([]float64(nil), p.F64()...)
		state := make([][2]float64, p.Len())
		decay := wd
		if p.Rank() < 2 {
			decay = 0
		}
		for n := 1; n <= steps; n++ {
			setGrads(params, n)
			for k, g := range p.Grad.F64() {
				want[j][k] = next(want[j][k], g, &state[k], n, decay)
			}
		}
	}
	return want
}

func TestAdamWFollowsRecurrence(t *testing.T) {
	const lr, wd, b1, b2, eps = 0.03, 0.1, 0.8, 0.95, 1e-6
	_, params := newToy(tensor.Float64)
	want := follow(params, wd, func(p, g float64, s *[2]float64, n int, wd float64) float64 {
		p -= lr * wd * p
		s[0] = b1*s[0] + (1-b1)*g
		s[1] = b2*s[1] + (1-b2)*g*g
		mhat, vhat := s[0]/(1-math.Pow(b1, float64(n))), s[1]/(1-math.Pow(b2, float64(n)))
		return p - lr*mhat/(math.Sqrt(vhat)+eps)
	})
	o := NewAdamW(params, AdamWConfig{Beta1: b1, Beta2: b2, Eps: eps, WeightDecay: wd})
	for n := 1; n <= steps; n++ {
		setGrads(params, n)
		o.Step(lr, 1)
	}
	near(t, params, want)
	if o.Steps() != steps {
		t.Errorf("%d steps counted, want %d", o.Steps(), steps)
	}
}

func TestSGDFollowsRecurrence(t *testing.T) {
	const lr, wd, mu = 0.05, 0.2, 0.7
	for _, nesterov := range []bool{false, true} {
		_, params := newToy(tensor.Float64)
		want := follow(params, wd, func(p, g float64, s *[2]float64, _ int, wd float64) float64 {
			g += wd * p
			s[0] = mu*s[0] + g
			if nesterov {
				return p - lr*(g+mu*s[0])
			}
			return p - lr*s[0]
		})
		o := NewSGD(params, mu, wd, nesterov)
		for n := 1; n <= steps; n++ {
			setGrads(params, n)
			o.Step(lr, 1)
		}
		near(t, params, want)
	}
}

func TestClipGlobalNorm(t *testing.T) {
	_, params := newToy(tensor.Float64)
	params[0].Grad, params[1].Grad = tensor.New(tensor.Float64, 3, 5), tensor.New(tensor.Float64, 7)
	params[0].Grad.F64()[4], params[1].Grad.F64()[6] = 3, -4
	if norm, scale := ClipGlobalNorm(params, 1, 1); norm != 5 || math.Abs(scale-0.2) > 1e-6 {
		t.Errorf("norm %v scale %v, want 5 and 0.2", norm, scale)
	}
	if norm, scale := ClipGlobalNorm(params, 1, 0.1); norm != 0.5 || scale != 0.1 {
		t.Errorf("norm %v scale %v, want 0.5 and 0.1 as it was", norm, scale)
	}
	params[0].Grad.Fill(math.NaN())
	if norm, _ := ClipGlobalNorm(params, 1, 1); !math.IsNaN(norm) {
		t.Errorf("the norm of NaN is %v", norm)
	}
}

// Clipping by the scale given to Step equals clipping the gradients themselves.
func TestGradScaleIsTheGradientScaled(t *testing.T) {
	run := func(scaleInStep bool) []*nn.Param {
		_, params := newToy(tensor.Float64)
		o := NewAdamW(params, AdamWConfig{})
		for n := 1; n <= steps; n++ {
			setGrads(params, n)
			scale := 0.25 // a power of two, so that scaling is exact
			if !scaleInStep {
				for _, p := range params {
					tensor.Scale(p.Grad, p.Grad, scale)
				}
				scale = 1
			}
			o.Step(0.1, scale)
		}
		return params
	}
	a, b := run(true), run(false)
	for j := range a {
		for k, x := range a[j].F64() {
			if x != b[j].F64()[k] {
				t.Fatalf("%s[%d]: %v and %v", a[j].Name, k, x, b[j].F64()[k])
			}
		}
	}
}

func TestWarmupCosine(t *testing.T) {
	s := WarmupCosine{Peak: 2, Floor: 0.5, Warmup: 4, Total: 14}
	for _, c := range []struct {
		step int
		want float64
	}{{0, 0.5}, {1, 1}, {3, 2}, {4, 2}, {9, 1.25}, {14, 0.5}, {1000, 0.5}} {
		if got := s.At(c.step); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("step %d: %v, want %v", c.step, got, c.want)
		}
	}
	if got := Constant(0.1).At(99); got != 0.1 {
		t.Errorf("constant: %v", got)
	}
	if got := (WarmupCosine{Peak: 1, Total: 0}).At(0); got != 0 {
		t.Errorf("empty schedule: %v", got)
	}
}

func TestEMAFollowsRecurrence(t *testing.T) {
	for _, warm := range []bool{false, true} {
		_, params := newToy(tensor.Float64)
		e := NewEMA(params, 0.9, warm)
		want := make([][]float64, len(params))
		for j, p := range params {
			want[j] = append([]float64(nil), p.F64()...)
		}
		for n := 1; n <= steps; n++ {
			d := 0.9
			if warm {
				d = min(d, (1+float64(n))/(10+float64(n)))
			}
			for j, p := range params {
				tensor.AddScalar(p.Tensor, p.Tensor, 0.5)
				for k, x := range p.F64() {
					want[j][k] = d*want[j][k] + (1-d)*x
				}
			}
			e.Update()
		}
		m, twin := newToy(tensor.Float64)
		e.CopyTo(twin)
		near(t, twin, want)
		if got := e.Weights(); len(got) != 2 || got[0].Name != nn.Params(m)[0].Name {
			t.Errorf("Weights: %v", got)
		}
	}
}

// A run that was saved, restored and continued has the bits of one that was not.
func TestStateContinuesExactly(t *testing.T) {
	kinds := map[string]func(ps []*nn.Param) Optimizer{
		"adamw": func(ps []*nn.Param) Optimizer { return NewAdamW(ps, AdamWConfig{WeightDecay: 0.01}) },
		"sgd":   func(ps []*nn.Param) Optimizer { return NewSGD(ps, 0.9, 0.01, true) },
	}
	for name, build := range kinds {
		t.Run(name, func(t *testing.T) {
			run := func(ps []*nn.Param, o Optimizer, e *EMA, from, to int) {
				for n := from; n < to; n++ {
					setGrads(ps, n)
					o.Step(WarmupCosine{Peak: 0.1, Warmup: 3, Total: 20}.At(n), 0.5)
					e.Update()
				}
			}
			_, whole := newToy(tensor.Float32)
			we := NewEMA(whole, 0.99, true)
			run(whole, build(whole), we, 0, 2*steps)

			_, ps := newToy(tensor.Float32)
			o, e := build(ps), NewEMA(ps, 0.99, true)
			run(ps, o, e, 0, steps)
			path := filepath.Join(t.TempDir(), "state.safetensors")
			save(t, path, ps, o, e)

			_, fresh := newToy(tensor.Float32)
			fo, fe := build(fresh), NewEMA(fresh, 0.99, true)
			load(t, path, fresh, fo, fe)
			run(fresh, fo, fe, steps, 2*steps)
			for j, p := range whole {
				equalBits(t, p.Name, p.Tensor, fresh[j].Tensor)
				equalBits(t, "ema "+p.Name, we.shadow[j], fe.shadow[j])
			}
		})
	}
}

func everything(ps []*nn.Param, o Optimizer, e *EMA) []weights.Param {
	list := append(o.State(), e.State()...)
	for _, p := range ps {
		list = append(list, weights.Param{Name: p.Name, Tensor: p.Tensor})
	}
	return list
}

func save(t *testing.T, path string, ps []*nn.Param, o Optimizer, e *EMA) {
	t.Helper()
	m := map[string]*tensor.Tensor{}
	for _, p := range everything(ps, o, e) {
		m[p.Name] = p.Tensor
	}
	if err := weights.Write(path, m, nil); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, path string, ps []*nn.Param, o Optimizer, e *EMA) {
	t.Helper()
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := weights.Bind(f, everything(ps, o, e), weights.Mapping{Copy: true}); err != nil {
		t.Fatal(err)
	}
}

func equalBits(t *testing.T, name string, a, b *tensor.Tensor) {
	t.Helper()
	for k, x := range a.F32() {
		if math.Float32bits(x) != math.Float32bits(b.F32()[k]) {
			t.Fatalf("%s[%d]: %v and %v", name, k, x, b.F32()[k])
		}
	}
}

func TestStepsAllocateNothing(t *testing.T) {
	_, params := newToy(tensor.Float32)
	setGrads(params, 1)
	a, s, e := NewAdamW(params, AdamWConfig{}), NewSGD(params, 0.9, 0.1, false), NewEMA(params, 0.9, true)
	n := testing.AllocsPerRun(20, func() {
		_, scale := ClipGlobalNorm(params, 1, 1)
		a.Step(1e-3, scale)
		s.Step(1e-3, scale)
		e.Update()
	})
	if n != 0 {
		t.Errorf("%v allocations in a step", n)
	}
}
