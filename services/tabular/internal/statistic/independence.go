package statistic

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/special"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Independence is a test of the hypothesis that the rows and columns of a table of counts are independent.
type Independence struct {
	ChiSquare float64 // Pearson's
	G         float64 // the likelihood ratio's, 2 sum O ln(O/E)
	Freedom   int     // (rows-1)(columns-1), of those that are not empty
	P         float64 // of ChiSquare
	PG        float64 // of G
	// Expected is the smallest expected count: below 5 the two probabilities are rough.
	Expected float64
	CramersV float64 // 0: independent, 1: one tells the other
	Exact    bool    // every count is exactly what independence would make it
	Total    int64
}

// TestIndependence tests a table of counts with the given number of columns, row after row. Empty rows and columns do
// not count. Sums go from the first cell to the last.
func TestIndependence(counts []int64, columns int) Independence {
	rows := len(counts) / max(1, columns)
	byRow, byColumn := make([]int64, rows), make([]int64, columns)
	var t Independence
	for i, n := range counts {
		byRow[i/columns] += n
		byColumn[i%columns] += n
		t.Total += n
	}
	r, c := nonEmpty(byRow), nonEmpty(byColumn)
	t.Freedom, t.Exact, t.P, t.PG = max(0, (r-1)*(c-1)), true, 1, 1
	t.Expected = math.Inf(1)
	for i, n := range counts {
		a, b := byRow[i/columns], byColumn[i%columns]
		if a == 0 || b == 0 {
			continue
		}
		e := float64(float64(a)*float64(b)) / float64(t.Total)
		t.Expected = min(t.Expected, e)
		d := float64(n) - e
		t.ChiSquare += float64(d*d) / e
		if n > 0 {
			t.G += float64(2 * float64(n) * tensor.LogF64(float64(n)/e))
		}
		t.Exact = t.Exact && equalProducts(n, t.Total, a, b)
	}
	t.G = max(0, t.G)
	if t.Freedom > 0 {
		t.P = special.ChiSquareTail(t.ChiSquare, float64(t.Freedom))
		t.PG = special.ChiSquareTail(t.G, float64(t.Freedom))
		t.CramersV = math.Sqrt(t.ChiSquare / float64(float64(t.Total)*float64(min(r, c)-1)))
	}
	return t
}

func nonEmpty(counts []int64) int {
	k := 0
	for _, n := range counts {
		if n > 0 {
			k++
		}
	}
	return k
}
