package logistic

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"reflect"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".", "../design") }

var _ model.Explainer = (*Model)(nil)

type golden struct {
	Numbers [][]float64
	Cat     []int32
	Fits    map[string]struct {
		C         float64
		Y         []int32
		Coef      [][]float64
		Intercept []float64
		Predict   []float64
	}
}

func readGolden(t testing.TB) (*golden, *table.Table) {
	t.Helper()
	text, err := os.ReadFile("testdata/sklearn.json")
	if err != nil {
		t.Fatal(err)
	}
	g := new(golden)
	if err := json.Unmarshal(text, g); err != nil {
		t.Fatal(err)
	}
	s := &table.Schema{Fields: []table.Field{
		{Name: "a", Kind: table.Numeric}, {Name: "b", Kind: table.Numeric}, {Name: "c", Levels: []string{"0", "1", "2", "3"}},
		{Name: "y", Levels: []string{"0", "1", "2"}},
	}}
	rows := table.New(s, len(g.Cat))
	for i := range g.Cat {
		rows.Columns[0].Numbers[i], rows.Columns[1].Numbers[i] = g.Numbers[i][0], g.Numbers[i][1]
		rows.Columns[2].Codes[i] = g.Cat[i]
	}
	return g, rows
}

// TestScikitLearn compares coefficients and probabilities with those of scikit-learn.
func TestScikitLearn(t *testing.T) {
	g, rows := readGolden(t)
	for name, f := range g.Fits {
		copy(rows.Columns[3].Codes, f.Y)
		c := Default(3)
		c.C = f.C
		m, err := Fit(rows.View(0, 90), c)
		if err != nil {
			t.Fatal(err)
		}
		p, worst := m.Columns.Width+1, 0.0
		for k := range f.Coef {
			for j, w := range append(f.Coef[k], f.Intercept[k]) {
				worst = max(worst, math.Abs(m.Weights[k*p+j]-w))
			}
		}
		if len(f.Coef)*p != len(m.Weights) || !(worst < 1e-8) {
			t.Errorf("%s: weights are off by %g after %d steps", name, worst, m.Taken)
		}
		levels := len(m.Classes)
		got := make([]float64, 90)
		if err := m.Predict(got, rows.View(90, 120)); err != nil {
			t.Fatal(err)
		}
		for i, want := range f.Predict {
			if q := got[i/levels*3+i%levels]; math.Abs(q-want) > 1e-7 {
				t.Errorf("%s: probability %d is %g, want %g", name, i, q, want)
			}
		}
	}
}

func TestExplanationAddsUp(t *testing.T) {
	g, rows := readGolden(t)
	for name, f := range g.Fits {
		copy(rows.Columns[3].Codes, f.Y)
		m, err := Fit(rows, Default(3))
		if err != nil {
			t.Fatal(err)
		}
		p := make([]float64, 360)
		if err := m.Predict(p, rows); err != nil {
			t.Fatal(err)
		}
		for _, level := range m.Classes {
			parts, err := m.Explain(rows, 5, level)
			if err != nil || len(parts) != 4 {
				t.Fatal(parts, err)
			}
			sum := 0.0
			for _, c := range parts {
				sum += c.Nats
			}
			if got := 1 / (1 + math.Exp(-sum)); math.Abs(got-p[15+level]) > 1e-12 {
				t.Errorf("%s level %d: %g, want %g", name, level, got, p[15+level])
			}
		}
		text, _ := json.Marshal(m)
		var stored Model
		if err := json.Unmarshal(text, &stored); err != nil {
			t.Fatal(err)
		}
		again, err := New(rows.Schema, stored)
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Error("another model after storing", err)
		}
	}
}

// TestMissingCells: a missing number counts as the mean; missing levels are a level where there are any.
func TestMissingCells(t *testing.T) {
	g, rows := readGolden(t)
	copy(rows.Columns[3].Codes, g.Fits["binary"].Y)
	rows.Columns[0].Numbers[1], rows.Columns[2].Codes[2], rows.Columns[3].Codes[3] = math.NaN(), table.Missing, table.Missing
	m, err := Fit(rows, Default(3))
	if err != nil || m.Columns.Width != 7 {
		t.Fatal(m, err)
	}
	p := make([]float64, 360)
	if err := m.Predict(p, rows); err != nil || p[3]-p[3] != 0 {
		t.Error(err, p[3])
	}
}

func TestRefusals(t *testing.T) {
	_, rows := readGolden(t)
	for i := range rows.Columns[3].Codes {
		rows.Columns[3].Codes[i] = 1
	}
	var e *fault.Error
	if _, err := Fit(rows, Default(3)); !errors.As(err, &e) || e.Reason != "ONE_CLASS" {
		t.Error(err)
	}
	if _, err := Fit(rows, Default(0)); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	if _, err := Fit(rows, Config{Target: 3}); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	if _, err := New(rows.Schema, Model{}); fault.KindOf(err) != fault.Corrupt {
		t.Error(err)
	}
}
