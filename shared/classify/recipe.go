package classify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/metric"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"
)

// Recipe says how to make a classifier, as JSON.
type Recipe struct {
	Name        string       `json:"name"` // of the model: lower-case letters, digits, dashes
	Description string       `json:"description,omitempty"`
	Licence     string       `json:"licence,omitempty"` // of the weights; that of the data
	Seed        uint64       `json:"seed,string"`       // of initial weights, data order and all draws
	Data        string       `json:"data"`              // a registered set with the splits train, select and report
	TrainCount  int          `json:"train_count,omitempty"`
	Channels    []int        `json:"channels"`
	Groups      int          `json:"groups"`
	Augment     Augment      `json:"augment"`
	Train       train.Config `json:"train"`
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// ParseRecipe reads a recipe, refusing unknown fields. Errors are of kind Invalid.
func ParseRecipe(text []byte) (*Recipe, error) {
	const op = "classify.ParseRecipe"
	r := new(Recipe)
	if err := strict(text, r); err != nil {
		return nil, fault.E(fault.Invalid, "BAD_RECIPE", op, "%w", err)
	}
	if !namePattern.MatchString(r.Name) {
		return nil, fault.InvalidField(op, "name", "%.80q, want 1 to 63 lower-case letters, digits and dashes", r.Name)
	}
	if r.TrainCount < 0 {
		return nil, fault.InvalidField(op, "train_count", "%d, want 0 for all or more", r.TrainCount)
	}
	for _, v := range []float64{r.Augment.Turn, r.Augment.Stretch, r.Augment.Slant, r.Augment.Shift} {
		if !(v >= 0 && v <= 64) {
			return nil, fault.InvalidField(op, "augment", "%v, want 0 to 64", v)
		}
	}
	if r.Train.Seed == 0 {
		r.Train.Seed = r.Seed
	}
	if _, err := r.Train.Defaults(1); err != nil {
		return nil, fault.Wrap(op, err)
	}
	return r, nil
}

// Deps is what a training needs from its surroundings.
type Deps struct {
	Store *modelstore.Store // takes the finished model
	Data  *dataset.Locator  // finds the data; nil finds sets that are drawn
	// Runs is the directory under which every recipe gets one of its own for checkpoints; the same recipe goes on where
	// it was stopped.
	Runs string
}

// Train makes the classifier that the recipe in text describes, measures it on the split report, and publishes it.
// events may be nil. The errors are those of ParseRecipe, of opening the data, of train.Run and of Publish.
func Train(ctx context.Context, text []byte, deps Deps, events func(train.Event)) (modelstore.Entry, error) {
	const op = "classify.Train"
	fail := func(err error) (modelstore.Entry, error) { return modelstore.Entry{}, fault.Wrap(op, err) }
	r, err := ParseRecipe(text)
	if err != nil {
		return fail(err)
	}
	sets, err := openSplits(ctx, deps.Data, r)
	if err != nil {
		return fail(err)
	}
	t, err := newTask(r, sets[0], sets[1])
	if err != nil {
		return fail(err)
	}
	sum := sha256.Sum256(text)
	res, err := train.Run(ctx, filepath.Join(deps.Runs, r.Name+"-"+hex.EncodeToString(sum[:6])), t, r.Train, events)
	if err != nil {
		return fail(err)
	}
	if err := t.load(res.Weights); err != nil {
		return fail(err)
	}
	share, err := Of(t.twin).Accuracy(ctx, sets[2])
	if err != nil {
		return fail(err)
	}
	o := outcome{res, share, sets[2]}
	m, err := manifest(text, t, o)
	if err != nil {
		return fail(err)
	}
	e, err := deps.Store.Publish(ctx, m, modelstore.Contents{
		Weights: func(path string) error {
			tensors := make(map[string]*tensor.Tensor, len(res.Weights))
			for _, w := range res.Weights {
				tensors[w.Name] = w.Tensor
			}
			return weights.Write(path, tensors, map[string]string{"format": "pt"})
		},
		Card: func(m *modelstore.Manifest) string { return card(m, t, o) },
	})
	return e, fault.Wrap(op, err)
}

// openSplits opens train, select and report.
func openSplits(ctx context.Context, l *dataset.Locator, r *Recipe) ([3]dataset.Dataset, error) {
	if l == nil {
		l = new(dataset.Locator)
	}
	var sets [3]dataset.Dataset
	for i, split := range []string{"train", "select", "report"} {
		set, err := l.Open(ctx, dataset.Request{Name: r.Data, Split: split})
		if err != nil {
			return sets, err
		}
		sets[i] = set
	}
	if r.TrainCount > sets[0].Len() {
		return sets, fault.InvalidField("", "train_count", "%d, the split has %d", r.TrainCount, sets[0].Len())
	}
	if r.TrainCount > 0 {
		part, err := dataset.Range(sets[0], 0, r.TrainCount)
		if err != nil {
			return sets, err
		}
		sets[0] = part
	}
	return sets, nil
}

// outcome is what a training came to.
type outcome struct {
	*train.Result
	share  metric.Share    // on report
	report dataset.Dataset // the split
}

func manifest(text []byte, t *task, o outcome) (modelstore.Manifest, error) {
	cfg, r := t.net.Config, t.recipe
	config, err := json.Marshal(cfg)
	if err != nil {
		return modelstore.Manifest{}, err
	}
	e, err := dataset.Lookup(r.Data)
	if err != nil {
		return modelstore.Manifest{}, err
	}
	licence := r.Licence
	if licence == "" {
		licence = e.Licence
	}
	return modelstore.Manifest{
		Family: Family, Architecture: Architecture, Config: config, Labels: t.train.Classes(),
		Inputs: []modelstore.Port{{Name: "x", Shape: []int{-1, cfg.ImageSize, cfg.ImageSize, cfg.InChannels},
			Description: "pictures in [-1, 1]"}},
		Outputs: []modelstore.Port{
			{Name: "features", Shape: []int{-1, cfg.Features()}, Description: "what distances between sets are measured in"},
			{Name: "logits", Shape: []int{-1, cfg.Classes}, Description: "scores of the labels"},
		},
		Name: r.Name, Description: r.Description, Licence: licence,
		Data:   modelstore.Data{Name: r.Data, SHA256: t.train.Hash(), Licence: e.Licence, Samples: t.train.Len()},
		Recipe: string(text), Seed: r.Seed, Numerics: tensor.NumericsVersion, Parameters: int64(nn.Count(t.net)),
		Metrics: map[string]float64{
			"report_accuracy": o.share.Value(), "report_pictures": float64(o.report.Len()),
			"select_accuracy": 1 - o.Metrics["error"], "select_loss": o.Metrics["loss"], "train_loss": o.Loss,
			"train_seconds": o.Elapsed.Seconds(),
		},
	}, nil
}

// card is the text about a model for people.
func card(m *modelstore.Manifest, t *task, o outcome) string {
	cfg := t.net.Config
	lo, hi := o.share.Interval()
	return fmt.Sprintf(`# %s

%s

A convolutional network with %d parameters that reads pictures of %dx%dx%d and tells %d classes apart. The %d features
before its last layer are what Frechet and kernel distances between sets of pictures are measured in.

| | |
|---|---|
| data | %s, %d pictures of the split train; %s |
| licence of the weights | %s |
| accuracy, split report | %.2f %% of %d pictures (95 %%: %.2f to %.2f); they were used for nothing else |
| accuracy, split select | %.2f %% of %d pictures |
| training | %d steps, seed %d, %.0f s |
| numerics version | %d |
| digest | %s |

Limits: it knows pictures like those it was trained on. Of anything else, noise for instance, it still names a class;
distances in its features say how far such pictures are from the data, the class says nothing.

Made by this recipe:

`+"```json\n%s```\n", m.Ref(), m.Description, m.Parameters, cfg.ImageSize, cfg.ImageSize, cfg.InChannels,
		cfg.Classes, cfg.Features(), m.Data.Name, m.Data.Samples, m.Data.Licence, m.Licence, 100*o.share.Value(),
		o.report.Len(), 100*lo, 100*hi, 100*(1-o.Metrics["error"]), t.selection.Len(), o.Steps, m.Seed,
		o.Elapsed.Seconds(), m.Numerics, m.Digest, m.Recipe)
}
