package metric

import (
	"math"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Share is how many of how many.
type Share struct{ Hits, N int }

// Value is Hits / N, NaN for an empty share.
func (s Share) Value() float64 { return float64(s.Hits) / float64(s.N) }

// Interval is Wilson's 95 % interval, within 0 and 1; both ends are NaN for an empty share.
func (s Share) Interval() (lo, hi float64) {
	const z = 1.959963984540054 // the 0.975 quantile of the normal distribution
	n, p := float64(s.N), s.Value()
	mid := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(mid-half, 0), min(mid+half, 1)
}

// Accuracy is the share of predictions that equal the truth. As class match, the truth is the classes that were
// asked of a generator and the predictions are those of a classifier on what it made; the classifier's own accuracy
// belongs beside the result.
func Accuracy(predicted, truth []int32) (Share, error) {
	if len(predicted) != len(truth) || len(truth) == 0 {
		return Share{}, fault.E(fault.Invalid, "BAD_LABELS", "metric.Accuracy", "%d predictions for %d labels",
			len(predicted), len(truth))
	}
	s := Share{N: len(truth)}
	for i, p := range predicted {
		if p == truth[i] {
			s.Hits++
		}
	}
	return s, nil
}

// Argmax is the class of the largest of each row's scores, the first of equal ones. A row with a NaN is an error.
func Argmax(scores Features) ([]int32, error) {
	if err := scores.check("metric.Argmax", 0); err != nil {
		return nil, err
	}
	out := make([]int32, scores.Len())
	for i := range out {
		row := scores.Row(i)
		for j, v := range row {
			if v > row[out[i]] {
				out[i] = int32(j)
			}
		}
	}
	return out, nil
}

// Confusion counts, for every true class (rows), how often each class was predicted (columns). Labels outside
// 0..classes-1 are an error.
func Confusion(predicted, truth []int32, classes int) ([][]int, error) {
	const op = "metric.Confusion"
	if len(predicted) != len(truth) || classes < 1 {
		return nil, fault.E(fault.Invalid, "BAD_LABELS", op, "%d predictions for %d labels of %d classes",
			len(predicted), len(truth), classes)
	}
	m := make([][]int, classes)
	for i := range m {
		m[i] = make([]int, classes)
	}
	for i, p := range predicted {
		t := truth[i]
		if p < 0 || t < 0 || int(p) >= classes || int(t) >= classes {
			return nil, fault.E(fault.Invalid, "BAD_LABELS", op, "labels %d and %d, there are %d classes", p, t, classes)
		}
		m[t][p]++
	}
	return m, nil
}
