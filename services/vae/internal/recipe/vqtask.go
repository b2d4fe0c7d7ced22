package recipe

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/vq"
)

// vqTask is a quantised autoencoder in training.
type vqTask struct {
	base
	learn       vq.Learning
	net         *vq.VQ
	twin        *vq.Model // holds the weights that are evaluated and shown, without a prior
	averages    *vq.Averages
	index       []int32
	use         []float64 // of every vector, in the last evaluation
	seen, known float64   // losses of the last evaluation
}

func newVQTask(r *Recipe, v *vqModel, p *recipe.Pictures, cfg vq.Config) (*vqTask, error) {
	cfg.Prior = nil
	t := &vqTask{learn: v.learning()}
	var err error
	if t.net, err = vq.New(cfg); err == nil {
		t.twin, err = vq.NewModel(cfg)
	}
	if err != nil {
		return nil, fault.E(fault.Invalid, "BAD_MODEL", "recipe.newVQTask", "%w", err)
	}
	nn.Init(t.net, r.Seed)
	t.averages = vq.NewAverages(t.net, t.learn)
	t.base = newBase(r, p, v.Binarise, v.Condition, t.net, cfg, t.learn)
	return t, nil
}

// Loss implements train.Task.
func (t *vqTask) Loss(tape *autograd.Tape, in train.Batch) (*autograd.Value, error) {
	x := tape.Arena().New(tensor.Float32, len(in.Samples), t.size())
	class, err := t.batch(x, in)
	if err != nil {
		return nil, err
	}
	p := t.net.Loss(tape, x, class, t.room(len(in.Samples)), t.learn)
	t.averages.Observe(in.Step, p.Vectors.Tensor, p.Index)
	return p.Loss, nil
}

// room is indices for n pictures.
func (t *vqTask) room(n int) []int32 {
	_, each := t.twin.Codebook()
	t.index = append(t.index[:0], make([]int32, n*each)...)
	return t.index
}

// State implements train.Stateful.
func (t *vqTask) State() []weights.Param { return t.averages.State() }

// AfterStep implements train.Stepper: the codebook follows the encoder.
func (t *vqTask) AfterStep(_ int, s rng.Stream) error {
	t.averages.Update(s)
	return nil
}

// Evaluate implements train.Task.
func (t *vqTask) Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error) {
	if err := load(t.twin, model); err != nil {
		return nil, err
	}
	t.use = make([]float64, t.net.Config().Vectors)
	known, err := t.measure(ctx, &t.data.Train, min(gapPictures, t.data.Train.Len()))
	if err != nil {
		return nil, err
	}
	clear(t.use)
	m, err := t.measure(ctx, &t.data.Selection, t.data.Selection.Len())
	if err != nil {
		return nil, err
	}
	t.seen, t.known = m["loss"], known["loss"]
	m["gap"] = t.seen - t.known
	m["perplexity"] = vq.Perplexity(t.use)
	return m, nil
}

func (t *vqTask) measure(ctx context.Context, split *recipe.Split, n int) (map[string]float64, error) {
	var loss, rec, distance, square float64
	for from := 0; from < n; from += evalRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := min(evalRows, n-from)
		t.tape.Reset()
		x := t.tape.Arena().New(tensor.Float32, rows, t.size())
		class, err := t.slice(x, split, from)
		if err != nil {
			return nil, err
		}
		err = tensor.Catch(func() {
			p := t.twin.Loss(t.tape, x, class, t.room(rows), t.learn)
			for _, i := range p.Index {
				t.use[i]++
			}
			loss += float64(float64(rows) * float64(p.Loss.F32()[0]))
			rec += float64(float64(rows) * float64(p.Reconstruction.F32()[0]))
			distance += float64(float64(rows) * float64(p.Distance.F32()[0]))
			y := t.tape.Arena().New(tensor.Float32, rows, t.size())
			t.twin.Likelihood.Mean(y, p.Output.Tensor)
			square += squares(y, x)
		})
		if err != nil {
			return nil, err
		}
	}
	return map[string]float64{
		"loss": loss / float64(n), "reconstruction": rec / float64(n), "distance": distance / float64(n),
		"squared_error": square / float64(n) / float64(t.size()),
	}, nil
}

// Report implements train.Reporter: the use of every vector, the weights, and what goes wrong.
func (t *vqTask) Report(_ context.Context, model []weights.Param) (train.Report, error) {
	r := train.Report{Series: histogram(model), Alarms: overfitting(t.seen, t.known)}
	if t.use == nil {
		return r, nil
	}
	r.Series["codebook"] = t.use
	if p := vq.Perplexity(t.use); p < float64(len(t.use))/10 {
		r.Alarms = append(r.Alarms, fmt.Sprintf("The codebook has collapsed: %.3g of its %d vectors are in use.", p,
			len(t.use)))
	}
	return r, nil
}

// Preview implements train.Task.
func (t *vqTask) Preview(_ context.Context, model []weights.Param, step int) ([]train.Preview, error) {
	if err := load(t.twin, model); err != nil {
		return nil, err
	}
	p, err := t.reconstructions(t.twin, step)
	return []train.Preview{p}, err
}

// priorTask is the PixelCNN over the indices of training pictures.
type priorTask struct {
	base
	net         *vq.Prior
	full        vq.Sampler // the first stage, and the evaluated weights of the prior
	grids       [2][]int32 // indices of the training pictures and of those for selection
	each        int
	index       []int32
	seen, known float64
}

func newPriorTask(
	ctx context.Context, r *Recipe, v *vqModel, p *recipe.Pictures, m *vq.Model,
) (*priorTask, error) {
	t := &priorTask{net: vq.NewPrior(m.VQ.Config()), full: vq.Sampler{Model: m}}
	nn.Init(t.net, r.Seed)
	text, err := r.YAML() // what the first stage comes from
	if err != nil {
		return nil, err
	}
	t.base = newBase(r, p, v.Binarise, v.Condition, t.net, string(text))
	_, t.each = m.Codebook()
	for i, split := range []*recipe.Split{&p.Train, &p.Selection} {
		if t.grids[i], err = t.indices(ctx, split); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// indices quantises a whole split; dynamic pictures are made binary once.
func (t *priorTask) indices(ctx context.Context, split *recipe.Split) ([]int32, error) {
	n := split.Len()
	grids := make([]int32, n*t.each)
	for from := 0; from < n; from += evalRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := min(evalRows, n-from)
		t.tape.Reset()
		x := t.tape.Arena().New(tensor.Float32, rows, t.size())
		class, err := t.slice(x, split, from)
		if err != nil {
			return nil, err
		}
		z := t.full.VQ.Encode(t.tape, t.tape.Const(x), class)
		t.full.Nearest(grids[from*t.each:(from+rows)*t.each], z.Tensor, t.tape.Arena())
	}
	return grids, nil
}

// Loss implements train.Task: the negative log-probability of the indices, nats a picture.
func (t *priorTask) Loss(tape *autograd.Tape, in train.Batch) (*autograd.Value, error) {
	t.index, t.class = t.index[:0], t.class[:0]
	for _, s := range in.Samples {
		t.index = append(t.index, t.grids[0][int(s)*t.each:(int(s)+1)*t.each]...)
		t.class = append(t.class, int32(t.data.Train.Label(t.data.Train.Index(int(s)))))
	}
	loss := autograd.CrossEntropy(t.net.Forward(tape, t.index, t.class), t.index)
	return autograd.Scale(loss, 1/float64(len(in.Samples))), nil
}

// Evaluate implements train.Task.
func (t *priorTask) Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error) {
	if err := load(t.full.Prior, model); err != nil {
		return nil, err
	}
	var err error
	if t.seen, err = t.measure(ctx, 1, &t.data.Selection, t.data.Selection.Len()); err != nil {
		return nil, err
	}
	t.known, err = t.measure(ctx, 0, &t.data.Train, min(gapPictures, t.data.Train.Len()))
	return map[string]float64{"loss": t.seen, "gap": t.seen - t.known}, err
}

func (t *priorTask) measure(ctx context.Context, which int, split *recipe.Split, n int) (float64, error) {
	var loss float64
	for from := 0; from < n; from += evalRows {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		to := min(from+evalRows, n)
		t.class = t.class[:0]
		for i := from; i < to; i++ {
			t.class = append(t.class, int32(split.Label(split.Index(i))))
		}
		t.tape.Reset()
		index := t.grids[which][from*t.each : to*t.each]
		loss += float64(autograd.CrossEntropy(t.full.Prior.Forward(t.tape, index, t.class), index).F32()[0])
	}
	return loss / float64(n), nil
}

// Report implements train.Reporter.
func (t *priorTask) Report(_ context.Context, model []weights.Param) (train.Report, error) {
	return train.Report{Series: histogram(model), Alarms: overfitting(t.seen, t.known)}, nil
}

// Preview implements train.Task.
func (t *priorTask) Preview(_ context.Context, model []weights.Param, step int) ([]train.Preview, error) {
	if err := load(t.full.Prior, model); err != nil {
		return nil, err
	}
	p, err := t.samples(t.full, step)
	return []train.Preview{p}, err
}
