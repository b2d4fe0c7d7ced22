package evaluate

import (
	"math"

	"github.com/manifold-gen/manifold/shared/classify"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/metric"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// judge measures sets of pictures against the reference. It knows nothing of how they were made.
type judge struct {
	classifier *classify.Classifier
	sizes      Sizes
	reference  metric.Features // [m, D]
	fit        metric.Gaussian // of the reference
}

// newJudge takes the pictures x of the reference.
func newJudge(c *classify.Classifier, s Sizes, x []float32) (*judge, error) {
	j := &judge{classifier: c, sizes: s}
	var err error
	if j.reference, err = c.Features(x); err != nil {
		return nil, err
	}
	j.fit, err = metric.Fit(j.reference)
	return j, err
}

// distances fills a row's Frechet, KID, Precision and Recall, and returns the classes of the pictures x, which take
// turns between strata kinds.
func (j *judge) distances(row *Row, x []float32, strata int) ([]int32, error) {
	features, scores, err := j.classifier.Run(x)
	if err != nil {
		return nil, err
	}
	if row.Frechet, err = j.frechet(features, strata); err != nil {
		return nil, err
	}
	kid, err := metric.KID(features, j.reference, metric.KIDConfig{
		Subsets: j.sizes.Subsets, Size: min(j.sizes.SubsetSize, features.Len(), j.reference.Len()), Seed: j.sizes.Seed,
	})
	if err != nil {
		return nil, err
	}
	row.KID = &KID{Mean: kid.Mean, Std: kid.Std, Subsets: kid.Subsets, Size: kid.Size}
	// As many real pictures as measured ones: both shares depend on the numbers.
	n := min(features.Len(), j.reference.Len())
	as := metric.Features{Dim: j.reference.Dim, X: j.reference.X[:n*j.reference.Dim]}
	p, r, err := metric.PrecisionRecall(as, features, 3)
	if err != nil {
		return nil, err
	}
	row.Precision, row.Recall = &p, &r
	return metric.Argmax(scores)
}

// frechet is the distance of the features' fit from the reference's, with a bootstrap over the features. Feature i is
// of the kind i mod strata, and every resample has as many of each kind.
func (j *judge) frechet(f metric.Features, strata int) (*Estimate, error) {
	g, err := metric.Fit(f)
	if err != nil {
		return nil, err
	}
	value, err := metric.Frechet(j.fit, g)
	if err != nil {
		return nil, err
	}
	e := &Estimate{Value: value, Draws: j.sizes.Bootstrap}
	n := f.Len()
	again := metric.Features{Dim: f.Dim, X: make([]float32, n*f.Dim)}
	words := make([]uint32, n)
	var sum, squares float64
	for b := range j.sizes.Bootstrap {
		rng.New(j.sizes.Seed).Uint32s(words, uint64(b), 0, rng.Choice)
		for i, w := range words {
			kind := i % strata
			among := (n - kind + strata - 1) / strata
			copy(again.Row(i), f.Row(kind+strata*int(uint64(w)*uint64(among)>>32)))
		}
		g, err := metric.Fit(again)
		if err != nil {
			return nil, err
		}
		v, err := metric.Frechet(j.fit, g)
		if err != nil {
			return nil, err
		}
		sum += v
		squares += v * v
	}
	k := float64(j.sizes.Bootstrap)
	e.Std = math.Sqrt(max(squares-sum*sum/k, 0) / (k - 1))
	e.Low, e.High = max(value-1.96*e.Std, 0), value+1.96*e.Std
	return e, nil
}

// match counts how many predictions are the class that was asked for.
func match(predicted, asked []int32, classes int) (*Match, error) {
	s, err := metric.Accuracy(predicted, asked)
	if err != nil {
		return nil, err
	}
	m := newMatch(s)
	confusion, err := metric.Confusion(predicted, asked, classes)
	if err != nil {
		return nil, err
	}
	for c, row := range confusion {
		m.PerClass = append(m.PerClass, row[c])
	}
	return m, nil
}

func newMatch(s metric.Share) *Match {
	lo, hi := s.Interval()
	return &Match{Hits: s.Hits, N: s.N, Share: s.Value(), Low: lo, High: hi}
}

// badSizes is the error for sizes that the data cannot give.
func badSizes(format string, args ...any) error {
	return fault.E(fault.Invalid, "BAD_SIZES", "evaluate.Run", format, args...)
}
