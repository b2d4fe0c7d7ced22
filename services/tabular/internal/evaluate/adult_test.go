package evaluate

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/dataset"
)

// TestAdult fits both classifiers to the census rows: the real-trained figures beside which synthetic rows are put.
func TestAdult(t *testing.T) {
	dir := os.Getenv("MANIFOLD_DATA")
	if dir == "" {
		if os.Getenv("MANIFOLD_REQUIRE_DATA") == "1" {
			t.Fatal("MANIFOLD_DATA is not set")
		}
		t.Skip("MANIFOLD_DATA is not set")
	}
	e, err := dataset.LookupTable("adult")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(e.Sources[0].Path)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := table.Open(f, st.Size(), table.Options{NoHeader: true, Names: e.Columns})
	if err != nil {
		t.Fatal(err)
	}
	var d table.Declaration
	for name, levels := range e.Domains {
		d.Columns = append(d.Columns, table.ColumnSpec{Name: name, Levels: levels})
	}
	in, err := file.Infer(d)
	if err != nil {
		t.Fatal(err)
	}
	src, err := file.Source(in.Schema)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := table.ReadAll(src, 40_000)
	if err != nil || rows.Rows != 32_561 {
		t.Fatal(rows, err)
	}
	target := in.Schema.Index(e.Target)
	from, to, err := e.Rows("report")
	if err != nil {
		t.Fatal(err)
	}
	test := rows.View(from, to)
	for name, fit := range map[string]Fit{"naive Bayes": NaiveBayes(target), "logistic regression": Logistic(target)} {
		start := time.Now()
		m, err := fit(rows.View(0, from))
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		p := make([]float64, 2*test.Rows)
		if err := m.Predict(p, test); err != nil {
			t.Fatal(err)
		}
		sc := newScored(rows.Rows)
		if err := sc.measure(m, rows, target, slices.Collect(seq(from, to))); err != nil {
			t.Fatal(err)
		}
		r := sc.result()
		var hit, said, are float64 // of the second class
		for i, c := range test.Columns[target].Codes {
			if p[2*i+1] > 0.5 {
				said++
				hit += float64(c)
			}
			are += float64(c)
		}
		t.Logf("%s: accuracy %.4f ± %.4f, F1 %.4f, log-loss %.4f, fitted to %d rows in %v", name, r.Accuracy.Mean,
			r.Accuracy.Half, 2*hit/(said+are), r.LogLoss.Mean, from, took.Round(time.Millisecond))
		if name == "logistic regression" && (r.Accuracy.Mean < 0.84 || 2*hit/(said+are) < 0.64) {
			t.Error("below what is known of it")
		}
	}
}

func seq(from, to int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := from; i < to && yield(i); i++ {
		}
	}
}
