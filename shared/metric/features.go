package metric

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Features is n rows of Dim numbers, row after row.
type Features struct {
	Dim int
	X   []float32
}

// Len is the number of rows.
func (f Features) Len() int {
	if f.Dim < 1 {
		return 0
	}
	return len(f.X) / f.Dim
}

// Row is row i, shared.
func (f Features) Row(i int) []float32 { return f.X[i*f.Dim : (i+1)*f.Dim : (i+1)*f.Dim] }

// check wants at least least rows of finite numbers.
func (f Features) check(op string, least int) error {
	if f.Dim < 1 || len(f.X)%f.Dim != 0 || len(f.X)/f.Dim < least {
		return fault.E(fault.Invalid, "BAD_FEATURES", op, "%d numbers of dimension %d, at least %d whole rows are needed",
			len(f.X), f.Dim, least)
	}
	for i, v := range f.X {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fault.E(fault.Invalid, "BAD_FEATURES", op, "row %d, number %d is %v", i/f.Dim, i%f.Dim, v)
		}
	}
	return nil
}

func checkPair(op string, a, b Features, least int) error {
	if err := a.check(op, least); err != nil {
		return err
	}
	if err := b.check(op, least); err != nil {
		return err
	}
	if a.Dim != b.Dim {
		return fault.E(fault.Invalid, "BAD_FEATURES", op, "dimensions %d and %d", a.Dim, b.Dim)
	}
	return nil
}

// dense is rows from up to to as a matrix, minus shift where it is not nil.
func (f Features) dense(from, to int, shift []float64) *mat.Dense {
	m := mat.NewDense(to-from, f.Dim, nil)
	for i := from; i < to; i++ {
		row := m.RawRowView(i - from)
		for j, v := range f.Row(i) {
			row[j] = float64(v)
			if shift != nil {
				row[j] -= shift[j]
			}
		}
	}
	return m
}
