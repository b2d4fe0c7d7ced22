package recipe

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math"

	"github.com/manifold-gen/manifold/services/vae/internal/rbm"
	shared "github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"
)

const (
	evalRows    = 500  // pictures at a time
	gapRows     = 2000 // most pictures of either side of the free-energy gap
	pseudoRows  = 200  // most pictures of the pseudo-likelihood
	gapAlarm    = 10.0 // nats
	histogram   = 40   // bins
	filterTiles = 100
	chainTiles  = 20
	chainSweeps = 100 // of a preview's chains
)

// Evaluate implements train.Task on the selection split: reconstruction, the gap between the free energies of selection
// and training pictures (which rises as the machine overfits, Hinton 2010, section 6), exact pseudo-likelihood, and,
// where the machine can be enumerated, log-likelihood. The loss is minus the best of these that there is.
func (t *rbmTask) Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error) {
	if err := t.load(model); err != nil {
		return nil, err
	}
	p := t.data.pictures
	train, _, err := t.means(ctx, p.Train, min(gapRows, p.Train.Len()), false)
	if err != nil {
		return nil, err
	}
	free, reconstruction, err := t.means(ctx, p.Selection, p.Selection.Len(), true)
	if err != nil {
		return nil, err
	}
	m := map[string]float64{
		"reconstruction": reconstruction, "free_energy": free, "free_energy_gap": free - train, "loss": reconstruction,
	}
	pseudo, err := t.pseudo(ctx)
	if err != nil {
		return nil, err
	}
	if !math.IsNaN(pseudo) {
		m["pseudo_log_likelihood"], m["loss"] = pseudo, -pseudo
	}
	if min(t.twin.Hidden, t.twin.Visible()) <= 12 {
		if z, err := t.twin.ExactPartition(); err == nil {
			m["log_likelihood"] = -free - z.LogZ
			m["loss"] = -m["log_likelihood"]
		}
	}
	return m, nil
}

// means are the mean free energy and reconstruction of the first n pictures of a split.
func (t *rbmTask) means(ctx context.Context, s shared.Split, n int, reconstruct bool) (free, lost float64, err error) {
	f := make([]float64, evalRows)
	for from := 0; from < n; from += evalRows {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		t.a.Reset()
		to := min(from+evalRows, n)
		v, err := t.data.visible(s, firstRows(from, to), evaluation(t.seed, from, to-from), t.a)
		if err != nil {
			return 0, 0, err
		}
		t.twin.FreeEnergy(f, v, t.a)
		for _, e := range f[:to-from] {
			free += e / float64(n)
		}
		if reconstruct {
			lost += t.reconstruction(t.twin, v, to-from, t.a) * float64(to-from) / float64(n)
		}
	}
	return free, lost, nil
}

// pseudo is the mean exact pseudo-log-likelihood of some pictures of the selection split; NaN where there is none.
func (t *rbmTask) pseudo(ctx context.Context) (float64, error) {
	n := min(pseudoRows, t.data.pictures.Selection.Len())
	if t.twin.Units == rbm.Gaussian || t.twin.Visible() > rbm.MaxPseudo {
		return math.NaN(), nil
	}
	var total float64
	out := make([]float64, 20)
	for from := 0; from < n; from += len(out) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		t.a.Reset()
		to := min(from+len(out), n)
		v, err := t.data.visible(t.data.pictures.Selection, firstRows(from, to), evaluation(t.seed, from, to-from), t.a)
		if err != nil {
			return 0, err
		}
		if err := t.twin.PseudoLikelihood(out, v, t.a); err != nil {
			return 0, err
		}
		for _, l := range out[:to-from] {
			total += l / float64(n)
		}
	}
	return total, nil
}

// Report implements train.Reporter: a histogram of the weights, how often each hidden unit is on, and alarms about
// overfitting and units that never change.
func (t *rbmTask) Report(ctx context.Context, model []weights.Param) (train.Report, error) {
	if err := t.load(model); err != nil {
		return train.Report{}, err
	}
	r := train.Report{Series: map[string][]float64{}}
	r.Series["weights"], r.Series["weights_range"] = bins(t.twin.Weight.F32())
	p := t.data.pictures
	n := min(gapRows, p.Selection.Len())
	t.a.Reset()
	v, err := t.data.visible(p.Selection, firstRows(0, n), evaluation(t.seed, 0, n), t.a)
	if err != nil {
		return r, err
	}
	h, mean := t.a.New(tensor.Float32, n, t.twin.Hidden), t.a.New(tensor.Float32, t.twin.Hidden)
	t.twin.HiddenMean(h, v, nil, t.a)
	tensor.Mean(mean, h, 0)
	stuck := 0
	for _, q := range mean.F32() {
		r.Series["activity"] = append(r.Series["activity"], float64(q))
		if q < 0.001 || q > 0.999 {
			stuck++
		}
	}
	if 4*stuck > t.twin.Hidden {
		r.Alarms = append(r.Alarms, fmt.Sprintf("%d of %d hidden units are on, or off, for nearly every picture", stuck,
			t.twin.Hidden))
	}
	trained, _, err := t.means(ctx, p.Train, min(n, p.Train.Len()), false)
	if err != nil {
		return r, err
	}
	held, _, err := t.means(ctx, p.Selection, n, false)
	if err != nil {
		return r, err
	}
	if held-trained > gapAlarm {
		r.Alarms = append(r.Alarms, fmt.Sprintf(
			"the free energy of held-out pictures is %.1f nats above that of training pictures: the machine overfits",
			held-trained))
	}
	return r, nil
}

// bins is a histogram of x as shares, and its two ends.
func bins(x []float32) (shares, ends []float64) {
	var top float64
	for _, v := range x {
		top = math.Max(top, math.Abs(float64(v)))
	}
	shares = make([]float64, histogram)
	for _, v := range x {
		k := 0
		if top > 0 {
			k = int((float64(v)/top + 1) / 2 * histogram)
		}
		shares[min(max(k, 0), histogram-1)] += 1 / float64(len(x))
	}
	return shares, []float64{-top, top}
}

// Preview implements train.Task: filters, and chains that were run from noise.
func (t *rbmTask) Preview(ctx context.Context, model []weights.Param, _ int) ([]train.Preview, error) {
	if err := t.load(model); err != nil {
		return nil, err
	}
	t.a.Reset()
	m := t.twin
	n := min(filterTiles, m.Hidden)
	one := t.a.New(tensor.Float32, n, m.Hidden)
	one.Zero()
	for i := range n {
		one.F32()[i*m.Hidden+i] = 1
	}
	columns := t.a.New(tensor.Float32, n, m.Visible())
	tensor.MatMul(columns, one, m.Weight.Tensor, false, true)
	filters := t.linearDown(columns)
	stretch(filters)
	out := []train.Preview{{Name: "filters", Image: t.sheet(filters, 10)}}

	v, h := t.a.New(tensor.Float32, chainTiles, m.Visible()), t.a.New(tensor.Float32, chainTiles, m.Hidden)
	h.Zero()
	draws := make([]rng.Row, chainTiles)
	mark := t.a.Mark()
	for s := range chainSweeps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for i := range draws {
			draws[i] = rng.Row{Stream: rng.New(t.seed), Sample: evalSample + uint64(i), Step: uint32(s)}
		}
		m.Sweep(v, h, draws, nil, nil, t.a)
		t.a.Release(mark)
	}
	m.VisibleMean(v, h, nil, t.a)
	return append(out, train.Preview{Name: "chains", Image: t.sheet(t.meansDown(v), 10)}), nil
}

// pixels takes the pixels' part out of the visible units x of machine m, as a picture or as the units of the machine
// below.
func (t *rbmTask) pixels(m rbm.Config, x *tensor.Tensor) *tensor.Tensor {
	if m.Units != rbm.Softmax && m.Labels == 0 {
		return x
	}
	n, V := x.Dims2()
	shape := rbm.RBM{Config: m}
	y := t.a.New(tensor.Float32, n, m.Pixels)
	for i := range n {
		shape.Picture(y.F32()[i*m.Pixels:(i+1)*m.Pixels], x.F32()[i*V:(i+1)*V])
	}
	return y
}

// linearDown shows weights to the visible units as pictures: through the weights of the machines below, biases aside.
func (t *rbmTask) linearDown(x *tensor.Tensor) *tensor.Tensor {
	x = t.pixels(t.twin.Config, x)
	for l := len(t.data.below) - 1; l >= 0; l-- {
		m := t.data.below[l]
		y := t.a.New(tensor.Float32, x.Dim(0), m.Visible())
		tensor.MatMul(y, x, m.Weight.Tensor, false, true)
		x = t.pixels(m.Config, y)
	}
	return x
}

// meansDown shows means of the visible units as pictures: through the means of the machines below.
func (t *rbmTask) meansDown(x *tensor.Tensor) *tensor.Tensor {
	x = t.pixels(t.twin.Config, x)
	for l := len(t.data.below) - 1; l >= 0; l-- {
		m := t.data.below[l]
		y := t.a.New(tensor.Float32, x.Dim(0), m.Visible())
		m.VisibleMean(y, x, nil, t.a)
		x = t.pixels(m.Config, y)
	}
	return x
}

// stretch maps every row to [0, 1], zero to the middle.
func stretch(x *tensor.Tensor) {
	n, P := x.Dims2()
	for i := range n {
		row := x.F32()[i*P : (i+1)*P]
		top := float32(1e-12)
		for _, v := range row {
			top = max(top, v, -v)
		}
		for j, v := range row {
			row[j] = 0.5 + 0.5*v/top
		}
	}
}

// sheet shows rows as tiles, one pixel apart.
func (t *rbmTask) sheet(x *tensor.Tensor, across int) image.Image {
	p := t.data.pictures
	return tiles(x.F32(), p.Height, p.Width, p.Channels, across)
}

// tiles draws pictures in [0, 1] side by side, one pixel apart.
func tiles(x []float32, h, w, channels, across int) image.Image {
	n := len(x) / (h * w * channels)
	down := (n + across - 1) / across
	img := image.NewRGBA(image.Rect(0, 0, across*(w+1)-1, down*(h+1)-1))
	level := func(v float32) uint8 { return uint8(math.Max(0, math.Min(255, float64(v)*255+0.5))) }
	for i := range n {
		left, top := i%across*(w+1), i/across*(h+1)
		for at := range h * w {
			px := x[(i*h*w+at)*channels:]
			c := color.RGBA{R: level(px[0]), G: level(px[0]), B: level(px[0]), A: 255}
			if channels >= 3 {
				c.G, c.B = level(px[1]), level(px[2])
			}
			img.SetRGBA(left+at%w, top+at/w, c)
		}
	}
	return img
}
