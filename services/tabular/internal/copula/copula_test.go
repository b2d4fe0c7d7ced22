package copula

import (
	"math"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

// schema is a number, a whole number and a category.
func schema() *table.Schema {
	return &table.Schema{Fields: []table.Field{
		{Name: "x", Kind: table.Numeric, Min: 0, Max: 10}, {Name: "n", Kind: table.Numeric, Integer: true, Min: 0, Max: 20},
		{Name: "c", Levels: []string{"low", "high"}},
	}}
}

// rows follow one another: n is twice x, c says whether x is above 5; one x in ten is missing.
func rows(n int) *table.Table {
	t := table.New(schema(), n)
	u := make([]float64, 2)
	for i := range n {
		rng.New(1).Uniform64(u, uint64(i), 0, rng.General)
		x := 10 * u[0] * u[0]
		t.Columns[0].Numbers[i], t.Columns[1].Numbers[i] = x, math.Floor(2*x+0.5)
		t.Columns[2].Codes[i] = 0
		if x > 5 {
			t.Columns[2].Codes[i] = 1
		}
		if u[1] < 0.1 {
			t.Columns[0].Numbers[i] = math.NaN()
		}
	}
	return t
}

func TestSampleIsLikeTheData(t *testing.T) {
	seen := rows(5000)
	c, err := Fit(seen)
	if err != nil {
		t.Fatal(err)
	}
	made := table.New(schema(), 5000)
	if err := c.Sample(made, rng.New(7), 0, nil); err != nil {
		t.Fatal(err)
	}
	figures := func(t *table.Table) (mean, missing, high, together float64) {
		known := 0.0
		for i, x := range t.Columns[0].Numbers {
			if x != x {
				missing++
				continue
			}
			known++
			mean += x
			if x > 5 == (t.Columns[2].Codes[i] == 1) {
				together++
			}
		}
		for _, k := range t.Columns[2].Codes {
			high += float64(k)
		}
		n := float64(t.Rows)
		return mean / known, missing / n, high / n, together / known
	}
	a, b, x, y := figures(seen)
	d, e, f, g := figures(made)
	if math.Abs(a-d) > 0.15 || math.Abs(b-e) > 0.02 || math.Abs(x-f) > 0.02 || y != 1 || g < 0.9 {
		t.Errorf("real %g %g %g %g, made %g %g %g %g", a, b, x, y, d, e, f, g)
	}
	for _, x := range made.Columns[1].Numbers {
		if x != math.Trunc(x) || x < 0 || x > 20 {
			t.Fatalf("%g is no whole number of the domain", x)
		}
	}
	part := table.New(schema(), 10)
	if err := c.Sample(part, rng.New(7), 100, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if part.Columns[1].Numbers[i] != made.Columns[1].Numbers[100+i] {
			t.Fatal("a row depends on more than its number")
		}
	}
}

func TestGiven(t *testing.T) {
	c, err := Fit(rows(2000))
	if err != nil {
		t.Fatal(err)
	}
	made := table.New(schema(), 200)
	if err := c.Sample(made, rng.New(1), 0, []model.Term{{Field: 2, Codes: []int32{1}}}); err != nil {
		t.Fatal(err)
	}
	for _, k := range made.Columns[2].Codes {
		if k != 1 {
			t.Fatal("a row does not hold what is given")
		}
	}
	err = c.Sample(made, rng.New(1), 0, []model.Term{{Field: 0, Lo: 50, Hi: 60}})
	if fault.KindOf(err) != fault.Precondition {
		t.Errorf("what cannot be: %v", err)
	}
}

func TestBadParts(t *testing.T) {
	c, err := Fit(rows(100))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(m []Marginal, root []float64) ([]Marginal, []float64){
		"few":      func(m []Marginal, r []float64) ([]Marginal, []float64) { return m[:2], r },
		"root":     func(m []Marginal, r []float64) ([]Marginal, []float64) { r[0] = math.NaN(); return m, r },
		"upper":    func(m []Marginal, r []float64) ([]Marginal, []float64) { r[1] = 0.5; return m, r },
		"missing":  func(m []Marginal, r []float64) ([]Marginal, []float64) { m[0].Missing = 2; return m, r },
		"shares":   func(m []Marginal, r []float64) ([]Marginal, []float64) { m[2].Shares[0] = 3; return m, r },
		"quantile": func(m []Marginal, r []float64) ([]Marginal, []float64) { m[0].Quantiles[3] = -5; return m, r },
	} {
		m := make([]Marginal, len(c.Marginals))
		for i, v := range c.Marginals {
			m[i] = Marginal{v.Missing, append([]float64(nil), v.Quantiles...), append([]float64(nil), v.Shares...)}
		}
		m, root := change(m, append([]float64(nil), c.Root...))
		if _, err := New(schema(), m, root); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Fit(table.New(schema(), 1)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("one row: %v", err)
	}
}

// TestSingular: columns that are equal still make a copula.
func TestSingular(t *testing.T) {
	s := &table.Schema{Fields: []table.Field{{Name: "a", Kind: table.Numeric, Max: 1}, {Name: "b", Kind: table.Numeric, Max: 1},
		{Name: "one", Levels: []string{"only"}}}}
	r := table.New(s, 50)
	for i := range 50 {
		r.Columns[0].Numbers[i], r.Columns[1].Numbers[i] = float64(i)/50, float64(i)/50
		r.Columns[2].Codes[i] = 0
	}
	c, err := Fit(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Correlation(0, 1); got < 0.99 {
		t.Errorf("correlation %g", got)
	}
	if err := c.Sample(table.New(s, 20), rng.New(1), 0, nil); err != nil {
		t.Error(err)
	}
}
