package recipe

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/train"
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
		return modelstore.Entry{}, fault.Wrap(op, err)
	}
	e, err := deps.Once(r.Name, text, func(dir string) (modelstore.Entry, error) {
		data, err := r.open(ctx, deps.Data)
		if err != nil {
			return modelstore.Entry{}, err
		}
		t, err := newTask(r, data)
		if err != nil {
			return modelstore.Entry{}, err
		}
		res, err := train.Run(ctx, dir, t, r.Train, events)
		if err != nil {
			return modelstore.Entry{}, err
		}
		m, err := t.manifest(res)
		if err != nil {
			return modelstore.Entry{}, err
		}
		return recipe.Publish(ctx, deps.Store, m, res.Weights, func(m *modelstore.Manifest) string {
			return t.card(m, res)
		})
	})
	return e, fault.Wrap(op, err)
}

// Pictures is what the recipe trains on.
func (r *Recipe) Pictures() *recipe.Data { return &r.Data }

// Steps is the number of steps, 0 where the recipe gives passes over the data instead.
func (r *Recipe) Steps() int64 { return int64(r.Train.Steps) }

// open finds the recipe's pictures, which must be square.
func (r *Recipe) open(ctx context.Context, l *dataset.Locator) (*recipe.Pictures, error) {
	p, err := r.Data.Open(ctx, l, r.Seed)
	if err != nil {
		return nil, err
	}
	if p.Height != p.Width {
		return nil, fault.E(fault.Invalid, "NOT_SQUARE", "recipe.Data",
			"the pictures are %dx%d, want square ones; give data.size", p.Height, p.Width)
	}
	return p, nil
}

func (t *task) manifest(res *train.Result) (modelstore.Manifest, error) {
	c, r := t.cfg, t.recipe
	config, err := json.Marshal(c)
	if err != nil {
		return modelstore.Manifest{}, fault.Wrap("recipe.manifest", err)
	}
	public := *r
	public.Data = r.Data.Public()
	text, err := public.YAML()
	if err != nil {
		return modelstore.Manifest{}, err
	}
	shape := []int{-1, c.ImageSize, c.ImageSize, c.InChannels}
	inputs := []modelstore.Port{
		{Name: "x", Shape: shape, Description: "noisy pictures, about [-1, 1]"},
		{Name: "timestep", Shape: []int{-1}, Description: fmt.Sprintf("0 to %d", c.Steps-1)},
	}
	if c.Classes > 0 {
		inputs = append(inputs, modelstore.Port{Name: "class", Shape: []int{-1},
			Description: fmt.Sprintf("index of the label; %d for none", c.Classes)})
	}
	metrics := map[string]float64{"train_loss": res.Loss}
	for name, v := range res.Metrics {
		metrics["select_"+name] = v
	}
	m := modelstore.Manifest{
		Family: Family, Architecture: "unet", Config: config,
		Inputs:  inputs,
		Outputs: []modelstore.Port{{Name: "prediction", Shape: shape, Description: c.Prediction}},
		Name:    r.Name, Description: r.Description,
		Recipe: string(text), Seed: r.Seed, Numerics: tensor.NumericsVersion,
		Parameters: int64(nn.Count(t.net)), Metrics: metrics,
	}
	t.data.Describe(&m, r.Licence)
	return m, nil
}
