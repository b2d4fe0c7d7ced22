package recipe

import (
	"context"
	"fmt"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/dbn"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/rbm"
)

// dbnModel is the model part of a recipe for a deep belief network. The recipe's train part is that of every layer.
type dbnModel struct {
	Hidden     []int  `yaml:"hidden,flow"`          // units of the hidden layers, from the picture up; [500, 500, 2000]
	Unlabelled bool   `yaml:"unlabelled,omitempty"` // the top machine does not see the classes
	Binarise   string `yaml:"binarise"`             // gray, static or dynamic; gray
	// Inputs says what a layer learns from: the means of the hidden units below, or samples; means.
	Inputs   string   `yaml:"inputs"`
	Learning learning `yaml:"learning"`
	// Top is how the top machine learns, where that differs.
	Top    *learning `yaml:"top,omitempty"`
	UpDown *upDown   `yaml:"up_down,omitempty"` // fine-tuning of all layers together; none
	AIS    ais       `yaml:"ais"`
}

// upDown is fine-tuning by contrastive wake-sleep.
type upDown struct {
	Sweeps int          `yaml:"sweeps"` // of the top machine between the phases; 3
	Train  train.Config `yaml:"train"`
}

// Inputs of layers.
const (
	inputMeans   = "means"
	inputSamples = "samples"
)

func (m *dbnModel) setDefaults(r *Recipe) {
	setDefaultsOfLearning(&r.Train)
	if m.Hidden == nil {
		m.Hidden = []int{500, 500, 2000}
	}
	orText(&m.Binarise, gray)
	orText(&m.Inputs, inputMeans)
	m.Learning.setDefaults()
	if m.Top == nil {
		top := m.Learning
		m.Top = &top
	}
	m.Top.setDefaults()
	if u := m.UpDown; u != nil {
		orInt(&u.Sweeps, 3)
		setDefaultsOfLearning(&u.Train)
		if u.Train.Seed == 0 {
			u.Train.Seed = r.Train.Seed + maxLayers
		}
	}
	m.AIS.setDefaults()
}

// ownZero implements zeroer.
func (m *dbnModel) ownZero() []string {
	return slices.Concat(zeroes("learning"), zeroes("top"), zeroesOfAIS, []string{"up_down.sweeps"})
}

func (m *dbnModel) check(*Recipe) []fault.Violation {
	w := violations{at: "model"}
	if len(m.Hidden) < 2 || len(m.Hidden) > maxLayers {
		w.bad("hidden", "%d layers, want 2 to %d", len(m.Hidden), maxLayers)
	}
	for i, h := range m.Hidden {
		w.count(fmt.Sprintf("hidden[%d]", i), h, 1, maxHidden)
	}
	w.binarise(m.Binarise, rbm.Binary)
	if m.Inputs != inputMeans && m.Inputs != inputSamples {
		w.bad("inputs", "%.40q, want means or samples", m.Inputs)
	}
	m.Learning.check(&w)
	m.Top.check(&w)
	if u := m.UpDown; u != nil {
		w.count("up_down.sweeps", u.Sweeps, 1, 1000)
		if _, err := u.Train.Defaults(1); err != nil {
			w.bad("up_down.train", "%v", err)
		}
	}
	m.AIS.check(&w)
	return w.list
}

func (m *dbnModel) further() []*train.Config {
	if m.UpDown == nil {
		return nil
	}
	return []*train.Config{&m.UpDown.Train}
}

func (m *dbnModel) config(p *recipe.Pictures) (dbn.Config, error) {
	c := dbn.Config{Pixels: p.Height * p.Width * p.Channels, Hidden: m.Hidden}
	if !m.Unlabelled {
		c.Labels = len(p.Classes)
		if c.Labels == 0 {
			return c, fault.InvalidField("recipe", "model.unlabelled", "false, but the pictures have no classes")
		}
	}
	if c.Pixels > maxVisible {
		return c, fault.InvalidField("recipe", "model", "%d pixels, at most %d", c.Pixels, maxVisible)
	}
	return c, nil
}

// machines are those of the first layers with the weights that training gave them.
func machines(c dbn.Config, results []*train.Result) ([]*rbm.RBM, error) {
	var list []*rbm.RBM
	for l, res := range results {
		m := rbm.New(c.Machine(l))
		if err := load(m, res.Weights); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// stages are the layers, and up-down fine-tuning where the recipe wants it.
func (m *dbnModel) stages(r *Recipe, p *recipe.Pictures, c dbn.Config) []train.Stage {
	var list []train.Stage
	for l := range c.Hidden {
		list = append(list, train.Stage{
			Name: fmt.Sprintf("layer %d", l+1),
			Open: func(before []*train.Result) (train.Task, train.Config, error) {
				below, err := machines(c, before)
				if err != nil {
					return nil, train.Config{}, err
				}
				how := m.Learning
				if l == c.Layers() {
					how = *m.Top
				}
				t := newRBMTask(r, p, c.Machine(l), m.Binarise, how, false, below, m.Inputs == inputSamples)
				mean, _, err := t.moments()
				if err != nil {
					return nil, train.Config{}, err
				}
				t.begin(mean)
				cfg := r.Train
				cfg.Seed += uint64(l) // layers share no draws
				return t, cfg, nil
			},
		})
	}
	if m.UpDown != nil {
		list = append(list, train.Stage{
			Name: "up-down",
			Open: func(before []*train.Result) (train.Task, train.Config, error) {
				below, err := machines(c, before)
				if err != nil {
					return nil, train.Config{}, err
				}
				return newUpDownTask(r, p, c, m, below), m.UpDown.Train, nil
			},
		})
	}
	return list
}

func (m *dbnModel) train(
	ctx context.Context, r *Recipe, p *recipe.Pictures, dir string, events func(train.Event),
) (*trained, error) {
	c, err := m.config(p)
	if err != nil {
		return nil, err
	}
	results, err := train.Stages(ctx, dir, m.stages(r, p, c), events)
	if err != nil {
		return nil, err
	}
	net := dbn.New(c)
	if m.UpDown != nil {
		err = load(net, results[len(results)-1].Weights)
		net.Changed()
	} else {
		var layers []*rbm.RBM
		if layers, err = machines(c, results); err == nil {
			net.Assemble(layers)
		}
	}
	if err != nil {
		return nil, err
	}
	tensors := tensorsOf(net)
	if net.Top.Partition, err = topPartition(ctx, net, p, r.Seed, m.AIS, events); err != nil {
		return nil, err
	}
	cfg := energyConfig{
		Height: p.Height, Width: p.Width, Channels: p.Channels, Hidden: m.Hidden, Labels: c.Labels,
		Partition: partitionOf(net.Top.Partition),
	}
	t := &trained{
		config: cfg, model: dbn.NewModel(net, p.Height, p.Width, p.Channels), tensors: tensors, results: results,
		about: m.about(cfg),
	}
	t.inputs, t.outputs = ports(p, []int{net.Top.Hidden})
	return t, nil
}

func (m *dbnModel) about(c energyConfig) []string {
	lines := []string{fmt.Sprintf("A deep belief network with hidden layers of %d units, learned layer by layer: %s, "+
		"the top machine by %s.", m.Hidden, m.Learning.words(), m.Top.words())}
	if c.Labels > 0 {
		lines = append(lines, "The classes are units of its top machine: clamp one and it dreams of it.")
	}
	if m.UpDown != nil {
		lines = append(lines, "All layers were fine-tuned together by up-down (wake-sleep).")
	}
	return append(lines, c.Partition.words()...)
}

// topPartition is what can be known of the partition function of a network's top machine.
func topPartition(ctx context.Context, net *dbn.DBN, p *recipe.Pictures, seed uint64, c ais, events func(train.Event)) (
	*rbm.Partition, error,
) {
	if z, err := net.Top.ExactPartition(); err == nil || c.Off {
		return z, nil
	}
	net.Top.Pack()
	mean, err := topMeans(net, p)
	if err != nil {
		return nil, err
	}
	return net.Top.Estimate(ctx, rbm.AIS{
		Temperatures: c.Temperatures, Chains: c.Chains, Stream: rng.New(seed), Base: net.Top.BaseRate(mean),
		Progress: c.progress(events),
	})
}

// topMeans are the means of the top machine's visible units over training pictures.
func topMeans(net *dbn.DBN, p *recipe.Pictures) ([]float32, error) {
	V := net.Top.Visible()
	sum := make([]float64, V)
	a := tensor.NewArena()
	n := min(p.Train.Len(), 5000)
	labels := make([]int32, statsRows)
	for from := 0; from < n; from += statsRows {
		a.Reset()
		rows := min(statsRows, n-from)
		x, v := a.New(tensor.Float32, rows, net.Pixels), a.New(tensor.Float32, rows, V)
		if err := pictures(x.F32(), labels, p, from, rows, net.Pixels); err != nil {
			return nil, err
		}
		up, _ := net.Recognition(x, nil, a)
		net.Join(v, up[len(up)-1], labels[:rows], a)
		for i, u := range v.F32() {
			sum[i%V] += float64(u) / float64(n)
		}
	}
	mean := make([]float32, V)
	for i, s := range sum {
		mean[i] = float32(s)
	}
	return mean, nil
}

func openDBN(m *modelstore.Manifest, f *weights.File) (model.Model, error) {
	var c energyConfig
	if err := configOf(m, &c); err != nil {
		return nil, err
	}
	if len(c.Hidden) < 2 {
		return nil, fmt.Errorf("%d hidden layers, want at least 2", len(c.Hidden))
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	net := dbn.New(dbn.Config{Pixels: c.Height * c.Width * c.Channels, Hidden: c.Hidden, Labels: c.Labels})
	if err := bind(net, f); err != nil {
		return nil, err
	}
	net.Top.Partition = c.Partition.rbm()
	return dbn.NewModel(net, c.Height, c.Width, c.Channels), nil
}
