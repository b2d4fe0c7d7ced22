package classify

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/train"
)

var small = Config{ImageSize: 12, InChannels: 1, Channels: []int{8, 16}, Groups: 4, Classes: 3}

func network(t *testing.T, c Config) *CNN {
	t.Helper()
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	nn.Init(n, 3)
	return n
}

func noise(n, size int) []float32 {
	x := make([]float32, n*size)
	rng.New(9).Normal(x, 0, 0, rng.General)
	return x
}

func TestConfigRefuses(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"image_size is 3":         func(c *Config) { c.ImageSize = 3 },
		"in_channels is 0":        func(c *Config) { c.InChannels = 0 },
		"stages of channels is 0": func(c *Config) { c.Channels = nil },
		"groups is 0":             func(c *Config) { c.Groups = 0 },
		"classes is 1":            func(c *Config) { c.Classes = 1 },
		"stage 1 has 10":          func(c *Config) { c.Channels = []int{8, 10} },
	} {
		c := small
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// The network in float32 is norm-wise within 1e-5 of its float64 twin, forward and gradients.
func TestFloat64Twin(t *testing.T) {
	net, twin := network(t, small), network(t, small)
	nn.Copy(twin, net)
	nn.To(twin, tensor.Float64)
	x := tensor.FromFloat32(noise(5, 144), 5, 12, 12, 1)
	labels := []int32{0, 1, 2, 1, 0}
	results := func(n *CNN, d tensor.DType) [][]float64 {
		tape := autograd.NewTape(nil)
		features, logits := n.Forward(tape, tape.Const(x.To(d)))
		params := nn.Params(n)
		nn.Backward(tape, nn.CrossEntropy(logits, labels), params)
		l := [][]float64{features.To(tensor.Float64).Clone().F64(), logits.To(tensor.Float64).Clone().F64()}
		for _, p := range params {
			l = append(l, p.Grad.To(tensor.Float64).F64())
		}
		return l
	}
	want := results(twin, tensor.Float64)
	for i, got := range results(net, tensor.Float32) {
		var diff, norm float64
		for k, v := range got {
			diff += (v - want[i][k]) * (v - want[i][k])
			norm += want[i][k] * want[i][k]
		}
		if !(math.Sqrt(diff) <= 1e-5*math.Sqrt(norm)) || norm == 0 {
			t.Errorf("tensor %d is off by %.2g", i, math.Sqrt(diff/norm))
		}
	}
}

// What is said of a picture does not depend on the others, nor on the threads and kernels.
func TestSameBits(t *testing.T) {
	defer tensor.SetThreads(0)
	defer func(k string) { _ = tensor.SetKernels(k) }(tensor.Kernels())
	const n, size = 70, 144
	x := noise(n, size)
	var want []float32
	for _, kernels := range tensor.AvailableKernels() {
		if err := tensor.SetKernels(kernels); err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 2, 8} {
			tensor.SetThreads(threads)
			c := Of(network(t, small))
			f, s, err := c.Run(x)
			if err != nil || f.Len() != n || s.Len() != n || f.Dim != 16 || s.Dim != 3 {
				t.Fatal(f.Len(), s.Len(), err)
			}
			all := slices.Concat(f.X, s.X)
			if want == nil {
				want = all
			}
			if !slices.Equal(all, want) {
				t.Errorf("%s with %d threads differs", kernels, threads)
			}
			one, _, err := c.Run(x[66*size : 67*size])
			if err != nil || !slices.Equal(one.X, f.Row(66)) {
				t.Errorf("%s with %d threads: a picture alone differs (%v)", kernels, threads, err)
			}
		}
	}
	if _, _, err := Of(network(t, small)).Run(x[:100]); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}

func TestAugment(t *testing.T) {
	const size = 12
	src, dst, again := noise(1, size*size), make([]float32, size*size), make([]float32, size*size)
	s := rng.New(1)
	Augment{}.apply(dst, src, size, 1, s, 1, 1)
	if !slices.Equal(src, dst) {
		t.Error("no augmentation changed the picture")
	}
	a := Augment{Turn: 0.2, Stretch: 0.1, Slant: 0.15, Shift: 2}
	a.apply(dst, src, size, 1, s, 1, 1)
	a.apply(again, src, size, 1, s, 1, 1)
	if !slices.Equal(dst, again) || slices.Equal(dst, src) {
		t.Error("equal draws give other pictures, or the same as without")
	}
	a.apply(again, src, size, 1, s, 2, 1)
	if slices.Equal(dst, again) {
		t.Error("another sample is moved in the same way")
	}
	if slices.Max(dst) > slices.Max(src) || slices.Min(dst) < slices.Min(src) {
		t.Error("a mean of pixels lies outside of them")
	}
	// A shift alone moves a straight edge by the same amount in every row.
	edge := make([]float32, size*size)
	for i := range edge {
		if i%size >= size/2 {
			edge[i] = 1
		}
	}
	Augment{Shift: 2}.apply(dst, edge, size, 1, s, 7, 1)
	for y := 1; y < size; y++ {
		if !slices.Equal(dst[:size], dst[y*size:(y+1)*size]) {
			t.Errorf("row %d is moved otherwise than row 0", y)
		}
	}
}

func TestParseRecipeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"name": "A b"}`:                                   "lower-case",
		`{"name": "x", "colour": 1}`:                        "colour",
		`{"name": "x", "augment": {"turn": -1}}`:            "augment",
		`{"name": "x", "train_count": -1}`:                  "train_count",
		`{"name": "x", "train": {"steps": 1, "epochs": 1}}`: "Steps",
		`[]`: "array",
	} {
		_, err := ParseRecipe([]byte(text))
		if err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

const tinyRecipe = `{
  "name": "tiny", "seed": "5", "data": "glyphs", "train_count": 256, "channels": [16, 32], "groups": 4,
  "augment": {"shift": 1},
  "train": {"steps": 60, "batch": 64, "learning_rate": 0.02, "warmup": 5, "ema": 0.8, "select": "error"}
}`

// trained runs the tiny recipe in a folder of its own.
func trained(t *testing.T) (modelstore.Entry, *modelstore.Store, []float64) {
	t.Helper()
	dir := t.TempDir()
	store, err := modelstore.Open(modelstore.Root{Name: "user", Dir: filepath.Join(dir, "models"), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	var losses []float64
	e, err := Train(t.Context(), []byte(tinyRecipe), Deps{Store: store, Runs: filepath.Join(dir, "runs")}, func(ev train.Event) {
		if ev.Kind == train.Stepped {
			losses = append(losses, ev.Losses["loss"])
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return e, store, losses
}

func TestTrainPublishesWhatLoads(t *testing.T) {
	e, store, losses := trained(t)
	if len(losses) < 2 || !(losses[len(losses)-1] < 0.8*losses[0]) {
		t.Errorf("losses %v do not fall", losses)
	}
	if err := store.Verify(e); err != nil {
		t.Error(err)
	}
	dir, err := store.Dir(e)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(e, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	set, err := new(dataset.Locator).Open(t.Context(), dataset.Request{Name: "glyphs", Split: "report"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Accuracy(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	if want := e.Manifest.Metrics["report_accuracy"]; s.Value() != want || s.N != set.Len() || s.Value() < 0.2 {
		t.Errorf("accuracy %v of %d, the manifest says %v", s.Value(), s.N, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Accuracy(ctx, set); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	card, err := store.Card(e)
	if err != nil || !strings.Contains(card, e.Manifest.Digest) || !strings.Contains(card, "glyphs, 256 pictures") {
		t.Error(err, card)
	}
	again, _, _ := trained(t)
	if again.Manifest.Digest != e.Manifest.Digest {
		t.Error("the same recipe gave other weights")
	}

	other := *e.Manifest
	for want, change := range map[string]func(m *modelstore.Manifest){
		"want a classifier": func(m *modelstore.Manifest) { m.Family = "vae" },
		"9 labels":          func(m *modelstore.Manifest) { m.Labels = m.Labels[:9] },
		"unknown field":     func(m *modelstore.Manifest) { m.Config = json.RawMessage(`{"depth": 3}`) },
		"image_size":        func(m *modelstore.Manifest) { m.Config = json.RawMessage(`{}`) },
		"stages.0.down":     func(m *modelstore.Manifest) { m.Config = thinner(t, m.Config) },
	} {
		m := other
		change(&m)
		bad := e
		bad.Manifest = &m
		if _, err := Load(bad, dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// thinner halves the first stage, so that the weights do not fit any more.
func thinner(t *testing.T, m json.RawMessage) json.RawMessage {
	var c Config
	if err := json.Unmarshal(m, &c); err != nil {
		t.Fatal(err)
	}
	c.Channels[0] /= 2
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// starter opens the classifier of handwritten digits.
func starter(t *testing.T) (*Classifier, *modelstore.Store) {
	t.Helper()
	store, err := modelstore.Open(modelstore.Root{Name: "starters", FS: Starters(), Cache: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	e, err := store.Resolve(Starter)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := store.Dir(e)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(e, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, store
}

func TestStarter(t *testing.T) {
	c, store := starter(t)
	if err := store.Verify(c.Entry); err != nil {
		t.Error(err)
	}
	m := c.Entry.Manifest
	if m.Bytes() > 1<<20 || m.Metrics["report_accuracy"] < 0.99 || m.Metrics["report_pictures"] != 10_000 {
		t.Errorf("%d bytes, %v", m.Bytes(), m.Metrics)
	}
	text, err := fs.ReadFile(Recipes(), Starter+".json")
	if err != nil || string(text) != m.Recipe {
		t.Error("the recipe of the starter is not the one in recipes", err)
	}
	if _, err := ParseRecipe(text); err != nil {
		t.Error(err)
	}
	if !strings.Contains(m.Licence, "CC BY-SA 3.0") {
		t.Errorf("licence %q does not name that of the data", m.Licence)
	}
}

// The figure on the card is the one that comes out.
func TestStarterAccuracy(t *testing.T) {
	dir := os.Getenv("MANIFOLD_DATA")
	if dir == "" {
		if os.Getenv("MANIFOLD_REQUIRE_DATA") == "1" {
			t.Fatal("MANIFOLD_DATA is not set")
		}
		t.Skip("MANIFOLD_DATA is not set")
	}
	c, _ := starter(t)
	l := &dataset.Locator{Dirs: []string{dir}, Offline: true}
	set, err := l.Open(t.Context(), dataset.Request{Name: "mnist", Split: "report"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Accuracy(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	if s.N != 10_000 || s.Value() < 0.99 || s.Value() != c.Entry.Manifest.Metrics["report_accuracy"] {
		t.Errorf("%d of %d right, the card says %v", s.Hits, s.N, c.Entry.Manifest.Metrics["report_accuracy"])
	}
}
