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

	"github.com/manifold-gen/manifold/services/vae/internal/vae"
)

// vaeTask is a VAE in training.
type vaeTask struct {
	base
	spec *vaeModel
	net  *vae.VAE
	twin *vae.Model // holds the weights that are evaluated and shown, without a second stage
	seen *measure   // of the last evaluation, for the report
}

// newVAETask draws the initial weights.
func newVAETask(r *Recipe, v *vaeModel, p *recipe.Pictures, cfg vae.Config) (*vaeTask, error) {
	cfg.Second = nil
	t := &vaeTask{spec: v}
	var err error
	if t.net, err = vae.New(cfg); err == nil {
		t.twin, err = vae.NewModel(cfg)
	}
	if err != nil {
		return nil, fault.E(fault.Invalid, "BAD_MODEL", "recipe.newVAETask", "%w", err)
	}
	nn.Init(t.net, r.Seed)
	t.base = newBase(r, p, v.Binarise, v.Condition, t.net, cfg, *v.Beta, v.Warmup, v.FreeBits, *v.Samples)
	return t, nil
}

// Loss implements train.Task: the negative bound, in nats a picture.
func (t *vaeTask) Loss(tape *autograd.Tape, in train.Batch) (*autograd.Value, error) {
	n, k, s := len(in.Samples), *t.spec.Latent, *t.spec.Samples
	x := tape.Arena().New(tensor.Float32, n, t.size())
	class, err := t.batch(x, in)
	if err != nil {
		return nil, err
	}
	if s > 1 {
		eps := tape.Arena().New(tensor.Float32, n, s, k)
		noise(eps, in)
		return t.net.IWAE(tape, tape.Const(x), tape.Const(eps), class, t.beta(in.Step)).Loss, nil
	}
	eps := tape.Arena().New(tensor.Float32, n, k)
	noise(eps, in)
	return t.net.ELBO(tape, tape.Const(x), tape.Const(eps), class, t.beta(in.Step), t.spec.FreeBits).Loss, nil
}

// beta is the weight of the divergence at a step: linear in the warm-up, from one part of it at step 0.
func (t *vaeTask) beta(step int) float64 {
	if step >= t.spec.Warmup {
		return *t.spec.Beta
	}
	return *t.spec.Beta * float64(step+1) / float64(t.spec.Warmup+1)
}

// measure is what an evaluation found, sums over n pictures.
type measure struct {
	n                      int
	rec, kl, bound, square float64
	perKL, mean, meanSq    []float64 // [K]
	gap                    float64   // of a measure of unseen pictures: loss above that of training pictures
	train                  float64   // loss of training pictures
}

// active is the numbers of the code whose mean varies with the picture, with a variance above 0.01 (Burda et al. 2016,
// section 5.1).
func (m *measure) active() float64 {
	var active float64
	for j, s := range m.mean {
		mean := s / float64(m.n)
		if m.meanSq[j]/float64(m.n)-float64(mean*mean) > 0.01 {
			active++
		}
	}
	return active
}

// measure evaluates the first n pictures of a split with the twin's weights, one sample of the code each, or as many as
// the bound has.
func (t *vaeTask) measure(ctx context.Context, split *recipe.Split, n int) (*measure, error) {
	k := *t.spec.Latent
	m := &measure{n: n, perKL: make([]float64, k), mean: make([]float64, k), meanSq: make([]float64, k)}
	rows := max(1, evalRows / *t.spec.Samples)
	for from := 0; from < n; from += rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := t.part(m, split, from, min(rows, n-from)); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (t *vaeTask) part(m *measure, split *recipe.Split, from, n int) error {
	k, s := *t.spec.Latent, *t.spec.Samples
	t.tape.Reset()
	x := t.tape.Arena().New(tensor.Float32, n, t.size())
	class, err := t.slice(x, split, from)
	if err != nil {
		return err
	}
	eps := t.tape.Arena().New(tensor.Float32, n, s, k)
	for i := range n {
		t.evalStream().Normal(eps.F32()[i*s*k:(i+1)*s*k], uint64(from+i), 0, rng.Noise)
	}
	return tensor.Catch(func() {
		net, in := t.twin.First, t.tape.Const(x)
		if s > 1 {
			m.bound -= float64(float64(n) * float64(net.IWAE(t.tape, in, t.tape.Const(eps), class, 1).Loss.F32()[0]))
		}
		first := t.tape.Arena().New(tensor.Float32, n, k) // one sample for the ELBO
		for i := range n {
			copy(first.F32()[i*k:(i+1)*k], eps.F32()[i*s*k:])
		}
		b := net.ELBO(t.tape, in, t.tape.Const(first), class, 1, 0)
		m.rec -= float64(float64(n) * float64(b.LogLik.F32()[0]))
		for i, v := range b.KL.F32() {
			m.kl += float64(v)
			m.perKL[i%k] += float64(v)
			mean := float64(b.Mean.F32()[i])
			m.mean[i%k] += mean
			m.meanSq[i%k] += float64(mean * mean)
		}
		y := t.tape.Arena().New(tensor.Float32, n, t.size())
		net.Likelihood.Mean(y, net.Decode(t.tape, b.Mean, class).Tensor)
		m.square += squares(y, x)
	})
}

// loss is what is compared between evaluations: the negative bound, with the recipe's beta.
func (t *vaeTask) loss(m *measure) float64 {
	if *t.spec.Samples > 1 {
		return -m.bound / float64(m.n)
	}
	return (m.rec + float64(*t.spec.Beta*m.kl)) / float64(m.n)
}

// Evaluate implements train.Task.
func (t *vaeTask) Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error) {
	if err := load(t.twin.First, model); err != nil {
		return nil, err
	}
	m, err := t.measure(ctx, &t.data.Selection, t.data.Selection.Len())
	if err != nil {
		return nil, err
	}
	known, err := t.measure(ctx, &t.data.Train, min(gapPictures, t.data.Train.Len()))
	if err != nil {
		return nil, err
	}
	m.train = t.loss(known)
	m.gap = t.loss(m) - m.train
	t.seen = m
	n := float64(m.n)
	out := map[string]float64{
		"loss": t.loss(m), "negative_elbo": (m.rec + m.kl) / n, "reconstruction": m.rec / n, "kl": m.kl / n,
		"squared_error": m.square / n / float64(t.size()), "active_units": m.active(), "gap": m.gap,
	}
	if *t.spec.Samples > 1 {
		out["negative_iwae"] = -m.bound / n
	}
	return out, nil
}

// collapsed is the divergence in nats below which a number of the code says nothing.
const collapsed = 0.01

// Report implements train.Reporter: the divergence by number of the code, the weights, and what goes wrong.
func (t *vaeTask) Report(_ context.Context, model []weights.Param) (train.Report, error) {
	r := train.Report{Series: histogram(model)}
	if t.seen == nil {
		return r, nil
	}
	per, quiet := make([]float64, len(t.seen.perKL)), 0
	for j, v := range t.seen.perKL {
		if per[j] = v / float64(t.seen.n); !(per[j] >= collapsed) {
			quiet++
		}
	}
	r.Series["kl"] = per
	switch {
	case quiet == len(per):
		r.Alarms = append(r.Alarms, "The posterior has collapsed: no number of the code says anything about its picture.")
	case 2*quiet >= len(per):
		r.Alarms = append(r.Alarms, fmt.Sprintf("%d of %d numbers of the code carry less than %v nats.", quiet, len(per),
			collapsed))
	}
	r.Alarms = append(r.Alarms, overfitting(t.seen.train+t.seen.gap, t.seen.train)...)
	return r, nil
}

// Preview implements train.Task.
func (t *vaeTask) Preview(_ context.Context, model []weights.Param, step int) ([]train.Preview, error) {
	if err := load(t.twin.First, model); err != nil {
		return nil, err
	}
	a, err := t.reconstructions(t.twin, step)
	if err != nil {
		return nil, err
	}
	b, err := t.samples(t.twin, step)
	return []train.Preview{a, b}, err
}

// codesTask is the second stage: a VAE of codes that are drawn from the first stage's posterior (Dai and Wipf 2019,
// section 4).
type codesTask struct {
	base
	spec *vaeModel
	net  *vae.VAE
	full *vae.Model // the first stage, and the second one's evaluated weights
}

func newCodesTask(r *Recipe, v *vaeModel, p *recipe.Pictures, full *vae.Model) (*codesTask, error) {
	first := full.First.Config()
	t := &codesTask{spec: v, full: full}
	var err error
	if t.net, err = vae.New(first.Stage2()); err != nil {
		return nil, fault.E(fault.Invalid, "BAD_MODEL", "recipe.newCodesTask", "%w", err)
	}
	nn.Init(t.net, r.Seed)
	text, err := r.YAML() // what the first stage comes from
	t.base = newBase(r, p, v.Binarise, v.Condition, t.net, first, string(text))
	return t, err
}

// codes draws z ~ q(z|x) for pictures x.
func (t *codesTask) codes(dst, x *tensor.Tensor, class []int32, eps *tensor.Tensor) {
	t.tape.Reset()
	mean, logvar := t.full.First.Posterior(t.tape, t.tape.Const(x), class)
	dst.CopyFrom(vae.Reparameterise(mean, logvar, t.tape.Const(eps)).Tensor)
}

// Loss implements train.Task. The noise of the first stage is the first half of a row's, that of the second the other.
func (t *codesTask) Loss(tape *autograd.Tape, in train.Batch) (*autograd.Value, error) {
	n, k := len(in.Samples), *t.spec.Latent
	x := tape.Arena().New(tensor.Float32, n, t.size())
	class, err := t.batch(x, in)
	if err != nil {
		return nil, err
	}
	both := tape.Arena().New(tensor.Float32, n, 2, k)
	noise(both, in)
	return t.bound(tape, t.net, x, both, class).Loss, nil
}

func (t *codesTask) bound(tape *autograd.Tape, net *vae.VAE, x, both *tensor.Tensor, class []int32) vae.Bound {
	n, _, k := both.Dims3()
	z, e1 := tape.Arena().New(tensor.Float32, n, k), tape.Arena().New(tensor.Float32, n, k)
	e2 := tape.Arena().New(tensor.Float32, n, k)
	for i := range n {
		copy(e1.F32()[i*k:(i+1)*k], both.F32()[2*i*k:])
		copy(e2.F32()[i*k:(i+1)*k], both.F32()[(2*i+1)*k:])
	}
	t.codes(z, x, class, e1)
	return net.ELBO(tape, tape.Const(z), tape.Const(e2), class, 1, 0)
}

// Evaluate implements train.Task: the negative bound of codes, in nats.
func (t *codesTask) Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error) {
	if err := load(t.full.Second, model); err != nil {
		return nil, err
	}
	n, k := t.data.Selection.Len(), *t.spec.Latent
	tape := autograd.NewInference(nil)
	var loss, rec float64
	for from := 0; from < n; from += evalRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := min(evalRows, n-from)
		tape.Reset()
		x, both := tape.Arena().New(tensor.Float32, rows, t.size()), tape.Arena().New(tensor.Float32, rows, 2, k)
		class, err := t.slice(x, &t.data.Selection, from)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			t.evalStream().Normal(both.F32()[2*i*k:2*(i+1)*k], uint64(from+i), 0, rng.Noise)
		}
		b := t.bound(tape, t.full.Second, x, both, class)
		loss += float64(float64(rows) * float64(b.Loss.F32()[0]))
		rec -= float64(float64(rows) * float64(b.LogLik.F32()[0]))
	}
	gamma := tensor.ExpF64(2 * float64(t.full.Second.Likelihood.LogScale.F32()[0]))
	return map[string]float64{
		"loss": loss / float64(n), "reconstruction": rec / float64(n), "kl": (loss - rec) / float64(n), "gamma": gamma,
	}, nil
}

// Preview implements train.Task.
func (t *codesTask) Preview(_ context.Context, model []weights.Param, step int) ([]train.Preview, error) {
	if err := load(t.full.Second, model); err != nil {
		return nil, err
	}
	p, err := t.samples(t.full, step)
	return []train.Preview{p}, err
}
