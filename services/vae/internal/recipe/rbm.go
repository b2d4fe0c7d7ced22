package recipe

import (
	"context"
	"fmt"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/rbm"
)

// rbmModel is the model part of a recipe for a restricted Boltzmann machine.
type rbmModel struct {
	Hidden int    `yaml:"hidden"`           // units; 500
	Units  string `yaml:"units"`            // of the pixels: binary, gaussian or softmax; binary
	Levels int    `yaml:"levels,omitempty"` // of a softmax pixel; 4
	Labels bool   `yaml:"labels,omitempty"` // the classes are visible units, too
	// Binarise makes binary units of pixels: gray (units take gray values as they are), static or dynamic; gray.
	Binarise string `yaml:"binarise"`
	// Variance of Gaussian pixels; 0: that of the data. LearnVariance lets training change it.
	Variance      float64  `yaml:"variance,omitempty"`
	LearnVariance bool     `yaml:"learn_variance,omitempty"`
	Learning      learning `yaml:"learning"`
	AIS           ais      `yaml:"ais"`
}

// learning says how a machine learns.
type learning struct {
	// Method is cd (contrastive divergence), pcd (persistent chains) or tempered (persistent chains at several
	// temperatures); cd.
	Method string `yaml:"method,omitempty"`
	Sweeps int    `yaml:"sweeps,omitempty"` // k, between two steps; 1
	Chains int    `yaml:"chains,omitempty"` // persistent ones at each temperature; 100
	// Sampled makes the last reconstruction of cd a draw and not a mean: noisier, and faster, because most of a drawn
	// picture is 0.
	Sampled bool `yaml:"sampled,omitempty" json:",omitempty"`
	// Temperatures of tempered, 10, from 1 to Highest, 5, with equal ratios.
	Temperatures int     `yaml:"temperatures,omitempty"`
	Highest      float64 `yaml:"highest,omitempty"`
	// Sparsity is the share of pictures that a hidden unit is to be on for; 0 for none. SparsityCost is how much that
	// counts; 0.1.
	Sparsity     float64 `yaml:"sparsity,omitempty"`
	SparsityCost float64 `yaml:"sparsity_cost,omitempty"`
}

// ais says how the partition function is estimated at the end where it cannot be enumerated.
type ais struct {
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

func (m *rbmModel) setDefaults(r *Recipe) {
	if m.Units == rbm.Gaussian.String() && r.Train.Optimizer != train.AdamW {
		orFloat(&r.Train.LearningRate, 0.001) // larger ones diverge (Hinton 2010, section 13.2)
	}
	setDefaultsOfLearning(&r.Train)
	orInt(&m.Hidden, 500)
	orText(&m.Units, rbm.Binary.String())
	orText(&m.Binarise, gray)
	if m.Units == rbm.Softmax.String() {
		orInt(&m.Levels, 4)
	}
	m.Learning.setDefaults()
	m.AIS.setDefaults()
}

// setDefaultsOfLearning are those of machines: gradient descent with momentum, in batches that are one pass.
func setDefaultsOfLearning(c *train.Config) {
	orText(&c.Optimizer, train.SGD)
	if c.Optimizer == train.SGD {
		orFloat(&c.Momentum, 0.5)
		orFloat(&c.LearningRate, 0.05)
	}
	orInt(&c.Batch, 100)
	if c.Micro == 0 {
		c.Micro = c.Batch
	}
}

func (l *learning) setDefaults() {
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
}

func (a *ais) setDefaults() {
	orInt(&a.Temperatures, 2000)
	orInt(&a.Chains, 100)
}

// ownZero implements zeroer.
func (m *rbmModel) ownZero() []string {
	return slices.Concat([]string{"hidden", "levels"}, zeroes("learning"), zeroesOfAIS)
}

// zeroes are the numbers of learning that must not be 0: no sweeps and no chains are no learning.
func zeroes(part string) []string {
	var fields []string
	for _, f := range []string{"sweeps", "chains", "temperatures", "highest", "sparsity_cost"} {
		fields = append(fields, part+"."+f)
	}
	return fields
}

var zeroesOfAIS = []string{"ais.temperatures", "ais.chains"}

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
	maxLayers  = 16
)

func (m *rbmModel) check(*Recipe) []fault.Violation {
	w := violations{at: "model"}
	w.count("hidden", m.Hidden, 1, maxHidden)
	units, ok := rbm.ParseUnits(m.Units)
	if !ok {
		w.bad("units", "%.40q, want binary, gaussian or softmax", m.Units)
	}
	if units == rbm.Softmax {
		w.count("levels", m.Levels, 2, 64)
	} else if m.Levels != 0 {
		w.bad("levels", "%d, but only softmax pixels have levels", m.Levels)
	}
	w.binarise(m.Binarise, units)
	w.within("variance", m.Variance, 0, 100)
	if (m.Variance != 0 || m.LearnVariance) && units != rbm.Gaussian {
		w.bad("variance", "given, but the pixels are %s", units)
	}
	m.Learning.check(&w)
	m.AIS.check(&w)
	return w.list
}

func (a *ais) check(w *violations) {
	w.count("ais.temperatures", a.Temperatures, 1, 1_000_000)
	w.count("ais.chains", a.Chains, 2, 10_000)
}

func (l *learning) check(w *violations) {
	switch l.Method {
	case methodCD, methodPCD, methodTempered:
	default:
		w.bad("learning.method", "%.40q, want cd, pcd or tempered", l.Method)
	}
	if l.Sampled && l.Method != methodCD {
		w.bad("learning.sampled", "given, but the method is %s, whose chains are always drawn", l.Method)
	}
	w.count("learning.sweeps", l.Sweeps, 1, 1000)
	w.count("learning.chains", l.Chains, 1, 10_000)
	if l.Method == methodTempered {
		w.count("learning.temperatures", l.Temperatures, 2, 100)
		w.within("learning.highest", l.Highest, 1, 1000)
	} else if l.Temperatures != 0 || l.Highest != 0 {
		w.bad("learning.temperatures", "given, but the method is %s", l.Method)
	}
	w.within("learning.sparsity", l.Sparsity, 0, 1)
	w.within("learning.sparsity_cost", l.SparsityCost, 0, 100)
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

func (w *violations) binarise(how string, units rbm.Units) {
	switch how {
	case gray, static, dynamic:
		if how != gray && units != rbm.Binary {
			w.bad("binarise", "%s, but the pixels are %s", how, units)
		}
	default:
		w.bad("binarise", "%.40q, want gray, static or dynamic", how)
	}
}

// machine is the shape of the machine for given pictures.
func (m *rbmModel) machine(p *recipe.Pictures) (rbm.Config, error) {
	units, _ := rbm.ParseUnits(m.Units)
	c := rbm.Config{Pixels: p.Height * p.Width * p.Channels, Hidden: m.Hidden, Units: units, Levels: m.Levels}
	if m.Labels {
		c.Labels = len(p.Classes)
		if c.Labels == 0 {
			return c, fault.InvalidField("recipe", "model.labels", "true, but the pictures have no classes")
		}
	}
	if c.Visible() > maxVisible {
		return c, fault.InvalidField("recipe", "model", "%d visible units, at most %d", c.Visible(), maxVisible)
	}
	return c, nil
}

func (m *rbmModel) further() []*train.Config { return nil }

func (m *rbmModel) train(
	ctx context.Context, r *Recipe, p *recipe.Pictures, dir string, events func(train.Event),
) (*trained, error) {
	task, err := m.task(r, p)
	if err != nil {
		return nil, err
	}
	res, err := train.Run(ctx, dir, task, r.Train, events)
	if err != nil {
		return nil, err
	}
	z, err := task.partition(ctx, res.Weights, m.AIS, events)
	if err != nil {
		return nil, err
	}
	cfg := energyConfig{
		Height: p.Height, Width: p.Width, Channels: p.Channels, Hidden: []int{m.Hidden}, Units: m.Units, Levels: m.Levels,
		Labels: task.machine.Labels, Partition: partitionOf(z),
	}
	task.twin.Partition = z
	t := &trained{
		config: cfg, model: rbm.NewModel(task.twin, p.Height, p.Width, p.Channels), tensors: tensorsOf(task.twin),
		results: []*train.Result{res}, about: m.about(cfg),
	}
	t.inputs, t.outputs = ports(p, []int{m.Hidden})
	return t, nil
}

func (m *rbmModel) about(c energyConfig) []string {
	return append([]string{fmt.Sprintf("A restricted Boltzmann machine of %s pixels and %d hidden units, learned by %s.",
		m.Units, m.Hidden, m.Learning.words())}, c.Partition.words()...)
}

func openRBM(m *modelstore.Manifest, f *weights.File) (model.Model, error) {
	var c energyConfig
	if err := configOf(m, &c); err != nil {
		return nil, err
	}
	if len(c.Hidden) != 1 {
		return nil, fmt.Errorf("%d hidden layers, want one", len(c.Hidden))
	}
	units, ok := rbm.ParseUnits(c.Units)
	if !ok {
		return nil, fmt.Errorf("units %.40q", c.Units)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	net := rbm.New(rbm.Config{
		Pixels: c.Height * c.Width * c.Channels, Hidden: c.Hidden[0], Units: units, Levels: c.Levels, Labels: c.Labels,
	})
	if err := bind(net, f); err != nil {
		return nil, err
	}
	net.Partition = c.Partition.rbm()
	return rbm.NewModel(net, c.Height, c.Width, c.Channels), nil
}
