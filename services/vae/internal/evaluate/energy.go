package evaluate

import (
	"context"
	"math"
	"path/filepath"
	"time"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/vae/internal/dbn"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/rbm"
	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
)

// Source says which model is measured on which pictures.
type Source struct {
	Store *modelstore.Store
	Model string           // name or name@version
	Data  *dataset.Locator // nil finds sets that are drawn
	Name  string           // of a registered set with the splits train, select and report
	Size  int              // height and width; 0 for the set's own
}

// Measured is what every report begins with.
type Measured struct {
	Model    string  `json:"model"`
	Digest   string  `json:"digest"`
	Data     string  `json:"data"`
	Numerics int     `json:"numerics"`
	Seconds  float64 `json:"seconds"`
}

// open loads the model; the returned function unmaps it.
func (s Source) open() (model.Model, Measured, func(), error) {
	fail := func(err error) (model.Model, Measured, func(), error) {
		return nil, Measured{}, nil, fault.Wrap("evaluate.open", err)
	}
	e, err := s.Store.Resolve(s.Model)
	if err != nil {
		return fail(err)
	}
	dir, err := s.Store.Dir(e)
	if err != nil {
		return fail(err)
	}
	f, err := weights.Open(filepath.Join(dir, modelstore.WeightsFile))
	if err != nil {
		return fail(err)
	}
	m, _, err := recipe.Open(e.Manifest, f)
	if err != nil {
		f.Close()
		return fail(err)
	}
	head := Measured{Model: e.Ref(), Digest: e.Manifest.Digest, Data: s.Name, Numerics: tensor.NumericsVersion}
	return m, head, func() { f.Close() }, nil
}

// split reads a split in [0, 1].
func (s Source) split(ctx context.Context, name string) (Labelled, int, error) {
	set, err := s.Data.Open(ctx, dataset.Request{Name: s.Name, Split: name,
		Format: dataset.Format{Height: s.Size, Width: s.Size}})
	if err != nil {
		return Labelled{}, 0, err
	}
	h, w, c := set.Shape()
	d, n := h*w*c, set.Len()
	out := Labelled{X: tensor.New(tensor.Float32, n, d), Class: make([]int32, n)}
	for i := range n {
		if err := set.Picture(i, out.X.F32()[i*d:(i+1)*d]); err != nil {
			return out, 0, err
		}
		out.Class[i] = int32(set.Label(i))
	}
	dataset.ToUnit(out.X.F32())
	return out, len(set.Classes()), nil
}

// splits are train, select and report.
func (s Source) splits(ctx context.Context) (parts [3]Labelled, classes int, err error) {
	if s.Data == nil {
		s.Data = new(dataset.Locator)
	}
	for i, name := range []string{"train", "select", "report"} {
		if parts[i], classes, err = s.split(ctx, name); err != nil {
			return parts, 0, fault.Wrap("evaluate.splits", err)
		}
	}
	if classes == 0 {
		return parts, 0, fault.E(fault.Invalid, "NO_LABELS", "evaluate.splits", "%s has no classes", s.Name)
	}
	return parts, classes, nil
}

func binomial(p float64, n int) float64 { return math.Sqrt(p * (1 - p) / float64(n)) }

// Likelihood measures the log-likelihood of a restricted Boltzmann machine by annealed importance sampling.
type Likelihood struct {
	Source
	Temperatures int // 10,000
	Chains       int // 100
	Seed         uint64
	Progress     func(done, of int) // of the temperatures; nil: nothing
}

// LikelihoodReport is what it gives. Pictures of the split report are made binary first, each unit with its pixel's
// probability, by the draws of the seed.
type LikelihoodReport struct {
	Measured
	Temperatures  int     `json:"temperatures"`
	Chains        int     `json:"chains"`
	Seed          uint64  `json:"seed,string"`
	LogZ          float64 `json:"log_z"`
	ThreeSigma    float64 `json:"three_sigma"` // of log Z; all likelihoods share it
	Exact         bool    `json:"exact"`       // log Z by enumeration
	Train         float64 `json:"train"`       // mean log-likelihood of 10,000 training pictures, nats
	Report        float64 `json:"report"`      // of the split report
	StandardError float64 `json:"standard_error"`
	Baseline      float64 `json:"independent_pixels"` // log-likelihood of report under the pixels' own means
}

// Run measures.
func (l Likelihood) Run(ctx context.Context) (*LikelihoodReport, error) {
	start := time.Now()
	if l.Temperatures == 0 {
		l.Temperatures = 10_000
	}
	if l.Chains == 0 {
		l.Chains = 100
	}
	m, head, done, err := l.open()
	if err != nil {
		return nil, err
	}
	defer done()
	served, ok := m.(*rbm.Model)
	if !ok || served.Units != rbm.Binary || served.Labels > 0 {
		return nil, fault.E(fault.Invalid, "BAD_MODEL", "evaluate.Likelihood",
			"%s is no machine of binary pixels alone", l.Model)
	}
	parts, _, err := l.splits(ctx)
	if err != nil {
		return nil, err
	}
	r := &LikelihoodReport{Measured: head, Temperatures: l.Temperatures, Chains: l.Chains, Seed: l.Seed}
	mean := columnMeans(parts[0].X)
	z, err := served.ExactPartition()
	if err != nil {
		z, err = served.Estimate(ctx, rbm.AIS{Temperatures: l.Temperatures, Chains: l.Chains, Stream: rng.New(l.Seed),
			Base: served.BaseRate(mean), Progress: l.Progress})
	}
	if err != nil {
		return nil, err
	}
	r.LogZ, r.ThreeSigma, r.Exact = z.LogZ, z.ThreeSigma(), z.Exact
	train := parts[0].X
	if n, d := train.Dims2(); n > 10_000 {
		train = tensor.FromFloat32(train.F32()[:10_000*d], 10_000, d)
	}
	for i, x := range []*tensor.Tensor{train, parts[2].X} {
		binarise(x, rng.New(l.Seed), uint32(i))
		free := freeEnergies(served.RBM, x)
		var s, square float64
		for _, f := range free {
			s -= f
			square += f * f
		}
		n := float64(len(free))
		if i == 0 {
			r.Train = s/n - z.LogZ
			continue
		}
		r.Report = s/n - z.LogZ
		r.StandardError = math.Sqrt(max(0, square/n-s/n*(s/n)) / n)
	}
	r.Baseline = independent(parts[2].X, mean)
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// binarise draws binary pictures in place.
func binarise(x *tensor.Tensor, s rng.Stream, split uint32) {
	rows := make([]rng.Row, x.Dim(0))
	for i := range rows {
		rows[i] = rng.Row{Stream: s, Sample: uint64(i), Step: split}
	}
	rng.BernoulliRows(x.F32(), x.F32(), rows, rng.Binarise)
}

func freeEnergies(m *rbm.RBM, x *tensor.Tensor) []float64 {
	n, d := x.Dims2()
	out := make([]float64, n)
	a := tensor.NewArena()
	for from := 0; from < n; from += 500 {
		to := min(from+500, n)
		m.FreeEnergy(out[from:to], tensor.FromFloat32(x.F32()[from*d:to*d], to-from, d), a)
	}
	return out
}

func columnMeans(x *tensor.Tensor) []float32 {
	mean := tensor.New(tensor.Float32, x.Dim(1))
	tensor.Mean(mean, x, 0)
	return mean.F32()
}

// independent is the mean log-likelihood of binary rows under independent units of the given means, none nearer to 0 or
// 1 than one in a thousand.
func independent(x *tensor.Tensor, mean []float32) float64 {
	n, d := x.Dims2()
	var s float64
	for i, v := range x.F32() {
		p := math.Min(math.Max(float64(mean[i%d]), 0.001), 0.999)
		if v == 0 {
			p = 1 - p
		}
		s += math.Log(p)
	}
	return s / float64(n)
}

// Linear measures how well classes can be told by logistic regression on a model's codes, and on raw pixels.
type Linear struct {
	Source
	Fit      Fit // zero values: 40 epochs in batches of 200 at 0.01, dropping a fifth of the codes
	Progress func(what string, epoch, of int)
}

// LinearReport is what it gives: errors on the splits.
type LinearReport struct {
	Measured
	Fit    Fit    `json:"fit"`
	Code   int    `json:"code"`
	Codes  Splits `json:"codes"`
	Pixels Splits `json:"pixels"`
}

// Splits are the rates of a classifier.
type Splits struct {
	Train  Rate `json:"train"`
	Select Rate `json:"select"`
	Report Rate `json:"report"`
}

// Run measures.
func (l Linear) Run(ctx context.Context) (*LinearReport, error) {
	start := time.Now()
	if l.Fit.Epochs == 0 {
		l.Fit.Epochs, l.Fit.Batch, l.Fit.Rate, l.Fit.DropInput = 40, 200, 0.01, 0.2
	}
	m, head, done, err := l.open()
	if err != nil {
		return nil, err
	}
	defer done()
	enc, ok := m.(model.Encoder)
	if !ok {
		return nil, fault.E(fault.Invalid, "BAD_MODEL", "evaluate.Linear", "%s has no codes", l.Model)
	}
	parts, classes, err := l.splits(ctx)
	if err != nil {
		return nil, err
	}
	r := &LinearReport{Measured: head, Fit: l.Fit, Code: m.Size().CodeLen()}
	pixels := l.Fit
	pixels.DropInput = 0
	if r.Pixels, err = l.regress(ctx, "pixels", pixels, parts, classes); err != nil {
		return nil, err
	}
	for i := range parts {
		parts[i].X = encode(enc, parts[i].X, r.Code)
	}
	if r.Codes, err = l.regress(ctx, "codes", l.Fit, parts, classes); err != nil {
		return nil, err
	}
	r.Measured.Seconds = time.Since(start).Seconds()
	return r, nil
}

func (l Linear) regress(ctx context.Context, what string, fit Fit, parts [3]Labelled, classes int) (Splits, error) {
	net := &dbn.Classifier{Out: nn.NewLinear(parts[0].X.Dim(1), classes, true).Zero()}
	nn.Init(net, fit.Seed)
	err := fit.Run(ctx, net, parts[0], func(e int) {
		if l.Progress != nil {
			l.Progress(what, e, fit.Epochs)
		}
	})
	return Splits{rate(net, parts[0]), rate(net, parts[1]), rate(net, parts[2])}, err
}

// encode gives the mean codes [N, K] of pictures, none of which has a class.
func encode(enc model.Encoder, x *tensor.Tensor, k int) *tensor.Tensor {
	const batch = 500
	n, d := x.Dims2()
	z := tensor.New(tensor.Float32, n, k)
	var class []int32
	if enc.(model.Model).Size().Classes > 0 {
		class = make([]int32, batch)
		for i := range class {
			class[i] = model.Unconditional
		}
	}
	for from := 0; from < n; from += batch {
		to := min(from+batch, n)
		c := class
		if c != nil {
			c = c[:to-from]
		}
		enc.Encode(z.F32()[from*k:to*k], nil, x.F32()[from*d:to*d], to-from, c)
	}
	return z
}

// FineTune measures what the layers of a deep belief network are worth to a classifier that is trained from them by
// backpropagation, beside one of the same shape from random weights.
type FineTune struct {
	Source
	// Fit: zero values are 40 epochs in batches of 100 at 0.001, averaged, dropping 0.2 of the pixels and 0.3 of units;
	// with Labels 400 epochs in batches of 50, dropping half of the units.
	Fit Fit
	// Labels limits the training pictures, the first of the split; 0 for all.
	Labels   int
	Random   bool // measure random weights, too
	Progress func(what string, epoch, of int)
}

// FineTuneReport is what it gives.
type FineTuneReport struct {
	Measured
	Fit        Fit     `json:"fit"`
	Labels     int     `json:"labels"`
	Hidden     []int   `json:"hidden"`
	Pretrained Splits  `json:"pretrained"`
	Random     *Splits `json:"random,omitempty"`
}

// Run measures.
func (f FineTune) Run(ctx context.Context) (*FineTuneReport, error) {
	start := time.Now()
	m, head, done, err := f.open()
	if err != nil {
		return nil, err
	}
	defer done()
	served, ok := m.(*dbn.Model)
	if !ok {
		return nil, fault.E(fault.Invalid, "BAD_MODEL", "evaluate.FineTune", "%s is no deep belief network", f.Model)
	}
	parts, classes, err := f.splits(ctx)
	if err != nil {
		return nil, err
	}
	if f.Fit.Epochs == 0 {
		f.Fit = Fit{Epochs: 40, Batch: 100, Rate: 1e-3, DropInput: 0.2, DropHidden: 0.3, EMA: 0.998, Seed: f.Fit.Seed}
		if f.Labels > 0 {
			f.Fit = Fit{Epochs: 400, Batch: 50, Rate: 1e-3, DropInput: 0.2, DropHidden: 0.5, Seed: f.Fit.Seed}
		}
	}
	if f.Labels > 0 && f.Labels < parts[0].X.Dim(0) {
		d := parts[0].X.Dim(1)
		parts[0] = Labelled{tensor.FromFloat32(parts[0].X.F32()[:f.Labels*d], f.Labels, d), parts[0].Class[:f.Labels]}
		f.Fit.Batch = min(f.Fit.Batch, f.Labels)
	}
	r := &FineTuneReport{Measured: head, Fit: f.Fit, Labels: parts[0].X.Dim(0), Hidden: served.Net.Config.Hidden}
	for _, pretrained := range []bool{true, false} {
		if !pretrained && !f.Random {
			continue
		}
		net := dbn.NewClassifier(served.Net.Config, classes)
		nn.Init(net, f.Fit.Seed)
		what := "random"
		if pretrained {
			net.Pretrained(served.Net)
			what = "pretrained"
		}
		err := f.Fit.Run(ctx, net, parts[0], func(e int) {
			if f.Progress != nil {
				f.Progress(what, e, f.Fit.Epochs)
			}
		})
		if err != nil {
			return nil, err
		}
		s := Splits{rate(net, parts[0]), rate(net, parts[1]), rate(net, parts[2])}
		if pretrained {
			r.Pretrained = s
		} else {
			r.Random = &s
		}
	}
	r.Measured.Seconds = time.Since(start).Seconds()
	return r, nil
}
