package evaluate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/counting"
	"github.com/manifold-gen/manifold/services/tabular/internal/kmeans"
	"github.com/manifold-gen/manifold/services/tabular/internal/logistic"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/naivebayes"
	"github.com/manifold-gen/manifold/services/tabular/internal/shaped"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// wantDigest is what every CPU and every build computes. It changes only with the numerics version.
const wantDigest = "b5d0d4f70acacc074797f6c2cde49ce75d4b371605ed8de42fb979887338ae91"

// TestDigest fits every model of the package's neighbours to drawn passengers and hashes models, probabilities, reasons,
// answers and sampled rows.
func TestDigest(t *testing.T) {
	h := sha256.New()
	add := func(v any) {
		t.Helper()
		if err := json.NewEncoder(h).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	var text bytes.Buffer
	if err := shaped.WriteTitanic(&text, 700, 3); err != nil {
		t.Fatal(err)
	}
	f, err := table.Open(bytes.NewReader(text.Bytes()), int64(text.Len()), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := declared()
	d.Only = false
	d.Columns = append(d.Columns, table.ColumnSpec{Name: "Name", Drop: true}, table.ColumnSpec{Name: "Cabin", Drop: true},
		table.ColumnSpec{Name: "Fare", Quantiles: 4})
	in, err := f.Infer(d)
	if err != nil {
		t.Fatal(err)
	}
	add(in)
	src, err := f.Source(in.Schema)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := table.ReadAll(src, 1000)
	if err != nil {
		t.Fatal(err)
	}
	nb, err := naivebayes.Fit(table.FromTable(rows), naivebayes.Default(0))
	if err != nil {
		t.Fatal(err)
	}
	lr, err := logistic.Fit(rows, logistic.Default(0))
	if err != nil {
		t.Fatal(err)
	}
	add(nb.Statistics)
	add(lr)
	p := make([]float64, 2*rows.Rows)
	for _, m := range []model.Explainer{nb, lr} {
		if err := m.Predict(p, rows); err != nil {
			t.Fatal(err)
		}
		add(p)
		why, err := m.Explain(rows, 5, 1)
		if err != nil {
			t.Fatal(err)
		}
		add(why)
	}
	count, err := counting.Fit(table.FromTable(rows), 0)
	if err != nil {
		t.Fatal(err)
	}
	age := rows.Schema.Index("Age")
	given := []model.Term{{Field: age, Lo: 20, Hi: 31.5}}
	for _, m := range []interface {
		model.Querier
		model.Sampler
	}{nb, count} {
		a, err := m.Query(&model.Query{Targets: []int{0, 1}, Given: given})
		if err != nil {
			t.Fatal(err)
		}
		add(a.Cells)
		add(a.Evidence)
		drawn := table.New(rows.Schema, 50)
		if err := m.Sample(drawn, rng.New(9), 100, given); err != nil {
			t.Fatal(err)
		}
		for i := range drawn.Rows {
			for j := range drawn.Columns {
				add(drawn.Text(i, j, "?"))
			}
		}
	}
	pair, err := count.Pair([]model.Term{{Field: 0, Codes: []int32{1}}}, given)
	if err != nil {
		t.Fatal(err)
	}
	add(pair)
	groups, err := kmeans.Fit(rows, 4, 2, rng.New(1), 0)
	if err != nil {
		t.Fatal(err)
	}
	add(groups)
	cv, err := CrossValidate(t.Context(), rows, 0, 3, 1, 1, NaiveBayes(0))
	if err != nil {
		t.Fatal(err)
	}
	add(cv)
	if got := hex.EncodeToString(h.Sum(nil)); got != wantDigest {
		t.Errorf("digest %s, want %s", got, wantDigest)
	}
}

// TestDigestElsewhere runs TestDigest on an emulated arm64, and built for amd64's third level, whose compilers fuse.
func TestDigestElsewhere(t *testing.T) {
	if runtime.GOARCH != "amd64" || testing.Short() {
		return
	}
	for _, r := range []struct {
		name string
		env  []string
		run  string
	}{{"arm64", []string{"GOARCH=arm64"}, "qemu-aarch64-static"}, {"amd64 v3", []string{"GOARCH=amd64", "GOAMD64=v3"}, ""}} {
		bin := filepath.Join(t.TempDir(), "evaluate.test")
		args := []string{bin, "-test.short", "-test.run", "^TestDigest$"}
		if r.run != "" {
			path, err := exec.LookPath(r.run)
			if err != nil {
				if os.Getenv("MANIFOLD_REQUIRE_QEMU") == "1" {
					t.Fatal(err)
				}
				t.Logf("no %s; set MANIFOLD_REQUIRE_QEMU=1 to require it", r.run)
				continue
			}
			args = append([]string{path}, args...)
		}
		build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", bin, ".")
		build.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), r.env...)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", r.name, err, out)
		}
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", r.name, err, out)
		}
	}
}
