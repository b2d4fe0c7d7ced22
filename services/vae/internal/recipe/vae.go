package recipe

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
	"github.com/manifold-gen/manifold/services/vae/internal/vae"
)

// vaeModel is the model part of a recipe for a VAE.
type vaeModel struct {
	Network    string  `yaml:"network"`               // mlp or conv; mlp
	Hidden     []int   `yaml:"hidden,flow"`           // widths, or channels; [400], or [32, 64] of conv
	Activation string  `yaml:"activation"`            // relu, tanh, sigmoid, silu or gelu; relu
	Likelihood string  `yaml:"likelihood"`            // bernoulli, gaussian or logistic; bernoulli
	Variance   float64 `yaml:"variance,omitempty"`    // of a gaussian likelihood; 0 learns it
	Binarise   string  `yaml:"binarise"`              // gray, static or dynamic; gray
	Latent     *int    `yaml:"latent"`                // numbers of a code; 20
	Condition  bool    `yaml:"conditional,omitempty"` // both networks are told the class

	Beta     *float64 `yaml:"beta"`                // weight of the divergence; 1
	Warmup   int      `yaml:"warmup,omitempty"`    // steps in which beta rises from 0; 0
	FreeBits float64  `yaml:"free_bits,omitempty"` // nats of divergence that each number of a code has for nothing; 0
	Samples  *int     `yaml:"samples"`             // of the importance weighted bound; 1 is the ELBO

	Second *secondStage `yaml:"second,omitempty"` // a VAE of the codes; none
}

// secondStage is a VAE of codes.
type secondStage struct {
	Hidden     []int        `yaml:"hidden,flow"` // [512, 512]
	Activation string       `yaml:"activation"`  // relu
	Train      train.Config `yaml:"train"`
}

func (v *vaeModel) setDefaults(r *Recipe) {
	setNetwork(&v.Network, &v.Activation, &v.Likelihood, &v.Binarise, &v.Hidden)
	setDefault(&v.Latent, 20)
	setDefault(&v.Samples, 1)
	setDefault(&v.Beta, 1)
	setMicro(&r.Train, v.Network, *v.Samples)
	if s := v.Second; s != nil {
		if s.Hidden == nil {
			s.Hidden = []int{512, 512}
		}
		if s.Activation == "" {
			s.Activation = "relu"
		}
		if s.Train.Seed == 0 {
			s.Train.Seed = r.Seed
		}
		setMicro(&s.Train, trunk.MLP, 1)
	}
}

// setDefault fills in what a recipe leaves out; what it gives, 0 as well, stays.
func setDefault[T any](p **T, v T) {
	if *p == nil {
		*p = &v
	}
}

const (
	maxSamples = 5000
	maxBeta    = 1e6
)

func (v *vaeModel) check(r *Recipe) []fault.Violation {
	wrong := checkBinarise(v.Binarise, v.Likelihood)
	bad := func(field, format string, args ...any) {
		wrong = append(wrong, fault.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
	if *v.Samples < 1 || *v.Samples > maxSamples {
		bad("model.samples", "%d, want 1 to %d", *v.Samples, maxSamples)
	}
	if !(*v.Beta >= 0 && *v.Beta <= maxBeta) {
		bad("model.beta", "%v, want 0 to %v", *v.Beta, float64(maxBeta))
	}
	if v.Warmup < 0 || v.Warmup > train.MaxSteps {
		bad("model.warmup", "%d, want 0 to %d", v.Warmup, train.MaxSteps)
	}
	if !(v.FreeBits >= 0 && v.FreeBits <= maxBeta) {
		bad("model.free_bits", "%v, want 0 to %v", v.FreeBits, float64(maxBeta))
	}
	if *v.Samples > 1 && (*v.Beta != 1 || v.FreeBits != 0) {
		bad("model.samples", "the importance weighted bound has no beta or free bits; want 1 sample for those")
	}
	cfg, err := v.config(r.probe())
	if err == nil {
		err = cfg.Validate()
	}
	if *v.Latent < 1 || *v.Latent > vae.MaxLatent {
		bad("model.latent", "%d, want 1 to %d", *v.Latent, vae.MaxLatent)
	} else {
		wrong = append(wrong, checkConfig(err, "vae")...)
	}
	if v.Second != nil {
		if _, err := v.Second.Train.Defaults(1); err != nil {
			bad("model.second.train", "%v", err)
		}
	}
	return wrong
}

func (v *vaeModel) further() []*train.Config {
	if v.Second == nil {
		return nil
	}
	return []*train.Config{&v.Second.Train}
}

// config is the model for some pictures.
func (v *vaeModel) config(p *recipe.Pictures) (vae.Config, error) {
	n, err := classes(v.Condition, p)
	c := vae.Config{
		Config: trunk.Config{
			Height: p.Height, Width: p.Width, Channels: p.Channels, Kind: v.Network, Hidden: v.Hidden,
			Activation: v.Activation, Classes: n,
		},
		Likelihood: likelihood.Config{Kind: v.Likelihood, Variance: v.Variance},
		Latent:     *v.Latent,
	}
	if v.Second != nil {
		c.Second = &vae.SecondConfig{Hidden: v.Second.Hidden, Activation: v.Second.Activation}
	}
	return c, err
}

func (v *vaeModel) train(
	ctx context.Context, r *Recipe, p *recipe.Pictures, dir string, events func(train.Event),
) (*trained, error) {
	cfg, err := v.config(p)
	if err != nil {
		return nil, err
	}
	m, err := vae.NewModel(cfg)
	if err != nil {
		return nil, fault.E(fault.Invalid, "BAD_MODEL", "recipe.train", "%w", err)
	}
	stages := []train.Stage{{Name: "vae", Open: func([]*train.Result) (train.Task, train.Config, error) {
		t, err := newVAETask(r, v, p, cfg)
		return t, r.Train, err
	}}}
	if v.Second != nil {
		open := func(before []*train.Result) (train.Task, train.Config, error) {
			if err := load(m.First, before[0].Weights); err != nil {
				return nil, train.Config{}, err
			}
			t, err := newCodesTask(r, v, p, m)
			return t, v.Second.Train, err
		}
		stages = append(stages, train.Stage{Name: "codes", Open: open})
	}
	results, err := runStages(ctx, dir, stages, events)
	if err != nil {
		return nil, err
	}
	if err := load(m.First, results[0].Weights); err != nil {
		return nil, err
	}
	if v.Second != nil {
		if err := load(m.Second, results[1].Weights); err != nil {
			return nil, err
		}
	}
	t := &trained{config: cfg, model: m, tensors: tensorsOf(m), normal: true, results: results, about: v.about(cfg)}
	t.inputs, t.outputs = ports(p, []int{cfg.Latent})
	return t, nil
}

// runStages runs one stage in dir itself and several in directories of their own.
func runStages(
	ctx context.Context, dir string, stages []train.Stage, events func(train.Event),
) ([]*train.Result, error) {
	if len(stages) > 1 {
		return train.Stages(ctx, dir, stages, events)
	}
	task, cfg, err := stages[0].Open(nil)
	if err != nil {
		return nil, err
	}
	res, err := train.Run(ctx, dir, task, cfg, events)
	if err != nil {
		return nil, err
	}
	return []*train.Result{res}, nil
}

// tensorsOf is the parameters of a model under their names.
func tensorsOf(m any) []weights.Param {
	var out []weights.Param
	for _, p := range nn.Params(m) {
		out = append(out, weights.Param{Name: p.Name, Tensor: p.Tensor})
	}
	return out
}

func (v *vaeModel) about(c vae.Config) []string {
	kind := "A variational autoencoder"
	if c.Classes > 0 {
		kind = "A conditional variational autoencoder"
	}
	lines := []string{fmt.Sprintf("%s with codes of %d numbers: %s, a %s likelihood, %s.", kind, c.Latent,
		networkWords(c.Kind, c.Hidden), c.Likelihood.Kind, picturesAre(v.Binarise, c.Channels))}
	switch {
	case *v.Samples > 1:
		lines = append(lines, fmt.Sprintf("It was trained on the importance weighted bound with %d samples.", *v.Samples))
	case *v.Beta != 1:
		lines = append(lines, fmt.Sprintf("The divergence from the prior was weighted by beta = %v.", *v.Beta))
	}
	if c.Second != nil {
		lines = append(lines, "Samples come from a second VAE of its codes.")
	}
	return lines
}

func openVAE(m *modelstore.Manifest, f *weights.File) (model.Model, error) {
	var cfg vae.Config
	if err := configOf(m, &cfg); err != nil {
		return nil, err
	}
	net, err := vae.NewModel(cfg)
	if err != nil {
		return nil, err
	}
	return net, bind(net, f)
}
