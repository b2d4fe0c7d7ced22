// Package kmeans divides rows into groups without being told any: the unsupervised contrast to the classifiers.
// Numbers are standardised and levels one-hot, as for logistic regression.
//
// Lloyd's iterations (1982) go on until no row changes its group; k-means++ (Arthur, Vassilvitskii 2007) draws the
// first centres from numbers of shared/tensor/rng. Sums are in the order of the rows; of equally near centres the
// first counts.
package kmeans

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/design"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Result is a division of rows.
type Result struct {
	Centres []float64 // [K, D]
	Labels  []int32   // the group of each row
	Inertia float64   // sum of squared distances to the centres
	Steps   int
}

// maxSteps is where Lloyd's iterations end at the latest.
const maxSteps = 1000

// Lloyd improves centres [K, D] for rows x [N, D] until no row changes its group. A group without rows gets the row
// that is farthest from its own centre.
func Lloyd(x []float64, d int, centres []float64) *Result {
	n, k := len(x)/d, len(centres)/d
	r := &Result{Centres: append([]float64(nil), centres...), Labels: make([]int32, n)}
	for i := range r.Labels {
		r.Labels[i] = -1
	}
	distance, count, old := make([]float64, n), make([]int, k), make([]float64, len(centres))
	for r.Steps = 0; r.Steps < maxSteps; r.Steps++ {
		changed := false
		r.Inertia = 0
		for i := range n {
			best, at := nearest(x[i*d:(i+1)*d], r.Centres)
			changed = changed || r.Labels[i] != at
			r.Labels[i], distance[i] = at, best
			r.Inertia += best
		}
		if !changed {
			return r
		}
		copy(old, r.Centres)
		clear(r.Centres)
		clear(count)
		for i, at := range r.Labels {
			count[at]++
			c := r.Centres[int(at)*d:]
			for j, v := range x[i*d : (i+1)*d] {
				c[j] += v
			}
		}
		for c := range k {
			if count[c] == 0 {
				r.refill(x, d, c, distance, count, old)
			}
		}
		for c, m := range count {
			for j := range d {
				r.Centres[c*d+j] /= float64(max(m, 1))
			}
		}
	}
	return r
}

// refill gives an empty group the farthest row whose own group has others; its sums are not yet divided. Where all rows
// lie on their centres it stays where it was.
func (r *Result) refill(x []float64, d, c int, distance []float64, count []int, old []float64) {
	far := -1
	for i, v := range distance {
		if v > 0 && count[r.Labels[i]] > 1 && (far < 0 || v > distance[far]) {
			far = i
		}
	}
	if far < 0 {
		copy(r.Centres[c*d:(c+1)*d], old[c*d:])
		return
	}
	from := int(r.Labels[far])
	for j, v := range x[far*d : (far+1)*d] {
		r.Centres[from*d+j] -= v
		r.Centres[c*d+j] = v
	}
	count[from]--
	count[c] = 1
	r.Labels[far], distance[far] = int32(c), 0
}

// nearest finds the first of the nearest centres and the squared distance to it.
func nearest(row, centres []float64) (best float64, at int32) {
	d := len(row)
	best = math.Inf(1)
	for c := 0; c < len(centres); c += d {
		sum := 0.0
		for j, v := range centres[c : c+d] {
			e := row[j] - v
			sum += float64(e * e)
		}
		if sum < best {
			best, at = sum, int32(c/d)
		}
	}
	return best, at
}

// Seed draws k first centres: a row, and then rows as likely as they are far, squared, from the centres so far.
func Seed(x []float64, d, k int, s rng.Stream, try uint64) []float64 {
	n := len(x) / d
	u := make([]float64, k)
	s.Uniform64(u, try, 0, rng.Init)
	first := min(int(u[0]*float64(n)), n-1)
	centres := append([]float64(nil), x[first*d:(first+1)*d]...)
	distance := make([]float64, n)
	for len(centres) < k*d {
		total := 0.0
		for i := range n {
			distance[i], _ = nearest(x[i*d:(i+1)*d], centres)
			total += distance[i]
		}
		mark, sum, at := u[len(centres)/d]*total, 0.0, n-1
		for i, v := range distance {
			if sum += v; sum > mark {
				at = i
				break
			}
		}
		centres = append(centres, x[at*d:(at+1)*d]...)
	}
	return centres
}

// Fit divides the rows of a table into k groups: the best of some tries. Fields of skip are left out.
func Fit(t *table.Table, k, tries int, s rng.Stream, skip ...int) (*Result, error) {
	const op = "kmeans.Fit"
	if k < 1 || k > t.Rows || tries < 1 || tries > 1000 {
		return nil, fault.InvalidField(op, "k",
			"%d groups of %d rows in %d tries: allowed are 1 to the rows, and 1 to 1000",
			k, t.Rows, tries)
	}
	c := design.Fit(t, skip...)
	if c.Width == 0 || int64(c.Width)*int64(t.Rows) > 1<<28 {
		return nil, fault.E(fault.Invalid, "BAD_SHAPE", op, "%d rows of %d numbers, allowed are 1 to 2^28 in all", t.Rows,
			c.Width)
	}
	x := make([]float64, t.Rows*c.Width)
	var row []design.Entry
	for i := range t.Rows {
		row = c.Row(row[:0], t, i)
		for _, e := range row {
			x[i*c.Width+e.At] = e.Value
		}
	}
	var best *Result
	for try := range tries {
		r := Lloyd(x, c.Width, Seed(x, c.Width, k, s, uint64(try)))
		if best == nil || r.Inertia < best.Inertia {
			best = r
		}
	}
	return best, nil
}
