package vae

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae/internal/checkpoint"
	"github.com/manifold-gen/manifold/services/vae/internal/engine"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

func importStore(t *testing.T) (*modelstore.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := modelstore.Open(modelstore.Root{Name: "user", Dir: dir, Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// load opens an imported model as the service does.
func load(t *testing.T, s *modelstore.Store, e modelstore.Entry) *engine.Loaded {
	t.Helper()
	dir, err := s.Dir(e)
	if err != nil {
		t.Fatal(err)
	}
	l, err := engine.Load(context.Background(), e, dir, engine.Config{}, recipe.Open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// TestImportServes imports a folder of diffusers and asks the model for codes, pictures and samples.
func TestImportServes(t *testing.T) {
	s, _ := importStore(t)
	ctx := context.Background()
	path := "internal/checkpoint/testdata/kl-plain"
	e, err := Import(ctx, path, ImportOptions{Store: s, Licence: "MIT"})
	if err != nil {
		t.Fatal(err)
	}
	if e.Ref() != "kl-plain@1" || e.Manifest.Licence != "MIT" || s.Verify(e) != nil {
		t.Errorf("%s %+v", e.Ref(), e.Manifest)
	}
	card, err := s.Card(e)
	if err != nil || !strings.Contains(card, "SHA-256 `") || !strings.Contains(card, "| licence of the weights | MIT |") {
		t.Errorf("%v\n%s", err, card)
	}
	l := load(t, s, e)
	direct, err := checkpoint.Open(path, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	enc, ok := direct.Net.(model.Encoder)
	if !ok {
		t.Fatal("no encoder")
	}
	size := direct.Net.Size()
	x := make([]float32, 2*size.PictureLen())
	rng.New(3).Uniform(x, 0, 0, rng.General)
	want, variance := make([]float32, 2*size.CodeLen()), make([]float32, 2*size.CodeLen())
	enc.Encode(want, variance, x, 2, nil)
	mean, _, _, err := l.Encode(ctx, x, 2, nil)
	if err != nil || !slices.Equal(mean, want) {
		t.Errorf("codes differ from those of the checkpoint: %v", err)
	}
	if !engine.CanDraw(l.Model) {
		t.Error("the model cannot be sampled")
	}
	z, pictures, _, err := l.Draw(ctx, rng.New(1), 2, 1, nil)
	if err != nil || len(z) != 2*size.CodeLen() || len(pictures) != 2*size.PictureLen() {
		t.Error(len(z), len(pictures), err)
	}
}

// TestImportAnswersCalls asks for an imported model through the services.
func TestImportAnswersCalls(t *testing.T) {
	s, _ := importStore(t)
	ctx := context.Background()
	if _, err := Import(ctx, "internal/checkpoint/testdata/kl-deep", ImportOptions{Store: s, Name: "tiny"}); err != nil {
		t.Fatal(err)
	}
	m, err := Connect(ctx, Config{Store: s}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	client := vaev1.NewVaeServiceClient(m.Conn())
	d, err := client.Describe(ctx, &vaev1.DescribeRequest{Model: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"Encode", "Decode", "Reconstruct", "Sample", "Interpolate", "Arithmetic"} {
		if !slices.Contains(d.GetCalls(), call) {
			t.Errorf("%s is not among %q", call, d.GetCalls())
		}
	}
	if !slices.Equal(d.GetCodeShape(), []uint32{2, 3, 3}) || d.GetHeight() != 8 || d.GetWidth() != 12 {
		t.Errorf("code %v, picture %dx%d", d.GetCodeShape(), d.GetWidth(), d.GetHeight())
	}
	stream, err := client.Sample(ctx, &vaev1.SampleRequest{Model: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	for {
		r, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if c := r.GetCompleted(); c != nil {
			if len(c.GetImages()) != 1 {
				t.Errorf("%d pictures", len(c.GetImages()))
			}
			return
		}
	}
}

// TestImportRefuses leaves nothing behind.
func TestImportRefuses(t *testing.T) {
	s, dir := importStore(t)
	evil := filepath.Join(t.TempDir(), "evil.pth")
	if err := os.WriteFile(evil, []byte("\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R."), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, name, want string
		kind             fault.Kind
	}{
		{evil, "", `"os.system"`, fault.Invalid},
		{evil, "No Name", "lower-case letters", fault.Invalid},
		{"testdata/none", "", "no such file", fault.NotFound},
	} {
		_, err := Import(context.Background(), c.path, ImportOptions{Store: s, Name: c.name})
		if err == nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v of kind %v, want %q", c.path, err, fault.KindOf(err), c.want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestImportPublished imports every published checkpoint that models of this family can be.
func TestImportPublished(t *testing.T) {
	dir := os.Getenv("MANIFOLD_MODELS")
	if dir == "" {
		if os.Getenv("MANIFOLD_REQUIRE_DATA") == "1" {
			t.Fatal("MANIFOLD_MODELS is not set")
		}
		t.Skip("MANIFOLD_MODELS is not set")
	}
	s, _ := importStore(t)
	for path, want := range map[string]string{
		"vae/csinva-mnist_vae_epoch_25.pth":  "csinva-mnist-vae-epoch-25@1",
		"vae/sofia-MNIST-VarAutoEncoder.pth": "sofia-mnist-varautoencoder@1",
		"tae":                                "tae@1",
	} {
		e, err := Import(context.Background(), filepath.Join(dir, path), ImportOptions{Store: s, Licence: "MIT"})
		if err != nil || e.Ref() != want {
			t.Errorf("%s: %s %v", path, e.Ref(), err)
			continue
		}
		l := load(t, s, e)
		if n := int64(len(e.Manifest.Files)); n == 0 || l.Model.Size().CodeLen() == 0 {
			t.Errorf("%s: %+v", path, l.Model.Size())
		}
	}
	// What is no model of this family says so.
	for _, path := range []string{"clf/resnet20-12fca82f.th", "gan/csinva-mnist_gan_mlp-G.ckpt", "lm/tinystoriesgru-0.2M.pt"} {
		if _, err := Import(context.Background(), filepath.Join(dir, path), ImportOptions{Store: s}); err == nil ||
			!strings.Contains(err.Error(), "of no model that is known here") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestImportPlane shows the plane of a model that came without statistics of its codes: those of its prior.
func TestImportPlane(t *testing.T) {
	s, _ := importStore(t)
	ctx := context.Background()
	tensors := map[string]*tensor.Tensor{}
	for i, layer := range []struct {
		name    string
		out, in int
	}{{"fc1", 5, 16}, {"fc21", 3, 5}, {"fc22", 3, 5}, {"fc3", 5, 3}, {"fc4", 16, 5}} {
		w := tensor.New(tensor.Float32, layer.out, layer.in)
		rng.New(7).Normal(w.F32(), uint64(i), 0, rng.General)
		tensors[layer.name+".weight"], tensors[layer.name+".bias"] = w, tensor.New(tensor.Float32, layer.out)
	}
	path := filepath.Join(t.TempDir(), "dense.safetensors")
	if err := weights.Write(path, tensors, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Import(ctx, path, ImportOptions{Store: s}); err != nil {
		t.Fatal(err)
	}
	m, err := Connect(ctx, Config{Store: s}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	client := vaev1.NewVaeServiceClient(m.Conn())
	d, err := client.Describe(ctx, &vaev1.DescribeRequest{Model: "dense"})
	if err != nil || !d.GetAssumed() || !slices.Contains(d.GetCalls(), "LatentGrid") || len(d.GetKl()) > 0 ||
		!slices.Equal(d.GetMean(), make([]float64, 3)) || !slices.Equal(d.GetDeviation(), []float64{1, 1, 1}) {
		t.Errorf("%v %v", d, err)
	}
	g, err := client.LatentGrid(ctx, &vaev1.LatentGridRequest{Model: "dense"})
	if err != nil || len(g.GetImages()) != 225 || g.GetXDimension() != 0 || g.GetYDimension() != 1 {
		t.Fatalf("%d pictures, %v", len(g.GetImages()), err)
	}
	if x := g.GetX(); x[0] != -x[14] || x[7] != 0 || x[14] < 1.99 || x[14] > 2.01 {
		t.Errorf("a plane over %v", x)
	}
}
