package recipe

import (
	"context"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/autoencoder"
)

// autoencoderTask is an autoencoder in training.
type autoencoderTask struct {
	base
	penalties   autoencoder.Penalties
	net         *autoencoder.Autoencoder
	twin        *autoencoder.Model // holds the weights that are evaluated and shown
	scratch     []float32
	seen, known float64 // losses of the last evaluation
}

func newAutoencoderTask(
	r *Recipe, a *autoencoderModel, p *recipe.Pictures, cfg autoencoder.Config,
) (*autoencoderTask, error) {
	t := &autoencoderTask{penalties: a.penalties()}
	var err error
	if t.net, err = autoencoder.New(cfg); err == nil {
		t.twin, err = autoencoder.NewModel(cfg)
	}
	if err != nil {
		return nil, fault.E(fault.Invalid, "BAD_MODEL", "recipe.newAutoencoderTask", "%w", err)
	}
	nn.Init(t.net, r.Seed)
	t.base = newBase(r, p, a.Binarise, a.Condition, t.net, cfg, t.penalties)
	t.scratch = make([]float32, t.size())
	return t, nil
}

// Loss implements train.Task.
func (t *autoencoderTask) Loss(tape *autograd.Tape, in train.Batch) (*autograd.Value, error) {
	n, d := len(in.Samples), t.size()
	x := tape.Arena().New(tensor.Float32, n, d)
	class, err := t.batch(x, in)
	if err != nil {
		return nil, err
	}
	noisy := x
	if t.penalties.Corruption != "" {
		noisy = tape.Arena().New(tensor.Float32, n, d)
		for i, draw := range in.Draws {
			row := x.F32()[i*d : (i+1)*d]
			t.penalties.Corrupt(noisy.F32()[i*d:(i+1)*d], row, t.scratch, in.Rng, draw, uint32(in.Step))
		}
	}
	var signs *tensor.Tensor
	if p := t.penalties.Probes; t.penalties.Contraction > 0 && p > 0 {
		k := t.net.Config().Code
		signs = tape.Arena().New(tensor.Float32, p, n, k)
		row := make([]float32, p*k)
		for i, draw := range in.Draws {
			autoencoder.Signs(row, in.Rng, draw, uint32(in.Step))
			for j := range p {
				copy(signs.F32()[(j*n+i)*k:(j*n+i+1)*k], row[j*k:])
			}
		}
	}
	return t.net.Loss(tape, x, noisy, class, t.penalties, signs).Loss, nil
}

// Evaluate implements train.Task: the reconstruction of clean pictures, without penalties.
func (t *autoencoderTask) Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error) {
	if err := load(t.twin, model); err != nil {
		return nil, err
	}
	rec, square, err := t.measure(ctx, &t.data.Selection, t.data.Selection.Len())
	if err != nil {
		return nil, err
	}
	t.seen = rec
	if t.known, _, err = t.measure(ctx, &t.data.Train, min(gapPictures, t.data.Train.Len())); err != nil {
		return nil, err
	}
	return map[string]float64{
		"loss": rec, "reconstruction": rec, "squared_error": square, "gap": t.seen - t.known,
	}, nil
}

// measure is the negative log-likelihood of reconstructions, nats a picture, and their mean squared error.
func (t *autoencoderTask) measure(ctx context.Context, split *recipe.Split, n int) (rec, square float64, err error) {
	for from := 0; from < n; from += evalRows {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		rows := min(evalRows, n-from)
		t.tape.Reset()
		x := t.tape.Arena().New(tensor.Float32, rows, t.size())
		class, err := t.slice(x, split, from)
		if err != nil {
			return 0, 0, err
		}
		err = tensor.Catch(func() {
			net, in := t.twin.Autoencoder, t.tape.Const(x)
			out := net.Decode(t.tape, net.Encode(t.tape, in, class), class)
			rec -= float64(net.Likelihood.Sum(t.tape, out, in).F32()[0])
			y := t.tape.Arena().New(tensor.Float32, rows, t.size())
			net.Likelihood.Mean(y, out.Tensor)
			square += squares(y, x)
		})
		if err != nil {
			return 0, 0, err
		}
	}
	return rec / float64(n), square / float64(n) / float64(t.size()), nil
}

// squares is the sum of the squared differences.
func squares(a, b *tensor.Tensor) (sum float64) {
	for i, v := range a.F32() {
		d := float64(v) - float64(b.F32()[i])
		sum += float64(d * d)
	}
	return sum
}

// Report implements train.Reporter.
func (t *autoencoderTask) Report(_ context.Context, model []weights.Param) (train.Report, error) {
	return train.Report{Series: histogram(model), Alarms: overfitting(t.seen, t.known)}, nil
}

// Preview implements train.Task.
func (t *autoencoderTask) Preview(_ context.Context, model []weights.Param, step int) ([]train.Preview, error) {
	if err := load(t.twin, model); err != nil {
		return nil, err
	}
	p, err := t.reconstructions(t.twin, step)
	return []train.Preview{p}, err
}
