package evaluate

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/services/diffusion/internal/unet"
	"github.com/manifold-gen/manifold/shared/classify"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// The tensor pool's workers belong to the process.
func TestMain(m *testing.M) {
	const worker = "github.com/manifold-gen/manifold/shared/tensor/internal/pool.(*workers)."
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(worker+"worker"))
}

// random fills a network; a new U-Net ends in zeros and would answer nothing.
func random(net any, seed uint64) {
	nn.Init(net, seed)
	for i, p := range nn.Params(net) {
		if x := p.F32(); slices.Max(x) == 0 && slices.Min(x) == 0 {
			rng.New(seed).Normal(x, uint64(i), 0, rng.General)
			for k := range x {
				x[k] *= 0.1
			}
		}
		p.Changed()
	}
}

// world is a store with a tiny U-Net of random weights, with or without classes, and a random classifier.
func world(t *testing.T, classes int) Config {
	t.Helper()
	store, err := modelstore.Open(modelstore.Root{Name: "test", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	cfg := unet.Config{
		ImageSize: 28, InChannels: 1, PatchSize: 2, Channels: []int{8, 8}, Blocks: 1, Heads: 2, TimeDim: 16, Groups: 4,
		Classes: classes, Prediction: "v", Schedule: "cosine", Steps: 1000,
	}
	u, err := unet.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	random(u, 1)
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Publish(t.Context(), modelstore.Manifest{
		Family: "diffusion", Architecture: engine.Architecture, Config: text, Name: "tiny", Licence: "Apache-2.0",
		Labels: strings.Split("0123456789", "")[:classes], Data: modelstore.Data{Name: "none"},
		Parameters: int64(nn.Count(u)), Numerics: tensor.NumericsVersion,
	}, modelstore.Contents{Weights: func(path string) error {
		m := map[string]*tensor.Tensor{}
		for _, p := range nn.Params(u) {
			m[p.Name] = p.Tensor
		}
		return weights.Write(path, m, nil)
	}})
	if err != nil {
		t.Fatal(err)
	}
	cnn, err := classify.New(classify.Config{ImageSize: 28, InChannels: 1, Channels: []int{8, 8}, Groups: 4, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	random(cnn, 2)
	return Config{
		Store: store, Model: "tiny", Classifier: classify.Of(cnn), Name: "glyphs",
		Sizes: Sizes{Seed: 1, N: 66, NSteps: 20, Reference: 100, Train: 150, Steps: 2, Long: 3, Bootstrap: 5, Subsets: 3,
			SubsetSize: 8, Strength: 2},
	}
}

func measure(t *testing.T, c Config) *Report {
	t.Helper()
	r, err := Measure(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// timeless is a report without what differs from run to run.
func timeless(r *Report) string {
	c := *r
	c.Rows = slices.Clone(r.Rows)
	for i := range c.Rows {
		if d := c.Rows[i].Draw; d != nil {
			same := *d
			same.Seconds, same.PerSecond = 0, 0
			c.Rows[i].Draw = &same
		}
		c.Rows[i].Run = 0
	}
	c.Runs = nil
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestReport(t *testing.T) {
	c := world(t, 10)
	path := filepath.Join(t.TempDir(), "report.json")
	c.Command = Run{Command: "test"}
	saved, told, last := 0, 0, Progress{}
	c.Save = func(r *Report) error {
		saved++
		return r.Write(path)
	}
	c.Progress = func(p Progress) {
		if p.Share < last.Share || p.Done < last.Done {
			t.Errorf("progress goes back from %+v to %+v", last, p)
		}
		told, last = told+1, p
	}
	r := measure(t, c)
	rows := plan(c.Sizes, 10)
	if len(r.Rows) != len(rows) || saved != len(rows) || last.Done != len(rows) || math.Abs(last.Share-1) > 1e-9 {
		t.Fatalf("%d rows, %d planned, %d saved, progress %+v", len(r.Rows), len(rows), saved, last)
	}
	if told < 2*len(rows) {
		t.Errorf("progress was told %d times", told)
	}
	for i, row := range r.Rows {
		p := rows[i]
		if row.ID != p.id || row.N != p.n || (row.Draw != nil) != (p.spec != nil) {
			t.Errorf("row %d is %+v, want %+v", i, row, p)
		}
		if p.group == "memory" {
			if row.Nearest == nil || row.Nearest.Training != 150 || row.Frechet != nil {
				t.Errorf("%s: %+v", row.ID, row)
			}
			continue
		}
		if f := row.Frechet; f == nil || !(f.Value >= 0) || !(f.Std > 0) || f.Low > f.Value || f.High < f.Value || row.KID == nil ||
			row.Precision == nil || row.Recall == nil {
			t.Errorf("%s lacks a distance: %+v", row.ID, row)
		}
		if want := p.spec != nil && p.spec.classes; want != (row.ClassMatch != nil) {
			t.Errorf("%s: class match %v", row.ID, row.ClassMatch)
		} else if want && (row.ClassMatch.N != row.N || len(row.ClassMatch.PerClass) != 10) {
			t.Errorf("%s: class match %+v", row.ID, row.ClassMatch)
		}
	}
	if f, c := r.Row("real").Frechet.Value, r.Row("uniform-noise").Frechet.Value; !(f < c/2) {
		t.Errorf("real pictures are at %g, noise at %g", f, c)
	}
	for heun, other := range map[string]string{"heun-6": "ddim-10", "heun-11": "ddim-20"} {
		d := r.Row(heun).Draw
		if d.Evaluations != r.Row(other).Draw.Evaluations || d.PerSecond <= 0 {
			t.Errorf("%s and %s are not at equal evaluations: %+v", heun, other, d)
		}
	}

	// Read back, it is the same, and nothing is left to do.
	old, err := Read(path)
	if err != nil || timeless(old) != timeless(r) {
		t.Fatal("the file is not the report", err)
	}
	c.Previous, c.Progress = old, nil
	if again := measure(t, c); len(again.Runs) != 1 || saved != len(rows) {
		t.Errorf("a finished report was measured again: %d runs, %d rows saved", len(again.Runs), saved)
	}
	// Rows that are measured again, in another process and another order, give the same.
	c.Only = []string{"conditional", "memory", "guidance"}
	again := measure(t, c)
	if timeless(again) != timeless(r) || len(again.Runs) != 2 || again.Row("memory").Run != 1 || again.Row("real").Run != 0 {
		t.Error("rows that were measured again differ")
	}
	c.Sizes.Seed = 2
	if _, err := Measure(t.Context(), c); fault.KindOf(err) != fault.Precondition || !strings.Contains(err.Error(), "seed") {
		t.Error(err)
	}
}

func TestModelWithoutClasses(t *testing.T) {
	c := world(t, 0)
	c.Only = []string{"quality", "euler-20"}
	if r := measure(t, c); len(r.Rows) != 2 || r.Rows[0].ID != "unconditional" {
		t.Errorf("%+v", r.Rows)
	}
	c.Only = []string{"guidance"}
	if _, err := Measure(t.Context(), c); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}

func TestRefuses(t *testing.T) {
	c := world(t, 10)
	for want, change := range map[string]func(*Config){
		"no-such-model":                  func(c *Config) { c.Model = "no-such-model" },
		"there is no row or group \"x\"": func(c *Config) { c.Only = []string{"x"} },
		"n 5000":                         func(c *Config) { c.Sizes.N = 5000; c.Sizes.Train = 0 },
		"n: 2, want 8":                   func(c *Config) { c.Sizes.N = 2 },
		"seed":                           func(c *Config) { c.Sizes.Seed = 1 << 37 },
		"guidance":                       func(c *Config) { c.Sizes.Strength = math.NaN() },
		"32x32x3":                        func(c *Config) { c.Name = "glyphs-colour" },
		"no-such-data":                   func(c *Config) { c.Name = "no-such-data" },
	} {
		bad := c
		change(&bad)
		if _, err := Measure(t.Context(), bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	c.Save = func(*Report) error { cancel(); return nil }
	if _, err := Measure(ctx, c); !errors.Is(err, context.Canceled) && fault.KindOf(err) != fault.Cancelled {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "x.json")
	if r, err := Read(path); r != nil || err != nil {
		t.Error(r, err)
	}
	for _, text := range []string{"{", "{}", `{"kind": "other"}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A picture of an evaluation is one that any client gets by its seed.
func TestDrawIsRequests(t *testing.T) {
	c := world(t, 10)
	e, err := c.Store.Resolve(c.Model)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := c.Store.Dir(e)
	if err != nil {
		t.Fatal(err)
	}
	l, err := engine.Load(t.Context(), e, dir, engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d, err := draw(t.Context(), l, spec{"ddpm", 3, 2, true}, 70, 5, func(float64) {})
	if err != nil {
		t.Fatal(err)
	}
	method, err := sampler.New("ddpm", l.Model.Schedule, sampler.Config{Steps: 3})
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 784)
	// Picture 64 is the first of the second request; its class is 64 mod 10.
	q := engine.Request{Seed: 5<<16 + 1, Sampler: method, Guidance: 2, Classes: []int32{4}}
	if err := request(t.Context(), l, q, x, func() {}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(x, d.x[64*784:65*784]) {
		t.Error("the picture is another one")
	}
}

// The Gaussian baselines have the moments that they were fitted to.
func TestMoments(t *testing.T) {
	// Pictures of 8 elements: two that move together, one alone, the rest constant.
	const n, size = 4000, 8
	data, z := make([]byte, n*size), make([]float32, 2)
	for i := range n {
		rng.New(3).Normal(z, uint64(i), 0, rng.General)
		row := data[i*size : (i+1)*size]
		for k := range row {
			row[k] = 40
		}
		row[0], row[1], row[2] = byte(128+20*z[0]), byte(128+10*z[0]), byte(100+15*z[1])
	}
	set, err := dataset.NewPictures(data, 2, 4, 1, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := momentsOf(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	joint, err := m.joint(n, 1)
	if err != nil {
		t.Fatal(err)
	}
	const unit = 2.0 / 255
	for name, x := range map[string][]float32{"joint": joint, "independent": m.independent(n, 1)} {
		mean := func(f func(row []float32) float64) float64 {
			var sum float64
			for i := range n {
				sum += f(x[i*size : (i+1)*size])
			}
			return sum / n
		}
		m0 := mean(func(r []float32) float64 { return float64(r[0]) })
		m1 := mean(func(r []float32) float64 { return float64(r[1]) })
		variance := mean(func(r []float32) float64 { return (float64(r[0]) - m0) * (float64(r[0]) - m0) })
		together := mean(func(r []float32) float64 { return (float64(r[0]) - m0) * (float64(r[1]) - m1) })
		want := 200.0 * unit * unit
		if name == "independent" {
			want = 0
		}
		if math.Abs(m0-m.mean[0]) > unit || math.Abs(variance/(400*unit*unit)-1) > 0.1 || math.Abs(together-want) > 20*unit*unit {
			t.Errorf("%s: mean %g (%g), variance %g, covariance %g (%g)", name, m0, m.mean[0], variance, together, want)
		}
		if c := mean(func(r []float32) float64 { return math.Abs(float64(r[7]) - (2*40-255)/255.0) }); c > 1e-6 {
			t.Errorf("%s: a constant pixel moves by %g", name, c)
		}
	}
}

// A copy of a training picture is found at distance 0, another picture at its distance.
func TestNearestFindsCopies(t *testing.T) {
	set, err := dataset.NewGlyphs(dataset.GlyphSpec{N: 3100, Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	const size = 784
	x, _, err := classify.Pictures(set, 3050, 3052)
	if err != nil {
		t.Fatal(err)
	}
	x[size] = 0.5 // was -1: a distance of 1.5
	at, d, err := nearest(t.Context(), x, size, set)
	if err != nil {
		t.Fatal(err)
	}
	if at[0] != 3050 || d[0] != 0 || at[1] != 3051 || math.Abs(d[1]-1.5) > 1e-6 {
		t.Errorf("found %v at %v", at, d)
	}
	n, err := compare(t.Context(), x, x, size, set)
	if err != nil || n.Closest != [2]int{0, 3050} || n.Generated != n.Real || n.Generated.Mean != 0.75 {
		t.Errorf("%+v, %v", n, err)
	}
}
