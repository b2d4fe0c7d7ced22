package recipe

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
	"github.com/manifold-gen/manifold/services/diffusion/internal/unet"
	"github.com/manifold-gen/manifold/services/diffusion/recipes"
)

func text(t *testing.T, name string) []byte {
	t.Helper()
	b, ok := recipes.Get(name)
	if !ok {
		t.Fatalf("no recipe %s", name)
	}
	return b
}

func deps(t *testing.T) Deps {
	t.Helper()
	store, err := modelstore.Open(modelstore.Root{Name: "user", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	return Deps{Store: store, Runs: t.TempDir()}
}

func wantFault(t *testing.T, err error, kind fault.Kind, parts ...string) {
	t.Helper()
	if fault.KindOf(err) != kind {
		t.Fatalf("error %v is of kind %v, want %v", err, fault.KindOf(err), kind)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}

func TestRecipesThatComeWithTheServiceAreValid(t *testing.T) {
	names := recipes.Names()
	if !slices.Equal(names, []string{"glyphs", "mnist", "tiny"}) {
		t.Errorf("recipes %q", names)
	}
	for _, name := range names {
		r, err := Parse(text(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if r.Name != name {
			t.Errorf("%s.yaml makes a model named %s", name, r.Name)
		}
		again, err := r.YAML()
		if err != nil {
			t.Fatal(err)
		}
		q, err := Parse(again)
		if err != nil {
			t.Fatalf("the recipe written out cannot be read: %v\n%s", err, again)
		}
		if b, _ := q.YAML(); !bytes.Equal(b, again) {
			t.Errorf("%s changes when it is read and written again:\n%s\n%s", name, again, b)
		}
	}
	r, err := Parse(text(t, "mnist"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := r.network(28, 1, 10)
	if err != nil || cfg.FLOPs() > 100e6 {
		t.Errorf("a forward pass of the digits' network has %d operations, want at most 0.1 GF; %v", cfg.FLOPs(), err)
	}
}

func TestParseErrors(t *testing.T) {
	rows := []struct{ name, text, want string }{
		{"empty", "", "empty"},
		{"list", "- a", "list of fields"},
		{"field", "name: a\ndata: {name: glyphs}\ntrain: {steps: 1}\nlearning_rate: 3", `no field "learning_rate"; known are name`},
		{"inner", "name: a\ndata: {nome: glyphs}\ntrain: {steps: 1}", `line 2: data has no field "nome"; known are name, images`},
		{"deep", "name: a\ndata: {name: glyphs}\ntrain: {step: 1}", `train has no field "step"; known are steps, epochs`},
		{"type", "name: a\ndata: {name: glyphs}\ntrain: {steps: many}", "many"},
		{"two documents", "name: a\n---\nname: b", "more than one document"},
		{"anchor", "name: &a x\ndescription: *a\ndata: {name: glyphs}\ntrain: {steps: 1}", "anchors"},
		{"bomb", "a: &a [x,x]\nb: &b [*a,*a]\n", "no field"},
		{"syntax", "name: [", "line 1"},
		{"name", "name: A/b\ndata: {name: glyphs}\ntrain: {steps: 1}", "name:"},
		{"no data", "name: a\ntrain: {steps: 1}", "one of name and images"},
		{"both", "name: a\ndata: {name: x, images: y}\ntrain: {steps: 1}", "one of name and images"},
		{"schedule", "name: a\ndata: {name: x}\ndiffusion: {schedule: sine}\ntrain: {steps: 1}", `"sine"`},
		{"prediction", "name: a\ndata: {name: x}\ndiffusion: {prediction: y}\ntrain: {steps: 1}", `"y"`},
		{"steps", "name: a\ndata: {name: x}\ntrain: {batch: 3}", "neither steps nor epochs"},
		{"family", "name: a\nfamily: gan\ndata: {name: x}\ntrain: {steps: 1}", "this service trains diffusion"},
		{"nan", "name: a\ndata: {name: x}\ndiffusion: {min_snr: .nan}\ntrain: {steps: 1}", "min_snr"},
		{"preview", "name: a\ndata: {name: x}\npreview: {steps: 1001}\ntrain: {steps: 1}", "preview.steps: 1001"},
		{"huge", strings.Repeat("#", MaxRecipe+1), "at most"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := Parse([]byte(row.text))
			wantFault(t, err, fault.Invalid, row.want)
		})
	}
}

func TestTrainPublishAndServeAgain(t *testing.T) {
	d := deps(t)
	var kinds []train.EventKind
	var shown image.Image
	e, err := Run(context.Background(), text(t, "tiny"), d, func(ev train.Event) {
		kinds = append(kinds, ev.Kind)
		if ev.Kind == train.Previewed {
			shown = ev.Previews[0].Image
		}
		if ev.Kind == train.Warning {
			t.Error(ev.Err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	m := e.Manifest
	if e.Ref() != "tiny@1" || m.Family != "diffusion" || len(m.Labels) != 10 || m.Data.Samples != 2000 {
		t.Errorf("published %s: %+v", e.Ref(), m)
	}
	if v := m.Metrics["select_loss"]; !(v > 0 && v < 0.9) {
		t.Errorf("the loss on the selection split is %v; an untrained network has about 1", v)
	}
	if shown == nil || shown.Bounds().Dx() < 5*8 {
		t.Errorf("the preview is %v, want a grid of ten pictures", shown)
	}
	card, err := d.Store.Card(e)
	if err != nil || !strings.Contains(card, m.Digest) || !strings.Contains(card, "BSD-3-Clause") {
		t.Errorf("the card does not name digest and licence, %v:\n%s", err, card)
	}
	// The weights bind strictly to the network that the manifest describes.
	dir, err := d.Store.Dir(e)
	if err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(filepath.Join(dir, modelstore.WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	cfg := unetConfig(t, m)
	net, err := unet.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := nn.Bind(net, f, weights.Mapping{Copy: true}); err != nil {
		t.Fatal(err)
	}
	// The recipe in the manifest makes the same bytes, elsewhere; here it is not run again.
	other := deps(t)
	again, err := Run(context.Background(), []byte(m.Recipe), other, nil)
	if err != nil || again.Manifest.Digest != m.Digest {
		t.Errorf("the recipe of the manifest gives digest %v, want %s; %v", again.Manifest, m.Digest, err)
	}
	kinds = nil
	same, err := Run(context.Background(), text(t, "tiny"), d, func(ev train.Event) { kinds = append(kinds, ev.Kind) })
	if err != nil || same.Ref() != "tiny@1" || kinds != nil {
		t.Errorf("run again it gives %s after events %v, %v", same.Ref(), kinds, err)
	}
}

func unetConfig(t *testing.T, m *modelstore.Manifest) unet.Config {
	t.Helper()
	r, err := Parse([]byte(m.Recipe))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := r.network(8, 1, len(m.Labels))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestCancelledTrainingGoesOn(t *testing.T) {
	d := deps(t)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Run(ctx, text(t, "tiny"), d, func(e train.Event) {
		if e.Kind == train.Stepped && e.Step >= 30 {
			cancel()
		}
	})
	wantFault(t, err, fault.Cancelled)
	if len(d.Store.List()) != 0 {
		t.Error("a cancelled run published a model")
	}
	from := -1
	e, err := Run(context.Background(), text(t, "tiny"), d, func(e train.Event) {
		if e.Kind == train.Started {
			from = e.Step
		}
	})
	if err != nil || from != 30 {
		t.Fatalf("went on from step %d, %v; want 30", from, err)
	}
	whole, err := Run(context.Background(), text(t, "tiny"), deps(t), nil)
	if err != nil || whole.Manifest.Digest != e.Manifest.Digest {
		t.Errorf("digests %s and %s differ, %v", e.Manifest.Digest, whole.Manifest.Digest, err)
	}
}

// tinyTask is the task of the tiny recipe after a change.
func tinyTask(t *testing.T, change func(*Recipe)) *task {
	t.Helper()
	r, err := Parse(text(t, "tiny"))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	p, err := r.open(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := newTask(r, p)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func batch(n int) train.Batch {
	b := train.Batch{Step: 3, Samples: make([]int32, n), Draws: make([]uint64, n), Rng: rng.New(9)}
	for i := range n {
		b.Samples[i], b.Draws[i] = int32(7*i), uint64(100+i)
	}
	return b
}

// TestInitialLoss: a fresh network predicts zero, so the loss is the mean square of the target: 1 for noise, and about
// abar + (1-abar) E[x0^2] for the velocity.
func TestInitialLoss(t *testing.T) {
	for _, pred := range []string{"epsilon", "x0", "v"} {
		k := tinyTask(t, func(r *Recipe) { r.Diffusion.Prediction = pred })
		var want float64
		b := batch(64)
		size := 64
		var step [1]int32
		eps := make([]float32, size)
		x0 := make([]float32, size)
		target := make([]float32, size)
		for i, s := range b.Samples {
			if err := k.data.train.Picture(int(s), x0); err != nil {
				t.Fatal(err)
			}
			b.Rng.Ints(step[:], 100, b.Draws[i], 3, rng.Time)
			b.Rng.Normal(eps, b.Draws[i], 3, rng.Noise)
			p, err := schedule.ParsePrediction(pred)
			if err != nil {
				t.Fatal(err)
			}
			schedule.Target(target, x0, eps, p, k.sch.AlphaBar[step[0]])
			for _, v := range target {
				want += float64(v) * float64(v) / float64(size*64)
			}
		}
		loss, err := k.Loss(autograd.NewTape(nil), b)
		if err != nil {
			t.Fatal(err)
		}
		if got := float64(loss.F32()[0]); math.Abs(got-want) > 1e-5*want {
			t.Errorf("%s: the initial loss is %v, want %v", pred, got, want)
		}
	}
}

// TestMinSNRIsOneLoss: under min-SNR weighting the three predictions weigh errors of the picture alike.
func TestMinSNRIsOneLoss(t *testing.T) {
	for _, alphaBar := range []float64{0.001, 0.3, 0.9, 0.9999} {
		snr := alphaBar / (1 - alphaBar)
		want := min(snr, 5)
		// An error e of the picture is an error e sqrt(SNR) of the noise and e / sqrt(1-abar) of the velocity.
		rows := map[schedule.Prediction]float64{
			schedule.X0: 1, schedule.Epsilon: snr, schedule.V: 1 / (1 - alphaBar),
		}
		for p, scale := range rows {
			if got := lossWeight(p, alphaBar, 5) * scale; math.Abs(got-want) > 1e-9*want {
				t.Errorf("abar %v, %s: weight %v of the picture's error, want %v", alphaBar, p, got, want)
			}
		}
		if lossWeight(schedule.V, alphaBar, 0) != 1 {
			t.Error("without min-SNR the weight is not 1")
		}
	}
}

func TestClassDropout(t *testing.T) {
	k := tinyTask(t, nil)
	b := batch(250)
	if _, err := k.Loss(autograd.NewTape(nil), b); err != nil {
		t.Fatal(err)
	}
	hidden := 0
	for i, c := range k.class {
		switch int(c) {
		case k.cfg.Classes:
			hidden++
		case k.data.train.Label(int(b.Samples[i])):
		default:
			t.Fatalf("row %d has class %d, its label is %d", i, c, k.data.train.Label(int(b.Samples[i])))
		}
	}
	// 25 expected, standard deviation 4.7.
	if hidden < 10 || hidden > 40 {
		t.Errorf("%d of 250 classes are hidden, want about 25", hidden)
	}
}

// TestRowDoesNotDependOnItsBatch: the draws of a sample are those of its number, wherever it lies.
func TestRowDoesNotDependOnItsBatch(t *testing.T) {
	k := tinyTask(t, nil)
	x := tensor.New(tensor.Float32, 4, 8, 8, 1)
	target := tensor.New(tensor.Float32, 4, 8, 8, 1)
	root := tensor.New(tensor.Float32, 4, 1, 1, 1)
	k.room(4)
	d := draw{stream: rng.New(1), number: 42, step: 5, drop: 0.1, picture: 3}
	for _, i := range []int{0, 3} {
		if err := k.row(x, target, root, i, d); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(x.F32()[:64], x.F32()[192:]) || !slices.Equal(target.F32()[:64], target.F32()[192:]) ||
		k.timestep[0] != k.timestep[3] || k.class[0] != k.class[3] {
		t.Error("rows 0 and 3 of the same sample differ")
	}
}

func TestMirror(t *testing.T) {
	x := []float32{1, 2, 3, 4, 5, 6, 7, 8} // 2x2x2
	mirror(x, 2, 2)
	if !slices.Equal(x, []float32{3, 4, 1, 2, 7, 8, 5, 6}) {
		t.Errorf("mirrored to %v", x)
	}
}

// writeImages makes a folder of n pictures per class.
func writeImages(t *testing.T, size int, paint func(class, i, x, y int) color.Color, classes ...string) string {
	t.Helper()
	dir := t.TempDir()
	for c, class := range classes {
		if err := os.MkdirAll(filepath.Join(dir, class), 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range 12 {
			m := image.NewRGBA(image.Rect(0, 0, size, size))
			for y := range size {
				for x := range size {
					m.Set(x, y, paint(c, i, x, y))
				}
			}
			var b bytes.Buffer
			if err := png.Encode(&b, m); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, class, string(rune('a'+i))+".png"), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func TestForImages(t *testing.T) {
	grey := func(c, i, x, y int) color.Color { return color.Gray{Y: uint8(20*c + i + x + y)} }
	red := func(c, i, x, y int) color.Color { return color.RGBA{R: uint8(x * y), G: uint8(c), A: 255} }
	rows := []struct {
		name           string
		side           int
		paint          func(c, i, x, y int) color.Color
		size, channels int
	}{
		{"digits", 28, grey, 28, 1},
		{"grey", 50, grey, 32, 1},
		{"colour", 40, red, 32, 3},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			dir := writeImages(t, row.side, row.paint, "cat", "dog")
			r, err := ForImages(dir, "pets", 10)
			if err != nil {
				t.Fatal(err)
			}
			if r.Data.Size != row.size || r.Data.Channels != row.channels || r.Train.Steps < 100 {
				t.Errorf("size %d, %d channels, %d steps", r.Data.Size, r.Data.Channels, r.Train.Steps)
			}
			written, err := r.YAML()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Parse(written); err != nil {
				t.Errorf("the recipe cannot be read: %v\n%s", err, written)
			}
			p, err := r.open(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.classes, []string{"cat", "dog"}) || p.train.Len() != 23 || p.selection.Len() != 1 {
				t.Errorf("classes %q, %d and %d pictures", p.classes, p.train.Len(), p.selection.Len())
			}
			seen := make(map[int]bool)
			for i := range p.train.Len() {
				seen[p.train.Index(i)] = true
			}
			seen[p.selection.Index(0)] = true
			if len(seen) != 24 {
				t.Errorf("the splits hold %d different pictures, want 24", len(seen))
			}
			if _, err := newTask(r, p); err != nil {
				t.Error(err)
			}
		})
	}
	_, err := ForImages(filepath.Join(t.TempDir(), "none"), "a", 10)
	wantFault(t, err, fault.NotFound)
	_, err = ForImages(t.TempDir(), "a", 10)
	wantFault(t, err, fault.Invalid, "no PNG or JPEG")
}

// TestOwnPictures trains on a folder for a few steps and looks for its path in what is published.
func TestOwnPictures(t *testing.T) {
	dir := writeImages(t, 20, func(c, i, x, y int) color.Color { return color.RGBA{R: uint8(90 * c), G: uint8(9 * x), A: 255} },
		"cat", "dog")
	r, err := ForImages(dir, "pets", 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Data.Size = 8
	r.Model = Model{Channels: []int{8}, Heads: 2, TimeDim: 16, Groups: 4}
	r.Train.Steps, r.Train.Warmup, r.Train.Batch, r.Train.Micro, r.Train.PreviewEvery = 4, 1, 8, 8, 4
	d := deps(t)
	e, err := r.Run(context.Background(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(e.Manifest.Labels, []string{"cat", "dog"}) {
		t.Errorf("labels %q", e.Manifest.Labels)
	}
	card, err := d.Store.Card(e)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"manifest": e.Manifest.Recipe, "card": card} {
		if strings.Contains(text, filepath.Dir(dir)) {
			t.Errorf("the %s shows where the pictures lie:\n%s", name, text)
		}
	}
}

func TestDefaultNetworksAreValid(t *testing.T) {
	for _, size := range []int{7, 8, 14, 15, 16, 20, 28, 32, 48, 64, 96, 128} {
		for _, channels := range []int{1, 3} {
			r := new(Recipe)
			r.setDefaults()
			if _, err := r.network(size, channels, 3); err != nil {
				t.Errorf("%dx%dx%d: %v", size, size, channels, err)
			}
		}
	}
}

func TestDataErrors(t *testing.T) {
	rows := map[string]func(*Recipe){
		"unknown":  func(r *Recipe) { r.Data.Name = "imagenet" },
		"too many": func(r *Recipe) { r.Data.Train = 1 << 20 },
		"channels": func(r *Recipe) { r.Data.Channels = 3 },
	}
	for name, change := range rows {
		r, err := Parse(text(t, "tiny"))
		if err != nil {
			t.Fatal(err)
		}
		change(r)
		if _, err := r.open(context.Background(), nil); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Log(err)
		}
	}
	r, err := Parse(text(t, "tiny"))
	if err != nil {
		t.Fatal(err)
	}
	r.Model.Channels = []int{7}
	_, err = r.Run(context.Background(), deps(t), nil)
	wantFault(t, err, fault.Invalid, "7 channels")
}

func FuzzParse(f *testing.F) {
	for _, name := range recipes.Names() {
		text, _ := recipes.Get(name)
		f.Add(text)
	}
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Parse(text)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v is of kind %v", err, fault.KindOf(err))
			}
			return
		}
		again, err := r.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil && len(again) <= MaxRecipe {
			t.Errorf("a recipe that was read cannot be read again: %v\n%s", err, again)
		}
	})
}
