package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/services/vae/internal/rbm"
	"github.com/manifold-gen/manifold/shared/fault"
	shared "github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"
)

// RBM is the part of a recipe that describes a restricted Boltzmann machine.
type RBM struct {
	Hidden int    `yaml:"hidden"`           // units; 500
	Units  string `yaml:"units,omitempty"`  // of the pixels: binary, gaussian or softmax; binary
	Levels int    `yaml:"levels,omitempty"` // of a softmax pixel; 4
	Labels bool   `yaml:"labels,omitempty"` // the classes are visible units, too
	// Binarise makes binary units of pixels: gray (as they are), sampled or threshold; gray.
	Binarise string `yaml:"binarise,omitempty"`
	// Variance of Gaussian pixels; 0: that of the data. LearnVariance lets training change it.
	Variance      float64 `yaml:"variance,omitempty"`
	LearnVariance bool    `yaml:"learn_variance,omitempty"`
	Learning      `yaml:",inline"`
	AIS           AIS `yaml:"ais,omitempty"`
}

// Learning says how a machine learns.
type Learning struct {
	// Method is cd (contrastive divergence), pcd (persistent chains) or tempered (persistent chains at several
	// temperatures); cd.
	Method string `yaml:"method,omitempty"`
	Sweeps int    `yaml:"sweeps,omitempty"` // k, between two steps; 1
	Chains int    `yaml:"chains,omitempty"` // persistent ones at each temperature; 100
	// Temperatures of tempered, 10, from 1 to Highest, 5, with equal ratios.
	Temperatures int     `yaml:"temperatures,omitempty"`
	Highest      float64 `yaml:"highest,omitempty"`
	// Sparsity is the share of pictures that a hidden unit is to be on for; 0 for none. SparsityCost is how much that
	// counts; 0.1.
	Sparsity     float64 `yaml:"sparsity,omitempty"`
	SparsityCost float64 `yaml:"sparsity_cost,omitempty"`
}

// AIS says how the partition function is estimated at the end where it cannot be enumerated.
type AIS struct {
	Temperatures int  `yaml:"temperatures,omitempty"` // 2000
	Chains       int  `yaml:"chains,omitempty"`       // 100
	Off          bool `yaml:"off,omitempty"`
}

// Methods of Learning.
const (
	methodCD       = "cd"
	methodPCD      = "pcd"
	methodTempered = "tempered"
)

// Defaults fills in what the fields state.
func (r RBM) Defaults() RBM {
	orInt(&r.Hidden, 500)
	orText(&r.Units, rbm.Binary.String())
	orText(&r.Binarise, gray)
	if r.Units == rbm.Softmax.String() {
		orInt(&r.Levels, 4)
	}
	r.Learning = r.Learning.defaults()
	r.AIS = r.AIS.defaults()
	return r
}

func (l Learning) defaults() Learning {
	orText(&l.Method, methodCD)
	orInt(&l.Sweeps, 1)
	orInt(&l.Chains, 100)
	if l.Method == methodTempered {
		orInt(&l.Temperatures, 10)
		orFloat(&l.Highest, 5)
	}
	if l.Sparsity > 0 {
		orFloat(&l.SparsityCost, 0.1)
	}
	return l
}

func (a AIS) defaults() AIS {
	orInt(&a.Temperatures, 2000)
	orInt(&a.Chains, 100)
	return a
}

func orInt(x *int, v int) {
	if *x == 0 {
		*x = v
	}
}

func orFloat(x *float64, v float64) {
	if *x == 0 {
		*x = v
	}
}

func orText(x *string, v string) {
	if *x == "" {
		*x = v
	}
}

// limits of machines.
const (
	maxHidden  = 8192
	maxVisible = 32768
)

// Check returns what is wrong with the fields, defaults filled in, as they stand in a recipe below the given name.
func (r RBM) Check(at string) []fault.Violation {
	w := violations{at: at}
	w.count("hidden", r.Hidden, 1, maxHidden)
	units, ok := rbm.ParseUnits(r.Units)
	if !ok {
		w.bad("units", "%.40q, want binary, gaussian or softmax", r.Units)
	}
	if units == rbm.Softmax {
		w.count("levels", r.Levels, 2, 64)
	} else if r.Levels != 0 {
		w.bad("levels", "%d, but only softmax pixels have levels", r.Levels)
	}
	switch r.Binarise {
	case gray, sampled, threshold:
		if r.Binarise != gray && units != rbm.Binary {
			w.bad("binarise", "%s, but the pixels are %s", r.Binarise, units)
		}
	default:
		w.bad("binarise", "%.40q, want gray, sampled or threshold", r.Binarise)
	}
	w.within("variance", r.Variance, 0, 100)
	if (r.Variance != 0 || r.LearnVariance) && units != rbm.Gaussian {
		w.bad("variance", "given, but the pixels are %s", units)
	}
	w.list = append(w.list, r.Learning.check(at)...)
	w.count("ais.temperatures", r.AIS.Temperatures, 1, 1_000_000)
	w.count("ais.chains", r.AIS.Chains, 2, 10_000)
	return w.list
}

func (l Learning) check(at string) []fault.Violation {
	w := violations{at: at}
	switch l.Method {
	case methodCD, methodPCD, methodTempered:
	default:
		w.bad("method", "%.40q, want cd, pcd or tempered", l.Method)
	}
	w.count("sweeps", l.Sweeps, 1, 1000)
	w.count("chains", l.Chains, 1, 10_000)
	if l.Method == methodTempered {
		w.count("temperatures", l.Temperatures, 2, 100)
		w.within("highest", l.Highest, 1, 1000)
	} else if l.Temperatures != 0 || l.Highest != 0 {
		w.bad("temperatures", "given, but the method is %s", l.Method)
	}
	w.within("sparsity", l.Sparsity, 0, 1)
	w.within("sparsity_cost", l.SparsityCost, 0, 100)
	return w.list
}

// violations collects what is wrong below a field.
type violations struct {
	at   string
	list []fault.Violation
}

func (w *violations) bad(field, format string, args ...any) {
	w.list = append(w.list, fault.Violation{Field: w.at + "." + field, Description: fmt.Sprintf(format, args...)})
}

func (w *violations) count(field string, x, lo, hi int) {
	if x < lo || x > hi {
		w.bad(field, "%d, want %d to %d", x, lo, hi)
	}
}

func (w *violations) within(field string, x, lo, hi float64) {
	if !(x >= lo && x <= hi) {
		w.bad(field, "%v, want %v to %v", x, lo, hi)
	}
}

// Machine is the shape of the machine for given pictures.
func (r RBM) Machine(p *shared.Pictures) (rbm.Config, error) {
	units, _ := rbm.ParseUnits(r.Units)
	c := rbm.Config{Pixels: p.Height * p.Width * p.Channels, Hidden: r.Hidden, Units: units, Levels: r.Levels}
	if r.Labels {
		c.Labels = len(p.Classes)
		if c.Labels == 0 {
			return c, fault.InvalidField("recipe", "labels", "true, but the pictures have no classes")
		}
	}
	if c.Visible() > maxVisible {
		return c, fault.InvalidField("recipe", "model", "%d visible units, at most %d", c.Visible(), maxVisible)
	}
	return c, nil
}

// rbmTask is a machine in training by contrastive divergence or persistent chains. The gradient is not that of a loss
// that can be written down, so Loss gives autograd the surrogate sum(p * g) of every parameter p and its statistics g.
type rbmTask struct {
	name     string
	seed     uint64
	learning Learning
	variance bool // is learned
	data     *feeder
	machine  *rbm.RBM
	twin     *rbm.RBM // holds the weights that are evaluated and shown
	params   []*nn.Param
	ladder   *rbm.Ladder // nil for cd
	step     rbm.Step
	a        *tensor.Arena // of chains and evaluations
}

// newRBMTask draws the first weights: visible biases are those of the data's means (Hinton 2010, section 8.1).
func newRBMTask(name string, seed uint64, l Learning, data *feeder, variance float64, learnVariance bool) (*rbmTask,
	error) {
	t := &rbmTask{
		name: name, seed: seed, learning: l, variance: learnVariance, data: data, machine: rbm.New(data.machine),
		twin: rbm.New(data.machine), a: tensor.NewArena(),
	}
	nn.Init(t.machine, seed)
	t.params = nn.Params(t.machine)
	nn.Params(t.twin)
	mean, spread, err := data.moments(seed)
	if err != nil {
		return nil, err
	}
	t.machine.VisibleBias.CopyFrom(t.machine.BaseRate(mean))
	if z := t.machine.LogVariance; z != nil {
		for i := range data.machine.Pixels {
			v := variance
			if v == 0 {
				v = math.Max(float64(spread[i]), 0.01)
			}
			z.F32()[i] = float32(tensor.LogF64(v))
		}
	}
	if l.Method != methodCD {
		t.ladder = rbm.NewLadder(t.machine, l.ladder(), l.Chains, rng.New(seed), t.a)
	}
	t.step.Sampled = learnVariance
	return t, nil
}

func (l Learning) ladder() []float32 {
	if l.Method == methodTempered {
		return rbm.Geometric(l.Temperatures, l.Highest)
	}
	return []float32{1}
}

// task is the machine in training for given pictures; defaults are filled in.
func (r RBM) task(p *shared.Pictures, seed uint64) (*rbmTask, error) {
	c, err := r.Machine(p)
	if err != nil {
		return nil, err
	}
	f := &feeder{pictures: p, binarise: r.Binarise, machine: c}
	return newRBMTask("rbm", seed, r.Learning, f, r.Variance, r.LearnVariance)
}

// Params implements train.Task.
func (t *rbmTask) Params() []*nn.Param { return t.params }

// Samples implements train.Task.
func (t *rbmTask) Samples() int { return t.data.pictures.Train.Len() }

// Fingerprint implements train.Task.
func (t *rbmTask) Fingerprint() string {
	h := sha256.New()
	fmt.Fprint(h, "rbm", t.name, t.seed, t.learning, t.variance, t.data.fingerprint())
	for _, m := range append([]*rbm.RBM{t.machine}, t.data.below...) {
		if m == t.machine {
			continue // changes while it trains
		}
		for _, p := range nn.Params(m) {
			fmt.Fprintf(h, "%x", tensor.SumSquares(p.Tensor))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
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

// Loss implements train.Task. Its value is the cross-entropy of a reconstruction, or its squared error for Gaussian
// pixels, of the first pictures of the batch; its gradient is the statistics'.
func (t *rbmTask) Loss(tape *autograd.Tape, b train.Batch) (*autograd.Value, error) {
	a, m := tape.Arena(), t.machine
	v0, err := t.data.visible(t.data.pictures.Train, b.Samples, batchDraws(b), a)
	if err != nil {
		return nil, err
	}
	var h0, v1, h1 *tensor.Tensor
	if t.ladder == nil {
		t.step.Stream, t.step.Draws = b.Rng, b.Draws
		h0, v1, h1 = m.CD(v0, t.learning.Sweeps, &t.step, a)
	} else {
		v1 = t.ladder.Coldest(a)
		h0, h1 = a.New(tensor.Float32, v0.Dim(0), m.Hidden), a.New(tensor.Float32, v1.Dim(0), m.Hidden)
		m.HiddenMean(h0, v0, nil, a)
		m.HiddenMean(h1, v1, nil, a)
	}
	g := m.Contrast(v0, h0, v1, h1, a)
	if t.learning.Sparsity > 0 {
		g.Sparsity(h0, t.learning.Sparsity, t.learning.SparsityCost, a)
	}
	grads := []*tensor.Tensor{g.Weight, g.VisibleBias, g.HiddenBias}
	if t.variance {
		grads = append(grads, g.LogVariance)
	}
	return surrogate(tape, t.params, grads, t.reconstruction(m, v0, min(16, v0.Dim(0)), a)), nil
}

// surrogate is a loss of the given value whose gradient in params is grads.
func surrogate(tape *autograd.Tape, params []*nn.Param, grads []*tensor.Tensor, value float64) *autograd.Value {
	var sum *autograd.Value
	for i, g := range grads {
		s := autograd.Sum(autograd.Mul(params[i].On(tape), tape.Const(g)))
		if sum == nil {
			sum = s
		} else {
			sum = autograd.Add(sum, s)
		}
	}
	return autograd.AddScalar(sum, value-sum.Item())
}

// reconstruction is the mean over the first n rows of v of what is lost by going up and down once by means: the
// cross-entropy of binary and softmax units, the squared error of Gaussian ones.
func (t *rbmTask) reconstruction(m *rbm.RBM, v *tensor.Tensor, n int, a *tensor.Arena) float64 {
	mark := a.Mark()
	defer a.Release(mark)
	V := m.Visible()
	x := a.New(tensor.Float32, n, V)
	copy(x.F32(), v.F32())
	h, y := a.New(tensor.Float32, n, m.Hidden), a.New(tensor.Float32, n, V)
	m.HiddenMean(h, x, nil, a)
	m.VisibleMean(y, h, nil, a)
	pixels := V - m.Labels
	var total float64
	for i := range n {
		for j := range pixels {
			p, q := float64(x.F32()[i*V+j]), float64(y.F32()[i*V+j])
			switch m.Units {
			case rbm.Gaussian:
				total += (p - q) * (p - q)
			case rbm.Softmax:
				if p > 0 {
					total -= p * tensor.LogF64(math.Max(q, 1e-7))
				}
			default:
				q = math.Min(math.Max(q, 1e-7), 1-1e-7)
				total -= p*tensor.LogF64(q) + (1-p)*tensor.LogF64(1-q)
			}
		}
	}
	return total / float64(n)
}

// load copies weights into the machine that is evaluated.
func (t *rbmTask) load(model []weights.Param) error {
	return tensor.Catch(func() {
		for i, p := range nn.Params(t.twin) {
			p.CopyFrom(model[i].Tensor)
		}
		t.twin.Pack()
	})
}

// Partition gives the machine of model what can be known of its partition function: by enumeration where it is small,
// else by annealed importance sampling from the base rates of the training data.
func (t *rbmTask) Partition(ctx context.Context, model []weights.Param, c AIS, progress func(done, of int)) (*rbm.Partition,
	error) {
	if err := t.load(model); err != nil {
		return nil, err
	}
	if p, err := t.twin.ExactPartition(); err == nil {
		return p, nil
	}
	if c.Off {
		return nil, nil
	}
	mean, _, err := t.data.moments(t.seed)
	if err != nil {
		return nil, err
	}
	return t.twin.Estimate(ctx, rbm.AIS{
		Temperatures: c.Temperatures, Chains: c.Chains, Stream: rng.New(t.seed), Base: t.twin.BaseRate(mean),
		Progress: progress,
	})
}
