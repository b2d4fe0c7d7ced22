package classify

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"sync"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/metric"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Family and Architecture are what the manifests of classifiers say.
const (
	Family       = "classifier"
	Architecture = "cnn"
)

// batch is how many pictures run at a time; it does not change a bit.
const batch = 64

// Classifier runs a trained network. It is safe for concurrent use; calls take turns.
type Classifier struct {
	Entry modelstore.Entry // zero for one made by Of

	net  *CNN
	file *weights.File // nil for one made by Of

	mu   sync.Mutex
	tape *autograd.Tape
}

// Load maps the weights in dir and binds them strictly. The errors are Precondition for a model of another kind and
// Corrupt for one that cannot be used.
func Load(e modelstore.Entry, dir string) (*Classifier, error) {
	const op = "classify.Load"
	m := e.Manifest
	if m.Family != Family || m.Architecture != Architecture {
		return nil, fault.E(fault.Precondition, "NOT_A_CLASSIFIER", op, "model %s is a %s %q, want a %s %q", e.Ref(),
			m.Family, m.Architecture, Family, Architecture)
	}
	corrupt := func(err error) error {
		return fault.E(fault.Corrupt, "BAD_MODEL", op, "model %s: %w", e.Ref(), err)
	}
	var cfg Config
	if err := strict(m.Config, &cfg); err != nil {
		return nil, corrupt(err)
	}
	net, err := New(cfg)
	if err != nil {
		return nil, corrupt(err)
	}
	if cfg.Classes != len(m.Labels) {
		return nil, fault.E(fault.Corrupt, "BAD_MODEL", op, "model %s has %d classes and %d labels", e.Ref(), cfg.Classes,
			len(m.Labels))
	}
	file, err := weights.Open(filepath.Join(dir, modelstore.WeightsFile))
	if err != nil {
		return nil, corrupt(err)
	}
	if err := nn.Bind(net, file, weights.Mapping{}); err != nil {
		_ = file.Close()
		return nil, corrupt(err)
	}
	c := Of(net)
	c.Entry, c.file = e, file
	return c, nil
}

// strict decodes one JSON value without unknown fields.
func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// Of runs a network whose weights are in place.
func Of(net *CNN) *Classifier {
	return &Classifier{net: net, tape: autograd.NewInference(tensor.NewArena())}
}

// Config is the network's.
func (c *Classifier) Config() Config { return c.net.Config }

// Bytes is the memory that the weights hold, mapped and packed.
func (c *Classifier) Bytes() int64 { return 2 * 4 * int64(nn.Count(c.net)) }

// Close unmaps the weights; the classifier must not be used any more.
func (c *Classifier) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// Run gives the features [n, D] and the scores [n, K] of the pictures x, n*H*W*C elements in [-1, 1].
func (c *Classifier) Run(x []float32) (features, scores metric.Features, err error) {
	cfg := c.net.Config
	size := cfg.ImageSize * cfg.ImageSize * cfg.InChannels
	if len(x)%size != 0 {
		return features, scores, fault.E(fault.Invalid, "BAD_PICTURES", "classify.Run",
			"%d elements, want a multiple of %d (%dx%dx%d)", len(x), size, cfg.ImageSize, cfg.ImageSize, cfg.InChannels)
	}
	n := len(x) / size
	features = metric.Features{Dim: cfg.Features(), X: make([]float32, 0, n*cfg.Features())}
	scores = metric.Features{Dim: cfg.Classes, X: make([]float32, 0, n*cfg.Classes)}
	c.mu.Lock()
	defer c.mu.Unlock()
	err = tensor.Catch(func() {
		for from := 0; from < n; from += batch {
			rows := min(batch, n-from)
			c.tape.Reset()
			in := c.tape.Arena().New(tensor.Float32, rows, cfg.ImageSize, cfg.ImageSize, cfg.InChannels)
			copy(in.F32(), x[from*size:])
			f, l := c.net.Forward(c.tape, c.tape.Const(in))
			features.X = append(features.X, f.F32()...)
			scores.X = append(scores.X, l.F32()...)
		}
	})
	return features, scores, err
}

// Features are the features [n, D] of the pictures x.
func (c *Classifier) Features(x []float32) (metric.Features, error) {
	f, _, err := c.Run(x)
	return f, err
}

// Predict is the class of each of the pictures x.
func (c *Classifier) Predict(x []float32) ([]int32, error) {
	_, scores, err := c.Run(x)
	if err != nil {
		return nil, err
	}
	return metric.Argmax(scores)
}

// Accuracy is how many of a set's pictures get their label. The error is Invalid for a set of other pictures or
// classes.
func (c *Classifier) Accuracy(ctx context.Context, set dataset.Dataset) (metric.Share, error) {
	if err := c.fits(set); err != nil {
		return metric.Share{}, err
	}
	total := metric.Share{}
	const chunk = 16 * batch // between looks at the context
	for from := 0; from < set.Len(); from += chunk {
		if err := ctx.Err(); err != nil {
			return metric.Share{}, err
		}
		to := min(from+chunk, set.Len())
		x, labels, err := Pictures(set, from, to)
		if err != nil {
			return metric.Share{}, err
		}
		predicted, err := c.Predict(x)
		if err != nil {
			return metric.Share{}, err
		}
		s, err := metric.Accuracy(predicted, labels)
		if err != nil {
			return metric.Share{}, err
		}
		total.Hits, total.N = total.Hits+s.Hits, total.N+s.N
	}
	return total, nil
}

// fits says whether the set's pictures and classes are those of the network.
func (c *Classifier) fits(set dataset.Dataset) error {
	cfg := c.net.Config
	h, w, ch := set.Shape()
	if h != cfg.ImageSize || w != cfg.ImageSize || ch != cfg.InChannels || len(set.Classes()) != cfg.Classes {
		return fault.E(fault.Invalid, "BAD_DATA", "classify.Accuracy",
			"%dx%dx%d with %d classes, the classifier takes %dx%dx%d and %d", h, w, ch, len(set.Classes()),
			cfg.ImageSize, cfg.ImageSize, cfg.InChannels, cfg.Classes)
	}
	return nil
}

// Pictures are the pictures of a set from one index up to another, one after the other, with their labels.
func Pictures(set dataset.Dataset, from, to int) (x []float32, labels []int32, err error) {
	h, w, ch := set.Shape()
	size := h * w * ch
	x, labels = make([]float32, (to-from)*size), make([]int32, to-from)
	for i := range labels {
		if err := set.Picture(from+i, x[i*size:(i+1)*size]); err != nil {
			return nil, nil, fault.Wrap("classify.Pictures", err)
		}
		labels[i] = int32(set.Label(from + i))
	}
	return x, labels, nil
}
