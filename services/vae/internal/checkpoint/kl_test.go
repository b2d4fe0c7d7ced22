package checkpoint

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/vae/internal/kl"
)

// TestDiffusers compares folders that diffusers saved with what diffusers makes of them.
func TestDiffusers(t *testing.T) {
	for _, name := range []string{"plain", "deep", "bare"} {
		dir := filepath.Join("testdata", "kl-"+name)
		m, err := Open(dir, Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		cfg, ok := m.Config.(kl.Config)
		if !ok || cfg.Parameters() != count(m.Params) || m.Architecture != "kl" {
			t.Errorf("%s: %d parameters, counted %d", name, count(m.Params), cfg.Parameters())
		}
		f, err := weights.Open(filepath.Join(dir, "want.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		var torch map[string]float64
		if err := json.Unmarshal([]byte(f.Metadata["torch_err"]), &torch); err != nil {
			t.Fatal(err)
		}
		net, ok := m.Net.(coder)
		if !ok {
			t.Fatal("no encoder and decoder")
		}
		size := net.Size()
		x, z := channelsLast(t, f, "x"), channelsLast(t, f, "z")
		n := len(x) / size.PictureLen()
		got := map[string][]float32{
			"mean": make([]float32, n*size.CodeLen()), "variance": make([]float32, n*size.CodeLen()),
			"picture": make([]float32, n*size.PictureLen()),
		}
		net.Encode(got["mean"], got["variance"], x, n, nil)
		net.Decode(got["picture"], z, n, nil)
		for _, what := range slices.Sorted(maps.Keys(got)) {
			near(t, name+" "+what, got[what], wide(t, f, what), max(1e-5, 3*torch[what]))
		}
		// The same bits on one thread, and for a row alone.
		tensor.SetThreads(1)
		one := make([]float32, size.PictureLen())
		net.Decode(one, z[size.CodeLen():2*size.CodeLen()], 1, nil)
		tensor.SetThreads(0)
		if !slices.Equal(one, got["picture"][size.PictureLen():2*size.PictureLen()]) {
			t.Errorf("%s: a picture depends on the others or the threads", name)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// wide is channelsLast of a float64 tensor.
func wide(t *testing.T, f *weights.File, name string) []float32 {
	t.Helper()
	x, err := f.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	n, c, px := x.Dim(0), x.Dim(1), x.Dim(2)*x.Dim(3)
	out := make([]float32, x.Len())
	for i := range n {
		for k := range c {
			for p := range px {
				out[(i*px+p)*c+k] = float32(x.F64()[(i*c+k)*px+p])
			}
		}
	}
	return out
}

func count(params []*nn.Param) int64 {
	var n int64
	for _, p := range params {
		n += int64(p.Len())
	}
	return n
}

// TestPrior draws codes that are standard normal where a diffusion model would work on them.
func TestPrior(t *testing.T) {
	m, err := Open("testdata/kl-bare", Options{Height: 64, Width: 64})
	if err != nil {
		t.Fatal(err)
	}
	net, ok := m.Net.(*kl.Model)
	if !ok {
		t.Fatal("not a kl.Model")
	}
	z := make([]float32, net.Size().CodeLen())
	net.Draw(z, rng.New(1), 0, 1, 0)
	var sum, squares float64
	for _, v := range z {
		u := (float64(v) - 0.5) * 0.18215 / 2
		sum, squares = sum+u, squares+u*u
	}
	n := float64(len(z))
	if mean := sum / n; math.Abs(mean) > 4/math.Sqrt(n) || math.Abs(squares/n-1) > 4*math.Sqrt(2/n) {
		t.Errorf("mean %.3f, variance %.3f of %d codes", mean, squares/n, len(z))
	}
}

// folder copies a folder of testdata and changes its config.json.
func folder(t *testing.T, change map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{configFile, weightFiles[0]} {
		b, err := os.ReadFile(filepath.Join("testdata/kl-plain", name))
		if err != nil {
			t.Fatal(err)
		}
		if name == configFile {
			var fields map[string]any
			if err := json.Unmarshal(b, &fields); err != nil {
				t.Fatal(err)
			}
			maps.Copy(fields, change)
			if b, err = json.Marshal(fields); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestConfigsAreHonouredOrRefused changes one field at a time.
func TestConfigsAreHonouredOrRefused(t *testing.T) {
	for _, c := range []struct {
		field string
		value any
		want  string // in the error; "" for none
	}{
		{"force_upcast", false, ""},
		{"sample_size", 16, ""},
		{"act_fn", "swish", ""},
		{"scaling_factor", 1.5, ""},
		{"act_fn", "relu", "act_fn"},
		{"out_channels", 6, "differ"},
		{"_class_name", "AutoencoderTiny", "AutoencoderTiny"},
		{"down_block_types", []string{"DownEncoderBlock2D", "AttnDownEncoderBlock2D"}, "AttnDownEncoderBlock2D"},
		{"down_block_types", []string{"DownEncoderBlock2D"}, "for 2 block_out_channels"},
		{"something_new", 1, "something_new"},
		{"sample_size", 7, "multiples of 2"},
		{"sample_size", "big", "sample_size"},
		{"sample_size", 1 << 20, "smaller pictures"},
		{"norm_num_groups", 3, "groups"},
		{"norm_num_groups", 0, "groups"},
		{"block_out_channels", []int{4096, 4096}, "parameters"},
		{"block_out_channels", []int{4, 1 << 40}, "channels"},
		{"layers_per_block", 100000, "layers"},
		{"latent_channels", -1, "latent"},
		{"scaling_factor", 0, "scaled"},
		{"latents_mean", []float64{1}, "want 2"},
		{"layers_per_block", 2, "encoder.down_blocks.0.resnets.1.conv1.weight: missing"},
		{"use_quant_conv", false, "quant_conv.weight: unused"},
		{"latent_channels", 3, "decoder.conv_in.weight: shape [8 2 3 3], the model has [8 3 3 3]"},
	} {
		_, err := Open(folder(t, map[string]any{c.field: c.value}), Options{})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %v: %v, want %q", c.field, c.value, err, c.want)
		}
	}
	// All that does not fit is reported at once.
	_, err := Open(folder(t, map[string]any{"layers_per_block": 2, "use_quant_conv": false, "latent_channels": 3}), Options{})
	var bind *weights.BindError
	if !errors.As(err, &bind) || len(bind.Problems) < 10 || bind.Problems[0].What != "missing" ||
		bind.Problems[len(bind.Problems)-1].What != "unused" {
		t.Error(err)
	}
}

// TestOldNames reads attention as releases of diffusers before 0.17 wrote it.
func TestOldNames(t *testing.T) {
	dir := folder(t, nil)
	f, err := weights.Open("testdata/kl-plain/" + weightFiles[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	raws := map[string]weights.Raw{}
	for _, info := range f.Infos() {
		data, err := f.Bytes(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.NewReplacer("to_q", "query", "to_k", "key", "to_v", "value", "to_out.0", "proj_attn").Replace(info.Name)
		raws[name] = weights.Raw{DType: info.DType, Shape: info.Shape, Data: data}
	}
	if err := weights.WriteRaw(filepath.Join(dir, weightFiles[0]), raws, nil); err != nil {
		t.Fatal(err)
	}
	m, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	same, err := Open("testdata/kl-plain", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range m.Params {
		if !slices.Equal(p.F32(), same.Params[i].F32()) {
			t.Error(p.Name)
		}
	}
}

func TestUnknownCheckpoints(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one := map[string]*tensor.Tensor{"w": tensor.New(tensor.Float32, 2)}
	other := filepath.Join(dir, "a.safetensors")
	if err := weights.Write(other, one, nil); err != nil {
		t.Fatal(err)
	}
	evil := "\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R."
	for _, c := range []struct {
		path, architecture, want string
	}{
		{filepath.Join(dir, "none.pth"), "", "no such file"},
		{write("evil.pth", evil), "", `"os.system"`},
		{write("text.pth", "hello"), "", "at least 16 bytes"},
		{other, "", "of no model that is known here"},
		{other, "resnet", "want one of autoencoderkl"},
		{other, "mlp", "fc1.weight"},
		{other, "taesd", "encoder.14.weight"},
		{other, "conformer", "encoder.2.weight"},
		{other, "autoencoderkl", "config.json"},
		{dir, "", "holds 3 checkpoints"},
	} {
		if _, err := Open(c.path, Options{Architecture: c.architecture}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s as %q: %v, want %q", c.path, c.architecture, err, c.want)
		}
	}
}
