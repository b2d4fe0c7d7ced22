// Package report holds synthetic rows against real ones: fidelity, how near the distributions are; utility, what a
// classifier that learns from them is worth on real rows; and privacy, how near they come to the rows that they were
// learned from, beside how near rows come that nobody learned from.
//
// Invariants: figures depend on the rows and their order alone; the work is bounded by limits on rows, which are taken
// from the front.
package report

import (
	"context"
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/logistic"
	"github.com/manifold-gen/manifold/services/tabular/internal/profile"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Figure is one measured number.
type Figure struct {
	Group    string // fidelity, utility or privacy
	Name     string
	Value    float64
	Baseline *float64 // the same of real rows
	Against  string   // what the baseline is
}

// Comparison is a field of real and of synthetic rows.
type Comparison struct {
	Real, Synthetic profile.Field
	Distance        float64 // total variation, or that of Kolmogorov and Smirnov for numbers
}

// Report is all figures.
type Report struct {
	Figures []Figure
	Fields  []Comparison
}

// Input is what is compared. Train are the real rows that the model was made of, Unseen others; all have one schema.
type Input struct {
	Train, Unseen, Synthetic *table.Table
	Target                   int // a categorical field; -1 measures no utility
}

// tolerance of the classifier's gradient: figures have four digits.
const tolerance = 1e-7

const (
	mostLearned = 50_000 // rows that the classifier of the utility learns from
	mostPairs   = 400    // of fields that are compared jointly
	mostNear    = 2000   // rows whose nearest neighbours are looked for
	mostFar     = 20_000
)

// Make measures.
func Make(ctx context.Context, in Input) (*Report, error) {
	for _, t := range []*table.Table{in.Train, in.Unseen, in.Synthetic} {
		if t.Rows == 0 {
			return nil, fault.E(fault.Invalid, "TOO_FEW_ROWS", "report.Make", "%d rows to learn from, %d unseen, %d "+
				"synthetic; none of them may be 0", in.Train.Rows, in.Unseen.Rows, in.Synthetic.Rows)
		}
	}
	r := &Report{}
	if err := r.fidelity(ctx, in); err != nil {
		return nil, err
	}
	if in.Target >= 0 {
		if err := r.utility(ctx, in); err != nil {
			return nil, err
		}
	}
	return r, r.privacy(ctx, in)
}

func (r *Report) add(group, name string, value float64, baseline *float64, against string) {
	r.Figures = append(r.Figures, Figure{group, name, value, baseline, against})
}

// fidelity compares columns, and pairs of columns, with real rows; the baseline is the unseen ones.
func (r *Report) fidelity(ctx context.Context, in Input) error {
	var profiles [3]*profile.Profile
	for i, t := range []*table.Table{in.Train, in.Synthetic, in.Unseen} {
		p, err := profile.Of(ctx, table.FromTable(t))
		if err != nil {
			return err
		}
		profiles[i] = p
	}
	fields := in.Train.Schema.Fields
	var sum, base float64
	for i := range fields {
		d, b := distance(in.Train, in.Synthetic, i), distance(in.Train, in.Unseen, i)
		sum += d
		base += b
		r.Fields = append(r.Fields, Comparison{profiles[0].Fields[i], profiles[1].Fields[i], d})
	}
	n := float64(len(fields))
	shapes := 1 - base/n
	r.add("fidelity", "columns alike (1 - mean distance)", 1-sum/n, &shapes, "unseen real rows")
	sum, base = 0, 0
	pairs := 0
	for a := range fields {
		for b := a + 1; b < len(fields) && pairs < mostPairs; b++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			seen := joint(in.Train, profiles[0], a, b)
			sum += variation(seen, joint(in.Synthetic, profiles[0], a, b))
			base += variation(seen, joint(in.Unseen, profiles[0], a, b))
			pairs++
		}
	}
	if pairs > 0 {
		alike := 1 - base/float64(pairs)
		r.add("fidelity", "pairs of columns alike (1 - mean distance)", 1-sum/float64(pairs), &alike, "unseen real rows")
	}
	return nil
}

// distance of a field in two tables, 0 to 1.
func distance(a, b *table.Table, field int) float64 {
	if a.Columns[field].Codes == nil {
		return kolmogorov(known(a.Columns[field].Numbers), known(b.Columns[field].Numbers))
	}
	n := len(a.Schema.Fields[field].Levels) + 1
	return variation(shares(a.Columns[field].Codes, n), shares(b.Columns[field].Codes, n))
}

// shares of the levels, the first one of missing cells.
func shares(codes []int32, n int) []float64 {
	p := make([]float64, n)
	for _, k := range codes {
		p[k+1]++
	}
	for i := range p {
		p[i] /= float64(max(1, len(codes)))
	}
	return p
}

func known(x []float64) []float64 {
	var all []float64
	for _, v := range x {
		if v == v {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return all
}

// kolmogorov is the largest distance of two distribution functions, of sorted numbers.
func kolmogorov(a, b []float64) float64 {
	if len(a) == 0 || len(b) == 0 {
		if len(a) == len(b) {
			return 0
		}
		return 1
	}
	var d float64
	for i, j := 0, 0; i < len(a) && j < len(b); {
		x := min(a[i], b[j])
		for i < len(a) && a[i] == x {
			i++
		}
		for j < len(b) && b[j] == x {
			j++
		}
		d = max(d, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return d
}

// variation is the total variation of two distributions.
func variation(p, q []float64) float64 {
	var d float64
	for i := range p {
		d += math.Abs(p[i] - q[i])
	}
	return float64(d / 2) // not to be fused into a sum where this is inlined
}

// joint is the distribution of two fields, numbers by the bins of a profile, missing cells as a level of their own.
func joint(t *table.Table, p *profile.Profile, a, b int) []float64 {
	x, n := bins(t, p, a)
	y, m := bins(t, p, b)
	all := make([]float64, n*m)
	for i := range x {
		all[int(x[i])*m+int(y[i])]++
	}
	for i := range all {
		all[i] /= float64(max(1, t.Rows))
	}
	return all
}

// bins are the levels of a field from 1 on, 0 for missing cells, and their number.
func bins(t *table.Table, p *profile.Profile, field int) ([]int32, int) {
	out := make([]int32, t.Rows)
	c := &t.Columns[field]
	if c.Codes != nil {
		for i, k := range c.Codes {
			out[i] = k + 1
		}
		return out, len(t.Schema.Fields[field].Levels) + 1
	}
	edges := p.Fields[field].Edges
	for i, x := range c.Numbers {
		if x == x {
			out[i] = int32(profile.Bin(edges, x)) + 1
		}
	}
	return out, len(edges)
}

// utility trains logistic regression on synthetic rows and tests it on real ones that nobody learned from; the baseline
// is trained on real rows.
func (r *Report) utility(ctx context.Context, in Input) error {
	made, err := test(in.Synthetic, in.Unseen, in.Target)
	if err != nil {
		return err
	}
	seen, err := test(in.Train, in.Unseen, in.Target)
	if err != nil {
		return err
	}
	const against = "trained on real rows"
	r.add("utility", "accuracy of logistic regression, trained on synthetic rows, tested on real ones", made.accuracy,
		&seen.accuracy, against)
	r.add("utility", "F1 of the rarest level", made.f1, &seen.f1, against)
	r.add("utility", "log-loss, nats", made.loss, &seen.loss, against)
	return ctx.Err()
}

type tested struct{ accuracy, f1, loss float64 }

// test trains on some rows and predicts others.
func test(on, of *table.Table, target int) (tested, error) {
	c := logistic.Default(target)
	c.Tolerance = tolerance
	m, err := logistic.Fit(front(on, mostLearned), c)
	if err != nil {
		return tested{}, err
	}
	n := len(on.Schema.Fields[target].Levels)
	p := make([]float64, n*of.Rows)
	if err := m.Predict(p, of); err != nil {
		return tested{}, err
	}
	return judge(p, of.Columns[target].Codes, n), nil
}

// judge compares predictions with the truth.
func judge(p []float64, truth []int32, n int) tested {
	all := make([]int, n)
	for _, k := range truth {
		if k >= 0 {
			all[k]++
		}
	}
	rare := -1 // the rarest level that occurs
	for k, c := range all {
		if c > 0 && (rare < 0 || c < all[rare]) {
			rare = k
		}
	}
	var t tested
	var known, hits, found, right float64
	for i, k := range truth {
		if k < 0 {
			continue
		}
		row := p[i*n : (i+1)*n]
		best := 0
		for q, v := range row {
			if v > row[best] {
				best = q
			}
		}
		known++
		if best == int(k) {
			hits++
		}
		if best == rare {
			found++
			if k == int32(rare) {
				right++
			}
		}
		t.loss -= tensor.LogF64(max(row[k], 1e-15))
	}
	if known > 0 {
		t.accuracy, t.loss = hits/known, t.loss/known
	}
	if rare >= 0 && found+float64(all[rare]) > 0 {
		t.f1 = 2 * right / (found + float64(all[rare]))
	}
	return t
}

// privacy looks for the nearest row of those that were learned from.
func (r *Report) privacy(ctx context.Context, in Input) error {
	scale := scales(in.Train)
	train := front(in.Train, mostFar)
	made, err := nearest(ctx, front(in.Synthetic, mostNear), train, scale)
	if err != nil {
		return err
	}
	seen, err := nearest(ctx, front(in.Unseen, mostNear), train, scale)
	if err != nil {
		return err
	}
	const against = "unseen real rows"
	mean := average(seen)
	r.add("privacy", "mean distance to the closest row that was learned from, 0 to 1", average(made), &mean, against)
	low := quantile(seen, 0.05)
	r.add("privacy", "5th percentile of that distance", quantile(made, 0.05), &low, against)
	copies := zeros(seen)
	r.add("privacy", "share of rows that are copies of one that was learned from", zeros(made), &copies, against)
	return nil
}

// front is the first rows of a table.
func front(t *table.Table, most int) *table.Table {
	if t.Rows <= most {
		return t
	}
	rows := make([]int, most)
	for i := range rows {
		rows[i] = i
	}
	return t.Take(rows)
}

// scales are the spans of numeric fields, 0 for one of a single value.
func scales(t *table.Table) []float64 {
	s := make([]float64, len(t.Columns))
	for i := range t.Columns {
		if x := known(t.Columns[i].Numbers); len(x) > 0 {
			s[i] = x[len(x)-1] - x[0]
		}
	}
	return s
}

// nearest is, for each row of a, its distance to the nearest of b (Gower, 1971): the mean over fields of 1 where levels
// differ, and of the distance of numbers as a part of their span.
func nearest(ctx context.Context, a, b *table.Table, scale []float64) ([]float64, error) {
	out := make([]float64, a.Rows)
	for i := range out {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		best := math.Inf(1)
		for j := range b.Rows {
			var d float64
			for f := range a.Columns {
				if d += apart(&a.Columns[f], &b.Columns[f], i, j, scale[f]); d >= best {
					break
				}
			}
			if best = min(best, d); best == 0 {
				break
			}
		}
		out[i] = best / float64(len(a.Columns))
	}
	return out, nil
}

func apart(a, b *table.Column, i, j int, scale float64) float64 {
	if a.Codes != nil {
		if a.Codes[i] == b.Codes[j] {
			return 0
		}
		return 1
	}
	x, y := a.Numbers[i], b.Numbers[j]
	switch {
	case x != x && y != y, x == y:
		return 0
	case x != x || y != y || scale == 0:
		return 1
	}
	return min(1, math.Abs(x-y)/scale)
}

func average(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

func quantile(x []float64, q float64) float64 {
	x = slices.Clone(x)
	slices.Sort(x)
	return x[int(q*float64(len(x)-1))]
}

func zeros(x []float64) float64 {
	n := 0
	for _, v := range x {
		if v == 0 {
			n++
		}
	}
	return float64(n) / float64(len(x))
}
