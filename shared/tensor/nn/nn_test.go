package nn

import (
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

var (
	testTimes  = []float32{1, 999}
	testLabels = []int32{4, 0}
)

func normals(seed uint64, shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.Float32, shape...)
	rng.New(seed).Normal(t.F32(), 0, 0, rng.General)
	return t
}

func loss(t *autograd.Tape, m *tiny, x *tensor.Tensor) *autograd.Value {
	return MSE(m.Forward(t, t.Const(x), testTimes, testLabels), t.Zeros(x.DType(), x.Shape()...))
}

func sameBits(t *testing.T, what string, a, b *tensor.Tensor) {
	t.Helper()
	for i, x := range a.F32() {
		if math.Float32bits(x) != math.Float32bits(b.F32()[i]) {
			t.Fatalf("%s: element %d is %v and %v", what, i, x, b.F32()[i])
		}
	}
}

// The fused, packed layers of inference give the bits of the recorded operations.
func TestInferenceEqualsTraining(t *testing.T) {
	m, x := newTiny(1), normals(2, 2, 4, 4, 3)
	train, infer := autograd.NewTape(nil), autograd.NewInference(nil)
	a := m.Forward(train, train.Const(x), testTimes, testLabels)
	for range 2 { // the second time with packed weights and recycled memory
		infer.Reset()
		b := m.Forward(infer, infer.Const(x), testTimes, testLabels)
		sameBits(t, "output", a.Tensor, b.Tensor)
	}
}

// Weights that change are packed again.
func TestChangedRepacks(t *testing.T) {
	m, x := newTiny(1), normals(2, 2, 4, 4, 3)
	infer := autograd.NewInference(nil)
	m.Forward(infer, infer.Const(x), testTimes, testLabels)
	Init(m, 7)
	infer.Reset()
	b := m.Forward(infer, infer.Const(x), testTimes, testLabels)
	train := autograd.NewTape(nil)
	sameBits(t, "output", m.Forward(train, train.Const(x), testTimes, testLabels).Tensor, b.Tensor)
}

// Many goroutines may run one model at once, the first uses included.
func TestConcurrentInference(t *testing.T) {
	m, x := newTiny(1), normals(2, 2, 4, 4, 3)
	train := autograd.NewTape(nil)
	want := m.Forward(train, train.Const(x), testTimes, testLabels)
	var wg sync.WaitGroup
	outs := make([]*tensor.Tensor, 4)
	for i := range outs {
		wg.Go(func() {
			infer := autograd.NewInference(nil)
			outs[i] = m.Forward(infer, infer.Const(x), testTimes, testLabels).Clone()
		})
	}
	wg.Wait()
	for _, o := range outs {
		sameBits(t, "output", want.Tensor, o)
	}
}

func TestParamsNamesAndOrder(t *testing.T) {
	m := newTiny(1)
	var names []string
	for _, p := range Params(m) {
		names = append(names, p.Name)
	}
	want := []string{"in.weight", "in.bias", "levels.0.norm1.weight", "levels.0.norm1.bias", "levels.0.conv1.weight"}
	if !slices.Equal(names[:5], want) {
		t.Errorf("the first names are %v", names[:5])
	}
	if !slices.Contains(names, "levels.1.attn.out.bias") || !slices.Contains(names, "mid.norm.weight") {
		t.Errorf("names are missing: %v", names)
	}
	count := 0
	for _, p := range Params(m) {
		count += p.Len()
	}
	if Count(m) != count || m.In.Bias.Name != "in.bias" {
		t.Errorf("%d weights counted, the parameters have %d", Count(m), count)
	}
}

func TestParamsRefusesMistakes(t *testing.T) {
	p := NewParam(1)
	cases := map[string]any{
		"untagged field": &struct{ W *Param }{p},
		"untagged layer": &struct{ L []*Linear }{},
		"same name twice": &struct {
			A *Param `weights:"w"`
			B *Param `weights:"w"`
		}{NewParam(1), NewParam(1)},
		"shared parameter": &struct {
			A *Param `weights:"a"`
			B *Param `weights:"b"`
		}{p, p},
		"number": &struct {
			N int `weights:"n"`
		}{},
		"unexported": &struct {
			w *Param `weights:"w"`
		}{p},
	}
	for name, model := range cases {
		if err := tensor.Catch(func() { Params(model) }); err == nil {
			t.Errorf("%s: no panic", name)
		}
	}
	tied := &struct {
		A *Param  `weights:"a"`
		B *Param  `weights:"-"`
		C *Linear `weights:"c"`
		D any     `weights:"d"`
	}{A: p, B: p, D: NewLinear(1, 1, false)}
	if ps := Params(tied); len(ps) != 2 || ps[1].Name != "d.weight" {
		t.Errorf("tied model: %d parameters", len(ps))
	}
}

func TestInitDependsOnSeedAlone(t *testing.T) {
	a, b, c := Params(newTiny(5)), Params(newTiny(5)), Params(newTiny(6))
	same := true
	for i, p := range a {
		sameBits(t, p.Name, p.Tensor, b[i].Tensor)
		for j, x := range p.F32() {
			same = same && x == c[i].F32()[j]
		}
	}
	if same {
		t.Error("another seed gives the same weights")
	}
}

func TestInitRanges(t *testing.T) {
	l, c, e := NewLinear(64, 100, true), NewConv2D(16, 20, 3, 1), NewEmbedding(100, 40)
	n, z := NewGroupNorm(2, 8, 1e-5), NewConv2D(8, 8, 3, 1).Zero()
	for _, m := range []any{l, c, e, n, z} {
		Init(m, 3)
	}
	// A uniform variable within b has deviation b/sqrt(3).
	spread := func(name string, x *Param, bound, deviation float64) {
		var sum, largest float64
		for _, v := range x.F32() {
			sum += float64(v) * float64(v)
			largest = max(largest, math.Abs(float64(v)))
		}
		got := math.Sqrt(sum / float64(x.Len()))
		if largest > bound || math.Abs(got/deviation-1) > 0.2 {
			t.Errorf("%s: largest %v, deviation %v; want at most %v and about %v", name, largest, got, bound, deviation)
		}
	}
	spread("linear weight", l.Weight, 1./8, 1./8/math.Sqrt(3))
	spread("linear bias", l.Bias, 1./8, 1./8/math.Sqrt(3))
	spread("conv weight", c.Weight, 1./12, 1./12/math.Sqrt(3))
	spread("embedding", e.Weight, math.Inf(1), 1)
	for _, v := range slices.Concat(z.Weight.F32(), z.Bias.F32(), n.Bias.F32()) {
		if v != 0 {
			t.Errorf("a zero layer holds %v", v)
		}
	}
	for _, v := range n.Weight.F32() {
		if v != 1 {
			t.Errorf("a norm's weight is %v", v)
		}
	}
}

// Gradients of the Float32 model agree with those of its Float64 twin, and those with central differences.
func TestFloat64Twin(t *testing.T) {
	m, twin := newTiny(1), newTiny(9)
	Copy(twin, m)
	To(twin, tensor.Float64)
	x := normals(2, 2, 4, 4, 3)
	x64 := x.To(tensor.Float64)
	ps, qs := Params(m), Params(twin)
	tape := autograd.NewTape(nil)
	Backward(tape, loss(tape, m, x), ps)
	tape.Reset()
	Backward(tape, loss(tape, twin, x64), qs)
	for i, q := range qs {
		var diff, norm float64
		for j, g := range q.Grad.F64() {
			d := float64(ps[i].Grad.F32()[j]) - g
			diff, norm = diff+d*d, norm+g*g
		}
		if rel := math.Sqrt(diff / norm); !(rel <= 1e-5) && norm > 1e-16 {
			t.Errorf("%s: gradient off by %.2g of norm %.2g", q.Name, rel, math.Sqrt(norm))
		}
		// One element of each parameter by central differences.
		j := q.Len() / 2
		at := func(d float64) float64 {
			old := q.F64()[j]
			q.F64()[j] += d
			defer func() { q.F64()[j] = old }()
			tape.Reset()
			return loss(tape, twin, x64).Item()
		}
		want := (at(1e-5) - at(-1e-5)) / 2e-5
		if got := q.Grad.F64()[j]; !(math.Abs(got-want) <= 1e-6*(1+math.Abs(want))) {
			t.Errorf("%s[%d]: derivative %v, central difference %v", q.Name, j, got, want)
		}
	}
}

func TestBackwardAccumulates(t *testing.T) {
	m, x := newTiny(1), normals(2, 2, 4, 4, 3)
	ps := Params(m)
	tape := autograd.NewTape(nil)
	Backward(tape, loss(tape, m, x), ps)
	once := m.In.Weight.Grad.Clone()
	tape.Reset()
	Backward(tape, loss(tape, m, x), ps)
	tensor.Add(once, once, once)
	sameBits(t, "twice", once, m.In.Weight.Grad)
	ZeroGrad(ps)
	if tensor.SumSquares(m.In.Weight.Grad) != 0 {
		t.Error("ZeroGrad left something")
	}
}

// A weight used in two places collects one gradient.
func TestSharedWeight(t *testing.T) {
	l := NewLinear(2, 2, false)
	To(l, tensor.Float64)
	copy(l.Weight.F64(), []float64{1, 2, 3, 4})
	tape := autograd.NewTape(nil)
	x := tape.Const(tensor.FromFloat64([]float64{1, 1}, 1, 2))
	Backward(tape, autograd.Sum(l.Forward(tape, l.Forward(tape, x))), Params(l))
	// sum(x W W): the derivative by W is x' (W 1)' + (x W)' 1'.
	want := []float64{3 + 4, 7 + 4, 3 + 6, 7 + 6}
	if !slices.Equal(l.Weight.Grad.F64(), want) {
		t.Errorf("gradient %v, want %v", l.Weight.Grad.F64(), want)
	}
}

func TestTimeEmbedding(t *testing.T) {
	tape := autograd.NewInference(nil)
	row := func(dim int, o TimeOptions, ts float32) []float64 {
		return NewTimeEmbedding(dim, o).Forward(tape, tensor.Float64, []float32{0, ts}).F64()[dim:]
	}
	f := []float64{1, math.Pow(10000, -1./2)} // shift 0: exponents -i/half
	want := []float64{math.Sin(7 * f[0]), math.Sin(7 * f[1]), math.Cos(7 * f[0]), math.Cos(7 * f[1])}
	check := func(what string, got, want []float64) {
		for i := range want {
			if math.Abs(got[i]-want[i]) > 1e-13 {
				t.Errorf("%s: %v, want %v", what, got, want)
				return
			}
		}
	}
	check("sin cos", row(4, TimeOptions{}, 7), want)
	check("flipped", row(4, TimeOptions{FlipSinToCos: true}, 7), []float64{want[2], want[3], want[0], want[1]})
	check("odd", row(5, TimeOptions{}, 7), append(slices.Clone(want), 0))
	// With shift 1 the last frequency is 1/MaxPeriod.
	check("shift 1", row(4, TimeOptions{Shift: 1, MaxPeriod: 100}, 7),
		[]float64{math.Sin(7), math.Sin(0.07), math.Cos(7), math.Cos(0.07)})
	if err := tensor.Catch(func() { NewTimeEmbedding(2, TimeOptions{Shift: 1}) }); err == nil {
		t.Error("a division by zero was accepted")
	}
}

func TestCrossEntropy(t *testing.T) {
	tape := autograd.NewTape(nil)
	logits := tape.Leaf(tensor.FromFloat64([]float64{0, 0, 0, 1, 2, 3, 5, 5, 5}, 3, 3))
	l := CrossEntropy(logits, []int32{0, 2, -1})
	lse := math.Log(math.Exp(1) + math.Exp(2) + math.Exp(3))
	if want := (math.Log(3) + lse - 3) / 2; math.Abs(l.Item()-want) > 1e-14 {
		t.Errorf("loss %v, want %v", l.Item(), want)
	}
	g := tape.Grad(l, []*autograd.Value{logits}, false)[0].F64()
	slopes := []float64{
		-1. / 3, 1. / 6, 1. / 6,
		math.Exp(1-lse) / 2, math.Exp(2-lse) / 2, math.Exp(3-lse)/2 - 0.5,
		0, 0, 0,
	}
	for i, want := range slopes {
		if math.Abs(g[i]-want) > 1e-14 {
			t.Errorf("gradient %d is %v, want %v", i, g[i], want)
		}
	}
	if err := tensor.Catch(func() { CrossEntropy(logits, []int32{0, 3, 1}) }); err == nil {
		t.Error("a target outside the vocabulary was accepted")
	}
	if none := CrossEntropy(logits, []int32{-1, -1, -1}).Item(); none != 0 {
		t.Errorf("no targets: %v", none)
	}
}

// Uniform logits cost ln V.
func TestInitialLossIsLogV(t *testing.T) {
	tape := autograd.NewTape(nil)
	l := NewLinear(4, 50, true).Zero()
	y := CrossEntropy(l.Forward(tape, tape.Const(normals(1, 3, 4))), []int32{1, 2, 3})
	if math.Abs(y.Item()-math.Log(50)) > 1e-6 {
		t.Errorf("loss %v, want ln 50 = %v", y.Item(), math.Log(50))
	}
}

func TestStepsAllocateNothing(t *testing.T) {
	m, x := newTiny(1), normals(2, 2, 4, 4, 3)
	ps := Params(m)
	train, infer := autograd.NewTape(nil), autograd.NewInference(nil)
	step := func() {
		train.Reset()
		ZeroGrad(ps)
		Backward(train, loss(train, m, x), ps)
	}
	forward := func() {
		infer.Reset()
		m.Forward(infer, infer.Const(x), testTimes, testLabels)
	}
	for range 3 {
		step()
		forward()
	}
	if n := testing.AllocsPerRun(20, step); n != 0 {
		t.Errorf("%v allocations in a training step", n)
	}
	if n := testing.AllocsPerRun(20, forward); n != 0 {
		t.Errorf("%v allocations in a forward", n)
	}
}

// Neither the number of threads nor the kernels change a bit of an output or a gradient.
func TestThreadsAndKernelsChangeNothing(t *testing.T) {
	kernels, threads := tensor.Kernels(), tensor.Threads()
	defer func() {
		tensor.SetThreads(threads)
		if err := tensor.SetKernels(kernels); err != nil {
			t.Fatal(err)
		}
	}()
	x := normals(2, 2, 4, 4, 3)
	var want []*tensor.Tensor
	for _, k := range tensor.AvailableKernels() {
		if err := tensor.SetKernels(k); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 2, 8} {
			tensor.SetThreads(n)
			m := newTiny(1) // packed anew by these kernels
			ps := Params(m)
			tape, infer := autograd.NewTape(nil), autograd.NewInference(nil)
			Backward(tape, loss(tape, m, x), ps)
			got := []*tensor.Tensor{m.Forward(infer, infer.Const(x), testTimes, testLabels).Tensor}
			for _, p := range ps {
				got = append(got, p.Grad)
			}
			if want == nil {
				want = got
			}
			for i := range want {
				sameBits(t, k, want[i], got[i])
			}
		}
	}
}

// A picture's row of a batch has the bits of the picture alone.
func TestBatchRowEqualsSingle(t *testing.T) {
	m, x := newTiny(1), normals(2, 2, 4, 4, 3)
	infer := autograd.NewInference(nil)
	both := m.Forward(infer, infer.Const(x), testTimes, testLabels).Clone()
	for i := range 2 {
		infer.Reset()
		one, row := tensor.New(tensor.Float32, 1, 4, 4, 3), tensor.New(tensor.Float32, 1, 4, 4, 3)
		tensor.Slice(one, x, 0, i)
		tensor.Slice(row, both, 0, i)
		y := m.Forward(infer, infer.Const(one), testTimes[i:i+1], testLabels[i:i+1])
		sameBits(t, "row", row, y.Tensor)
	}
}

// A model saved and bound again gives the same bits, packed weights included.
func TestBindAndPack(t *testing.T) {
	m, other, x := newTiny(1), newTiny(2), normals(2, 2, 4, 4, 3)
	infer := autograd.NewInference(nil)
	want := m.Forward(infer, infer.Const(x), testTimes, testLabels).Clone()
	infer.Reset()
	other.Forward(infer, infer.Const(x), testTimes, testLabels) // packs the weights that Bind replaces
	path := filepath.Join(t.TempDir(), "m.safetensors")
	tensors := map[string]*tensor.Tensor{}
	for _, p := range Params(m) {
		tensors[p.Name] = p.Tensor
	}
	if err := weights.Write(path, tensors, nil); err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Bind(other, f, weights.Mapping{}); err != nil {
		t.Fatal(err)
	}
	Pack(other)
	if other.Levels[1].Attn.Out.Weight.pack.Load() == nil || other.Out.Weight.pack.Load() == nil {
		t.Error("Pack left weights unpacked")
	}
	infer.Reset()
	sameBits(t, "output", want, other.Forward(infer, infer.Const(x), testTimes, testLabels).Tensor)
	if err := Bind(NewLinear(1, 1, true), f, weights.Mapping{}); err == nil {
		t.Error("a file of another model was bound")
	}
}

// Gradient leaves what ZeroGrad and Backward leave, wherever a parameter is used, and zeros where it is not.
func TestGradientIsBackwardFromZero(t *testing.T) {
	type model struct {
		Conv  *Conv2D    `weights:"conv"`
		Norm  *GroupNorm `weights:"norm"`
		Twice *Linear    `weights:"twice"`
		Table *Embedding `weights:"table"`
		Free  *Linear    `weights:"free"`
	}
	m := &model{NewConv2D(3, 8, 3, 1), NewGroupNorm(2, 8, 1e-5), NewLinear(8, 8, true), NewEmbedding(4, 8),
		NewLinear(2, 2, true)}
	Init(m, 3)
	params := Params(m)
	x := tensor.New(tensor.Float32, 2, 4, 4, 3)
	rng.New(1).Normal(x.F32(), 0, 0, rng.General)
	loss := func(tape *autograd.Tape) *autograd.Value {
		h := m.Norm.ForwardSiLU(tape, m.Conv.ForwardThen(tape, tape.Const(x), Then{Act: tensor.ActReLU}))
		h = autograd.Add(autograd.Mean(h, 1, 2), m.Table.Forward(tape, []int32{3, 1}))
		h = m.Twice.ForwardThen(tape, h, Then{Act: tensor.ActReLU, Residual: h})
		return CrossEntropy(m.Twice.Forward(tape, h), []int32{1, 7})
	}
	tape := autograd.NewTape(nil)
	ZeroGrad(params)
	Backward(tape, loss(tape), params)
	var want [][]float32
	for _, p := range params {
		if p.Grad == nil {
			p.Grad = tensor.New(tensor.Float32, p.Shape()...)
		}
		want = append(want, slices.Clone(p.Grad.F32()))
		p.Grad.Fill(7)
	}
	for range 3 {
		tape.Reset()
		Gradient(tape, loss(tape), params)
		for i, p := range params {
			if !slices.Equal(p.Grad.F32(), want[i]) {
				t.Errorf("%s: %v, want %v", p.Name, p.Grad.F32(), want[i])
			}
		}
	}
}
