package checkpoint

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// models is the folder of published checkpoints.
func models(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("MANIFOLD_MODELS")
	if dir == "" {
		if os.Getenv("MANIFOLD_REQUIRE_DATA") == "1" {
			t.Fatal("MANIFOLD_MODELS is not set")
		}
		t.Skip("MANIFOLD_MODELS is not set")
	}
	return dir
}

// channelsLast turns [N, C, H, W] into [N, H, W, C].
func channelsLast(t *testing.T, f *weights.File, name string) []float32 {
	t.Helper()
	x, err := f.Float32(name)
	if err != nil {
		t.Fatal(err)
	}
	if x.Rank() != 4 {
		return slices.Clone(x.F32())
	}
	n, c, px := x.Dim(0), x.Dim(1), x.Dim(2)*x.Dim(3)
	out := make([]float32, x.Len())
	for i := range n {
		for k := range c {
			for p := range px {
				out[(i*px+p)*c+k] = x.F32()[(i*c+k)*px+p]
			}
		}
	}
	return out
}

// near compares two results by norm.
func near(t *testing.T, what string, got, want []float32, limit float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	var diff, norm float64
	for i, w := range want {
		diff += (float64(got[i]) - float64(w)) * (float64(got[i]) - float64(w))
		norm += float64(w) * float64(w)
	}
	e := math.Sqrt(diff / norm)
	t.Logf("%s: error %.2g", what, e)
	if !(e <= limit) {
		t.Errorf("%s: error %.2g, want at most %.2g", what, e, limit)
	}
}

type coder interface {
	model.Model
	model.Encoder
	model.Decoder
}

// TestPublished compares encoders and decoders of published checkpoints with what PyTorch makes of them.
func TestPublished(t *testing.T) {
	dir := models(t)
	for _, c := range []struct {
		path, golden, architecture string
		side                       int
		mean, variance, out        string
	}{
		{"vae/csinva-mnist_vae_epoch_25.pth", "csinva-vae", "vae", 0, "mu", "logvar", "recon_mu"},
		{"vae/sofia-MNIST-VarAutoEncoder.pth", "sofia-vae", "conformer", 0, "mu", "var", "recon_mu"},
		{"tae", "taef2", "taesd", 64, "latent", "", "recon"},
	} {
		m, err := Open(filepath.Join(dir, c.path), Options{Height: c.side, Width: c.side})
		if err != nil {
			t.Error(err)
			continue
		}
		if m.Architecture != c.architecture || len(m.Parts) == 0 || len(m.Parts[0].SHA256) != 64 {
			t.Errorf("%s: %s %v", c.path, m.Architecture, m.Parts)
		}
		f, err := weights.Open(filepath.Join(dir, "golden", c.golden+".safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		net, ok := m.Net.(coder)
		if !ok {
			t.Fatal("no encoder and decoder")
		}
		x, mean := channelsLast(t, f, "x"), channelsLast(t, f, c.mean)
		size := net.Size()
		n := len(x) / size.PictureLen()
		gotMean, gotVariance := make([]float32, n*size.CodeLen()), make([]float32, n*size.CodeLen())
		if net.Deterministic() {
			gotVariance = nil
		}
		net.Encode(gotMean, gotVariance, x, n, nil)
		near(t, c.path+" mean", gotMean, mean, 1e-5)
		if c.variance != "" {
			want := channelsLast(t, f, c.variance)
			for i, v := range want {
				if c.variance == "logvar" {
					want[i] = float32(math.Exp(float64(v)))
				}
			}
			near(t, c.path+" variance", gotVariance, want, 1e-5)
		}
		out, want := make([]float32, len(x)), channelsLast(t, f, c.out)
		for i, v := range want {
			want[i] = max(0, min(1, v)) // pictures lie in [0, 1]
		}
		net.Decode(out, mean, n, nil)
		near(t, c.path+" picture", out, want, 1e-5)
		// A row alone gives what it gives among others.
		one := make([]float32, size.PictureLen())
		net.Decode(one, mean[size.CodeLen():2*size.CodeLen()], 1, nil)
		if !slices.Equal(one, out[size.PictureLen():2*size.PictureLen()]) {
			t.Errorf("%s: a picture depends on the others", c.path)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
