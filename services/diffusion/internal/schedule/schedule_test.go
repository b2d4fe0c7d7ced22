package schedule

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// goldens is made by tools/reference/schedulers.py from diffusers, in float64.
func goldens(t *testing.T) *weights.File {
	t.Helper()
	f, err := weights.OpenRead("testdata/schedules.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func floats(t *testing.T, f *weights.File, name string) []float64 {
	t.Helper()
	x, err := f.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	return x.F64()
}

func narrow(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

func TestSchedulesEqualDiffusers(t *testing.T) {
	f := goldens(t)
	for _, name := range Names() {
		s, err := Parse(name, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for suffix, got := range map[string]*Schedule{"": s, "_zero_terminal_snr": s.ZeroTerminalSNR()} {
			want := floats(t, f, name+suffix)
			for i, w := range want {
				if math.Abs(got.AlphaBar[i]-w) > 1e-11*w+1e-15 {
					t.Errorf("%s%s: abar[%d] = %g, want %g", name, suffix, i, got.AlphaBar[i], w)
					break
				}
			}
		}
	}
}

func TestCosineCapsBetaAt0999(t *testing.T) {
	s := Cosine(1000)
	if b := s.Beta(999); math.Abs(b-0.999) > 1e-12 {
		t.Errorf("last beta %g, want 0.999: cos is 0 at the end, so without the cap abar would be too", b)
	}
	if b := s.Beta(998); b >= 0.999 {
		t.Errorf("beta before the last is %g, want it below the cap", b)
	}
	if s.AlphaBar[999] <= 0 {
		t.Errorf("last abar %g, want above 0", s.AlphaBar[999])
	}
}

func TestScaledLinearIsLinearInTheSquareRoot(t *testing.T) {
	s := ScaledLinear(1000, 0.00085, 0.012)
	want := (math.Sqrt(0.00085)*500 + math.Sqrt(0.012)*499) / 999
	if b := s.Beta(499); math.Abs(math.Sqrt(b)-want) > 1e-12 {
		t.Errorf("sqrt(beta[499]) = %g, want %g", math.Sqrt(b), want)
	}
	if l := Linear(1000, 0.00085, 0.012); math.Abs(l.Beta(499)-s.Beta(499)) < 1e-4 {
		t.Error("linear and scaled linear agree in the middle")
	}
}

func TestZeroTerminalSNR(t *testing.T) {
	for _, s := range []*Schedule{Linear(1000, 1e-4, 0.02), ScaledLinear(1000, 0.00085, 0.012), Cosine(1000)} {
		z := s.ZeroTerminalSNR()
		if z.AlphaBar[999] != 0 {
			t.Errorf("last abar %g, want exactly 0", z.AlphaBar[999])
		}
		if math.Abs(z.AlphaBar[0]-s.AlphaBar[0]) > 1e-15 {
			t.Errorf("first abar %g, want it kept at %g", z.AlphaBar[0], s.AlphaBar[0])
		}
		if Sigma(0) != Sigma(0x1p-24) || math.IsInf(Sigma(0), 0) {
			t.Errorf("sigma at abar 0 is %g, want it finite", Sigma(0))
		}
	}
}

func TestScheduleIsComputedInFloat64(t *testing.T) {
	// In float32, 1-abar[0] = 1-float32(1-1e-4) is off by 2e-4 of itself.
	if got := 1 - Linear(1000, 1e-4, 0.02).AlphaBar[0]; math.Abs(got-1e-4) > 1e-16 {
		t.Errorf("1-abar[0] = %g, want 1e-4", got)
	}
}

func TestTimestepsEqualDiffusers(t *testing.T) {
	f := goldens(t)
	var table map[string][]int
	if err := json.Unmarshal([]byte(f.Metadata["timesteps"]), &table); err != nil {
		t.Fatal(err)
	}
	for _, spacing := range []Spacing{Leading, Trailing, Linspace} {
		for _, steps := range []int{1, 2, 3, 4, 5, 7, 8, 10, 15, 20, 25, 30, 40, 50, 64} {
			want, ok := table[fmt.Sprintf("%s %d", spacing, steps)]
			if !ok {
				t.Fatalf("no golden for %s %d", spacing, steps)
			}
			// numpy's arange may add a value at its open end, of which diffusers then makes timestep -1.
			if len(want) == steps+1 {
				want = want[:steps]
			}
			if got := Timesteps(1000, steps, spacing); !slices.Equal(got, want) {
				t.Errorf("%s in %d steps: %v, want %v", spacing, steps, got, want)
			}
		}
	}
}

func TestTrailingVisitsTheNoisiestTimestepAndLeadingDoesNot(t *testing.T) {
	for steps := 1; steps <= 1000; steps++ {
		trailing := Timesteps(1000, steps, Trailing)
		if len(trailing) != steps || trailing[0] != 999 || trailing[steps-1] < 0 {
			t.Fatalf("trailing in %d steps: %v", steps, trailing)
		}
		leading := Timesteps(1000, steps, Leading)
		if len(leading) != steps || leading[steps-1] != 0 || steps < 1000 && leading[0] == 999 {
			t.Fatalf("leading in %d steps: %v", steps, leading)
		}
	}
}

func TestAddNoiseAndVelocityEqualDiffusers(t *testing.T) {
	f := goldens(t)
	s := Linear(1000, 1e-4, 0.02)
	x0, eps := narrow(floats(t, f, "x0")), narrow(floats(t, f, "eps"))
	noisy, v := floats(t, f, "noisy"), floats(t, f, "v")
	n := len(x0) / 4
	for row, at := range floats(t, f, "t") {
		abar := s.AlphaBar[int(at)]
		lo, hi := row*n, (row+1)*n
		x, target := make([]float32, n), make([]float32, n)
		AddNoise(x, x0[lo:hi], eps[lo:hi], abar)
		near(t, fmt.Sprintf("noisy at %g", at), x, noisy[lo:hi], 2e-7)
		Target(target, x0[lo:hi], eps[lo:hi], V, abar)
		near(t, fmt.Sprintf("v at %g", at), target, v[lo:hi], 2e-7)
	}
}

// near compares norm-wise.
func near(t *testing.T, what string, got []float32, want []float64, limit float64) {
	t.Helper()
	diff, norm := 0.0, 0.0
	for i, w := range want {
		diff += (float64(got[i]) - w) * (float64(got[i]) - w)
		norm += w * w
	}
	if e := math.Sqrt(diff / norm); !(e <= limit) {
		t.Errorf("%s: error %.2g, want at most %.2g", what, e, limit)
	}
}

func TestEpsilonX0AndVPredictionsMeanTheSamePicture(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x0, eps := make([]float32, 64), make([]float32, 64)
	for i := range x0 {
		x0[i], eps[i] = 2*r.Float32()-1, float32(r.NormFloat64())
	}
	x, pred, got := make([]float32, 64), make([]float32, 64), make([]float32, 64)
	want := make([]float64, 64)
	for i, v := range x0 {
		want[i] = float64(v)
	}
	for _, abar := range []float64{0.9999, 0.7, 0.1, 1e-3} {
		AddNoise(x, x0, eps, abar)
		for _, p := range []Prediction{Epsilon, X0, V} {
			Target(pred, x0, eps, p, abar)
			ToX0(got, pred, x, p, abar, false)
			// Epsilon divides what is left of the picture by sqrt(abar).
			near(t, fmt.Sprintf("%s at abar %g", p, abar), got, want, 3e-7/math.Sqrt(abar))
		}
	}
}

func TestVIsSqrtAbarEpsMinusSqrtOneMinusAbarX0(t *testing.T) {
	got := make([]float32, 1)
	Target(got, []float32{0.5}, []float32{2}, V, 0.36)
	if want := float32(0.6*2 - 0.8*0.5); math.Abs(float64(got[0]-want)) > 1e-7 {
		t.Errorf("v = %g, want %g", got[0], want)
	}
}

func TestClipKeepsNaN(t *testing.T) {
	x := []float32{-3, -1, -0.5, 1, 1.5, float32(math.NaN()), float32(math.Inf(1))}
	ToX0(x, slices.Clone(x), make([]float32, len(x)), X0, 0.5, true)
	want := []float32{-1, -1, -0.5, 1, 1, 0, 1}
	for i := range want {
		if i == 5 {
			if x[i] == x[i] {
				t.Errorf("NaN became %g: a broken model must not look like a picture", x[i])
			}
			continue
		}
		if x[i] != want[i] {
			t.Errorf("element %d is %g, want %g", i, x[i], want[i])
		}
	}
}

// TestMarkovStepsHaveTheClosedFormsDistribution draws 40000 chains of 60 steps from one picture element.
func TestMarkovStepsHaveTheClosedFormsDistribution(t *testing.T) {
	const n, last = 40000, 59
	s := Linear(100, 1e-3, 0.05)
	r := rand.New(rand.NewPCG(3, 4))
	normals := func() []float32 {
		z := make([]float32, n)
		for i := range z {
			z[i] = float32(r.NormFloat64())
		}
		return z
	}
	x0 := make([]float32, n)
	for i := range x0 {
		x0[i] = 0.8
	}
	chain := slices.Clone(x0)
	for step := range last + 1 {
		MarkovStep(chain, chain, normals(), s.Beta(step))
	}
	direct := make([]float32, n)
	AddNoise(direct, x0, normals(), s.AlphaBar[last])
	abar := s.AlphaBar[last]
	for name, x := range map[string][]float32{"chain": chain, "closed form": direct} {
		mean, variance := moments(x)
		// Five standard errors of a mean and of a variance of n normals.
		if d := math.Abs(mean - 0.8*math.Sqrt(abar)); d > 5*math.Sqrt((1-abar)/n) {
			t.Errorf("%s: mean %g, want %g", name, mean, 0.8*math.Sqrt(abar))
		}
		if d := math.Abs(variance - (1 - abar)); d > 5*(1-abar)*math.Sqrt(2.0/n) {
			t.Errorf("%s: variance %g, want %g", name, variance, 1-abar)
		}
	}
	// Equal in distribution: the largest gap of the two empirical distribution functions
	// (Kolmogorov-Smirnov), at the level of one in a million.
	slices.Sort(chain)
	slices.Sort(direct)
	gap, j := 0.0, 0
	for i, v := range chain {
		for j < n && direct[j] <= v {
			j++
		}
		gap = max(gap, math.Abs(float64(i+1-j))/n)
	}
	if limit := math.Sqrt(-0.5 * math.Log(0.5e-6) * 2 / n); gap > limit {
		t.Errorf("distribution functions differ by %g, want at most %g", gap, limit)
	}
}

func moments(x []float32) (mean, variance float64) {
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	for _, v := range x {
		variance += (float64(v) - mean) * (float64(v) - mean)
	}
	return mean, variance / float64(len(x)-1)
}

func TestNamesParse(t *testing.T) {
	for _, s := range []Spacing{Trailing, Leading, Linspace} {
		if got, err := ParseSpacing(s.String()); err != nil || got != s {
			t.Errorf("%s parses as %v, %v", s, got, err)
		}
	}
	for _, p := range []Prediction{Epsilon, X0, V} {
		if got, err := ParsePrediction(p.String()); err != nil || got != p {
			t.Errorf("%s parses as %v, %v", p, got, err)
		}
	}
	if _, err := ParseSpacing("karras"); err == nil {
		t.Error("unknown spacing accepted")
	}
	if _, err := ParsePrediction("score"); err == nil {
		t.Error("unknown prediction accepted")
	}
	if _, err := Parse("sigmoid", 1000); err == nil {
		t.Error("unknown schedule accepted")
	}
	if _, err := Parse("linear", 0); err == nil {
		t.Error("no timesteps accepted")
	}
}
