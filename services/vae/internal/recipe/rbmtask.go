package recipe

import (
	"context"
	"math"

	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/rbm"
)

// rbmTask is a machine in training by contrastive divergence or persistent chains, alone or on top of others that were
// learned before. The gradient is not that of a loss that can be written down: Loss tells autograd what it is.
type rbmTask struct {
	base
	learning learning
	variance bool       // is learned
	below    []*rbm.RBM // its visible units are hidden units of these
	samples  bool       // drawn ones, and not their means
	machine  *rbm.RBM
	twin     *rbm.RBM    // holds the weights that are evaluated and shown
	ladder   *rbm.Ladder // nil for cd
	step     rbm.Step
	draws    []rng.Row
	a        *tensor.Arena // of chains and evaluations
	gradient rbm.Gradient  // of the batch
	write    func(i int, dst *tensor.Tensor)
}

// task is a machine of pixels in training.
func (m *rbmModel) task(r *Recipe, p *recipe.Pictures) (*rbmTask, error) {
	c, err := m.machine(p)
	if err != nil {
		return nil, err
	}
	t := newRBMTask(r, p, c, m.Binarise, m.Learning, m.LearnVariance, nil, false)
	mean, spread, err := t.moments()
	if err != nil {
		return nil, err
	}
	t.begin(mean)
	if z := t.machine.LogVariance; z != nil {
		for i := range c.Pixels {
			v := m.Variance
			if v == 0 {
				v = math.Max(float64(spread[i]), 0.01)
			}
			z.F32()[i] = float32(tensor.LogF64(v))
		}
	}
	return t, nil
}

func newRBMTask(r *Recipe, p *recipe.Pictures, c rbm.Config, binarise string, l learning, variance bool,
	below []*rbm.RBM, samples bool,
) *rbmTask {
	t := &rbmTask{
		learning: l, variance: variance, below: below, samples: samples, machine: rbm.New(c), twin: rbm.New(c),
		a: tensor.NewArena(),
	}
	nn.Init(t.machine, r.Seed+uint64(len(below)))
	identity := []any{c, l, variance, samples}
	for _, m := range below {
		for _, p := range nn.Params(m) {
			identity = append(identity, tensor.SumSquares(p.Tensor))
		}
	}
	t.base = newBase(r, p, binarise, c.Labels > 0, t.machine, identity...)
	t.step.Sampled = variance || l.Sampled
	t.write = t.writeGradient
	return t
}

// begin sets the visible biases to those of the data's means (Hinton 2010, section 8.1) and starts the chains.
func (t *rbmTask) begin(mean []float32) {
	t.machine.VisibleBias.CopyFrom(t.machine.BaseRate(mean))
	if t.learning.Method != methodCD {
		t.ladder = rbm.NewLadder(t.machine, t.learning.ladder(), t.learning.Chains, rng.New(t.recipe.Train.Seed), t.a)
	}
}

func (l *learning) ladder() []float32 {
	if l.Method == methodTempered {
		return rbm.Geometric(l.Temperatures, l.Highest)
	}
	return []float32{1}
}

// visible are the machine's visible units given pictures x [N, D]: the units of pixels, or of the machines below, with
// the labels of their classes on.
func (t *rbmTask) visible(x *tensor.Tensor, class []int32, draws []rng.Row, a *tensor.Arena) *tensor.Tensor {
	n := x.Dim(0)
	for l, m := range t.below {
		h := a.New(tensor.Float32, n, m.Hidden)
		m.HiddenMean(h, units(m.Config, x, a), nil, a)
		if t.samples {
			for i := range draws {
				draws[i].Step = uint32(l)
			}
			m.DrawHidden(h, h, layerDraws(draws))
		}
		x = h
	}
	v := units(t.machine.Config, x, a)
	t.machine.Clamp(v, class)
	return v
}

// layerDraws keeps the draws of the layers below apart from those of the machine that learns.
func layerDraws(draws []rng.Row) []rng.Row {
	out := make([]rng.Row, len(draws))
	for i, d := range draws {
		d.Sample += layerSample
		out[i] = d
	}
	return out
}

const layerSample = 1 << 52

// units are the visible units of pixels x, labels off.
func units(c rbm.Config, x *tensor.Tensor, a *tensor.Arena) *tensor.Tensor {
	if c.Units != rbm.Softmax && c.Labels == 0 {
		return x
	}
	n, V := x.Dim(0), c.Visible()
	m := rbm.RBM{Config: c}
	v := a.New(tensor.Float32, n, V)
	for i := range n {
		m.Fill(v.F32()[i*V:(i+1)*V], x.F32()[i*c.Pixels:(i+1)*c.Pixels])
	}
	return v
}

// part gives the machine's visible units for n pictures of a split, for evaluation.
func (t *rbmTask) part(split *recipe.Split, from, n int, a *tensor.Arena) (*tensor.Tensor, error) {
	x := a.New(tensor.Float32, n, t.size())
	class, err := t.slice(x, split, from)
	if err != nil {
		return nil, err
	}
	draws := make([]rng.Row, n)
	for i := range draws {
		draws[i] = rng.Row{Stream: t.evalStream(), Sample: uint64(from + i)}
	}
	return t.visible(x, class, draws, a), nil
}

// moments are the means and variances of the visible units over up to 10,000 training pictures.
func (t *rbmTask) moments() (mean, variance []float32, err error) {
	V := t.machine.Visible()
	n := min(t.data.Train.Len(), 10_000)
	sum, square := make([]float64, V), make([]float64, V)
	for from := 0; from < n; from += evalRows {
		t.a.Reset()
		v, err := t.part(&t.data.Train, from, min(evalRows, n-from), t.a)
		if err != nil {
			return nil, nil, err
		}
		for i, x := range v.F32() {
			sum[i%V] += float64(x)
			square[i%V] += float64(float64(x) * float64(x))
		}
	}
	mean, variance = make([]float32, V), make([]float32, V)
	for i := range sum {
		m := sum[i] / float64(n)
		mean[i] = float32(m)
		variance[i] = float32(math.Max(square[i]/float64(n)-float64(m*m), 0))
	}
	return mean, variance, nil
}

// State implements train.Stateful: the persistent chains.
func (t *rbmTask) State() []weights.Param {
	if t.ladder == nil {
		return nil
	}
	return []weights.Param{{Name: "chains", Tensor: t.ladder.V}}
}

// AfterStep implements train.Stepper: the chains follow the new weights.
func (t *rbmTask) AfterStep(step int, _ rng.Stream) error {
	if t.ladder == nil {
		return nil
	}
	for i := range t.learning.Sweeps {
		t.a.Reset()
		t.ladder.Advance(uint32(step*t.learning.Sweeps+i), t.a)
	}
	return nil
}

// shown is how many pictures of a batch the value of its loss is about.
const shown = 8

// Loss implements train.Task. Its value is the cross-entropy of a reconstruction, or its squared error for Gaussian
// pixels, of the first pictures of the batch: the chain's first one where chains begin at the data, else one by means.
// Its gradient is the statistics'.
func (t *rbmTask) Loss(tape *autograd.Tape, b train.Batch) (*autograd.Value, error) {
	a, m := tape.Arena(), t.machine
	x := a.New(tensor.Float32, len(b.Samples), t.size())
	class, err := t.batch(x, b)
	if err != nil {
		return nil, err
	}
	t.draws = t.draws[:0]
	for _, d := range b.Draws {
		t.draws = append(t.draws, rng.Row{Stream: b.Rng, Sample: d})
	}
	v0 := t.visible(x, class, t.draws, a)
	var h0, v1, h1 *tensor.Tensor
	var loss float64
	if t.ladder == nil {
		t.step.Stream, t.step.Draws = b.Rng, b.Draws
		t.step.Shown = a.New(tensor.Float32, min(shown, v0.Dim(0)), m.Visible())
		h0, v1, h1 = m.CD(v0, t.learning.Sweeps, &t.step, a)
		loss = distance(m, v0, t.step.Shown, a)
	} else {
		v1 = t.ladder.Coldest(a)
		h0, h1 = a.New(tensor.Float32, v0.Dim(0), m.Hidden), a.New(tensor.Float32, v1.Dim(0), m.Hidden)
		m.HiddenMean(h0, v0, nil, a)
		m.HiddenMean(h1, v1, nil, a)
		loss = reconstruction(m, v0, min(shown, v0.Dim(0)), a)
	}
	t.gradient = m.Sides(v0, h0, v1, h1, a)
	if t.learning.Sparsity > 0 {
		t.gradient.Sparsity(h0, t.learning.Sparsity, t.learning.SparsityCost, a)
	}
	learned := t.params
	if !t.variance {
		learned = learned[:3]
	}
	return known(tape, loss, learned, t.write), nil
}

// writeGradient writes the gradient of the batch in parameter i.
func (t *rbmTask) writeGradient(i int, dst *tensor.Tensor) {
	switch i {
	case 0:
		t.gradient.WeightInto(dst)
	case 1:
		dst.CopyFrom(t.gradient.VisibleBias)
	case 2:
		dst.CopyFrom(t.gradient.HiddenBias)
	default:
		dst.CopyFrom(t.gradient.LogVariance)
	}
}

// known is a loss of the given value whose gradient in params is known.
func known(tape *autograd.Tape, value float64, params []*nn.Param, write func(i int, dst *tensor.Tensor),
) *autograd.Value {
	in := tape.List(len(params))
	for i, p := range params {
		in[i] = p.On(tape)
	}
	return autograd.Known(value, in, write)
}

// surrogate is known for gradients that are there already.
func surrogate(tape *autograd.Tape, params []*nn.Param, grads []*tensor.Tensor, value float64) *autograd.Value {
	return known(tape, value, params[:len(grads)], func(i int, dst *tensor.Tensor) { dst.CopyFrom(grads[i]) })
}

// reconstruction is the mean over the first n rows of v of what is lost by going up and down once by means: the
// cross-entropy of binary and softmax pixels, the squared error of Gaussian ones.
func reconstruction(m *rbm.RBM, v *tensor.Tensor, n int, a *tensor.Arena) float64 {
	mark := a.Mark()
	defer a.Release(mark)
	V := m.Visible()
	x := a.New(tensor.Float32, n, V)
	copy(x.F32(), v.F32())
	h, y := a.New(tensor.Float32, n, m.Hidden), a.New(tensor.Float32, n, V)
	m.HiddenMean(h, x, nil, a)
	m.VisibleMean(y, h, nil, a)
	return distance(m, x, y, a)
}

// distance is the mean of what is lost over the rows of y [n, V], reconstructions of the first rows of x.
func distance(m *rbm.RBM, x, y *tensor.Tensor, a *tensor.Arena) float64 {
	n, V := y.Dims2()
	if m.Units == rbm.Binary {
		return entropy(m, x, y, a)
	}
	var total float64
	for i := range n {
		total += lost(m.Units, x.F32()[i*V:(i+1)*V-m.Labels], y.F32()[i*V:(i+1)*V-m.Labels])
	}
	return total / float64(n)
}

// entropy is distance for binary units. Its logarithms are float32: every step of training wants it.
func entropy(m *rbm.RBM, x, y *tensor.Tensor, a *tensor.Arena) float64 {
	mark := a.Mark()
	defer a.Release(mark)
	n, V := y.Dims2()
	on, off := a.New(tensor.Float32, n, V), a.New(tensor.Float32, n, V)
	tensor.Clamp(on, y, 1e-7, 1-1e-7)
	tensor.Neg(off, on)
	tensor.AddScalar(off, off, 1)
	tensor.Log(on, on)
	tensor.Log(off, off)
	tensor.Sub(on, on, off)
	tensor.Mul(on, on, tensor.FromFloat32(x.F32()[:n*V], n, V))
	tensor.Add(on, on, off) // x log y + (1-x) log(1-y)
	if m.Labels > 0 {
		for i := range n {
			clear(on.F32()[(i+1)*V-m.Labels : (i+1)*V])
		}
	}
	total := a.New(tensor.Float32)
	tensor.Sum(total, on)
	return -float64(total.F32()[0]) / float64(n)
}

// lost is the cross-entropy of units x under the means y, or their squared distance.
func lost(u rbm.Units, x, y []float32) float64 {
	var s float64
	for j := range x {
		p, q := float64(x[j]), float64(y[j])
		switch u {
		case rbm.Gaussian:
			s += float64((p - q) * (p - q))
		case rbm.Softmax:
			if p > 0 {
				s -= float64(p * tensor.LogF64(math.Max(q, 1e-7)))
			}
		default:
			q = math.Min(math.Max(q, 1e-7), 1-1e-7)
			s -= float64(p*tensor.LogF64(q)) + float64((1-p)*tensor.LogF64(1-q))
		}
	}
	return s
}

// bind copies weights into the machine that is evaluated.
func (t *rbmTask) bind(model []weights.Param) error {
	if err := load(t.twin, model); err != nil {
		return err
	}
	t.twin.Pack()
	return nil
}

// partition is what can be known of the partition function of the machine of model: by enumeration where it is small,
// else by annealed importance sampling from the base rates of the training data. It reports how far it is.
func (t *rbmTask) partition(ctx context.Context, model []weights.Param, c ais, events func(train.Event)) (
	*rbm.Partition, error,
) {
	if err := t.bind(model); err != nil {
		return nil, err
	}
	if p, err := t.twin.ExactPartition(); err == nil {
		return p, nil
	}
	if c.Off {
		return nil, nil
	}
	mean, _, err := t.moments()
	if err != nil {
		return nil, err
	}
	return t.twin.Estimate(ctx, rbm.AIS{
		Temperatures: c.Temperatures, Chains: c.Chains, Stream: rng.New(t.recipe.Seed), Base: t.twin.BaseRate(mean),
		Progress: c.progress(events),
	})
}

// progress tells events twenty times how far an estimate is.
func (a *ais) progress(events func(train.Event)) func(done, of int) {
	if events == nil {
		return nil
	}
	return func(done, of int) {
		if done*20/of != (done-1)*20/of {
			events(train.Event{Kind: train.Reported, Series: map[string][]float64{
				"ais_temperatures": {float64(done), float64(of)},
			}})
		}
	}
}
