package recipe

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
	"github.com/manifold-gen/manifold/services/vae/internal/vq"
)

// vqModel is the model part of a recipe for a vector quantised autoencoder.
type vqModel struct {
	Hidden     []int   `yaml:"hidden,flow"`           // channels of convolutions that halve the picture; [32, 64]
	Activation string  `yaml:"activation"`            // relu, tanh, sigmoid, silu or gelu; relu
	Likelihood string  `yaml:"likelihood"`            // bernoulli, gaussian or logistic; bernoulli
	Variance   float64 `yaml:"variance,omitempty"`    // of a gaussian likelihood; 0 learns it
	Binarise   string  `yaml:"binarise"`              // gray, static or dynamic; gray
	Condition  bool    `yaml:"conditional,omitempty"` // encoder and prior are told the class

	Codebook   *int     `yaml:"codebook"`   // vectors; 128
	Size       *int     `yaml:"size"`       // numbers of a vector; 16
	Commitment *float64 `yaml:"commitment"` // weight of the distance from the codebook; 0.25
	// Decay of the moving averages that the codebook is made of; 0 lets it follow gradients; 0.99.
	Decay  *float64 `yaml:"decay"`
	Revive *int     `yaml:"revive"` // steps without use after which a vector is replaced; 0 for never; 100

	Prior *vqPrior `yaml:"prior,omitempty"` // a PixelCNN over indices, without which there are no samples; none
}

// vqPrior is a PixelCNN.
type vqPrior struct {
	Channels *int         `yaml:"channels"` // 64
	Blocks   *int         `yaml:"blocks"`   // 4
	Train    train.Config `yaml:"train"`
}

func (v *vqModel) setDefaults(r *Recipe) {
	network := trunk.Conv
	setNetwork(&network, &v.Activation, &v.Likelihood, &v.Binarise, &v.Hidden)
	setDefault(&v.Codebook, 128)
	setDefault(&v.Size, 16)
	setDefault(&v.Commitment, 0.25)
	setDefault(&v.Decay, 0.99)
	setDefault(&v.Revive, 100)
	setMicro(&r.Train, trunk.Conv, 1)
	if p := v.Prior; p != nil {
		setDefault(&p.Channels, 64)
		setDefault(&p.Blocks, 4)
		if p.Train.Seed == 0 {
			p.Train.Seed = r.Seed
		}
		setMicro(&p.Train, trunk.Conv, 1)
	}
}

func (v *vqModel) learning() vq.Learning {
	return vq.Learning{Commitment: *v.Commitment, Decay: *v.Decay, Revive: *v.Revive}
}

func (v *vqModel) check(r *Recipe) []fault.Violation {
	wrong := checkBinarise(v.Binarise, v.Likelihood)
	l := v.learning()
	switch {
	case *v.Codebook < 1 || *v.Codebook > vq.MaxVectors:
		return append(wrong, violation("model.codebook", "%d, want 1 to %d", *v.Codebook, vq.MaxVectors)...)
	case *v.Size < 1 || *v.Size > vq.MaxSize:
		return append(wrong, violation("model.size", "%d, want 1 to %d", *v.Size, vq.MaxSize)...)
	}
	cfg, err := v.config(r.probe())
	if err == nil {
		err = cfg.Validate()
	}
	if err == nil {
		err = l.Validate()
	}
	wrong = append(wrong, checkConfig(err, "vq")...)
	if *v.Decay > 0 && r.Train.WeightDecay > 0 {
		wrong = append(wrong, violation("train.weight_decay",
			"%v would shrink a codebook that is made of moving averages; want 0, or model.decay 0", r.Train.WeightDecay)...)
	}
	if v.Prior != nil {
		if _, err := v.Prior.Train.Defaults(1); err != nil {
			wrong = append(wrong, violation("model.prior.train", "%v", err)...)
		}
	}
	return wrong
}

func (v *vqModel) further() []*train.Config {
	if v.Prior == nil {
		return nil
	}
	return []*train.Config{&v.Prior.Train}
}

func (v *vqModel) config(p *recipe.Pictures) (vq.Config, error) {
	n, err := classes(v.Condition, p)
	c := vq.Config{
		Config: trunk.Config{
			Height: p.Height, Width: p.Width, Channels: p.Channels, Kind: trunk.Conv, Hidden: v.Hidden,
			Activation: v.Activation, Classes: n,
		},
		Likelihood: likelihood.Config{Kind: v.Likelihood, Variance: v.Variance},
		Vectors:    *v.Codebook, Size: *v.Size,
	}
	if v.Prior != nil {
		c.Prior = &vq.PriorConfig{Channels: *v.Prior.Channels, Blocks: *v.Prior.Blocks}
	}
	return c, err
}

func (v *vqModel) train(
	ctx context.Context, r *Recipe, p *recipe.Pictures, dir string, events func(train.Event),
) (*trained, error) {
	cfg, err := v.config(p)
	if err != nil {
		return nil, err
	}
	m, err := vq.NewModel(cfg)
	if err != nil {
		return nil, fault.E(fault.Invalid, "BAD_MODEL", "recipe.train", "%w", err)
	}
	stages := []train.Stage{{Name: "vq", Open: func([]*train.Result) (train.Task, train.Config, error) {
		t, err := newVQTask(r, v, p, cfg)
		return t, r.Train, err
	}}}
	if v.Prior != nil {
		open := func(before []*train.Result) (train.Task, train.Config, error) {
			if err := load(m.VQ, before[0].Weights); err != nil {
				return nil, train.Config{}, err
			}
			t, err := newPriorTask(ctx, r, v, p, m)
			return t, v.Prior.Train, err
		}
		stages = append(stages, train.Stage{Name: "prior", Open: open})
	}
	results, err := runStages(ctx, dir, stages, events)
	if err != nil {
		return nil, err
	}
	if err := load(m.VQ, results[0].Weights); err != nil {
		return nil, err
	}
	t := &trained{config: cfg, model: m, results: results, about: v.about(cfg)}
	if v.Prior != nil {
		if err := load(m.Prior, results[1].Weights); err != nil {
			return nil, err
		}
		t.model = vq.Sampler{Model: m}
	}
	t.tensors = tensorsOf(m)
	t.inputs, t.outputs = ports(p, t.model.Size().Code)
	return t, nil
}

func (v *vqModel) about(c vq.Config) []string {
	h, w, _ := c.Map()
	lines := []string{fmt.Sprintf("A vector quantised autoencoder: %s; every picture becomes %dx%d indices of a "+
		"codebook of %d vectors of %d numbers; a %s likelihood, %s.", networkWords(c.Kind, c.Hidden), h, w,
		c.Vectors, c.Size, c.Likelihood.Kind, picturesAre(v.Binarise, c.Channels))}
	if c.Prior == nil {
		return append(lines, "It reconstructs; it has no distribution of codes to draw new pictures from.")
	}
	return append(lines, fmt.Sprintf("A PixelCNN of %d blocks of %d channels is the distribution of the indices.",
		c.Prior.Blocks, c.Prior.Channels))
}

func openVQ(m *modelstore.Manifest, f *weights.File) (model.Model, error) {
	var cfg vq.Config
	if err := configOf(m, &cfg); err != nil {
		return nil, err
	}
	net, err := vq.NewModel(cfg)
	if err != nil {
		return nil, err
	}
	if err := bind(net, f); err != nil {
		return nil, err
	}
	if cfg.Prior == nil {
		return net, nil
	}
	return vq.Sampler{Model: net}, nil
}

// scoreVQ is a lower bound where there is a prior.
func scoreVQ(m *modelstore.Manifest) model.ScoreKind {
	var cfg vq.Config
	if configOf(m, &cfg) != nil || cfg.Prior == nil {
		return model.NoScore
	}
	return model.LowerBound
}
