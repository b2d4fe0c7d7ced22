package sampler

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// golden is one trajectory of tools/reference/schedulers.py.
type golden struct {
	Sampler       string    `json:"sampler"`
	Schedule      string    `json:"schedule"`
	Steps         int       `json:"steps"`
	Spacing       string    `json:"spacing"`
	StepsOffset   int       `json:"steps_offset"`
	Prediction    string    `json:"prediction"`
	Clip          bool      `json:"clip"`
	Eta           float64   `json:"eta"`
	Variance      string    `json:"variance"`
	FinalSigmaMin bool      `json:"final_sigma_min"`
	Timesteps     []float64 `json:"timesteps"`
	TorchErr      float64   `json:"torch_err"`
}

func (g golden) sampler(t *testing.T) Sampler {
	t.Helper()
	sch, err := schedule.Parse(g.Schedule, 1000)
	if err != nil {
		t.Fatal(err)
	}
	spacing, err := schedule.ParseSpacing(g.Spacing)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Steps: g.Steps, Spacing: spacing, StepsOffset: g.StepsOffset, Eta: g.Eta,
		FinalSigmaMin: g.FinalSigmaMin, HeunStart: true}
	if g.Variance == "fixed_large" {
		cfg.Variance = FixedLarge
	}
	s, err := New(g.Sampler, sch, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// denoiser is the fixed rational function of the reference program.
func denoiser(dst, x []float32, timestep float64, pattern []float32) {
	for i, v := range x {
		x, p := float64(v), float64(pattern[i])
		dst[i] = float32(((0.5+0.3*(timestep/1000))*x + 0.4*p) / (1 + 0.1*x*x))
	}
}

// fixture is a golden file opened.
type fixture struct {
	cases                 map[string]golden
	start, pattern, noise []float32
	trajectory            func(name string) []float64
}

func load(t *testing.T) fixture {
	t.Helper()
	f, err := weights.OpenRead("testdata/trajectories.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	fix := fixture{}
	if err := json.Unmarshal([]byte(f.Metadata["cases"]), &fix.cases); err != nil {
		t.Fatal(err)
	}
	for name, dst := range map[string]*[]float32{"start": &fix.start, "pattern": &fix.pattern, "noise": &fix.noise} {
		x, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		*dst = x.F32()
	}
	fix.trajectory = func(name string) []float64 {
		x, err := f.Tensor(name + ".x")
		if err != nil {
			t.Fatal(err)
		}
		return x.F64()
	}
	return fix
}

// normals hands out the recorded rows of noise in order.
func (f *fixture) normals() Noise {
	n := len(f.start)
	return func(dst []float32, step int) { copy(dst, f.noise[step*n:(step+1)*n]) }
}

// evaluate makes one evaluation of case g and one Step.
func (f *fixture) evaluate(s Sampler, g golden, st *State, noise Noise) {
	timestep, alphaBar := s.At(st)
	p, _ := schedule.ParsePrediction(g.Prediction)
	out, x0 := make([]float32, len(st.X)), make([]float32, len(st.X))
	denoiser(out, st.X, timestep, f.pattern)
	schedule.ToX0(x0, out, st.X, p, alphaBar, g.Clip)
	s.Step(st, x0, noise)
}

func TestTrajectoriesEqualDiffusers(t *testing.T) {
	fix := load(t)
	seen := map[string]bool{}
	for name, g := range fix.cases {
		t.Run(name, func(t *testing.T) {
			s := g.sampler(t)
			seen[g.Sampler] = true
			want := fix.trajectory(name)
			n := len(fix.start)
			st := NewState(s, slices.Clone(fix.start))
			noise := fix.normals()
			got := make([]float32, 0, len(want))
			var timesteps []float64
			for !s.Done(st) {
				at, _ := s.At(st)
				timesteps = append(timesteps, at)
				got = append(got, st.X...)
				fix.evaluate(s, g, st, noise)
			}
			got = append(got, st.X...)
			if len(timesteps) != s.Evaluations() || len(got) != len(want) {
				t.Fatalf("%d evaluations, Evaluations says %d, golden has %d", len(timesteps), s.Evaluations(),
					len(want)/n-1)
			}
			for i, at := range timesteps {
				if math.Abs(at-g.Timesteps[i]) > 1e-9 {
					t.Fatalf("timesteps %v, want %v", timesteps, g.Timesteps)
				}
			}
			limit := max(1e-5, 3*g.TorchErr)
			if g.TorchErr > 3e-6 {
				limit = g.TorchErr
			}
			e := distance(got, want)
			t.Logf("error %.2g, diffusers in float32 %.2g", e, g.TorchErr)
			if !(e <= limit) {
				t.Errorf("trajectory error %.2g, want at most %.2g", e, limit)
			}
			if e := distance(got[len(got)-n:], want[len(want)-n:]); !(e <= limit) {
				t.Errorf("end of trajectory: error %.2g, want at most %.2g", e, limit)
			}
		})
	}
	for _, name := range Names() {
		if !seen[name] {
			t.Errorf("no golden for %s", name)
		}
	}
}

// distance is ||got-want|| / ||want||.
func distance(got []float32, want []float64) float64 {
	diff, norm := 0.0, 0.0
	for i, w := range want {
		diff += (float64(got[i]) - w) * (float64(got[i]) - w)
		norm += w * w
	}
	return math.Sqrt(diff / norm)
}

// TestResumedAtEveryEvaluation carries a State through bytes before each evaluation.
func TestResumedAtEveryEvaluation(t *testing.T) {
	fix := load(t)
	for name, g := range fix.cases {
		s := g.sampler(t)
		noise := fix.normals()
		whole, carried := NewState(s, slices.Clone(fix.start)), NewState(s, slices.Clone(fix.start))
		for !s.Done(whole) {
			b, err := carried.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			carried = &State{}
			if err := carried.UnmarshalBinary(b); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := s.Check(carried, len(fix.start)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			branch := carried.Clone()
			fix.evaluate(s, g, branch, noise)
			fix.evaluate(s, g, carried, noise)
			fix.evaluate(s, g, whole, noise)
			if !slices.Equal(carried.X, whole.X) || !slices.Equal(branch.X, whole.X) {
				t.Fatalf("%s: carried trajectory differs at step %d", name, whole.Step)
			}
		}
		if err := s.Check(carried, len(fix.start)); err != nil {
			t.Errorf("%s at its end: %v", name, err)
		}
	}
}
