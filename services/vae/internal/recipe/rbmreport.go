package recipe

import (
	"context"
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/services/vae/internal/rbm"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"
)

const (
	gapRows     = 2000 // most pictures of either side of the free-energy gap
	pseudoRows  = 200  // most pictures of the pseudo-likelihood
	gapAlarm    = 10.0 // nats
	filterTiles = 100
	chainTiles  = 20
	chainSweeps = 100 // of a preview's chains
)

// Evaluate implements train.Task on the selection split: reconstruction, the gap between the free energies of selection
// and training pictures (which rises as the machine overfits, Hinton 2010, section 6), exact pseudo-likelihood, and,
// where the machine can be enumerated, log-likelihood. The loss is minus the best of these that there is.
func (t *rbmTask) Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error) {
	if err := t.bind(model); err != nil {
		return nil, err
	}
	p := t.data
	train, _, err := t.means(ctx, &p.Train, min(gapRows, p.Train.Len()), false)
	if err != nil {
		return nil, err
	}
	free, reconstruction, err := t.means(ctx, &p.Selection, p.Selection.Len(), true)
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
func (t *rbmTask) means(ctx context.Context, s *recipe.Split, n int, reconstruct bool) (free, rec float64, err error) {
	f := make([]float64, evalRows)
	for from := 0; from < n; from += evalRows {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		t.a.Reset()
		to := min(from+evalRows, n)
		v, err := t.part(s, from, to-from, t.a)
		if err != nil {
			return 0, 0, err
		}
		t.twin.FreeEnergy(f, v, t.a)
		for _, e := range f[:to-from] {
			free += e / float64(n)
		}
		if reconstruct {
			rec += reconstruction(t.twin, v, to-from, t.a) * float64(to-from) / float64(n)
		}
	}
	return free, rec, nil
}

// pseudo is the mean exact pseudo-log-likelihood of some pictures of the selection split; NaN where there is none.
func (t *rbmTask) pseudo(ctx context.Context) (float64, error) {
	n := min(pseudoRows, t.data.Selection.Len())
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
		v, err := t.part(&t.data.Selection, from, to-from, t.a)
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
	if err := t.bind(model); err != nil {
		return train.Report{}, err
	}
	r := train.Report{Series: histogram(model[:1])} // without the biases, which are of another size
	p := t.data
	n := min(gapRows, p.Selection.Len())
	t.a.Reset()
	v, err := t.part(&p.Selection, 0, n, t.a)
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
	trained, _, err := t.means(ctx, &p.Train, min(n, p.Train.Len()), false)
	if err != nil {
		return r, err
	}
	held, _, err := t.means(ctx, &p.Selection, n, false)
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

// Preview implements train.Task: filters, and chains that were run from noise.
func (t *rbmTask) Preview(ctx context.Context, model []weights.Param, step int) ([]train.Preview, error) {
	if err := t.bind(model); err != nil {
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
	shape := t.a.New(tensor.Float32, n, m.Visible())
	tensor.MatMul(shape, one, m.Weight.Tensor, false, true)
	filters := t.linearDown(shape)
	stretch(filters)
	first, err := t.show(fmt.Sprintf("filters-%d", step), filters.F32(), columns(n))
	if err != nil {
		return nil, err
	}

	v, h := t.a.New(tensor.Float32, chainTiles, m.Visible()), t.a.New(tensor.Float32, chainTiles, m.Hidden)
	h.Zero()
	draws := make([]rng.Row, chainTiles)
	mark := t.a.Mark()
	for s := range chainSweeps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for i := range draws {
			draws[i] = rng.Row{Stream: t.evalStream(), Sample: uint64(i), Step: uint32(s)}
		}
		m.Sweep(v, h, draws, nil, nil, t.a)
		t.a.Release(mark)
	}
	m.VisibleMean(v, h, nil, t.a)
	second, err := t.show(fmt.Sprintf("chains-%d", step), t.meansDown(v).F32(), columns(chainTiles))
	return []train.Preview{first, second}, err
}

// pixels takes the pixels' part out of the visible units x of machine m, as a picture or as the units of the machine
// below.
func (t *rbmTask) pixels(m rbm.Config, x *tensor.Tensor) *tensor.Tensor {
	if m.Units != rbm.Softmax && m.Labels == 0 {
		return x
	}
	n, V := x.Dims2()
	machine := rbm.RBM{Config: m}
	y := t.a.New(tensor.Float32, n, m.Pixels)
	for i := range n {
		machine.Picture(y.F32()[i*m.Pixels:(i+1)*m.Pixels], x.F32()[i*V:(i+1)*V])
	}
	return y
}

// linearDown shows weights to the visible units as pictures: through the weights of the machines below, biases aside.
func (t *rbmTask) linearDown(x *tensor.Tensor) *tensor.Tensor {
	x = t.pixels(t.twin.Config, x)
	for l := len(t.below) - 1; l >= 0; l-- {
		m := t.below[l]
		y := t.a.New(tensor.Float32, x.Dim(0), m.Visible())
		tensor.MatMul(y, x, m.Weight.Tensor, false, true)
		x = t.pixels(m.Config, y)
	}
	return x
}

// meansDown shows means of the visible units as pictures: through the means of the machines below.
func (t *rbmTask) meansDown(x *tensor.Tensor) *tensor.Tensor {
	x = t.pixels(t.twin.Config, x)
	for l := len(t.below) - 1; l >= 0; l-- {
		m := t.below[l]
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
