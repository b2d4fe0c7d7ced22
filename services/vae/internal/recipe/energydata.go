package recipe

import (
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/services/vae/internal/rbm"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	shared "github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/train"
)

// Ways to make binary units of gray pixels.
const (
	gray      = "gray"      // pixels are probabilities and units take them as they are
	sampled   = "sampled"   // a unit is on with its pixel's probability, drawn anew every time (dynamic binarisation)
	threshold = "threshold" // a unit is on where its pixel is at least one half
)

// feeder gives the visible units of a machine: those of pictures, or the hidden units of machines below that were learned
// before.
type feeder struct {
	pictures *shared.Pictures
	binarise string
	below    []*rbm.RBM
	samples  bool // of the units below, and not their means
	machine  rbm.Config

	picture []float32
	class   []int32
}

// drawn is where the draws of a row come from.
type drawn struct {
	stream rng.Stream
	number uint64
	step   uint32
}

// rows are rows of draws.
func rows(d []drawn) []rng.Row {
	out := make([]rng.Row, len(d))
	for i, x := range d {
		out[i] = rng.Row{Stream: x.stream, Sample: x.number, Step: x.step}
	}
	return out
}

// evalSample keeps the draws of evaluations apart from those of training.
const evalSample = 1 << 47

// evaluation are the draws of pictures from on.
func evaluation(seed uint64, from, n int) []drawn {
	d := make([]drawn, n)
	for i := range d {
		d[i] = drawn{stream: rng.New(seed), number: evalSample + uint64(from+i)}
	}
	return d
}

// batchDraws are those of a training batch.
func batchDraws(b train.Batch) []drawn {
	d := make([]drawn, len(b.Samples))
	for i := range d {
		d[i] = drawn{stream: b.Rng, number: b.Draws[i]}
	}
	return d
}

// fill writes the pictures of a split at the given places to x [n, pixels], binary where that is asked for, and their
// classes to f.class, -1 without.
func (f *feeder) fill(x []float32, split shared.Split, at []int32, d []drawn) error {
	p := f.pictures
	size := p.Height * p.Width * p.Channels
	f.class = f.class[:0]
	for i, s := range at {
		row := x[i*size : (i+1)*size]
		index := split.Index(int(s))
		if err := split.Picture(index, row); err != nil {
			return fault.Wrap("recipe.data", err)
		}
		dataset.ToUnit(row)
		class := int32(-1)
		if len(p.Classes) > 0 {
			class = int32(split.Label(index))
		}
		f.class = append(f.class, class)
	}
	switch f.binarise {
	case threshold:
		for i, v := range x {
			x[i] = 0
			if v >= 0.5 {
				x[i] = 1
			}
		}
	case sampled:
		rng.BernoulliRows(x, x, rows(d), rng.Binarise)
	}
	return nil
}

// visible gives the machine's visible units [n, V] for pictures of a split, with the label on where it has labels.
func (f *feeder) visible(split shared.Split, at []int32, d []drawn, a *tensor.Arena) (*tensor.Tensor, error) {
	p := f.pictures
	n, size := len(at), p.Height*p.Width*p.Channels
	x := a.New(tensor.Float32, n, size)
	if err := f.fill(x.F32(), split, at, d); err != nil {
		return nil, err
	}
	for l, m := range f.below {
		x = units(m.Config, x, a)
		h := a.New(tensor.Float32, n, m.Hidden)
		m.HiddenMean(h, x, nil, a)
		if f.samples {
			r := rows(d)
			for i := range r {
				r[i].Step += uint32(l + 1)
			}
			rng.BernoulliRows(h.F32(), h.F32(), r, rng.Binarise)
		}
		x = h
	}
	v := units(f.machine, x, a)
	if f.machine.Labels > 0 {
		V := f.machine.Visible()
		for i, c := range f.class {
			if c >= 0 {
				v.F32()[(i+1)*V-f.machine.Labels+int(c)] = 1
			}
		}
	}
	return v, nil
}

// units are the visible units of pixels x, labels off.
func units(c rbm.Config, x *tensor.Tensor, a *tensor.Arena) *tensor.Tensor {
	if c.Units != rbm.Softmax && c.Labels == 0 {
		return x
	}
	n, V := x.Dim(0), c.Visible()
	m := rbm.RBM{Config: c}
	v := a.New(tensor.Float32, n, V)
	for i := range n {
		m.Fill(v.F32()[i*V:(i+1)*V], x.F32()[i*c.Pixels:(i+1)*c.Pixels])
	}
	return v
}

// firstRows are the numbers from up to, not including, to.
func firstRows(from, to int) []int32 {
	at := make([]int32, to-from)
	for i := range at {
		at[i] = int32(from + i)
	}
	return at
}

// moments are the means and variances of the machine's visible units over up to 10,000 training pictures.
func (f *feeder) moments(seed uint64) (mean, variance []float32, err error) {
	V := f.machine.Visible()
	n := min(f.pictures.Train.Len(), 10_000)
	sum, square := make([]float64, V), make([]float64, V)
	a := tensor.NewArena()
	for from := 0; from < n; from += 500 {
		a.Reset()
		to := min(from+500, n)
		v, err := f.visible(f.pictures.Train, firstRows(from, to), evaluation(seed, from, to-from), a)
		if err != nil {
			return nil, nil, err
		}
		for i, x := range v.F32() {
			sum[i%V] += float64(x)
			square[i%V] += float64(float64(x) * float64(x))
		}
	}
	mean, variance = make([]float32, V), make([]float32, V)
	for i := range sum {
		m := sum[i] / float64(n)
		mean[i] = float32(m)
		variance[i] = float32(math.Max(square[i]/float64(n)-float64(m*m), 0))
	}
	return mean, variance, nil
}

// fingerprint identifies what the feeder gives.
func (f *feeder) fingerprint() string {
	return fmt.Sprint(f.pictures.Fingerprint(), f.binarise, f.samples, f.machine, len(f.below))
}
