package recipe

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"
)

// steps of a run: the text is read, the model is made, it is measured and published.
const steps = 4

// Run makes the model of the recipe and publishes it. events may be nil. A recipe whose model was published already
// gives that model.
func (r *Recipe) Run(ctx context.Context, deps recipe.Deps, events func(train.Event)) (modelstore.Entry, error) {
	const op = "recipe.Run"
	yaml, err := r.YAML()
	if err != nil {
		return modelstore.Entry{}, err
	}
	begun := time.Now()
	step := 0
	report := func(kind train.EventKind, losses map[string]float64) {
		if events != nil {
			events(train.Event{Kind: kind, Step: step, Steps: steps, Losses: losses, Elapsed: time.Since(begun)})
		}
	}
	next := func() error {
		step++
		report(train.Stepped, nil)
		return ctx.Err()
	}
	e, err := deps.Once(r.Name, yaml, func(dir string) (modelstore.Entry, error) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return modelstore.Entry{}, fault.E(fault.Unavailable, "DISK_ERROR", op, "the folder of the run cannot be made")
		}
		report(train.Started, nil)
		var c *corpus
		if r.Source() != nil {
			if c, err = r.Data.open(ctx, deps.Data); err != nil {
				return modelstore.Entry{}, err
			}
		}
		if err := next(); err != nil {
			return modelstore.Entry{}, err
		}
		var f *fitted
		tell := func(_ int, losses map[string]float64) { report(train.Stepped, losses) }
		if caught := tensor.Catch(func() { f, err = r.Model.fit(ctx, r, c, tell) }); caught != nil {
			err = caught
		}
		if err != nil {
			return modelstore.Entry{}, err
		}
		if err := next(); err != nil {
			return modelstore.Entry{}, err
		}
		if events != nil {
			events(train.Event{Kind: train.Evaluated, Step: step, Steps: steps, Metrics: f.metrics,
				Elapsed: time.Since(begun)})
		}
		e, err := r.publish(ctx, deps.Store, f, c)
		if err == nil {
			step = steps
			report(train.Finished, nil)
		}
		return e, err
	})
	return e, fault.Wrap(op, err)
}

// publish stores a model.
func (r *Recipe) publish(ctx context.Context, store *modelstore.Store, f *fitted, c *corpus) (modelstore.Entry, error) {
	config, err := json.Marshal(f.config)
	if err != nil {
		return modelstore.Entry{}, fault.Wrap("recipe.publish", err)
	}
	public := *r
	public.Data.Source = r.Data.Source.Public()
	yaml, err := public.YAML()
	if err != nil {
		return modelstore.Entry{}, err
	}
	m := modelstore.Manifest{
		Family: Family, Architecture: r.Architecture, Config: config, Name: r.Name, Description: r.Description,
		Recipe: string(yaml), Seed: r.Seed, Numerics: tensor.NumericsVersion, Licence: r.Licence, Labels: f.labels,
		Parameters: f.parameters, Metrics: map[string]float64{},
		Inputs:  []modelstore.Port{{Name: "text", Shape: []int{-1}, Description: "UTF-8"}},
		Outputs: []modelstore.Port{{Name: "text", Shape: []int{-1}, Description: "UTF-8"}},
		Data:    modelstore.Data{Name: "none", Licence: "Apache-2.0"},
	}
	card := recipe.Card{About: f.about}
	if c != nil {
		m.Data = modelstore.Data{Name: c.name, SHA256: c.hash, Licence: c.licence, Samples: len(c.train)}
		card.About = append(card.About, "Samples are bytes of text. The text comes from "+c.origin+".")
	}
	if m.Licence == "" {
		m.Licence = m.Data.Licence
	}
	for _, name := range slices.Sorted(maps.Keys(f.metrics)) {
		m.Metrics[name] = f.metrics[name]
		card.Figures = append(card.Figures, recipe.Figure{Name: words[name], Text: fmt.Sprintf("%.5g", f.metrics[name])})
	}
	return store.Publish(ctx, m, modelstore.Contents{
		Weights: func(path string) error {
			return weights.WriteRaw(path, f.tensors, map[string]string{"format": "manifold-lm"})
		},
		Card: card.Text,
	})
}

// words are what figures are called on cards.
var words = map[string]string{
	"nats_per_character": "nats a character of the text that was held back",
	"perplexity":         "perplexity a token of the text that was held back",
	"unknown":            "share of its tokens that the vocabulary lacks",
	"accuracy":           "share of right labels in the sentences that were held back",
	"aic":                "Akaike's information criterion of the training data",
	"bic":                "Schwarz's information criterion of the training data",
	"log_likelihood":     "log-likelihood of the training data, nats",
}

// Open makes a published model of its manifest and its tensors, which it may go on using.
func Open(m *modelstore.Manifest, f *weights.File) (any, error) {
	const op = "recipe.Open"
	a, ok := architectures()[m.Architecture]
	if !ok {
		return nil, fault.E(fault.Invalid, "UNKNOWN_ARCHITECTURE", op, "architecture %.80q", m.Architecture)
	}
	net, err := a.open(m, f)
	return net, fault.Wrap(op, err)
}
