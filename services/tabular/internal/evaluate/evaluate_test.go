package evaluate

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// titanic reads the passengers with what is declared.
func titanic(t testing.TB, d table.Declaration) *table.Table {
	t.Helper()
	dir := os.Getenv("MANIFOLD_DATA")
	if dir == "" {
		if os.Getenv("MANIFOLD_REQUIRE_DATA") == "1" {
			t.Fatal("MANIFOLD_DATA is not set")
		}
		t.Skip("MANIFOLD_DATA is not set")
	}
	f, err := os.Open(filepath.Join(dir, "tabular", "titanic.csv"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := table.Open(f, st.Size(), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := file.Infer(d)
	if err != nil {
		t.Fatal(err)
	}
	s, err := file.Source(in.Schema)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := table.ReadAll(s, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// declared are the fields of the proof: title, class and family size.
func declared() table.Declaration {
	return table.Declaration{
		Only: true,
		Columns: []table.ColumnSpec{
			{Name: "Survived", Kind: "categorical"}, {Name: "Pclass", Kind: "categorical"},
			{Name: "Title", Levels: []string{"Master", "Miss", "Mr", "Mrs", "rare"}, Other: "rare"},
			{Name: "Family", Edges: []float64{1.5, 4.5}},
		},
		Derive: []table.Derivation{
			{Name: "Title", From: "Name", Match: `, ([^.]*)\.`, Rename: map[string]string{"Mlle": "Miss", "Ms": "Miss", "Mme": "Mrs"}},
			{Name: "Family", Sum: []string{"SibSp", "Parch"}, Plus: 1},
		},
	}
}

// TestTitanic is the proof of quality: ten times ten folds.
func TestTitanic(t *testing.T) {
	rows := titanic(t, declared())
	t.Logf("%+v", rows.Schema.Fields)
	sex := titanic(t, table.Declaration{Only: true, Columns: []table.ColumnSpec{{Name: "Survived", Kind: "categorical"}, {Name: "Sex"}}})
	measure := func(name string, rows *table.Table, fit Fit) *Result {
		r, err := CrossValidate(t.Context(), rows, 0, 10, 10, 1, fit)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-20s log-loss %.4f ± %.4f, accuracy %.4f ± %.4f", name, r.LogLoss.Mean, r.LogLoss.Half, r.Accuracy.Mean, r.Accuracy.Half)
		return r
	}
	nb := measure("naive Bayes", rows, NaiveBayes(0))
	lr := measure("logistic regression", rows, Logistic(0))
	rule := measure("every female", sex, Single(0, 1))
	measure("majority", rows, Majority(0))
	if math.Abs(rule.Accuracy.Mean-0.7868) > 5e-5 {
		t.Errorf("the rule has %g", rule.Accuracy.Mean)
	}
	if nb.LogLoss.Mean > 0.460 || nb.Accuracy.Mean < 0.80 {
		t.Errorf("naive Bayes: %+v", nb)
	}
	if lr.LogLoss.Mean > 0.460 || lr.Accuracy.Mean < 0.80 {
		t.Errorf("logistic regression: %+v", lr)
	}
}

// TestFoldsAreStratified: equal parts of each class, no row twice, other folds for another repetition.
func TestFoldsAreStratified(t *testing.T) {
	class := make([]int32, 103)
	for i := range class {
		class[i] = int32(i % 3)
	}
	class[5] = table.Missing
	a, b := Folds(class, 10, 1, 0), Folds(class, 10, 1, 1)
	var size [10]int
	var byClass [3][10]int
	same := 0
	for i, f := range a {
		if class[i] < 0 {
			if f != -1 {
				t.Error(i, f)
			}
			continue
		}
		size[f]++
		byClass[class[i]][f]++
		if f == b[i] {
			same++
		}
	}
	for f := range 10 {
		if size[f] < 10 || size[f] > 11 {
			t.Error(f, size[f])
		}
		for c := range byClass {
			if byClass[c][f] < 3 || byClass[c][f] > 4 {
				t.Error(c, f, byClass[c][f])
			}
		}
	}
	if same > 40 {
		t.Error("the same folds again", same)
	}
}

func small() *table.Table {
	s := &table.Schema{Fields: []table.Field{{Name: "y", Levels: []string{"a", "b"}}, {Name: "x", Levels: []string{"p", "q"}}}}
	t := table.New(s, 40)
	for i := range 40 {
		t.Columns[0].Codes[i] = int32(i % 2)
		t.Columns[1].Codes[i] = int32(i % 2)
	}
	t.Columns[1].Codes[0] = 1
	return t
}

func TestCompare(t *testing.T) {
	c, err := Compare(t.Context(), small(), 0, 5, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	text := c.Markdown()
	for _, s := range []string{"y from x; 40 rows", "| rule of x | ", "| majority | ", "| 20 | "} {
		if !strings.Contains(text, s) {
			t.Errorf("%q is not in\n%s", s, text)
		}
	}
}

func TestMeasures(t *testing.T) {
	rows := small()
	r, err := CrossValidate(t.Context(), rows, 0, 5, 3, 1, Single(0, 1))
	if err != nil || r.Rows != 40 || math.Abs(r.Accuracy.Mean-39.0/40) > 1e-12 {
		t.Errorf("%+v %v", r, err)
	}
	m, err := CrossValidate(t.Context(), rows, 0, 5, 3, 1, Majority(0))
	if err != nil || math.Abs(m.LogLoss.Mean-math.Ln2) > 0.01 {
		t.Errorf("%+v %v", m, err)
	}
	points, err := Curve(t.Context(), rows, 0, []int{1, 10, 20}, 10, 5, 1, NaiveBayes(0), Logistic(0))
	if err != nil || len(points) != 3 || points[2].Result[0].LogLoss.Mean > points[1].Result[0].LogLoss.Mean {
		t.Errorf("%+v %v", points, err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := CrossValidate(done, rows, 0, 5, 3, 1, NaiveBayes(0)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, folds := range []int{1, 41} {
		if _, err := CrossValidate(t.Context(), rows, 0, folds, 1, 1, NaiveBayes(0)); fault.KindOf(err) != fault.Invalid {
			t.Error(err)
		}
	}
	if _, err := Curve(t.Context(), rows, 0, []int{31}, 10, 1, 1, NaiveBayes(0)); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}

// TestCurvesCross: on few rows the generative model is better, on many the discriminative one (Ng and Jordan 2002).
func TestCurvesCross(t *testing.T) {
	rows := titanic(t, declared())
	sizes := []int{10, 20, 40, 80, 160, 320, 640}
	points, err := Curve(t.Context(), rows, 0, sizes, 250, 50, 1, NaiveBayes(0), Logistic(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		t.Logf("%4d rows: log-loss %.4f naive Bayes, %.4f logistic regression; accuracy %.4f, %.4f", p.Rows,
			p.Result[0].LogLoss.Mean, p.Result[1].LogLoss.Mean, p.Result[0].Accuracy.Mean, p.Result[1].Accuracy.Mean)
	}
	few, many := points[0].Result, points[len(points)-1].Result
	if few[0].Accuracy.Mean <= few[1].Accuracy.Mean || many[0].LogLoss.Mean <= many[1].LogLoss.Mean {
		t.Error("the curves do not cross")
	}
}
