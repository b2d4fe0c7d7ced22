package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"
)

// Deps is what a run needs from its surroundings.
type Deps struct {
	Store *modelstore.Store // takes the finished model
	Data  *dataset.Locator  // finds data sets; nil finds those that are drawn and the user's own
	// Runs is the directory under which every recipe gets one of its own for checkpoints: <name>-<hash of the recipe>.
	// The same recipe goes on where it was stopped.
	Runs string
}

// RunDir is the name of the directory, below Deps.Runs, that a recipe's checkpoints lie in.
func (r *Recipe) RunDir() (string, error) {
	text, err := r.YAML()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return r.Name + "-" + hex.EncodeToString(sum[:6]), nil
}

// Run trains the recipe in text, or goes on training it, and publishes the model. events may be nil. A recipe whose
// model was published already gives that model. The errors are those of Parse, of opening the data, of train.Run and
// of modelstore.Publish.
func Run(ctx context.Context, text []byte, deps Deps, events func(train.Event)) (modelstore.Entry, error) {
	r, err := Parse(text)
	if err != nil {
		return modelstore.Entry{}, err
	}
	return r.Run(ctx, deps, events)
}

// Run is the function Run for a recipe that was parsed.
func (r *Recipe) Run(ctx context.Context, deps Deps, events func(train.Event)) (modelstore.Entry, error) {
	const op = "recipe.Run"
	name, err := r.RunDir()
	if err != nil {
		return modelstore.Entry{}, fault.Wrap(op, err)
	}
	dir := filepath.Join(deps.Runs, name)
	if e, ok := published(dir, deps.Store); ok {
		return e, nil
	}
	data, err := r.open(ctx, deps.Data)
	if err != nil {
		return modelstore.Entry{}, fault.Wrap(op, err)
	}
	t, err := newTask(r, data)
	if err != nil {
		return modelstore.Entry{}, fault.Wrap(op, err)
	}
	res, err := train.Run(ctx, dir, t, r.Train, events)
	if err != nil {
		return modelstore.Entry{}, fault.Wrap(op, err)
	}
	e, err := t.publish(ctx, deps.Store, res)
	if err != nil {
		return modelstore.Entry{}, fault.Wrap(op, err)
	}
	// Losing the note costs a second version of the same model, no more.
	_ = os.WriteFile(filepath.Join(dir, publishedFile), []byte(e.Ref()+" "+e.Manifest.Digest+"\n"), 0o644)
	return e, nil
}

// publishedFile, in a run's directory, names the model that it led to.
const publishedFile = "published"

func published(dir string, store *modelstore.Store) (modelstore.Entry, bool) {
	text, err := os.ReadFile(filepath.Join(dir, publishedFile))
	if err != nil {
		return modelstore.Entry{}, false
	}
	var ref, digest string
	if _, err := fmt.Sscan(string(text), &ref, &digest); err != nil {
		return modelstore.Entry{}, false
	}
	e, err := store.Resolve(ref)
	if err != nil || e.Manifest.Digest != digest {
		return modelstore.Entry{}, false // deleted since
	}
	return e, true
}

// publish stores the averaged weights with a manifest and a card.
func (t *task) publish(ctx context.Context, store *modelstore.Store, res *train.Result) (modelstore.Entry, error) {
	m, err := t.manifest(res)
	if err != nil {
		return modelstore.Entry{}, err
	}
	return store.Publish(ctx, m, modelstore.Contents{
		Weights: func(path string) error {
			tensors := make(map[string]*tensor.Tensor, len(res.Weights))
			for _, w := range res.Weights {
				tensors[w.Name] = w.Tensor
			}
			return weights.Write(path, tensors, map[string]string{"format": "pt"})
		},
		Card: func(m *modelstore.Manifest) string { return t.card(m, res) },
	})
}

func (t *task) manifest(res *train.Result) (modelstore.Manifest, error) {
	c, r := t.cfg, t.recipe
	config, err := json.Marshal(c)
	if err != nil {
		return modelstore.Manifest{}, fault.Wrap("recipe.manifest", err)
	}
	// Where the pictures lay is nobody's business but the trainer's.
	public := *r
	if public.Data.Images != "" {
		public.Data.Images = filepath.Base(public.Data.Images)
	}
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
	licence := r.Licence
	if licence == "" {
		licence = t.data.licence
	}
	metrics := map[string]float64{"train_loss": res.Loss}
	for name, v := range res.Metrics {
		metrics["select_"+name] = v
	}
	return modelstore.Manifest{
		Family: "diffusion", Architecture: "unet", Config: config, Labels: t.data.classes,
		Inputs:  inputs,
		Outputs: []modelstore.Port{{Name: "prediction", Shape: shape, Description: c.Prediction}},
		Name:    r.Name, Description: r.Description, Licence: licence,
		Data: modelstore.Data{Name: t.data.name, SHA256: t.data.train.Hash(), Licence: t.data.licence,
			Samples: t.data.train.Len()},
		Recipe: string(text), Seed: r.Seed, Numerics: tensor.NumericsVersion,
		Parameters: int64(nn.Count(t.net)), Metrics: metrics,
	}, nil
}
