package sampler

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
)

func linear() *schedule.Schedule { return schedule.Linear(1000, 1e-4, 0.02) }

func mustNew(t *testing.T, name string, sch *schedule.Schedule, cfg Config) Sampler {
	t.Helper()
	s, err := New(name, sch, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// gaussian is the exact denoiser of data from N(m, s^2): E[x0 | x_t].
type gaussian struct{ m, s float64 }

func (g gaussian) denoise(dst, x []float32, alphaBar float64) {
	signal := math.Sqrt(alphaBar)
	gain := g.s * g.s * signal / (g.s*g.s*alphaBar + 1 - alphaBar)
	for i, v := range x {
		dst[i] = float32(g.m + gain*(float64(v)-signal*g.m))
	}
}

func normals(seed uint64) Noise {
	return func(dst []float32, step int) {
		r := rand.New(rand.NewPCG(seed, uint64(step)))
		for i := range dst {
			dst[i] = float32(r.NormFloat64())
		}
	}
}

func (g gaussian) sample(s Sampler, st *State, noise Noise) {
	x0 := make([]float32, len(st.X))
	for !s.Done(st) {
		_, alphaBar := s.At(st)
		g.denoise(x0, st.X, alphaBar)
		s.Step(st, x0, noise)
	}
}

func TestGaussianMomentsRecovered(t *testing.T) {
	const n = 20000
	g := gaussian{m: 0.3, s: 0.5}
	for _, row := range []struct {
		name  string
		steps int
		cfg   Config
	}{
		{"ddpm", 1000, Config{}},
		{"ddpm", 1000, Config{Variance: FixedLarge}},
		{"ddim", 200, Config{}},
		{"ddim", 500, Config{Eta: 1}},
		{"euler", 200, Config{}},
		{"heun", 30, Config{}},
		{"dpmpp_2m", 40, Config{}},
	} {
		row.cfg.Steps = row.steps
		s := mustNew(t, row.name, linear(), row.cfg)
		start := make([]float32, n)
		normals(9)(start, 5000)
		st := NewState(s, start)
		g.sample(s, st, normals(10))
		mean, variance := 0.0, 0.0
		for _, v := range st.X {
			mean += float64(v) / n
		}
		for _, v := range st.X {
			variance += (float64(v) - mean) * (float64(v) - mean) / (n - 1)
		}
		std := math.Sqrt(variance)
		t.Logf("%s %+v: mean %.4f, std %.4f", row.name, row.cfg, mean, std)
		// Four standard errors, and one hundredth for the steps being finite.
		if math.Abs(mean-g.m) > 4*g.s/math.Sqrt(n)+0.01 || math.Abs(std-g.s) > 4*g.s/math.Sqrt(2*n)+0.01 {
			t.Errorf("%s %+v: mean %g and std %g, want %g and %g", row.name, row.cfg, mean, std, g.m, g.s)
		}
	}
}

// TestOrderOfConvergence halves steps that are even in log sigma, from sigma 20 to 0.05, and compares
// with the exact flow y(sigma) = m + (y-m) sqrt((s^2+sigma^2)/(s^2+start^2)).
func TestOrderOfConvergence(t *testing.T) {
	const T = 1 << 16
	sch := &schedule.Schedule{AlphaBar: make([]float64, T)}
	lo, hi := math.Log(0.05), math.Log(20)
	for i := range sch.AlphaBar {
		sigma := math.Exp(lo + (hi-lo)*float64(i)/(T-1))
		sch.AlphaBar[i] = 1 / (1 + sigma*sigma)
	}
	g := gaussian{m: 0.3, s: 0.7}
	start := []float32{-1.7, -0.6, 0.2, 0.9, 1.8}
	first, last := sch.AlphaBar[T-1], sch.AlphaBar[0]
	want := make([]float64, len(start))
	for i, v := range start {
		y := float64(v) / math.Sqrt(first)
		ratio := (g.s*g.s + 0.05*0.05) / (g.s*g.s + 20*20)
		want[i] = (g.m + (y-g.m)*math.Sqrt(ratio)) * math.Sqrt(last)
	}
	for _, row := range []struct {
		name  string
		steps []int
		slope float64
	}{
		{"ddim", []int{64, 128, 256, 512}, 1},
		{"euler", []int{64, 128, 256, 512}, 1},
		{"heun", []int{32, 64, 128}, 2},
		{"dpmpp_2m", []int{64, 128, 256}, 2},
	} {
		before := 0.0
		for _, steps := range row.steps {
			s := mustNew(t, row.name, sch, Config{Steps: steps, FinalSigmaMin: true})
			st := NewState(s, append([]float32(nil), start...))
			g.sample(s, st, nil)
			e := distance(st.X, want)
			if before > 0 {
				slope := math.Log2(before / e)
				t.Logf("%s in %d steps: error %.3g, slope %.3f", row.name, steps, e, slope)
				if math.Abs(slope-row.slope) > 0.15 {
					t.Errorf("%s in %d steps: slope %.3f, want %g within 0.15", row.name, steps, slope, row.slope)
				}
			}
			before = e
		}
	}
}

func TestHeunCostsTwoEvaluationsPerStep(t *testing.T) {
	for _, row := range []struct {
		name string
		cfg  Config
		want int
	}{
		{"heun", Config{Steps: 10}, 18},
		{"heun", Config{Steps: 1}, 1},
		{"heun", Config{Steps: 2}, 2},
		{"heun", Config{Steps: 10, FinalSigmaMin: true}, 19},
		{"heun", Config{Steps: 10, HeunStart: true}, 19},
		{"heun", Config{Steps: 1, HeunStart: true}, 1},
		{"heun", Config{Steps: 10, FinalSigmaMin: true, HeunStart: true}, 20},
		{"euler", Config{Steps: 19}, 19},
		{"dpmpp_2m", Config{Steps: 19}, 19},
		{"ddpm", Config{Steps: 1000}, 1000},
	} {
		s := mustNew(t, row.name, linear(), row.cfg)
		st := NewState(s, make([]float32, 3))
		n := 0
		for x0 := make([]float32, 3); !s.Done(st); n++ {
			s.Step(st, x0, normals(1))
		}
		if n != row.want || s.Evaluations() != row.want {
			t.Errorf("%s %+v: %d evaluations, Evaluations says %d, want %d", row.name, row.cfg, n, s.Evaluations(),
				row.want)
		}
	}
}

// Where both visit the same points, Euler's method on the flow is DDIM.
func TestEulerIsDDIMWithoutNoise(t *testing.T) {
	cfg := Config{Steps: 25}
	a, b := mustNew(t, "ddim", linear(), cfg), mustNew(t, "euler", linear(), cfg)
	x, y := NewState(a, []float32{0.7, -1.2, 2}), NewState(b, []float32{0.7, -1.2, 2})
	g := gaussian{0.1, 0.6}
	g.sample(a, x, nil)
	g.sample(b, y, nil)
	for i := range x.X {
		if math.Abs(float64(x.X[i]-y.X[i])) > 2e-6 {
			t.Errorf("element %d: ddim %g, euler %g", i, x.X[i], y.X[i])
		}
	}
}

func TestDDIMWithEtaOneHasDDPMsSmallVariance(t *testing.T) {
	a := mustNew(t, "ddim", linear(), Config{Steps: 50, Eta: 1}).(*ddim)
	b := mustNew(t, "ddpm", linear(), Config{Steps: 50}).(*ddpm)
	for i := range a.std {
		if math.Abs(a.std[i]-b.std[i]) > 1e-12 || math.Abs(a.cx[i]-b.cx[i]) > 1e-12 ||
			math.Abs(a.cx0[i]-b.cx0[i]) > 1e-12 {
			t.Fatalf("step %d: ddim %g %g %g, ddpm %g %g %g", i, a.cx0[i], a.cx[i], a.std[i], b.cx0[i], b.cx[i],
				b.std[i])
		}
	}
}

func TestFixedSmallVarianceIsBelowFixedLarge(t *testing.T) {
	sch := linear()
	small := mustNew(t, "ddpm", sch, Config{Steps: 1000}).(*ddpm)
	large := mustNew(t, "ddpm", sch, Config{Steps: 1000, Variance: FixedLarge}).(*ddpm)
	for i := range 999 {
		if small.std[i] >= large.std[i] {
			t.Fatalf("step %d: fixed small std %g, fixed large %g", i, small.std[i], large.std[i])
		}
		if beta := sch.Beta(999 - i); math.Abs(large.std[i]*large.std[i]-beta) > 1e-12 {
			t.Fatalf("step %d: fixed large variance %g, want beta %g", i, large.std[i]*large.std[i], beta)
		}
	}
}

func TestTheLastStepDrawsNoNoise(t *testing.T) {
	for _, name := range Names() {
		for _, v := range []Variance{FixedSmall, FixedLarge} {
			cfg := Config{Steps: 8, Variance: v}
			if name == "ddim" {
				cfg.Eta = 1
			}
			s := mustNew(t, name, linear(), cfg)
			st := NewState(s, []float32{1, -1})
			x0 := []float32{0.25, -0.5}
			for !s.Done(st) {
				step := st.Step
				s.Step(st, x0, func(dst []float32, at int) {
					if at == 7 || at != step {
						t.Errorf("%s asks for noise of step %d in step %d", name, at, step)
					}
					clear(dst)
				})
			}
			for i := range x0 {
				if math.Abs(float64(st.X[i]-x0[i])) > 1e-6 {
					t.Errorf("%s ends at %g for a constant estimate of %g", name, st.X[i], x0[i])
				}
			}
		}
	}
}

// Without noise at the end, the last estimate is the picture; ending at the first timestep's noise, it is
// not: users of DDIM know this as set_alpha_to_one, those of sigmas as final_sigmas_type.
func TestLastAlphaIsOneUnlessAskedOtherwise(t *testing.T) {
	for _, name := range Names() {
		for _, low := range []bool{false, true} {
			s := mustNew(t, name, linear(), Config{Steps: 10, FinalSigmaMin: low})
			var g grid
			switch s := s.(type) {
			case *ddpm:
				g = s.grid
			case *ddim:
				g = s.grid
			case *euler:
				g = s.grid
			case *heun:
				g = s.grid
			case *dpmpp2M:
				g = s.grid
			}
			want := 1.0
			if low {
				want = linear().AlphaBar[0]
			}
			if got := g.alphaBar[10]; got != want {
				t.Errorf("%s, FinalSigmaMin %v: last abar %g, want %g", name, low, got, want)
			}
		}
	}
}

// Clipping the estimate must move epsilon too: x' is then the point on the line from the clipped picture
// through x, and not off it.
func TestClippedX0RecomputesEpsilon(t *testing.T) {
	s := mustNew(t, "ddim", linear(), Config{Steps: 10}).(*ddim)
	a, next := s.alphaBar[0], s.alphaBar[1]
	st := NewState(s, []float32{1.3})
	s.Step(st, []float32{1}, nil) // clipped from above 1
	eps := (1.3 - math.Sqrt(a)*1) / math.Sqrt(1-a)
	want := math.Sqrt(next)*1 + math.Sqrt(1-next)*eps
	if math.Abs(float64(st.X[0])-want) > 1e-6 {
		t.Errorf("x' = %g, want %g", st.X[0], want)
	}
}

func TestZeroTerminalSNRStaysFinite(t *testing.T) {
	for _, sch := range []*schedule.Schedule{linear().ZeroTerminalSNR(), schedule.Cosine(1000).ZeroTerminalSNR()} {
		for _, name := range Names() {
			s := mustNew(t, name, sch, Config{Steps: 20})
			st := NewState(s, []float32{0.4, -1.5, 2})
			gaussian{0.2, 0.4}.sample(s, st, normals(3))
			for _, v := range st.X {
				if math.IsNaN(float64(v)) || math.Abs(float64(v)) > 4 {
					t.Errorf("%s: ends at %v", name, st.X)
				}
			}
		}
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	for _, name := range Names() {
		s := mustNew(t, name, linear(), Config{Steps: 1000})
		st := NewState(s, make([]float32, 64))
		x0 := make([]float32, 64)
		noise := func(dst []float32, _ int) { clear(dst) }
		s.Step(st, x0, noise)
		if a := testing.AllocsPerRun(100, func() { s.Step(st, x0, noise) }); a != 0 {
			t.Errorf("%s: %g allocations a step", name, a)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, row := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"plms", Config{Steps: 10}, `have ["ddim" "ddpm" "dpmpp_2m" "euler" "heun"]`},
		{"ddim", Config{Steps: 0}, "0 steps, want 1 to 1000"},
		{"ddim", Config{Steps: 1001}, "want 1 to 1000"},
		{"ddim", Config{Steps: 5, Eta: 1.5}, "want 0 to 1"},
		{"ddim", Config{Steps: 5, Eta: math.NaN()}, "want 0 to 1"},
		{"euler", Config{Steps: 5, Eta: 0.5}, "eta 0.5 is for ddim"},
		{"ddim", Config{Steps: 5, StepsOffset: 1}, "leading"},
		{"ddim", Config{Steps: 5, StepsOffset: -1, Spacing: schedule.Leading}, "offset -1"},
		{"ddim", Config{Steps: 1, Spacing: schedule.Leading}, "start at timestep 0"},
		{"ddim", Config{Steps: 1, Spacing: schedule.Linspace}, "start at timestep 0"},
		{"ddim", Config{Steps: 1000, Spacing: schedule.Leading, StepsOffset: 1}, "start at timestep 1000"},
		{"dpmpp_2m", Config{Steps: 1000, Spacing: schedule.Leading}, "repeat timestep"},
	} {
		if _, err := New(row.name, linear(), row.cfg); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s %+v: error %v, want one with %q", row.name, row.cfg, err, row.want)
		}
	}
	// Every number of steps works with the default spacing.
	for _, name := range Names() {
		for steps := 1; steps <= 1000; steps++ {
			mustNew(t, name, linear(), Config{Steps: steps})
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	heun := mustNew(t, "heun", linear(), Config{Steps: 4, HeunStart: true})
	x, h := make([]float32, 3), [][]float32{make([]float32, 3)}
	for _, row := range []struct {
		st   State
		want string
	}{
		{State{X: x, Step: 5, History: h}, "step 5 of 4"},
		{State{X: x, Step: -1, History: h}, "step -1"},
		{State{X: x, Step: 3, Stage: 1, History: h}, "stage 1 of step 3"},
		{State{X: x[:2], History: h}, "2 elements"},
		{State{X: x, Step: 1}, "0 slices of history"},
		{State{X: x, Stage: 1}, "0 slices of history"},
		{State{X: x, Step: 1, History: [][]float32{x, x}}, "2 slices of history"},
		{State{X: x, Step: 1, History: [][]float32{x[:1]}}, "history of 1"},
	} {
		if err := heun.Check(&row.st, 3); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%+v: error %v, want one with %q", row.st, err, row.want)
		}
	}
	for _, st := range []State{{X: x}, {X: x, Step: 4, History: h}, {X: x, Step: 2, Stage: 1, History: h}} {
		if err := heun.Check(&st, 3); err != nil {
			t.Errorf("%+v: %v", st, err)
		}
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	st := &State{X: []float32{1, 2}, Step: 3, Stage: 1, History: [][]float32{{3, 4}}}
	good, err := st.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(b []byte) []byte{
		"empty":          func(b []byte) []byte { return nil },
		"short header":   func(b []byte) []byte { return b[:11] },
		"version":        func(b []byte) []byte { b[0]++; return b },
		"stage":          func(b []byte) []byte { b[1] = 2; return b },
		"history":        func(b []byte) []byte { b[2] = 9; return b },
		"reserved":       func(b []byte) []byte { b[3] = 1; return b },
		"step":           func(b []byte) []byte { b[7] = 0xff; return b },
		"elements":       func(b []byte) []byte { b[11] = 0xff; return b },
		"short":          func(b []byte) []byte { return b[:len(b)-1] },
		"long":           func(b []byte) []byte { return append(b, 0) },
		"not a number":   func(b []byte) []byte { copy(b[len(b)-4:], "\x00\x00\xc0\x7f"); return b },
		"infinite":       func(b []byte) []byte { copy(b[12:], "\x00\x00\x80\x7f"); return b },
		"fewer elements": func(b []byte) []byte { b[8] = 1; return b },
	} {
		got := &State{X: []float32{7}}
		if err := got.UnmarshalBinary(change(append([]byte(nil), good...))); err == nil {
			t.Errorf("%s: accepted", name)
		} else if len(got.X) != 1 || got.X[0] != 7 {
			t.Errorf("%s: state changed by a refused input", name)
		}
	}
}

func FuzzStateUnmarshal(f *testing.F) {
	b, _ := (&State{X: []float32{1, 2}, Step: 3, History: [][]float32{{3, 4}}}).MarshalBinary()
	f.Add(b)
	f.Add([]byte{1, 0, 4, 0, 0, 0, 0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		var s State
		if s.UnmarshalBinary(b) != nil {
			return
		}
		again, err := s.MarshalBinary()
		if err != nil || string(again) != string(b) {
			t.Errorf("%x became %x, %v", b, again, err)
		}
	})
}
