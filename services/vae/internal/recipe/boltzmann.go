package recipe

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/boltzmann"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// boltzmannModel is the model part of a recipe for a fully connected Boltzmann machine.
type boltzmannModel struct {
	Hidden int `yaml:"hidden"` // units beside the pixels
	// Chains are persistent ones that stand for the model; 50. Sweeps of all chains between two steps, and of the hidden
	// units of every picture before its statistics are taken; 5.
	Chains int `yaml:"chains"`
	Sweeps int `yaml:"sweeps"`
}

func (m *boltzmannModel) setDefaults(r *Recipe) {
	setDefaultsOfLearning(&r.Train)
	orInt(&m.Chains, 50)
	orInt(&m.Sweeps, 5)
}

// ownZero implements zeroer.
func (m *boltzmannModel) ownZero() []string { return []string{"chains", "sweeps"} }

func (m *boltzmannModel) check(*Recipe) []fault.Violation {
	w := violations{at: "model"}
	w.count("hidden", m.Hidden, 0, boltzmann.MaxUnits)
	w.count("chains", m.Chains, 1, 10_000)
	w.count("sweeps", m.Sweeps, 1, 1000)
	return w.list
}

func (m *boltzmannModel) further() []*train.Config { return nil }

func (m *boltzmannModel) train(
	ctx context.Context, r *Recipe, p *recipe.Pictures, dir string, events func(train.Event),
) (*trained, error) {
	c := boltzmann.Config{Visible: p.Height * p.Width * p.Channels, Hidden: m.Hidden}
	if c.Units() > boltzmann.MaxUnits {
		return nil, fault.InvalidField("recipe", "model",
			"%d pixels and %d hidden units, at most %d together; see data.size", c.Visible, c.Hidden, boltzmann.MaxUnits)
	}
	task := newBoltzmannTask(r, p, c, m)
	res, err := train.Run(ctx, dir, task, r.Train, events)
	if err != nil {
		return nil, err
	}
	if err := load(task.twin, res.Weights); err != nil {
		return nil, err
	}
	t := &trained{
		config:  energyConfig{Height: p.Height, Width: p.Width, Channels: p.Channels, Hidden: []int{m.Hidden}},
		model:   boltzmann.NewModel(task.twin, p.Height, p.Width, p.Channels),
		tensors: tensorsOf(task.twin), results: []*train.Result{res},
		about: []string{fmt.Sprintf("A Boltzmann machine of %d pixels and %d hidden units, all joined to each other. "+
			"Pixels count as on from one half.", c.Visible, c.Hidden)},
	}
	t.inputs, t.outputs = ports(p, nil)
	return t, nil
}

func openBoltzmann(m *modelstore.Manifest, f *weights.File) (model.Model, error) {
	var c energyConfig
	if err := configOf(m, &c); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if len(c.Hidden) != 1 || c.Height*c.Width*c.Channels+c.Hidden[0] > boltzmann.MaxUnits {
		return nil, fmt.Errorf("hidden %v", c.Hidden)
	}
	net := boltzmann.New(boltzmann.Config{Visible: c.Height * c.Width * c.Channels, Hidden: c.Hidden[0]})
	if err := bind(net, f); err != nil {
		return nil, err
	}
	return boltzmann.NewModel(net, c.Height, c.Width, c.Channels), nil
}

func scoreBoltzmann(m *modelstore.Manifest) model.ScoreKind {
	var c energyConfig
	if err := configOf(m, &c); err != nil || len(c.Hidden) != 1 ||
		c.Height*c.Width*c.Channels+c.Hidden[0] > boltzmann.MaxExact {
		return model.NoScore
	}
	return model.Exact
}

// boltzmannTask is a machine in training by sampled statistics (Ackley, Hinton and Sejnowski 1985), the model's side by
// persistent chains.
type boltzmannTask struct {
	base
	sweeps        int
	machine, twin *boltzmann.Machine
	chains        *tensor.Tensor // [C, N]
}

func newBoltzmannTask(r *Recipe, p *recipe.Pictures, c boltzmann.Config, m *boltzmannModel) *boltzmannTask {
	t := &boltzmannTask{
		sweeps: m.Sweeps, machine: boltzmann.New(c), twin: boltzmann.New(c),
		chains: tensor.New(tensor.Float32, m.Chains, c.Units()),
	}
	nn.Init(t.machine, r.Seed)
	t.base = newBase(r, p, gray, false, t.machine, c, m.Sweeps, m.Chains)
	return t
}

// State implements train.Stateful: the persistent chains.
func (t *boltzmannTask) State() []weights.Param {
	return []weights.Param{{Name: "chains", Tensor: t.chains}}
}

// AfterStep implements train.Stepper: the chains follow the new weights.
func (t *boltzmannTask) AfterStep(step int, stream rng.Stream) error {
	free := t.machine.NewChain(0)
	n := t.machine.Units()
	for c := range t.chains.Dim(0) {
		for k := range t.sweeps {
			free.Sweep(t.chains.F32()[c*n:(c+1)*n], 1,
				rng.Row{Stream: stream, Sample: layerSample + uint64(c), Step: uint32(step*t.sweeps + k)})
		}
	}
	return nil
}

// Loss implements train.Task. Its value is minus the mean pseudo-log-likelihood of the pixels.
func (t *boltzmannTask) Loss(tape *autograd.Tape, b train.Batch) (*autograd.Value, error) {
	a, n, d := tape.Arena(), t.machine.Units(), t.size()
	x := a.New(tensor.Float32, len(b.Samples), d)
	if _, err := t.batch(x, b); err != nil {
		return nil, err
	}
	data, model := boltzmann.NewMoments(n), boltzmann.NewMoments(n)
	given := t.machine.NewChain(d)
	state := make([]float32, n)
	var loss float64
	for i, draw := range b.Draws {
		boltzmann.Round(state, x.F32()[i*d:(i+1)*d])
		for k := range t.sweeps {
			given.Sweep(state, 1, rng.Row{Stream: b.Rng, Sample: draw, Step: uint32(k)})
		}
		data.Add(state, 1/float64(len(b.Draws)))
		loss -= given.Pseudo(state, d) / float64(len(b.Draws))
	}
	for c := range t.chains.Dim(0) {
		model.Add(t.chains.F32()[c*n:(c+1)*n], 1/float64(t.chains.Dim(0)))
	}
	weight, bias := a.New(tensor.Float32, n, n), a.New(tensor.Float32, n)
	t.machine.Gradient(weight, bias, data, model)
	return surrogate(tape, t.params, []*tensor.Tensor{weight, bias}, loss), nil
}

// Evaluate implements train.Task on up to 1,000 pictures of the selection split: log-likelihood where the states can be
// enumerated, else pseudo-likelihood of the pixels after some sweeps of the hidden units.
func (t *boltzmannTask) Evaluate(ctx context.Context, params []weights.Param) (map[string]float64, error) {
	if err := load(t.twin, params); err != nil {
		return nil, err
	}
	n, d := min(1000, t.data.Selection.Len()), t.size()
	x := tensor.New(tensor.Float32, n, d)
	if _, err := t.slice(x, &t.data.Selection, 0); err != nil {
		return nil, err
	}
	given := t.twin.NewChain(d)
	state := make([]float32, t.twin.Units())
	var pseudo, exact float64
	served := boltzmann.NewModel(t.twin, t.data.Height, t.data.Width, t.data.Channels)
	for i := range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		boltzmann.Round(state, x.F32()[i*d:(i+1)*d])
		for k := range 20 {
			given.Sweep(state, 1, rng.Row{Stream: t.evalStream(), Sample: uint64(i), Step: uint32(k)})
		}
		pseudo += given.Pseudo(state, d) / float64(n)
	}
	m := map[string]float64{"pseudo_log_likelihood": pseudo, "loss": -pseudo}
	if served.Kind() == model.Exact {
		s, err := served.Score(x.F32(), n, nil, 0, t.evalStream(), 0)
		if err != nil {
			return nil, err
		}
		for _, v := range s.Values {
			exact += v / float64(n)
		}
		m["log_likelihood"], m["loss"] = exact, -exact
	}
	return m, nil
}

// Report implements train.Reporter.
func (t *boltzmannTask) Report(_ context.Context, params []weights.Param) (train.Report, error) {
	return train.Report{Series: histogram(params)}, nil
}

// Preview implements train.Task: chains that were run from coins.
func (t *boltzmannTask) Preview(_ context.Context, params []weights.Param, step int) ([]train.Preview, error) {
	if err := load(t.twin, params); err != nil {
		return nil, err
	}
	m := boltzmann.NewModel(t.twin, t.data.Height, t.data.Width, t.data.Channels)
	x := make([]float32, chainTiles*t.size())
	state := make([]float32, m.StateSize())
	for i := range chainTiles {
		m.Start(state, t.evalStream(), uint64(i), nil, model.Unconditional)
		for s := range chainSweeps {
			m.Sweep([]model.Run{{State: state, Stream: t.evalStream(), Chain: uint64(i), Sweep: uint32(s), Temperature: 1}})
		}
		m.Show(x[i*t.size():(i+1)*t.size()], state)
	}
	p, err := t.show(fmt.Sprintf("chains-%d", step), x, columns(chainTiles))
	return []train.Preview{p}, err
}
