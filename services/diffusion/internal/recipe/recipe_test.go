package recipe

import (
	"bytes"
	"context"
	"image"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

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

func deps(t *testing.T) recipe.Deps {
	t.Helper()
	store, err := modelstore.Open(modelstore.Root{Name: "user", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	return recipe.Deps{Store: store, Runs: t.TempDir()}
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

// TestRunDirsStayWhereTheyWere: a run that an earlier version began goes on.
func TestRunDirsStayWhereTheyWere(t *testing.T) {
	for _, want := range []string{"tiny-2ba8d86a7495", "mnist-45c9e561f0e5", "glyphs-beff43d01d49"} {
		name, _, _ := strings.Cut(want, "-")
		r, err := Parse(text(t, name))
		if err != nil {
			t.Fatal(err)
		}
		y, err := r.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if got := recipe.RunDir(r.Name, y); got != want {
			t.Errorf("the directory of %s is %s, was %s", name, got, want)
		}
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
		{"channels", "name: a\ndata: {name: x}\nmodel: {channels: [1000000]}\ntrain: {steps: 1}", "1000000 channels"},
		{"parameters", "name: a\ndata: {name: x}\nmodel: {channels: [4096, 4096], blocks: 16}\ntrain: {steps: 1}",
			"parameters, want at most"},
		{"attention", "name: a\ndata: {name: x, size: 1024}\nmodel: {channels: [8], patch_size: 1}\ntrain: {steps: 1}",
			"attention of one picture of 1024x1024"},
		{"micro", "name: a\ndata: {name: x}\ntrain: {steps: 1, batch: 65536, micro: 65536}", "train.micro: 65536, want at most"},
		{"huge", strings.Repeat("#", recipe.MaxText+1), "at most"},
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
		if _, err := Parse(again); err != nil && len(again) <= recipe.MaxText {
			t.Errorf("a recipe that was read cannot be read again: %v\n%s", err, again)
		}
	})
}
