package recipe

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/profile"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// steps of a run: the rows are read, summarised, fitted and measured.
const steps = 4

// training is what a section fits.
type training struct {
	recipe *Recipe
	data   *Table // nil for a model that needs none
	schema *table.Schema
	tell   func(losses map[string]float64) // of progress
	before *previous                       // the model that rows are added to; nil for none
}

// previous is a published model whose rows are added to.
type previous struct {
	entry   modelstore.Entry
	model   model.Model
	profile *profile.Profile
}

// all reads the training rows into memory.
func (t *training) all(ctx context.Context) (*table.Table, error) {
	s, err := t.data.Train()
	if err != nil {
		return nil, err
	}
	return table.ReadAll(until(ctx, s), mostRows)
}

// field finds the field that a recipe names.
func (t *training) field(at, name string) (int, error) {
	if i := t.schema.Index(name); i >= 0 {
		return i, nil
	}
	var l []string
	for i := range t.schema.Fields {
		l = append(l, t.schema.Fields[i].Name)
	}
	return 0, fault.InvalidField("recipe.Run", at, "there is no field %.80q; there are %s", name, strings.Join(l, ", "))
}

// Run makes the model of the recipe in text and publishes it. events may be nil. A recipe whose model was published
// already gives that model. The errors are those of Parse, of opening the data, of fitting and of modelstore.Publish.
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
	if events == nil {
		events = func(train.Event) {}
	}
	e, err := deps.Once(r.Name, text, func(dir string) (modelstore.Entry, error) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return modelstore.Entry{}, fault.E(fault.Unavailable, "DISK_ERROR", op, "the folder of the run cannot be made")
		}
		var t *Table
		if r.Source() != nil {
			t, err = r.Data.Open(ctx, deps.Data, r.Seed, nil)
			if err != nil {
				return modelstore.Entry{}, err
			}
			defer func() { _ = t.Close() }() // opened for reading
		}
		return r.build(ctx, deps.Store, t, nil, events)
	})
	return e, fault.Wrap(op, err)
}

// build fits a model to a table and publishes it.
func (r *Recipe) build(
	ctx context.Context, store *modelstore.Store, data *Table, before *previous, events func(train.Event),
) (modelstore.Entry, error) {
	begun := time.Now()
	step := 0
	report := func(kind train.EventKind, losses map[string]float64) {
		events(train.Event{Kind: kind, Step: step, Steps: steps, Losses: losses, Elapsed: time.Since(begun)})
	}
	report(train.Started, nil)
	next := func() error {
		step++
		report(train.Stepped, nil)
		return ctx.Err()
	}
	t := &training{recipe: r, data: data, before: before, tell: func(losses map[string]float64) {
		report(train.Stepped, losses)
	}}
	p := &profile.Profile{}
	if data != nil {
		t.schema = data.Schema
		if err := next(); err != nil {
			return modelstore.Entry{}, err
		}
		s, err := data.Train()
		if err == nil {
			p, err = profile.Of(ctx, s)
		}
		if err != nil {
			return modelstore.Entry{}, err
		}
	}
	if err := next(); err != nil {
		return modelstore.Entry{}, err
	}
	f, err := r.fit(ctx, t)
	if err != nil {
		return modelstore.Entry{}, err
	}
	schema := f.model.Schema()
	if data == nil || f.secret {
		p.Pairs = nil
		p.Fields = make([]profile.Field, len(schema.Fields))
	}
	if before != nil {
		p = before.profile.Plus(p)
	}
	if err := next(); err != nil {
		return modelstore.Entry{}, err
	}
	var metrics map[string]float64
	if !f.secret {
		if metrics, err = measure(ctx, f, data); err != nil {
			return modelstore.Entry{}, err
		}
	}
	events(train.Event{Kind: train.Evaluated, Step: step, Steps: steps, Metrics: metrics, Elapsed: time.Since(begun)})
	e, err := r.publish(ctx, store, f, p, data, metrics, before)
	if err != nil {
		return modelstore.Entry{}, err
	}
	step = steps
	report(train.Finished, nil)
	return e, nil
}

// fit calls the section; a panic of the maths under it is an error of the job.
func (r *Recipe) fit(ctx context.Context, t *training) (f *fitted, err error) {
	if caught := tensor.Catch(func() { f, err = r.Model.fit(ctx, t) }); caught != nil {
		return nil, caught
	}
	return f, err
}

// measure is the mean log-likelihood of rows that were held out, and how well their target is predicted.
func measure(ctx context.Context, f *fitted, data *Table) (map[string]float64, error) {
	m := map[string]float64{}
	if data == nil || data.HeldOut() == 0 {
		return m, nil
	}
	t, err := data.Selection()
	if err != nil || t.Rows == 0 {
		return m, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s, ok := f.model.(model.Scorer); ok {
		scores := make([]float64, t.Rows)
		if err := s.Score(scores, t); err != nil {
			return nil, err
		}
		var sum float64
		possible := 0
		for _, v := range scores {
			if !math.IsInf(v, 0) && v == v {
				sum += v
				possible++
			}
		}
		m["log_likelihood"] = sum / float64(max(1, possible))
		m["impossible"] = float64(t.Rows-possible) / float64(t.Rows)
	}
	if e, ok := f.model.(model.Explainer); ok {
		if err := predictions(m, e, t); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// predictions measures predictions of the rows whose target is known.
func predictions(m map[string]float64, e model.Explainer, t *table.Table) error {
	levels := len(t.Schema.Fields[e.Target()].Levels)
	p := make([]float64, t.Rows*levels)
	if err := e.Predict(p, t); err != nil {
		return err
	}
	var loss float64
	right, known := 0, 0
	for r, k := range t.Columns[e.Target()].Codes {
		if k < 0 {
			continue
		}
		known++
		row := p[r*levels : (r+1)*levels]
		best := 0
		for i, v := range row {
			if v > row[best] {
				best = i
			}
		}
		if best == int(k) {
			right++
		}
		loss -= tensor.LogF64(max(row[k], 1e-15))
	}
	if known > 0 {
		m["log_loss"], m["accuracy"] = loss/float64(known), float64(right)/float64(known)
	}
	return nil
}

// publish stores the model with its schema and profile.
func (r *Recipe) publish(ctx context.Context, store *modelstore.Store, f *fitted, p *profile.Profile, data *Table,
	metrics map[string]float64, before *previous) (modelstore.Entry, error) {
	config, err := json.Marshal(f.config)
	if err != nil {
		return modelstore.Entry{}, fault.Wrap("recipe.publish", err)
	}
	public := *r
	public.Data.Source = r.Data.Source.Public()
	text, err := public.YAML()
	if err != nil {
		return modelstore.Entry{}, err
	}
	m := modelstore.Manifest{
		Family: Family, Architecture: r.Architecture, Config: config, Name: r.Name, Description: r.Description,
		Recipe: string(text), Seed: r.Seed, Numerics: tensor.NumericsVersion, Metrics: map[string]float64{},
		Licence: r.Licence, Parameters: f.store.parameters(),
	}
	for name, v := range metrics {
		m.Metrics["select_"+name] = v
	}
	card := recipe.Card{About: f.about, Figures: figures(&m)}
	switch {
	case data != nil:
		m.Data = modelstore.Data{Name: data.Name, SHA256: data.SHA256, Licence: data.Licence, Samples: int(p.Rows)}
		card.Figures = append([]recipe.Figure{{Name: "source of the data", Text: data.Origin}}, card.Figures...)
		for _, n := range data.Notes {
			card.Figures = append(card.Figures, recipe.Figure{Name: "column " + n.Column, Text: n.Text})
		}
	default:
		m.Data = modelstore.Data{Name: "none", Licence: "none: the recipe says all"}
	}
	if before != nil {
		card.About = append(card.About, fmt.Sprintf("Rows were added to %s.", before.entry.Ref()))
	}
	if m.Licence == "" {
		m.Licence = m.Data.Licence
	}
	if err := f.store.json(schemaName, f.model.Schema()); err != nil {
		return modelstore.Entry{}, fault.Wrap("recipe.publish", err)
	}
	if err := f.store.json(profileName, p); err != nil {
		return modelstore.Entry{}, fault.Wrap("recipe.publish", err)
	}
	return store.Publish(ctx, m, modelstore.Contents{
		Weights: func(path string) error {
			return weights.WriteRaw(path, f.store.raws, map[string]string{"format": "manifold-table"})
		},
		Card: card.Text,
	})
}

// words are the figures that cards explain, in their order.
var words = []struct{ name, words string }{
	{"select_log_likelihood", "mean log-likelihood of rows that were held out, nats"},
	{"select_impossible", "share of them that the model calls impossible"},
	{"select_log_loss", "log-loss of predictions of them, nats"},
	{"select_accuracy", "share of right predictions"},
}

func figures(m *modelstore.Manifest) []recipe.Figure {
	var fs []recipe.Figure
	for _, w := range words {
		if v, ok := m.Metrics[w.name]; ok {
			fs = append(fs, recipe.Figure{Name: w.words, Text: fmt.Sprintf("%.5g", v)})
		}
	}
	return fs
}

// Open makes a published model of its manifest and its tensors, with the profile kept beside them.
func Open(m *modelstore.Manifest, f *weights.File) (model.Model, *profile.Profile, error) {
	const op = "recipe.Open"
	a, ok := architectures()[m.Architecture]
	if !ok {
		return nil, nil, fault.E(fault.Invalid, "UNKNOWN_ARCHITECTURE", op, "architecture %.80q", m.Architecture)
	}
	s, p, err := openStored(f)
	if err != nil {
		return nil, nil, fault.Wrap(op, err)
	}
	net, err := a.open(m, s)
	if err == nil {
		err = s.done()
	}
	return net, p, fault.Wrap(op, err)
}

// OpenEntry opens a published model without a server.
func OpenEntry(store *modelstore.Store, e modelstore.Entry) (model.Model, *profile.Profile, error) {
	dir, err := store.Dir(e)
	if err != nil {
		return nil, nil, err
	}
	f, err := weights.Open(filepath.Join(dir, modelstore.WeightsFile))
	if err != nil {
		return nil, nil, fault.E(fault.Corrupt, "BAD_MODEL", "recipe.Open", "%s cannot be opened", e.Ref())
	}
	defer func() { _ = f.Close() }() // the model has copies
	return Open(e.Manifest, f)
}
