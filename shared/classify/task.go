package classify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/metric"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"
)

// task is a classifier in training.
type task struct {
	recipe           *Recipe
	train, selection dataset.Dataset
	net              *CNN
	twin             *CNN // holds the weights that are evaluated
	params           []*nn.Param
	tape             *autograd.Tape
	picture          []float32 // before augmentation
}

// newTask draws the initial weights of a recipe's network.
func newTask(r *Recipe, train, selection dataset.Dataset) (*task, error) {
	h, w, ch := train.Shape()
	if h != w || len(train.Classes()) == 0 {
		return nil, fault.E(fault.Invalid, "BAD_DATA", "classify.newTask",
			"%s is %dx%d with %d classes, want square pictures and labels", r.Data, h, w, len(train.Classes()))
	}
	cfg := Config{ImageSize: h, InChannels: ch, Channels: r.Channels, Groups: r.Groups, Classes: len(train.Classes())}
	t := &task{recipe: r, train: train, selection: selection, picture: make([]float32, h*w*ch)}
	var err error
	if t.net, err = New(cfg); err != nil {
		return nil, err
	}
	if t.twin, err = New(cfg); err != nil {
		return nil, err
	}
	nn.Init(t.net, r.Seed)
	t.params = nn.Params(t.net)
	t.tape = autograd.NewInference(tensor.NewArena())
	return t, nil
}

// Params implements train.Task.
func (t *task) Params() []*nn.Param { return t.params }

// Samples implements train.Task.
func (t *task) Samples() int { return t.train.Len() }

// Fingerprint implements train.Task.
func (t *task) Fingerprint() string {
	text, err := json.Marshal([]any{
		"classifier", t.net.Config, t.recipe.Seed, t.recipe.Augment, t.train.Hash(), t.selection.Hash(),
	})
	if err != nil {
		panic(err) // numbers and strings always have a JSON form
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Loss implements train.Task: the cross-entropy of pictures moved at random.
func (t *task) Loss(tape *autograd.Tape, b train.Batch) (*autograd.Value, error) {
	cfg := t.net.Config
	size := len(t.picture)
	x := tape.Arena().New(tensor.Float32, len(b.Samples), cfg.ImageSize, cfg.ImageSize, cfg.InChannels)
	labels := make([]int32, len(b.Samples))
	for i, s := range b.Samples {
		if err := t.train.Picture(int(s), t.picture); err != nil {
			return nil, fault.Wrap("classify.Loss", err)
		}
		t.recipe.Augment.apply(x.F32()[i*size:(i+1)*size], t.picture, cfg.ImageSize, cfg.InChannels, b.Rng, b.Draws[i],
			uint32(b.Step))
		labels[i] = int32(t.train.Label(int(s)))
	}
	_, logits := t.net.Forward(tape, tape.Const(x))
	return nn.CrossEntropy(logits, labels), nil
}

// Evaluate implements train.Task: the error rate and the cross-entropy on the selection split.
func (t *task) Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error) {
	if err := t.load(model); err != nil {
		return nil, err
	}
	cfg := t.twin.Config
	n := t.selection.Len()
	var loss float64
	hits := 0
	for from := 0; from < n; from += batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x, labels, err := Pictures(t.selection, from, min(from+batch, n))
		if err != nil {
			return nil, err
		}
		var scores metric.Features
		err = tensor.Catch(func() {
			t.tape.Reset()
			in := tensor.FromFloat32(x, len(labels), cfg.ImageSize, cfg.ImageSize, cfg.InChannels)
			_, logits := t.twin.Forward(t.tape, t.tape.Const(in))
			scores = metric.Features{Dim: cfg.Classes, X: logits.F32()}
			loss += nn.CrossEntropy(logits, labels).Item() * float64(len(labels))
		})
		if err != nil {
			return nil, err
		}
		predicted, err := metric.Argmax(scores)
		if err != nil {
			return nil, err
		}
		share, err := metric.Accuracy(predicted, labels)
		if err != nil {
			return nil, err
		}
		hits += share.Hits
	}
	return map[string]float64{"loss": loss / float64(n), "error": 1 - float64(hits)/float64(n)}, nil
}

// Preview implements train.Task; there is nothing to show.
func (t *task) Preview(context.Context, []weights.Param, int) ([]train.Preview, error) {
	return nil, nil
}

// load copies weights into the network that is evaluated.
func (t *task) load(model []weights.Param) error {
	return tensor.Catch(func() {
		for i, p := range nn.Params(t.twin) {
			p.CopyFrom(model[i].Tensor)
			p.Changed()
		}
	})
}
