package evaluate

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
	"github.com/manifold-gen/manifold/services/vae/internal/vae"
)

// Codes says what to measure of a model that encodes and decodes.
type Codes struct {
	Store    *modelstore.Store
	Model    string           // name or name@version
	Data     *dataset.Locator // nil finds sets that are drawn
	Name     string           // of a registered set with the splits train and report
	Size     int              // height and width; 0 for the set's own
	Pictures int              // of the split report; 0 for all
	Binary   bool             // pictures are made binary first, picture i by draw i of the seed
	Samples  int              // of the importance weighted bound; 0 for none
	Seed     uint64
	PCA      bool               // beside the reconstructions of as many principal components as a code has numbers
	Progress func(done, of int) // of the pictures; may be nil
}

// Mean is a figure with its standard error over pictures.
type Mean struct {
	Value float64 `json:"value"`
	Error float64 `json:"standard_error,omitempty"`
}

// CodesReport is what was measured.
type CodesReport struct {
	Model    string `json:"model"`
	Digest   string `json:"digest"`
	Data     string `json:"data"`
	Split    string `json:"split"`
	Pictures int    `json:"pictures"`
	Binary   bool   `json:"binary"`
	Seed     uint64 `json:"seed"`
	Numerics int    `json:"numerics"`
	Code     int    `json:"code"`

	SquaredError   Mean  `json:"squared_error"`            // mean over pixels, of the mean picture of the mean code
	NegativeELBO   *Mean `json:"negative_elbo,omitempty"`  // nats a picture, one sample of the code
	Reconstruction *Mean `json:"reconstruction,omitempty"` // its part, -E log p(x|z)
	KL             *Mean `json:"kl,omitempty"`             // its part
	NegativeIWAE   *Mean `json:"negative_iwae,omitempty"`  // nats a picture
	Samples        int   `json:"samples,omitempty"`        // of that
	ActiveUnits    int   `json:"active_units,omitempty"`

	// Of a codebook: the vectors it has, how many indices a picture becomes, e to the entropy of their use, and how many
	// are used at all; of its prior the two terms of the bound, log p(x|z) + log p(z) at the picture's own code.
	Vectors    int     `json:"vectors,omitempty"`
	Indices    int     `json:"indices,omitempty"`
	Perplexity float64 `json:"perplexity,omitempty"`
	Used       int     `json:"used,omitempty"`
	TwoStage   *Mean   `json:"negative_two_stage_bound,omitempty"` // nats a picture
	Picture    *Mean   `json:"negative_picture_term,omitempty"`
	Grid       *Mean   `json:"negative_code_term,omitempty"`

	PCASquaredError float64 `json:"pca_squared_error,omitempty"` // of as many principal components, of the split train
	BelowPCA        float64 `json:"below_pca,omitempty"`         // 1 less the share of that error that the model's is

	Seconds float64 `json:"seconds"`
}

// sum adds up a figure.
type sum struct{ n, total, square float64 }

func (s *sum) add(v float64) {
	s.n++
	s.total += v
	s.square += v * v
}

func (s *sum) mean() Mean {
	m := s.total / s.n
	return Mean{m, math.Sqrt(max(0, s.square/s.n-m*m) / max(1, s.n-1))}
}

// Run measures. The errors are those of the store and the data, and Invalid for a model that does not encode and
// decode pictures of the set's size.
func (c Codes) Run(ctx context.Context) (*CodesReport, error) {
	const op = "evaluate.Codes"
	start := time.Now()
	m, entry, done, err := c.open()
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	defer done()
	set, err := c.Data.Open(ctx, c.request("report"))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	size := m.Size()
	if h, w, ch := set.Shape(); h != size.Height || w != size.Width || ch != size.Channels {
		return nil, fault.E(fault.Invalid, "WRONG_SIZE", op, "pictures of %dx%dx%d, the model takes %dx%dx%d", h, w, ch,
			size.Height, size.Width, size.Channels)
	}
	if c.Pictures > 0 && c.Pictures < set.Len() {
		if set, err = dataset.Range(set, 0, c.Pictures); err != nil {
			return nil, fault.Wrap(op, err)
		}
	}
	r := &CodesReport{
		Model: entry.Ref(), Digest: entry.Manifest.Digest, Data: c.Name, Split: "report", Pictures: set.Len(),
		Binary: c.Binary, Seed: c.Seed, Numerics: tensor.NumericsVersion, Code: size.CodeLen(),
	}
	if err := c.measure(ctx, r, m, set); err != nil {
		return nil, fault.Wrap(op, err)
	}
	if c.PCA {
		if err := c.pca(ctx, r, set); err != nil {
			return nil, fault.Wrap(op, err)
		}
	}
	r.Seconds = math.Round(10*time.Since(start).Seconds()) / 10
	return r, nil
}

func (c Codes) request(split string) dataset.Request {
	return dataset.Request{Name: c.Name, Split: split, Format: dataset.Format{Height: c.Size, Width: c.Size}}
}

// coder is a model that reconstructs.
type coder interface {
	model.Model
	model.Encoder
	model.Decoder
}

func (c Codes) open() (coder, modelstore.Entry, func(), error) {
	e, err := c.Store.Resolve(c.Model)
	if err != nil {
		return nil, e, nil, err
	}
	dir, err := c.Store.Dir(e)
	if err != nil {
		return nil, e, nil, err
	}
	f, err := weights.Open(filepath.Join(dir, modelstore.WeightsFile))
	if err != nil {
		return nil, e, nil, err
	}
	net, _, err := recipe.Open(e.Manifest, f)
	if err == nil {
		if m, ok := net.(coder); ok {
			return m, e, func() { _ = f.Close() }, nil
		}
		err = fault.E(fault.Invalid, "NO_CODES", "", "the model %s does not encode and decode", e.Ref())
	}
	_ = f.Close()
	return nil, e, nil, err
}

// measure goes through the pictures.
func (c Codes) measure(ctx context.Context, r *CodesReport, m coder, set dataset.Dataset) error {
	size := m.Size()
	d, k := size.PictureLen(), size.CodeLen()
	x, y, uniform := make([]float32, d), make([]float32, d), make([]float32, d)
	z, variance := make([]float32, k), make([]float32, k)
	var square, elbo, rec, kl, iwae sum
	means, squares := make([]float64, k), make([]float64, k)
	v, bounded := m.(*vae.Model)
	book, use := quantised(m)
	var class []int32
	for i := range set.Len() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.Progress != nil && (i+1)%100 == 0 {
			c.Progress(i+1, set.Len())
		}
		if err := set.Picture(i, x); err != nil {
			return err
		}
		dataset.ToUnit(x)
		if c.Binary {
			recipe.Binarise(x, uniform, rng.New(c.Seed), uint64(i), 0)
		}
		if size.Classes > 0 {
			class = []int32{int32(set.Label(i))}
		}
		if m.Deterministic() {
			m.Encode(z, nil, x, 1, class)
		} else {
			m.Encode(z, variance, x, 1, class)
		}
		m.Decode(y, z, 1, class)
		var e float64
		for j, p := range y {
			e += (float64(p) - float64(x[j])) * (float64(p) - float64(x[j]))
		}
		square.add(e / float64(d))
		if use != nil {
			book.add(use, x, z, class)
		}
		if !bounded {
			continue
		}
		for j, mu := range z {
			means[j] += float64(mu)
			squares[j] += float64(mu) * float64(mu)
		}
		divergence := klOf(z, variance)
		one := c.logLik(v, x, class, z, variance, uint64(i))
		rec.add(-one)
		kl.add(divergence)
		elbo.add(divergence - one)
		if c.Samples > 0 {
			s, err := v.Score(x, 1, class, c.Samples, rng.New(c.Seed), uint64(i))
			if err != nil {
				return err
			}
			iwae.add(-s.Values[0])
		}
	}
	r.SquaredError = square.mean()
	if use != nil {
		book.report(r, use)
	}
	if !bounded {
		return nil
	}
	for _, part := range []struct {
		to **Mean
		s  *sum
	}{{&r.NegativeELBO, &elbo}, {&r.Reconstruction, &rec}, {&r.KL, &kl}} {
		m := part.s.mean()
		*part.to = &m
	}
	if c.Samples > 0 {
		m := iwae.mean()
		r.NegativeIWAE, r.Samples = &m, c.Samples
	}
	for j := range means {
		mean := means[j] / float64(set.Len())
		if squares[j]/float64(set.Len())-mean*mean > 0.01 {
			r.ActiveUnits++
		}
	}
	return nil
}

// klOf is the divergence of a posterior from the prior.
func klOf(mean, variance []float32) (kl float64) {
	for j, m := range mean {
		s := float64(variance[j])
		kl += 0.5 * (float64(m)*float64(m) + s - math.Log(s) - 1)
	}
	return kl
}

// logLik is log p(x|z) for one sample z of the posterior: draw i of the seed.
func (c Codes) logLik(v *vae.Model, x []float32, class []int32, mean, variance []float32, i uint64) float64 {
	z := make([]float32, len(mean))
	rng.New(c.Seed).Normal(z, i, 1, rng.Noise)
	for j := range z {
		z[j] = mean[j] + float32(float32(math.Sqrt(float64(variance[j])))*z[j])
	}
	return v.LogLik(x, z, class)
}

// pca adds the error of as many principal components as the code has numbers.
func (c Codes) pca(ctx context.Context, r *CodesReport, report dataset.Dataset) error {
	set, err := c.Data.Open(ctx, c.request("train"))
	if err != nil {
		return err
	}
	k := r.Code
	if r.Indices > 0 {
		k = r.Indices // a number that is not quantised for every index
	}
	p, err := NewPCA(ctx, set, k)
	if err != nil {
		return fault.E(fault.Invalid, "NO_PCA", "", "%w", err)
	}
	if r.PCASquaredError, err = p.SquaredError(ctx, report); err != nil {
		return err
	}
	if r.PCASquaredError == 0 {
		return fmt.Errorf("principal components leave no error: the set is degenerate")
	}
	r.BelowPCA = 1 - r.SquaredError.Value/r.PCASquaredError
	return nil
}
