package unet

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// golden is one network of tools/reference/unet.py.
type golden struct {
	Config       Config             `json:"config"`
	TorchErr     float64            `json:"torch_err"`
	TorchGradErr map[string]float64 `json:"torch_grad_err"`

	name  string
	file  *weights.File
	class []int32
}

func goldens(t *testing.T) []golden {
	t.Helper()
	f, err := weights.OpenRead("testdata/unet.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var cases map[string]golden
	if err := json.Unmarshal([]byte(f.Metadata["cases"]), &cases); err != nil {
		t.Fatal(err)
	}
	var list []golden
	for name, g := range cases {
		g.name, g.file = name, f
		ids, err := f.Ints(name + ".class")
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			g.class = append(g.class, int32(id))
		}
		list = append(list, g)
	}
	if len(list) == 0 {
		t.Fatal("no goldens")
	}
	return list
}

func (g golden) tensor(t *testing.T, name string) *tensor.Tensor {
	t.Helper()
	x, err := g.file.Tensor(g.name + "." + name)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// network is the golden's network in the type d.
func (g golden) network(t *testing.T, d tensor.DType) *UNet {
	t.Helper()
	u, err := New(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	params := nn.Params(u)
	if want := len(g.TorchGradErr); len(params) != want {
		t.Errorf("%d parameters, PyTorch's twin has %d", len(params), want)
	}
	for _, p := range params {
		w := g.tensor(t, "w."+p.Name)
		if !w.SameShape(p.Tensor) {
			t.Fatalf("%s is %v, PyTorch's %v", p.Name, p.Shape(), w.Shape())
		}
		p.CopyFrom(w)
	}
	nn.To(u, d)
	return u
}

func distance(got, want *tensor.Tensor) (diff, norm float64) {
	g, w := got.To(tensor.Float64).F64(), want.To(tensor.Float64).F64()
	for i := range w {
		diff += (g[i] - w[i]) * (g[i] - w[i])
		norm += w[i] * w[i]
	}
	return math.Sqrt(diff), math.Sqrt(norm)
}

func TestForwardAndGradientsEqualPyTorch(t *testing.T) {
	for _, g := range goldens(t) {
		for _, row := range []struct {
			dtype tensor.DType
			limit float64
		}{{tensor.Float32, 1e-5}, {tensor.Float64, 1e-10}} {
			t.Run(fmt.Sprintf("%s/%s", g.name, row.dtype), func(t *testing.T) {
				u := g.network(t, row.dtype)
				x, target := g.tensor(t, "x").To(row.dtype), g.tensor(t, "target").To(row.dtype)
				timestep := g.tensor(t, "t").F32()
				tape := autograd.NewTape(nil)
				y := u.Forward(tape, tape.Const(x), timestep, g.class)
				diff, norm := distance(y.Tensor, g.tensor(t, "y"))
				t.Logf("forward error %.2g, PyTorch float32 %.2g", diff/norm, g.TorchErr)
				if limit := row.limit; !(diff <= limit*norm) || row.dtype == tensor.Float32 && diff/norm > max(1e-6, 3*g.TorchErr) {
					t.Errorf("forward error %.2g, PyTorch float32 %.2g", diff/norm, g.TorchErr)
				}
				params := nn.Params(u)
				nn.Backward(tape, nn.MSE(y, tape.Const(target)), params)
				total := 0.0
				for _, p := range params {
					_, norm := distance(p.Grad, g.tensor(t, "g."+p.Name))
					total += norm * norm
				}
				total = math.Sqrt(total)
				worst, worstName := 0.0, ""
				for _, p := range params {
					diff, norm := distance(p.Grad, g.tensor(t, "g."+p.Name))
					if strings.HasSuffix(p.Name, ".k.bias") {
						// Softmax does not see it: the true gradient is 0.
						if !(diff <= row.limit*total) {
							t.Errorf("gradient of %s is %.2g, want 0", p.Name, diff)
						}
						continue
					}
					if e := diff / norm; e > worst || e != e {
						worst, worstName = e, p.Name
					}
					limit := row.limit
					if row.dtype == tensor.Float32 {
						limit = max(limit, 3*g.TorchGradErr[p.Name])
					}
					if !(diff <= limit*norm) {
						t.Errorf("gradient of %s: error %.2g, PyTorch float32 %.2g", p.Name, diff/norm,
							g.TorchGradErr[p.Name])
					}
				}
				t.Logf("worst gradient error %.2g, of %s, PyTorch float32 %.2g", worst, worstName, g.TorchGradErr[worstName])
			})
		}
	}
}

// inputs of n pictures for a configuration; picture i depends on i alone.
func inputs(c Config, n int) (x *tensor.Tensor, timestep []float32, class []int32) {
	x = tensor.New(tensor.Float32, n, c.ImageSize, c.ImageSize, c.InChannels)
	size := x.Len() / n
	for i := range n {
		rng.New(5).Normal(x.F32()[i*size:(i+1)*size], uint64(i), 0, rng.Init)
		timestep = append(timestep, float32(i*137%c.Steps))
		class = append(class, int32(i%(c.Classes+1)))
	}
	return x, timestep, class
}

// infer runs the network on an inference tape and copies the result.
func infer(u *UNet, x *tensor.Tensor, timestep []float32, class []int32) []float32 {
	tape := autograd.NewInference(nil)
	return slices.Clone(u.Forward(tape, tape.Const(x), timestep, class).F32())
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// restore puts threads and kernels back when the test ends.
func restore(t *testing.T) {
	threads, kernels := tensor.Threads(), tensor.Kernels()
	t.Cleanup(func() {
		tensor.SetThreads(threads)
		if err := tensor.SetKernels(kernels); err != nil {
			t.Error(err)
		}
	})
}

// TestSameBits compares rows of batches with single pictures, inference with recording, and all of them
// over threads and kernels.
func TestSameBits(t *testing.T) {
	restore(t)
	for _, g := range goldens(t) {
		u := g.network(t, tensor.Float32)
		var first []float32
		for _, kernels := range tensor.AvailableKernels() {
			if err := tensor.SetKernels(kernels); err != nil {
				t.Fatal(err)
			}
			for _, threads := range []int{1, 2, 8} {
				tensor.SetThreads(threads)
				for _, n := range []int{7, 2, 1} {
					x, timestep, class := inputs(g.Config, n)
					got := infer(u, x, timestep, class)
					if first == nil {
						first = got
					}
					if !sameBits(got, first[:len(got)]) {
						t.Errorf("%s: batch of %d on %s with %d threads differs", g.name, n, kernels, threads)
					}
				}
				// The last picture alone must equal its row.
				x, timestep, class := inputs(g.Config, 7)
				size := x.Len() / 7
				alone := tensor.FromFloat32(x.F32()[6*size:], 1, g.Config.ImageSize, g.Config.ImageSize,
					g.Config.InChannels)
				if got := infer(u, alone, timestep[6:], class[6:]); !sameBits(got, first[6*size:]) {
					t.Errorf("%s: row 6 on %s with %d threads differs from the picture alone", g.name, kernels, threads)
				}
				tape := autograd.NewTape(nil)
				if got := u.Forward(tape, tape.Const(x), timestep, class).F32(); !sameBits(got, first) {
					t.Errorf("%s: recording on %s with %d threads differs from inference", g.name, kernels, threads)
				}
			}
		}
	}
}

func TestGradientsHaveTheSameBitsOnEveryKernelAndThread(t *testing.T) {
	restore(t)
	for _, g := range goldens(t) {
		var first []float32
		for _, kernels := range tensor.AvailableKernels() {
			if err := tensor.SetKernels(kernels); err != nil {
				t.Fatal(err)
			}
			for _, threads := range []int{1, 2, 8} {
				tensor.SetThreads(threads)
				u := g.network(t, tensor.Float32)
				tape := autograd.NewTape(nil)
				y := u.Forward(tape, tape.Const(g.tensor(t, "x")), g.tensor(t, "t").F32(), g.class)
				params := nn.Params(u)
				nn.Backward(tape, nn.MSE(y, tape.Const(g.tensor(t, "target"))), params)
				var all []float32
				for _, p := range params {
					all = append(all, p.Grad.F32()...)
				}
				if first == nil {
					first = all
				}
				if !sameBits(all, first) {
					t.Errorf("%s: gradients on %s with %d threads differ", g.name, kernels, threads)
				}
			}
		}
	}
}

// TestDefaultNetworkHasTheSameBits runs the digits' own configuration, whose shapes fill whole panels, on
// the native kernels.
func TestDefaultNetworkHasTheSameBits(t *testing.T) {
	restore(t)
	u := fresh(t, MNIST())
	var first []float32
	for _, kernels := range tensor.AvailableKernels() {
		if kernels == "portable" {
			continue // a hundred times slower; the small networks cover it
		}
		if err := tensor.SetKernels(kernels); err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 2, 8} {
			tensor.SetThreads(threads)
			for _, n := range []int{3, 1} {
				x, timestep, class := inputs(u.Config, n)
				got := infer(u, x, timestep, class)
				if first == nil {
					first = got
				}
				if !sameBits(got, first[:len(got)]) {
					t.Errorf("batch of %d on %s with %d threads differs", n, kernels, threads)
				}
			}
		}
	}
}

// fresh is an initialised network in which no layer is left at zero.
func fresh(t *testing.T, c Config) *UNet {
	t.Helper()
	u, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	nn.Init(u, 3)
	for i, p := range nn.Params(u) {
		if strings.Contains(p.Name, "conv2") || strings.Contains(p.Name, "out") {
			rng.New(4).Normal(p.F32(), uint64(i), 0, rng.Init)
			tensor.Scale(p.Tensor, p.Tensor, 0.05)
			p.Changed()
		}
	}
	return u
}

func TestInferenceAllocatesNothing(t *testing.T) {
	for _, g := range goldens(t) {
		u := g.network(t, tensor.Float32)
		x, timestep, class := inputs(g.Config, 2)
		tape := autograd.NewInference(nil)
		run := func() {
			tape.Reset()
			u.Forward(tape, tape.Const(x), timestep, class)
		}
		run()
		run()
		if a := testing.AllocsPerRun(20, run); a != 0 {
			t.Errorf("%s: %g allocations a forward pass", g.name, a)
		}
	}
}

func TestMinusOneMeansNoClass(t *testing.T) {
	u := fresh(t, tiny())
	x, timestep, _ := inputs(u.Config, 2)
	none := int32(u.Config.Classes)
	want := infer(u, x, timestep, []int32{none, 1})
	class := []int32{-1, 1}
	if !sameBits(infer(u, x, timestep, class), want) {
		t.Error("class -1 differs from class Classes")
	}
	if class[0] != -1 {
		t.Error("the caller's classes were changed")
	}
	if sameBits(infer(u, x, timestep, []int32{0, 1}), want) {
		t.Error("class 0 equals no class")
	}
}

func TestTimeMovesThePrediction(t *testing.T) {
	u := fresh(t, tiny())
	x, _, class := inputs(u.Config, 1)
	if sameBits(infer(u, x, []float32{500}, class), infer(u, x, []float32{500.5}, class)) {
		t.Error("timesteps 500 and 500.5 give one prediction")
	}
}

func TestFreshNetworkPredictsZero(t *testing.T) {
	u, err := New(MNIST())
	if err != nil {
		t.Fatal(err)
	}
	nn.Init(u, 1)
	x, timestep, class := inputs(u.Config, 1)
	for i, v := range infer(u, x, timestep, class) {
		if v != 0 {
			t.Fatalf("element %d is %g, want 0: the last convolution begins at zero", i, v)
		}
	}
}

func TestDefaultSizeAndWork(t *testing.T) {
	c := MNIST()
	for _, ch := range c.Channels {
		if ch%16 != 0 {
			t.Errorf("%d channels do not fill panels of 16", ch)
		}
	}
	u, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d weights, %.1f MF a picture", nn.Count(u), float64(c.FLOPs())/1e6)
	if f := c.FLOPs(); f > 100e6 {
		t.Errorf("%d operations a picture, want at most 0.1 GF", f)
	}
}

// TestFLOPsCountsEveryProduct adds up the network's own weights: a convolution multiplies each weight once
// a pixel it makes, a linear layer once a row.
func TestFLOPsCountsEveryProduct(t *testing.T) {
	for _, c := range []Config{MNIST(), tiny(), {
		ImageSize: 16, InChannels: 3, PatchSize: 1, Channels: []int{8, 12, 16}, Blocks: 2, AttentionLevels: []int{0, 2},
		Heads: 4, TimeDim: 8, Groups: 4, Prediction: "epsilon", Schedule: "linear", Steps: 10,
	}} {
		u, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		side := c.ImageSize / c.PatchSize
		pixels := func(level int) int { return (side >> level) * (side >> level) }
		want := 0
		for _, p := range nn.Params(u) {
			if p.Rank() < 2 || p.Name == "class.weight" {
				continue
			}
			part := strings.Split(p.Name, ".")
			level := 0
			switch {
			case part[0] == "mid":
				level = len(c.Channels) - 1
			case part[0] == "down" || part[0] == "up":
				level = int(part[1][0] - '0')
			}
			px := pixels(level)
			switch {
			case part[0] == "down" && part[2] == "resample":
				px = pixels(level + 1)
			case part[0] == "time_in" || part[0] == "time_out" || slices.Contains(part, "time"):
				px = 1
			}
			want += p.Len() * px
			if slices.Contains(part, "q") {
				want += 2 * px * px * p.Dim(0) // scores and their products with the values
			}
		}
		if got := c.FLOPs(); got != 2*int64(want) {
			t.Errorf("%v: FLOPs %d, the weights say %d", c.Channels, got, 2*want)
		}
	}
}

func tiny() Config {
	return Config{
		ImageSize: 8, InChannels: 1, PatchSize: 2, Channels: []int{16, 16}, Blocks: 1, Heads: 2, TimeDim: 16, Groups: 4,
		Classes: 3, Prediction: "v", Schedule: "cosine", Steps: 1000,
	}
}

func TestConfigSurvivesJSON(t *testing.T) {
	b, err := json.Marshal(MNIST())
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(c) != fmt.Sprint(MNIST()) {
		t.Errorf("%+v became %+v", MNIST(), c)
	}
}

func TestConfigRefuses(t *testing.T) {
	for _, row := range []struct {
		change func(c *Config)
		want   string
	}{
		{func(c *Config) { c.ImageSize = 0 }, "image_size is 0"},
		{func(c *Config) { c.ImageSize = 30 }, "no multiple of 4"},
		{func(c *Config) { c.PatchSize = 3 }, "patch_size is 3, want 1 to 2"},
		{func(c *Config) { c.Channels = nil }, "levels of channels is 0"},
		{func(c *Config) { c.Channels = []int{16, 20} }, "multiple of 8 groups"},
		{func(c *Config) { c.Channels = []int{32, -8} }, "-8 channels"},
		{func(c *Config) { c.Heads = 3 }, "no multiple of 3 heads"},
		{func(c *Config) { c.AttentionLevels = []int{0} }, "level 0 has attention over 32 channels"},
		{func(c *Config) { c.AttentionLevels = []int{2} }, "attention_levels [2]"},
		{func(c *Config) { c.AttentionLevels = []int{1, 1} }, "attention_levels [1 1]"},
		{func(c *Config) { c.Prediction = "score" }, `"score"`},
		{func(c *Config) { c.Schedule = "sigmoid" }, `"sigmoid"`},
		{func(c *Config) { c.Steps = 0 }, "steps is 0"},
		{func(c *Config) { c.TimeDim = 1 }, "time_dim is 1"},
		{func(c *Config) { c.Classes = -1 }, "classes is -1"},
	} {
		c := MNIST()
		row.change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("error %v, want one with %q", err, row.want)
		}
	}
}

func TestForwardRefuses(t *testing.T) {
	u := fresh(t, tiny())
	x, timestep, class := inputs(u.Config, 2)
	for name, f := range map[string]func(){
		"timesteps":     func() { infer(u, x, timestep[:1], class) },
		"classes":       func() { infer(u, x, timestep, class[:1]) },
		"class range":   func() { infer(u, x, timestep, []int32{0, 4}) },
		"class below":   func() { infer(u, x, timestep, []int32{0, -2}) },
		"picture shape": func() { infer(u, tensor.New(tensor.Float32, 2, 8, 6, 1), timestep, class) },
	} {
		if err := tensor.Catch(f); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
