package recipe

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/autoencoder"
	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

// autoencoderModel is the model part of a recipe for an autoencoder.
type autoencoderModel struct {
	Network    string  `yaml:"network"`               // mlp or conv; mlp
	Hidden     []int   `yaml:"hidden,flow"`           // widths, or channels; [400], or [32, 64] of conv
	Activation string  `yaml:"activation"`            // relu, tanh, sigmoid, silu or gelu; relu
	Likelihood string  `yaml:"likelihood"`            // bernoulli, gaussian or logistic; bernoulli
	Variance   float64 `yaml:"variance,omitempty"`    // of a gaussian likelihood; 0 learns it, 0.5 is squared error
	Binarise   string  `yaml:"binarise"`              // gray, static or dynamic; gray
	Code       *int    `yaml:"code"`                  // numbers of a code; 32
	CodeAct    string  `yaml:"code_activation"`       // linear, sigmoid, relu, tanh, silu or gelu; linear
	Condition  bool    `yaml:"conditional,omitempty"` // both networks are told the class

	Corruption  string  `yaml:"corruption,omitempty"`  // of the input: masking or gaussian; none
	Amount      float64 `yaml:"amount,omitempty"`      // probability of masking, or deviation of the noise
	Sparsity    string  `yaml:"sparsity,omitempty"`    // kl or l1; none
	Target      float64 `yaml:"target,omitempty"`      // mean of every unit of the code, of kl
	Weight      float64 `yaml:"weight,omitempty"`      // of the sparsity penalty
	Contraction float64 `yaml:"contraction,omitempty"` // weight of the encoder's squared Jacobian; 0
	Probes      int     `yaml:"probes,omitempty"`      // random projections that estimate it; 0 computes it
}

func (a *autoencoderModel) setDefaults(r *Recipe) {
	setNetwork(&a.Network, &a.Activation, &a.Likelihood, &a.Binarise, &a.Hidden)
	setDefault(&a.Code, 32)
	if a.CodeAct == "" {
		a.CodeAct = "linear"
	}
	setMicro(&r.Train, a.Network, 1)
}

func (a *autoencoderModel) penalties() autoencoder.Penalties {
	return autoencoder.Penalties{
		Corruption: a.Corruption, Amount: a.Amount, Sparsity: a.Sparsity, Target: a.Target, Weight: a.Weight,
		Contraction: a.Contraction, Probes: a.Probes,
	}
}

func (a *autoencoderModel) check(r *Recipe) []fault.Violation {
	wrong := checkBinarise(a.Binarise, a.Likelihood)
	if *a.Code < 1 || *a.Code > autoencoder.MaxCode {
		return append(wrong, violation("model.code", "%d, want 1 to %d", *a.Code, autoencoder.MaxCode)...)
	}
	cfg, err := a.config(r.probe())
	if err == nil {
		err = cfg.Validate()
	}
	p := a.penalties()
	if err == nil {
		err = p.Validate(a.CodeAct)
	}
	return append(wrong, checkConfig(err, "autoencoder")...)
}

func (a *autoencoderModel) further() []*train.Config { return nil }

func (a *autoencoderModel) config(p *recipe.Pictures) (autoencoder.Config, error) {
	n, err := classes(a.Condition, p)
	return autoencoder.Config{
		Config: trunk.Config{
			Height: p.Height, Width: p.Width, Channels: p.Channels, Kind: a.Network, Hidden: a.Hidden,
			Activation: a.Activation, Classes: n,
		},
		Likelihood: likelihood.Config{Kind: a.Likelihood, Variance: a.Variance},
		Code:       *a.Code, CodeActivation: a.CodeAct,
	}, err
}

func (a *autoencoderModel) train(
	ctx context.Context, r *Recipe, p *recipe.Pictures, dir string, events func(train.Event),
) (*trained, error) {
	cfg, err := a.config(p)
	if err != nil {
		return nil, err
	}
	task, err := newAutoencoderTask(r, a, p, cfg)
	if err != nil {
		return nil, err
	}
	res, err := train.Run(ctx, dir, task, r.Train, events)
	if err != nil {
		return nil, err
	}
	if err := load(task.twin, res.Weights); err != nil {
		return nil, err
	}
	t := &trained{
		config: cfg, model: task.twin, tensors: tensorsOf(task.twin), results: []*train.Result{res}, about: a.about(cfg),
	}
	t.inputs, t.outputs = ports(p, []int{cfg.Code})
	return t, nil
}

func (a *autoencoderModel) about(c autoencoder.Config) []string {
	lines := []string{fmt.Sprintf("An autoencoder with codes of %d numbers: %s, a %s loss, %s.", c.Code,
		networkWords(c.Kind, c.Hidden), c.Likelihood.Kind, picturesAre(a.Binarise, c.Channels))}
	if a.Corruption != "" {
		lines = append(lines, fmt.Sprintf("It was trained to remove noise (%s, %v).", a.Corruption, a.Amount))
	}
	if a.Sparsity != "" {
		lines = append(lines, fmt.Sprintf("Its codes are sparse (%s, weight %v).", a.Sparsity, a.Weight))
	}
	if a.Contraction > 0 {
		lines = append(lines, fmt.Sprintf("It is contractive (weight %v).", a.Contraction))
	}
	return append(lines, "It reconstructs; it has no distribution of codes to draw new pictures from.")
}

func openAutoencoder(m *modelstore.Manifest, f *weights.File) (model.Model, error) {
	var cfg autoencoder.Config
	if err := configOf(m, &cfg); err != nil {
		return nil, err
	}
	net, err := autoencoder.NewModel(cfg)
	if err != nil {
		return nil, err
	}
	return net, bind(net, f)
}
