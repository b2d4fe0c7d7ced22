package bayesnet

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// drawn is what a sampled query keeps of its states.
type drawn struct {
	log     []float64 // of the weights; all zero where they do not differ
	cell    []int32   // which combination of the categorical targets, or whether the event holds
	cells   int
	numbers [][]float64 // of each numeric target
}

func (k *question) newDrawn(samples int) *drawn {
	categorical, numeric := k.split()
	d := &drawn{log: make([]float64, samples), cell: make([]int32, samples), cells: 1}
	for _, v := range categorical {
		d.cells *= k.net.levels(v)
	}
	for range numeric {
		d.numbers = append(d.numbers, make([]float64, samples))
	}
	return d
}

// keep takes what is asked for from a state.
func (k *question) keep(d *drawn, i int, s *state, categorical, numeric []int) {
	if len(k.Event) > 0 {
		if k.net.holds(k.Event, s) {
			d.cell[i] = 1
		}
		return
	}
	at := 0
	for _, v := range categorical {
		at = at*k.net.levels(v) + int(s.codes[v])
	}
	d.cell[i] = int32(at) //nolint:gosec // below MaxCells
	for j, v := range numeric {
		d.numbers[j][i] = s.numbers[v]
	}
}

// byWeighting is likelihood weighting (Fung and Chang, 1989; Shachter and Peot, 1989): states are drawn forwards with
// what is given held, and weighted with its probability. Sample i is a function of the stream and i.
func (k *question) byWeighting(op string) (*model.Answer, error) {
	samples := k.samples()
	d := k.newDrawn(samples)
	categorical, numeric := k.split()
	err := inParallel(samples, func(lo, hi int) error {
		s := k.net.newState()
		for i := lo; i < hi; i++ {
			s.draws(k.Stream, uint64(i), 0, rng.Choice, rng.Noise) //nolint:gosec // not negative
			if d.log[i] = k.net.forward(k.e, s); d.log[i] > math.Inf(-1) {
				k.keep(d, i, s, categorical, numeric)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	top := math.Inf(-1)
	for _, x := range d.log {
		top = max(top, x)
	}
	if math.IsInf(top, -1) {
		return nil, impossible(op, "what is given occurred in none of %d samples: it is impossible, or too rare for "+
			"likelihood weighting", samples)
	}
	weights := make([]float64, samples)
	var sum, squares float64
	for i, x := range d.log {
		weights[i] = tensor.ExpF64(x - top)
		sum += weights[i]
		squares += float64(weights[i] * weights[i])
	}
	a := k.estimate(model.LikelihoodWeighting, d, weights, sum)
	a.Evidence = top + tensor.LogF64(sum/float64(samples))
	a.Effective = float64(sum*sum) / squares
	// The error of a ratio of means: sqrt(sum w^2 (1[cell] - p)^2) / sum w.
	hit := make([]float64, len(a.Errors))
	for i, w := range weights {
		if c := k.cellOf(d, i); c >= 0 {
			hit[c] += float64(w * w)
		}
	}
	for c, p := range a.Cells {
		outside := squares - hit[c]
		a.Errors[c] = math.Sqrt(float64(hit[c]*float64((1-p)*(1-p)))+float64(float64(outside*p)*p)) / sum
	}
	return a, nil
}

// cellOf is the cell of an answer that a sample counts for; -1 for none.
func (k *question) cellOf(d *drawn, i int) int {
	if len(k.Event) > 0 {
		return int(d.cell[i]) - 1
	}
	return int(d.cell[i])
}

// estimate is weighted frequencies, means and variances.
func (k *question) estimate(m model.Method, d *drawn, weights []float64, sum float64) *model.Answer {
	a := &model.Answer{Method: m}
	categorical, numeric := k.split()
	if len(categorical) > 0 || len(k.Event) > 0 {
		a.Cells, a.Errors = make([]float64, d.cells), make([]float64, d.cells)
		for i, w := range weights {
			if c := k.cellOf(d, i); c >= 0 {
				a.Cells[c] += w
			}
		}
		for c := range a.Cells {
			a.Cells[c] /= sum
		}
	}
	if len(numeric) == 0 {
		return a
	}
	k.numbers(a)
	j := 0
	for i, v := range k.Targets {
		if k.net.categorical(v) {
			continue
		}
		x := d.numbers[j]
		j++
		var mean, variance float64
		for l, w := range weights {
			if w > 0 {
				mean += float64(w * x[l])
			}
		}
		mean /= sum
		for l, w := range weights {
			if w > 0 {
				diff := x[l] - mean
				variance += float64(w * float64(diff*diff))
			}
		}
		a.Mean[i], a.Variance[i] = mean, variance/sum
	}
	return a
}
