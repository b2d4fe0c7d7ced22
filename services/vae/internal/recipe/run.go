package recipe

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/checkpoint"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// Run trains the recipe in text, or goes on training it, and publishes the model. events may be nil. A recipe whose
// model was published already gives that model. The errors are those of Parse, of opening the data, of train.Run and
// of modelstore.Publish.
func Run(ctx context.Context, text []byte, deps recipe.Deps, events func(train.Event)) (modelstore.Entry, error) {
	r, err := Parse(text)
	if err != nil {
		return modelstore.Entry{}, err
	}
	return r.Run(ctx, deps, events)
}

// Run is the function Run for a recipe that was parsed.
func (r *Recipe) Run(ctx context.Context, deps recipe.Deps, events func(train.Event)) (modelstore.Entry, error) {
	const op = "recipe.Run"
	text, err := r.YAML()
	if err != nil {
		return modelstore.Entry{}, err
	}
	e, err := deps.Once(r.Name, text, func(dir string) (modelstore.Entry, error) {
		if own, ok := r.Model.(ownData); ok {
			return own.build(ctx, r, deps, dir, events)
		}
		p, err := r.Data.Open(ctx, deps.Data, r.Seed)
		if err != nil {
			return modelstore.Entry{}, err
		}
		t, err := r.Model.train(ctx, r, p, dir, events)
		if err != nil {
			return modelstore.Entry{}, err
		}
		return r.publish(ctx, deps.Store, p, t)
	})
	return e, fault.Wrap(op, err)
}

// publish stores the weights and the statistics of the codes.
func (r *Recipe) publish(
	ctx context.Context, store *modelstore.Store, p *recipe.Pictures, t *trained,
) (modelstore.Entry, error) {
	stats, err := statistics(ctx, t.model, p, t.normal)
	if err != nil {
		return modelstore.Entry{}, err
	}
	m, err := r.manifest(p, t)
	if err != nil {
		return modelstore.Entry{}, err
	}
	last := t.results[len(t.results)-1]
	card := recipe.Card{About: t.about, Pictures: p, Figures: figures(&m)}
	total := *last
	total.Steps, total.Elapsed = 0, 0
	for _, res := range t.results {
		total.Steps += res.Steps
		total.Elapsed += res.Elapsed
	}
	card.Training = recipe.Training(&total, r.Train, "pictures")
	return recipe.Publish(ctx, store, m, append(t.tensors, stats...), card.Text)
}

func (r *Recipe) manifest(p *recipe.Pictures, t *trained) (modelstore.Manifest, error) {
	config, err := json.Marshal(t.config)
	if err != nil {
		return modelstore.Manifest{}, fault.Wrap("recipe.manifest", err)
	}
	public := *r
	public.Data = r.Data.Public()
	text, err := public.YAML()
	if err != nil {
		return modelstore.Manifest{}, err
	}
	m := modelstore.Manifest{
		Family: Family, Architecture: r.Architecture, Config: config, Name: r.Name, Description: r.Description,
		Recipe: string(text), Seed: r.Seed, Numerics: tensor.NumericsVersion, Metrics: map[string]float64{},
		Inputs: t.inputs, Outputs: t.outputs,
	}
	for _, w := range t.tensors {
		m.Parameters += int64(w.Tensor.Len())
	}
	for i, res := range t.results {
		stage := ""
		if i > 0 {
			stage = fmt.Sprintf("stage%d_", i+1)
		}
		m.Metrics[stage+"train_loss"] = res.Loss
		for name, v := range res.Metrics {
			m.Metrics[stage+"select_"+name] = v
		}
	}
	p.Describe(&m, r.Licence)
	return m, nil
}

// pictureWords are the figures that cards explain, in their order.
var pictureWords = []struct{ name, words string }{
	{"train_loss", "loss at the end, on training pictures"},
	{"select_loss", "loss on pictures for selection"},
	{"select_negative_elbo", "negative evidence lower bound, nats a picture or molecule"},
	{"select_negative_iwae", "negative importance weighted bound, nats a picture or molecule"},
	{"select_reconstruction", "cross-entropy or negative log-likelihood of reconstructions, nats a picture or molecule"},
	{"select_kl", "divergence of the codes from the prior, nats a picture or molecule"},
	{"select_squared_error", "squared error of reconstructions, mean over pixels in [0, 1]"},
	{"select_active_units", "numbers of the code in use"},
	{"select_perplexity", "vectors of the codebook in use (perplexity)"},
	{"select_whole", "molecules for selection that come back from their codes letter by letter, share"},
	{"select_valid", "drawn strings that are molecules, share of 200"},
	{"stage2_select_loss", "loss of the second stage on pictures for selection"},
}

func figures(m *modelstore.Manifest) []recipe.Figure {
	var fs []recipe.Figure
	for _, w := range pictureWords {
		if v, ok := m.Metrics[w.name]; ok {
			fs = append(fs, recipe.Figure{Name: w.words, Text: fmt.Sprintf("%.5g", v)})
		}
	}
	return fs
}

// ScoreKind is what the scores of a model would be.
func ScoreKind(m *modelstore.Manifest) model.ScoreKind {
	a, ok := architectures[m.Architecture]
	if !ok {
		return model.NoScore
	}
	return a.score(m)
}

// Open makes a published model of its manifest and its weights, with the statistics kept beside them.
func Open(m *modelstore.Manifest, f *weights.File) (model.Model, *model.Stats, error) {
	const op = "recipe.Open"
	a, ok := architectures[m.Architecture]
	if !ok {
		net, imported, err := checkpoint.Reopen(m, f)
		if !imported {
			return nil, nil, fault.E(fault.Invalid, "UNKNOWN_ARCHITECTURE", op, "architecture %.80q", m.Architecture)
		}
		return net, nil, fault.Wrap(op, err)
	}
	net, err := a.open(m, f)
	if err != nil {
		return nil, nil, fault.Wrap(op, err)
	}
	stats, err := readStatistics(f, net.Size())
	return net, stats, fault.Wrap(op, err)
}

// bind fills a model from a file that may hold statistics as well.
func bind(net any, f *weights.File) error {
	return nn.Bind(net, f, weights.Mapping{Ignore: isStatistic})
}

func isStatistic(name string) bool { return strings.HasPrefix(name, "stats.") }

// configOf reads a manifest's config strictly.
func configOf(m *modelstore.Manifest, out any) error {
	dec := json.NewDecoder(strings.NewReader(string(m.Config)))
	dec.DisallowUnknownFields()
	return dec.Decode(out)
}
