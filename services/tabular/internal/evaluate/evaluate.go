package evaluate

import (
	"context"
	"errors"
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Fit makes a classifier of rows; it sees nothing of those that it is measured on.
type Fit func(train *table.Table) (model.Explainer, error)

// Estimate is a mean over rows with the half-width of its 95 % interval.
type Estimate struct {
	Mean float64 `json:"mean"`
	Half float64 `json:"half"` // 1.96 standard errors over rows
}

// Result is what a classifier reaches.
type Result struct {
	Rows     int      `json:"rows"` // measured, each once a repetition
	LogLoss  Estimate `json:"log_loss"`
	Accuracy Estimate `json:"accuracy"`
}

// floor is the least probability that counts: one that is 0 for what happened would make a loss infinite.
const floor = 1e-15

// scored are the losses and hits of rows, summed over repetitions.
type scored struct {
	loss, hit []float64
	times     []int
}

// CrossValidate measures in folds that hold the classes in equal parts (each class shuffled, then dealt in turn), as
// often as repeats says. Every row is measured once a repetition; intervals are over rows, whose losses are first
// averaged over the repetitions. Rows without a class are left out.
func CrossValidate(
	ctx context.Context, t *table.Table, target, folds, repeats int, seed uint64, fit Fit,
) (*Result, error) {
	const op = "evaluate.CrossValidate"
	if target < 0 || target >= len(t.Columns) || t.Columns[target].Codes == nil {
		return nil, fault.InvalidField(op, "target", "field %d of %d; it must have levels", target, len(t.Columns))
	}
	if folds < 2 || folds > t.Rows || repeats < 1 || repeats > 1000 {
		return nil, fault.InvalidField(op, "folds",
			"%d folds of %d rows, %d times: allowed are 2 to the rows, and 1 to 1000", folds, t.Rows,
			repeats)
	}
	sc := newScored(t.Rows)
	for r := range repeats {
		fold := Folds(t.Columns[target].Codes, folds, seed, uint64(r))
		for k := range folds {
			if err := ctx.Err(); err != nil {
				return nil, fault.Wrap(op, err)
			}
			var train, test []int
			for i, f := range fold {
				switch {
				case f == k:
					test = append(test, i)
				case f >= 0:
					train = append(train, i)
				}
			}
			m, err := fit(t.Take(train))
			if err != nil {
				return nil, err
			}
			if err := sc.measure(m, t, target, test); err != nil {
				return nil, err
			}
		}
	}
	return sc.result(), nil
}

// Folds gives each row its fold, -1 without a class.
func Folds(class []int32, folds int, seed, repeat uint64) []int {
	fold := make([]int, len(class))
	for i := range fold {
		fold[i] = -1
	}
	next := map[int32]int{}
	dealt := 0
	start := map[int32]int{} // classes go on dealing where the one before stopped, so that folds are of equal size
	count := map[int32]int{}
	top := int32(-1)
	for _, c := range class {
		count[c]++
		top = max(top, c)
	}
	for c := range top + 1 {
		start[c] = dealt
		dealt += count[c]
	}
	for _, i := range rng.New(seed).Perm(len(class), repeat) {
		if c := class[i]; c >= 0 {
			fold[i] = (start[c] + next[c]) % folds
			next[c]++
		}
	}
	return fold
}

func newScored(rows int) *scored {
	return &scored{make([]float64, rows), make([]float64, rows), make([]int, rows)}
}

// measure adds the losses of some rows.
func (s *scored) measure(m model.Explainer, t *table.Table, target int, rows []int) error {
	part := t.Take(rows)
	classes := len(t.Schema.Fields[target].Levels)
	p := make([]float64, len(rows)*classes)
	if err := m.Predict(p, part); err != nil {
		return err
	}
	for j, i := range rows {
		c := t.Columns[target].Codes[i]
		if c < 0 {
			continue
		}
		q := p[j*classes : (j+1)*classes]
		s.loss[i] -= tensor.LogF64(min(max(q[c], floor), 1))
		best := 0
		for k := range q {
			if q[k] > q[best] {
				best = k
			}
		}
		if best == int(c) {
			s.hit[i]++
		}
		s.times[i]++
	}
	return nil
}

func (s *scored) result() *Result {
	var loss, hit []float64
	for i, n := range s.times {
		if n > 0 {
			loss = append(loss, s.loss[i]/float64(n))
			hit = append(hit, s.hit[i]/float64(n))
		}
	}
	return &Result{Rows: len(loss), LogLoss: estimate(loss), Accuracy: estimate(hit)}
}

func estimate(x []float64) Estimate {
	sum, n := 0.0, float64(len(x))
	for _, v := range x {
		sum += v
	}
	mean, square := sum/n, 0.0
	for _, v := range x {
		d := v - mean
		square += float64(d * d)
	}
	return Estimate{mean, 1.96 * math.Sqrt(square/float64(n*max(1, n-1)))}
}

// Point is one place of a learning curve.
type Point struct {
	Rows   int      `json:"rows"` // of training
	Result []Result `json:"result"`
}

// Curve measures classifiers that were fitted on ever more rows: the first sizes[k] of a random order, anew for each
// repetition, and always on the last rest rows of that order. Ng and Jordan (2002) found that a generative classifier
// needs fewer rows to come near its limit, and a discriminative one has the better limit: the curves cross.
func Curve(ctx context.Context, t *table.Table, target int, sizes []int, rest, repeats int, seed uint64, fits ...Fit) (
	[]Point, error,
) {
	const op = "evaluate.Curve"
	if rest < 1 || repeats < 1 || target < 0 || target >= len(t.Columns) || t.Columns[target].Codes == nil {
		return nil, fault.InvalidField(op, "rest", "target %d, %d rows to measure on, %d repetitions", target, rest,
			repeats)
	}
	points := make([]Point, len(sizes))
	for k, n := range sizes {
		if n < 1 || n > t.Rows-rest {
			return nil, fault.InvalidField(op, "sizes", "%d rows to fit on, allowed are 1 to %d", n, t.Rows-rest)
		}
		points[k] = Point{Rows: n, Result: make([]Result, len(fits))}
		for which, fit := range fits {
			sc := newScored(t.Rows)
			for r := range repeats {
				if err := ctx.Err(); err != nil {
					return nil, fault.Wrap(op, err)
				}
				order := ints(rng.New(seed).Perm(t.Rows, uint64(r)))
				m, err := fit(t.Take(order[:n]))
				var f *fault.Error
				if errors.As(err, &f) && f.Reason == "ONE_CLASS" {
					continue // so few rows that one class is not among them
				}
				if err != nil {
					return nil, err
				}
				if err := sc.measure(m, t, target, order[t.Rows-rest:]); err != nil {
					return nil, err
				}
			}
			points[k].Result[which] = *sc.result()
		}
	}
	return points, nil
}

func ints(x []int32) []int {
	out := make([]int, len(x))
	for i, v := range x {
		out[i] = int(v)
	}
	return out
}
