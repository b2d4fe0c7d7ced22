package dbn

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/rbm"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// network draws a network whose weights have the given deviation.
func network(c Config, deviation float32, seed uint64) *DBN {
	d := New(c)
	for i, p := range nn.Params(d) {
		rng.New(seed).Normal(p.F32(), uint64(i), 0, rng.Init)
		for j := range p.F32() {
			p.F32()[j] *= deviation
		}
	}
	d.Changed()
	return d
}

// toy is 60 pictures of 12 bits: three rows of four, each of which is one of two patterns that go together.
func toy() *tensor.Tensor {
	x := tensor.New(tensor.Float32, 60, 12)
	var u [4]float32
	for i := range 60 {
		rng.New(3).Uniform(u[:], uint64(i), 0, rng.General)
		for row := range 3 {
			flip := u[0] < 0.5
			if u[row+1] < 0.1 {
				flip = !flip
			}
			for k := range 4 {
				if (k < 2) != flip {
					x.F32()[12*i+4*row+k] = 1
				}
			}
		}
	}
	return x
}

// learn trains a machine by persistent chains at a falling rate.
func learn(m *rbm.RBM, data *tensor.Tensor, steps int, rate float64) {
	a := tensor.NewArena()
	ladder := rbm.NewLadder(m, []float32{1}, 200, rng.New(9), a)
	for s := range steps {
		a.Reset()
		ladder.Advance(uint32(s), a)
		v1 := ladder.Coldest(a)
		h0, h1 := a.New(tensor.Float32, data.Dim(0), m.Hidden), a.New(tensor.Float32, 200, m.Hidden)
		m.HiddenMean(h0, data, nil, a)
		m.HiddenMean(h1, v1, nil, a)
		g := m.Contrast(data, h0, v1, h1, a)
		r := rate * (1 - float64(s)/float64(steps))
		tensor.AXPY(m.Weight.Tensor, -r, g.Weight)
		tensor.AXPY(m.VisibleBias.Tensor, -r, g.VisibleBias)
		tensor.AXPY(m.HiddenBias.Tensor, -r, g.HiddenBias)
	}
}

func state(bits, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(bits >> i & 1)
	}
	return s
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// layer is log p(y | x) of binary units with the given weights and biases.
func layer(l *nn.Linear, x, y []float32) float64 {
	var s float64
	for j := range y {
		in := float64(l.Bias.F32()[j])
		for i, v := range x {
			in += float64(v) * float64(l.Weight.F32()[i*len(y)+j])
		}
		if y[j] == 0 {
			in = -in
		}
		s += math.Log(sigmoid(in))
	}
	return s
}

// exactBound is the mean over pictures of sum_h q(h|v) (log p(h) + log p(v|h) - log q(h|v)), all hidden states of one
// directed layer enumerated, and the mean of log p(v).
func exactBound(t *testing.T, d *DBN, data *tensor.Tensor) (bound, likelihood float64) {
	t.Helper()
	z, err := d.Top.ExactPartition()
	if err != nil {
		t.Fatal(err)
	}
	n := d.Hidden[0]
	a := tensor.NewArena()
	all := tensor.New(tensor.Float32, 1<<n, n)
	for b := range 1 << n {
		copy(all.F32()[b*n:], state(b, n))
	}
	free := make([]float64, 1<<n)
	d.Top.MarginalFreeEnergy(free, all, a)
	B, P := data.Dims2()
	for i := range B {
		v := data.F32()[i*P : (i+1)*P]
		var p float64
		for b, f := range free {
			h := state(b, n)
			q, joint := layer(d.Recognise[0], v, h), -f-z.LogZ+layer(d.Generate[0], h, v)
			bound += math.Exp(q) * (joint - q) / float64(B)
			p += math.Exp(joint)
		}
		likelihood += math.Log(p) / float64(B)
	}
	return bound, likelihood
}

// TestBoundImprovesLayerByLayer learns a first machine on pictures of 12 bits. A network whose top machine is the first
// one upside down is that machine: its bound is the exact log-likelihood. Learning the top machine on the hidden units
// then raises the bound, and up-down fine-tuning raises it again (Hinton et al. 2006, section 4 and 5).
func TestBoundImprovesLayerByLayer(t *testing.T) {
	data := toy()
	first := rbm.New(rbm.Config{Pixels: 12, Hidden: 6})
	nn.Init(first, 1)
	learn(first, data, 300, 0.1)
	z, err := first.ExactPartition()
	if err != nil {
		t.Fatal(err)
	}
	a := tensor.NewArena()
	free := make([]float64, 60)
	first.FreeEnergy(free, data, a)
	alone := -z.LogZ
	for _, f := range free {
		alone -= f / 60
	}

	top := rbm.New(rbm.Config{Pixels: 6, Hidden: 12})
	tensor.Permute(top.Weight.Tensor, first.Weight.Tensor, 1, 0)
	top.VisibleBias.CopyFrom(first.HiddenBias.Tensor)
	top.HiddenBias.CopyFrom(first.VisibleBias.Tensor)
	d := New(Config{Pixels: 12, Hidden: []int{6, 12}})
	d.Assemble([]*rbm.RBM{first, top})
	upside, likelihood := exactBound(t, d, data)
	if math.Abs(upside-alone) > 1e-4 || math.Abs(likelihood-alone) > 1e-4 {
		t.Errorf("upside down: bound %.5f, likelihood %.5f; the machine alone %.5f", upside, likelihood, alone)
	}

	h := tensor.New(tensor.Float32, 60, 6)
	first.HiddenMean(h, data, nil, a)
	samples := tensor.New(tensor.Float32, 600, 6)
	for k := range 10 {
		rows := make([]rng.Row, 60)
		for i := range rows {
			rows[i] = rng.Row{Sample: uint64(i), Step: uint32(k)}
		}
		rng.BernoulliRows(samples.F32()[k*360:(k+1)*360], h.F32(), rows, rng.Hidden)
	}
	learn(top, samples, 2000, 0.1)
	d.Assemble([]*rbm.RBM{first, top})
	second, _ := exactBound(t, d, data)
	if !(second > upside+0.05) {
		t.Errorf("the bound was %.4f under the first machine and is %.4f with the second", upside, second)
	}

	rows := make([]rng.Row, 60)
	for s := range 1500 {
		a.Reset()
		for i := range rows {
			rows[i] = rng.Row{Stream: rng.New(4), Sample: uint64(60*s + i)}
		}
		for i, g := range d.UpDown(data, nil, 5, rows, a) {
			tensor.AXPY(nn.Params(d)[i].Tensor, -0.05, g)
		}
		d.Changed()
	}
	tuned, likelihood := exactBound(t, d, data)
	if !(tuned > second+0.05 && likelihood >= tuned) {
		t.Errorf("the bound was %.4f and is %.4f after up-down, likelihood %.4f", second, tuned, likelihood)
	}
	t.Logf("nats a picture: one machine %.3f, two %.3f, up-down %.3f (likelihood %.3f)", alone, second, tuned, likelihood)
	testSampledBound(t, d, data, tuned, likelihood)
}

// testSampledBound compares Bound with one sample, averaged, with the enumerated bound, and checks that more samples
// come nearer to the likelihood.
func testSampledBound(t *testing.T, d *DBN, data *tensor.Tensor, bound, likelihood float64) {
	t.Helper()
	z, err := d.Top.ExactPartition()
	if err != nil {
		t.Fatal(err)
	}
	d.Top.Partition = z
	m := NewModel(d, 3, 4, 1)
	mean := func(samples, times int) float64 {
		var s float64
		for k := range times {
			score, err := m.Score(data.F32(), 60, nil, samples, rng.New(uint64(k)), 0)
			if err != nil || score.Kind != model.LowerBound {
				t.Fatal(score.Kind, err)
			}
			for _, v := range score.Values {
				s += v / 60 / float64(times)
			}
		}
		return s
	}
	if one := mean(1, 300); math.Abs(one-bound) > 0.03 {
		t.Errorf("one sample: %.4f, enumerated %.4f", one, bound)
	}
	if many := mean(500, 2); !(many > bound && many < likelihood+0.03 && many > likelihood-0.1) {
		t.Errorf("500 samples: %.4f, between %.4f and %.4f", many, bound, likelihood)
	}
}

// TestUpDownGradients compares with central differences of the cross-entropies that the rules descend: for the wake
// phase of -log p(v | h1), for the sleep phase of -log q(h1 | v).
func TestUpDownGradients(t *testing.T) {
	d := network(Config{Pixels: 5, Hidden: []int{4, 3}, Labels: 2}, 0.5, 3)
	a := tensor.NewArena()
	v := tensor.New(tensor.Float32, 3, 5)
	rng.New(1).Uniform(v.F32(), 0, 0, rng.General)
	rows := make([]rng.Row, 3)
	for i := range rows {
		rows[i] = rng.Row{Sample: uint64(i)}
	}
	grads := d.UpDown(v, []int32{0, 1, 1}, 2, slices.Clone(rows), a)
	params := nn.Params(d)
	if len(grads) != len(params) {
		t.Fatalf("%d gradients of %d parameters", len(grads), len(params))
	}
	for i, p := range params {
		if !p.SameShape(grads[i]) {
			t.Errorf("%s: %v, gradient %v", p.Name, p.Shape(), grads[i].Shape())
		}
	}
	_, h := d.Recognition(v, slices.Clone(rows), a)
	g := d.Generate[0]
	for i := range g.Weight.F32() {
		var want float64
		r, c := i/5, i%5
		for n := range 3 {
			in := float64(g.Bias.F32()[c])
			for k := range 4 {
				in += float64(h[0].F32()[4*n+k]) * float64(g.Weight.F32()[5*k+c])
			}
			want += float64(h[0].F32()[4*n+r]) * (sigmoid(in) - float64(v.F32()[5*n+c])) / 3
		}
		if got := float64(grads[2].F32()[i]); math.Abs(got-want) > 1e-6 {
			t.Errorf("generation %d: %g, want %g", i, got, want)
		}
	}
}

// TestClampedSampling learns pictures with labels and checks that a clamped class gives its own pictures.
func TestClampedSampling(t *testing.T) {
	const n = 64
	first := rbm.New(rbm.Config{Pixels: 8, Hidden: 8})
	nn.Init(first, 2)
	data := tensor.New(tensor.Float32, n, 8)
	class := make([]int32, n)
	for i := range n {
		class[i] = int32(i % 4)
		data.F32()[8*i+2*(i%4)], data.F32()[8*i+2*(i%4)+1] = 1, 1
	}
	learn(first, data, 800, 0.2)
	a := tensor.NewArena()
	c := Config{Pixels: 8, Hidden: []int{8, 16}, Labels: 4}
	d := New(c)
	top := rbm.New(c.Machine(1))
	nn.Init(top, 4)
	d.Assemble([]*rbm.RBM{first, top})
	h, _ := d.Recognition(data, nil, a)
	joined := tensor.New(tensor.Float32, n, top.Visible())
	d.Join(joined, h[0], class, a)
	learn(top, joined, 1500, 0.2)
	d.Assemble([]*rbm.RBM{first, top})
	m := NewModel(d, 2, 4, 1)

	p := make([]float32, 4*n)
	m.Classify(p, data.F32(), n)
	for i := range n {
		if p[4*i+i%4] < 0.9 {
			t.Fatalf("picture of class %d: %v", i%4, p[4*i:4*i+4])
		}
	}
	hits := 0
	for chain := range 40 {
		r := model.Run{State: make([]float32, m.StateSize()), Stream: rng.New(1), Chain: uint64(chain), Temperature: 1,
			Class: int32(chain % 4)}
		m.Start(r.State, r.Stream, r.Chain, nil, r.Class)
		for s := range 60 {
			r.Sweep = uint32(s)
			m.Sweep([]model.Run{r})
		}
		x := make([]float32, 8)
		m.Show(x, r.State)
		if k := int(r.Class); x[2*k]+x[2*k+1] > 1.2 && r.State[8+k] == 1 {
			hits++
		}
	}
	if hits < 34 {
		t.Errorf("%d of 40 dreams show their class", hits)
	}
}

// TestDeterminism encodes, decodes, scores and sweeps in batches of several sizes, by several threads: the same bits.
func TestDeterminism(t *testing.T) {
	defer tensor.SetThreads(0)
	d := network(Config{Pixels: 30, Hidden: []int{20, 17, 25}, Labels: 3}, 0.2, 6)
	d.Top.Partition = &rbm.Partition{LogZ: 10}
	m := NewModel(d, 5, 6, 1)
	x := make([]float32, 7*30)
	rng.New(2).Uniform(x, 0, 0, rng.General)
	class := []int32{0, 1, 2, -1, 0, 1, -1}
	run := func(batch int) string {
		var text string
		mean, variance, back := make([]float32, 7*25), make([]float32, 7*25), make([]float32, 7*30)
		for i := 0; i < 7; i += batch {
			n := min(batch, 7-i)
			m.Encode(mean[i*25:], variance[i*25:], x[i*30:(i+n)*30], n, class[i:i+n])
			m.Decode(back[i*30:(i+n)*30], mean[i*25:(i+n)*25], n, nil)
			s, err := m.Score(x[i*30:(i+n)*30], n, nil, 3, rng.New(5), uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			text += fmt.Sprint(s.Values)
		}
		var runs []model.Run
		for i, c := range class {
			r := model.Run{State: make([]float32, m.StateSize()), Stream: rng.New(uint64(i)), Chain: uint64(i % 2),
				Temperature: 1.5, Class: c}
			m.Start(r.State, r.Stream, r.Chain, x[:30], c)
			runs = append(runs, r)
		}
		for s := range 4 {
			for i := range runs {
				runs[i].Sweep = uint32(s)
			}
			for i := 0; i < 7; i += batch {
				m.Sweep(runs[i:min(i+batch, 7)])
			}
		}
		for _, r := range runs {
			text += fmt.Sprint(r.State, m.Energy(r.State))
		}
		return fmt.Sprint(text, mean, variance, back)
	}
	clean := func(s string) string { // the brackets of batches
		out := make([]rune, 0, len(s))
		for _, r := range s {
			if r != '[' && r != ']' && r != ' ' {
				out = append(out, r)
			}
		}
		return string(out)
	}
	want := clean(run(1))
	for _, threads := range []int{1, 2, 8} {
		tensor.SetThreads(threads)
		for _, batch := range []int{1, 2, 7} {
			if clean(run(batch)) != want {
				t.Errorf("%d threads, batches of %d differ", threads, batch)
			}
		}
	}
}
