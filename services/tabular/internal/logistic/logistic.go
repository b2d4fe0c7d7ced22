// Package logistic is logistic regression, the discriminative twin of naive Bayes: it models P(class | row) and nothing
// of the rows themselves.
//
//	P(c | x) = exp(w_c x + b_c) / sum_k exp(w_k x + b_k)
//
// with the weights that minimise -sum ln P(class | row) + |w|^2/2C; intercepts are free. Two classes have one vector.
// The minimum is found by Newton's method in float64, from zero, all sums in the order of the rows: the same bits on
// every CPU.
package logistic

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/design"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/special"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// MaxParameters bounds the numbers that are fitted: Newton's method holds their square.
const MaxParameters = 2000

// Config says what is fitted.
type Config struct {
	Target    int     `json:"target"` // a field of levels
	C         float64 `json:"c"`      // the inverse strength of the penalty, as in scikit-learn
	Tolerance float64 `json:"tolerance"`
	Steps     int     `json:"steps"`          // at most
	Skip      []int   `json:"skip,omitempty"` // fields that are left out
}

// Default has a penalty of 1/2 |w|^2 on standardised numbers.
func Default(target int) Config { return Config{Target: target, C: 1, Tolerance: 1e-10, Steps: 100} }

// Model is a fitted regression.
type Model struct {
	Config  Config         `json:"config"`
	Columns design.Columns `json:"columns"`
	Classes []int32        `json:"classes"` // levels that have rows; the others have probability 0
	// Weights are [K, Width+1], the intercept last: one row a class, or of two classes the second's against the first.
	Weights []float64 `json:"weights"`
	Taken   int       `json:"taken"` // steps
	schema  *table.Schema
}

// Fit finds the weights for a table. Rows without a class are left out.
func Fit(t *table.Table, c Config) (*Model, error) {
	const op = "logistic.Fit"
	s := t.Schema
	if c.Target < 0 || c.Target >= len(s.Fields) || s.Fields[c.Target].Kind != table.Categorical {
		return nil, fault.InvalidField(op, "target", "field %d of %d; it must have levels", c.Target, len(s.Fields))
	}
	if !(c.C > 0 && c.C <= 1e12) || !(c.Tolerance > 0) || c.Steps < 1 {
		return nil, fault.InvalidField(op, "c", "c %g, tolerance %g, steps %d: allowed are numbers above 0", c.C,
			c.Tolerance, c.Steps)
	}
	m := &Model{Config: c, Columns: design.Fit(t, append([]int{c.Target}, c.Skip...)...), schema: s}
	count := make([]int, len(s.Fields[c.Target].Levels))
	for _, k := range t.Columns[c.Target].Codes {
		if k >= 0 {
			count[k]++
		}
	}
	of := make([]int, len(count)) // where a level stands among the classes
	for k, n := range count {
		if n > 0 {
			of[k] = len(m.Classes)
			m.Classes = append(m.Classes, int32(k))
		}
	}
	if len(m.Classes) < 2 {
		return nil, fault.E(fault.Invalid, "ONE_CLASS", op,
			"field %.80q has one value in all rows: nothing to tell apart",
			s.Fields[c.Target].Name)
	}
	n := m.vectors() * (m.Columns.Width + 1)
	if n > MaxParameters {
		return nil, fault.E(fault.Invalid, "TOO_MANY_PARAMETERS", op,
			"%d weights, at most %d are allowed; drop columns or join levels", n, MaxParameters)
	}
	m.Weights = make([]float64, n)
	f := &problem{m: m}
	for i, k := range t.Columns[c.Target].Codes {
		if k >= 0 {
			f.rows = append(f.rows, m.entries(nil, t, i))
			f.class = append(f.class, of[k])
		}
	}
	return m, f.minimise()
}

// New makes a model of stored weights, which it checks.
func New(s *table.Schema, m Model) (*Model, error) {
	if err := m.Columns.Check(s); err != nil {
		return nil, err
	}
	bad := m.Config.Target < 0 || m.Config.Target >= len(s.Fields) || len(m.Classes) < 2 ||
		m.Columns.Fields[m.Config.Target].From >= 0 || len(m.Weights) != m.vectors()*(m.Columns.Width+1)
	for i, c := range m.Classes {
		bad = bad || int(c) >= len(s.Fields[m.Config.Target].Levels) || c < 0 || i > 0 && c <= m.Classes[i-1]
	}
	for _, w := range m.Weights {
		bad = bad || w-w != 0
	}
	if bad {
		return nil, fault.E(fault.Corrupt, "BAD_WEIGHTS", "logistic.New", "weights that do not fit the schema")
	}
	m.schema = s
	return &m, nil
}

func (m *Model) vectors() int {
	if len(m.Classes) == 2 {
		return 1
	}
	return len(m.Classes)
}

// entries are a row's vector with the intercept's 1.
func (m *Model) entries(dst []design.Entry, t *table.Table, row int) []design.Entry {
	return append(m.Columns.Row(dst, t, row), design.Entry{At: m.Columns.Width, Value: 1})
}

// scores writes w_k x of every vector.
func (m *Model) scores(dst []float64, x []design.Entry) {
	p := m.Columns.Width + 1
	for k := range dst {
		w := m.Weights[k*p : (k+1)*p]
		sum := 0.0
		for _, e := range x {
			sum += float64(w[e.At] * e.Value)
		}
		dst[k] = sum
	}
}

// Schema implements model.Model.
func (m *Model) Schema() *table.Schema { return m.schema }

// Target implements model.Explainer.
func (m *Model) Target() int { return m.Config.Target }

// logits writes the scores of all classes; the first of two has 0.
func (m *Model) logits(dst []float64, x []design.Entry) {
	if len(m.Classes) == 2 {
		dst[0] = 0
		m.scores(dst[1:2], x)
		return
	}
	m.scores(dst, x)
}

// Predict implements model.Explainer: dst is [rows, levels of the target].
func (m *Model) Predict(dst []float64, t *table.Table) error {
	levels := len(m.schema.Fields[m.Config.Target].Levels)
	if len(dst) != t.Rows*levels {
		return fault.E(fault.Invalid, "BAD_SHAPE", "logistic.Predict", "%d numbers for %d rows of %d classes", len(dst),
			t.Rows, levels)
	}
	clear(dst)
	z := make([]float64, len(m.Classes))
	var x []design.Entry
	for i := range t.Rows {
		x = m.entries(x[:0], t, i)
		m.logits(z, x)
		all := special.LogSum(z)
		for k, c := range m.Classes {
			dst[i*levels+int(c)] = tensor.ExpF64(z[k] - all)
		}
	}
	return nil
}

// Explain implements model.Explainer: the intercept, and then what each cell changes of the log-odds of the level
// against all others, in the order of the fields; of two classes it is weight times number.
func (m *Model) Explain(t *table.Table, row int, level int32) ([]model.Contribution, error) {
	at := -1
	for k, c := range m.Classes {
		if c == level {
			at = k
		}
	}
	if at < 0 || row < 0 || row >= t.Rows {
		return nil, fault.E(fault.Invalid, "BAD_INDEX", "logistic.Explain", "level %d of row %d: no such row or class",
			level, row)
	}
	z, step := make([]float64, len(m.Classes)), make([]float64, len(m.Classes))
	odds := func() float64 {
		rest := append(append([]float64(nil), z[:at]...), z[at+1:]...)
		return z[at] - special.LogSum(rest)
	}
	m.logits(z, []design.Entry{{At: m.Columns.Width, Value: 1}})
	before := odds()
	out := []model.Contribution{{Field: -1, Nats: before}}
	for j := range m.Columns.Fields {
		e, ok := m.Columns.Cell(t, row, j)
		if !ok {
			continue
		}
		m.logits(step, []design.Entry{e})
		for k := range z {
			z[k] += step[k]
		}
		now := odds()
		out = append(out, model.Contribution{Field: j, Nats: now - before})
		before = now
	}
	return out, nil
}

// problem is what is minimised.
type problem struct {
	m     *Model
	rows  [][]design.Entry
	class []int
}

// value is the objective at the model's weights.
func (f *problem) value() float64 {
	m := f.m
	z := make([]float64, len(m.Classes))
	loss := 0.0
	for i, x := range f.rows {
		m.logits(z, x)
		loss += special.LogSum(z) - z[f.class[i]]
	}
	square := 0.0
	for i, w := range m.Weights {
		if (i+1)%(m.Columns.Width+1) != 0 {
			square += float64(w * w)
		}
	}
	return loss + square/(2*m.Config.C)
}

// derivatives are the gradient and the lower half of the Hessian, [n, n].
func (f *problem) derivatives(gradient, hessian []float64) {
	m := f.m
	p, vectors, n := m.Columns.Width+1, m.vectors(), len(m.Weights)
	clear(gradient)
	clear(hessian)
	z := make([]float64, len(m.Classes))
	prob := make([]float64, vectors)
	for i, x := range f.rows {
		m.logits(z, x)
		all := special.LogSum(z)
		shift := len(z) - vectors // of two classes the second's vector is the first
		for k := range prob {
			prob[k] = tensor.ExpF64(z[k+shift] - all)
		}
		for a := range prob {
			r := prob[a]
			if f.class[i] == a+shift {
				r--
			}
			for _, e := range x {
				gradient[a*p+e.At] += float64(r * e.Value)
			}
			for b := range a + 1 {
				v := float64(-prob[a] * prob[b])
				if a == b {
					v += prob[a]
				}
				for _, e := range x {
					row := hessian[(a*p+e.At)*n+b*p:]
					ve := float64(v * e.Value)
					for _, g := range x {
						row[g.At] += float64(ve * g.Value)
					}
				}
			}
		}
	}
	for i, w := range m.Weights {
		if (i+1)%p != 0 {
			gradient[i] += w / m.Config.C
			hessian[i*n+i] += 1 / m.Config.C
		}
	}
	if vectors > 1 { // intercepts that all move alike change nothing: hold their sum
		for a := range vectors {
			for b := range a + 1 {
				hessian[(a*p+p-1)*n+b*p+p-1]++
			}
		}
	}
}

// minimise takes Newton's steps, halved until they go down, until the gradient is small.
func (f *problem) minimise() error {
	m := f.m
	n := len(m.Weights)
	gradient, hessian, old := make([]float64, n), make([]float64, n*n), make([]float64, n)
	value := f.value()
	for m.Taken = 0; m.Taken < m.Config.Steps; m.Taken++ {
		f.derivatives(gradient, hessian)
		largest := 0.0
		for _, g := range gradient {
			largest = max(largest, math.Abs(g))
		}
		if largest <= float64(m.Config.Tolerance*float64(len(f.rows))) {
			return nil
		}
		if !solve(hessian, gradient, n) {
			return fault.E(fault.Invalid, "NOT_CONVERGED", "logistic.Fit", "the curvature vanishes; use a smaller c than %g",
				m.Config.C)
		}
		copy(old, m.Weights)
		// Near the minimum the value is flat to its last digits while the gradient still says where to go: a step may
		// raise it by what rounding may.
		slack := float64(1e-12 * max(1, value))
		scale, went := 1.0, false
		for range 40 {
			for i := range m.Weights {
				m.Weights[i] = old[i] - float64(scale*gradient[i])
			}
			if next := f.value(); next <= value+slack {
				value, went = next, true
				break
			}
			scale *= 0.5
		}
		if !went {
			return fault.E(fault.Invalid, "NOT_CONVERGED", "logistic.Fit", "no step goes down after %d of them", m.Taken)
		}
	}
	return fault.E(fault.Invalid, "NOT_CONVERGED", "logistic.Fit", "%d steps did not reach the tolerance %g",
		m.Config.Steps, m.Config.Tolerance)
}

// solve puts x of H x = b in the place of b by Cholesky's factors of the lower half of H, which it overwrites; false
// where H is not positive.
func solve(h, b []float64, n int) bool {
	for j := range n {
		row := h[j*n : j*n+n]
		for k := range j + 1 {
			other := h[k*n : k*n+n]
			sum := row[k]
			for i, v := range row[:k] {
				sum -= float64(v * other[i])
			}
			if k < j {
				row[k] = sum / other[k]
				continue
			}
			if !(sum > 0) {
				return false
			}
			row[j] = math.Sqrt(sum)
		}
	}
	for i := range n {
		sum := b[i]
		for k, v := range h[i*n : i*n+i] {
			sum -= float64(v * b[k])
		}
		b[i] = sum / h[i*n+i]
	}
	for i := n - 1; i >= 0; i-- {
		sum := b[i]
		for k := i + 1; k < n; k++ {
			sum -= float64(h[k*n+i] * b[k])
		}
		b[i] = sum / h[i*n+i]
	}
	return true
}
