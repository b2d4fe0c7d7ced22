package evaluate

import (
	"context"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/optim"
	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/vae/internal/dbn"
)

// Labelled are rows of numbers with their classes.
type Labelled struct {
	X     *tensor.Tensor // [N, D]
	Class []int32
}

// Fit says how a classifier learns: cross-entropy by AdamW on minibatches, the learning rate falling along half a
// cosine. It is part of a report.
type Fit struct {
	Epochs int     `json:"epochs"`
	Batch  int     `json:"batch"`
	Rate   float64 `json:"learning_rate"`
	Decay  float64 `json:"weight_decay"`
	// DropInput and DropHidden are the probabilities to leave units out.
	DropInput  float64 `json:"drop_input,omitempty"`
	DropHidden float64 `json:"drop_hidden,omitempty"`
	EMA        float64 `json:"ema,omitempty"` // decay of the averaged weights that are kept; 0 for the last ones
	Seed       uint64  `json:"seed,string"`
}

// Run trains the classifier in place. progress may be nil.
func (f Fit) Run(ctx context.Context, net *dbn.Classifier, data Labelled, progress func(epoch int)) error {
	n, D := data.X.Dims2()
	if f.Batch < 1 || n < f.Batch {
		return fault.E(fault.Invalid, "NO_DATA", "evaluate.Fit", "%d rows in batches of %d", n, f.Batch)
	}
	params := nn.Params(net)
	adam := optim.NewAdamW(params, optim.AdamWConfig{WeightDecay: f.Decay})
	var ema *optim.EMA
	if f.EMA > 0 {
		ema = optim.NewEMA(params, f.EMA, true)
	}
	tape := autograd.NewTape(nil)
	steps := n / f.Batch
	rate := optim.WarmupCosine{Peak: f.Rate, Total: f.Epochs * steps}
	class, rows := make([]int32, f.Batch), make([]rng.Row, f.Batch)
	for e := range f.Epochs {
		order := rng.New(f.Seed).Perm(n, uint64(e))
		for s := range steps {
			if err := ctx.Err(); err != nil {
				return fault.Wrap("evaluate.Fit", err)
			}
			tape.Reset()
			x := tape.Arena().New(tensor.Float32, f.Batch, D)
			at := order[s*f.Batch : (s+1)*f.Batch]
			tensor.Gather(x, data.X, at)
			for i, k := range at {
				class[i] = data.Class[k]
				rows[i] = rng.Row{Stream: rng.New(f.Seed), Sample: uint64(e*n + s*f.Batch + i)}
			}
			drop := dbn.Dropout{Input: f.DropInput, Hidden: f.DropHidden, Rows: rows}
			loss := nn.CrossEntropy(net.Forward(tape, tape.Const(x), drop), class)
			nn.Gradient(tape, loss, params)
			adam.StepMean(rate.At(e*steps+s), 1, ema)
		}
		if progress != nil {
			progress(e + 1)
		}
	}
	if ema != nil {
		ema.CopyTo(params)
	}
	for _, p := range params {
		p.Changed()
	}
	return nil
}

// Rate is a share of wrong answers.
type Rate struct {
	Wrong int     `json:"wrong"`
	Of    int     `json:"of"`
	Error float64 `json:"error"`
	// StandardError of the share.
	StandardError float64 `json:"standard_error"`
}

// rate is the share of rows that a classifier is wrong about.
func rate(net *dbn.Classifier, data Labelled) Rate {
	const batch = 500
	n, D := data.X.Dims2()
	tape := autograd.NewInference(nil)
	r := Rate{Of: n}
	for from := 0; from < n; from += batch {
		tape.Reset()
		to := min(from+batch, n)
		x := tensor.FromFloat32(data.X.F32()[from*D:to*D], to-from, D)
		y := net.Forward(tape, tape.Const(x), dbn.Dropout{})
		classes := y.Dim(1)
		for i, c := range data.Class[from:to] {
			row := y.F32()[i*classes : (i+1)*classes]
			best := 0
			for k, v := range row {
				if v > row[best] {
					best = k
				}
			}
			if int32(best) != c {
				r.Wrong++
			}
		}
	}
	r.Error = float64(r.Wrong) / float64(n)
	r.StandardError = binomial(r.Error, n)
	return r
}
