package special

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

// TestReference compares with mpmath at 50 digits. The file comes from tools/reference/special.py.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("testdata/mpmath.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		LogGamma   [][2]float64 `json:"log_gamma"`
		Incomplete [][4]float64 `json:"incomplete"`
		Normal     [][2]float64 `json:"normal"`
		Quantile   [][2]float64 `json:"quantile"`
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	for _, c := range g.LogGamma {
		if got := LogGamma(c[0]); !(math.Abs(got-c[1]) <= 4e-15*max(1, math.Abs(c[1]))) {
			t.Errorf("LogGamma(%v) = %v, want %v", c[0], got, c[1])
		}
	}
	for _, c := range g.Incomplete {
		relative(t, "GammaP", c[0], c[1], GammaP(c[0], c[1]), c[2], 3e-15*(100+c[0]))
		relative(t, "GammaQ", c[0], c[1], GammaQ(c[0], c[1]), c[3], 3e-15*(100+c[0]))
		relative(t, "ChiSquareTail", 2*c[1], 2*c[0], ChiSquareTail(2*c[1], 2*c[0]), c[3], 3e-15*(100+c[0]))
	}
	for _, c := range g.Normal {
		relative(t, "NormalCDF", c[0], 0, NormalCDF(c[0]), c[1], 2e-14)
	}
	for _, c := range g.Quantile {
		if got := NormalQuantile(c[0]); !(math.Abs(got-c[1]) <= 4e-16*max(1, math.Abs(c[1]))) {
			t.Errorf("NormalQuantile(%v) = %v, want %v", c[0], got, c[1])
		}
	}
}

func relative(t *testing.T, name string, a, x, got, want, limit float64) {
	t.Helper()
	if !(math.Abs(got-want) <= limit*math.Abs(want)) {
		t.Errorf("%s(%v, %v) = %v, want %v: off by %.1e", name, a, x, got, want, math.Abs(got-want)/want)
	}
}

func TestIdentities(t *testing.T) {
	for x := 0.25; x < 200; x *= 1.37 {
		// Gamma(x+1) = x Gamma(x).
		if d := LogGamma(x+1) - LogGamma(x) - math.Log(x); math.Abs(d) > 1e-14*max(1, LogGamma(x+1)) {
			t.Errorf("recurrence at %v is off by %v", x, d)
		}
		if s := GammaP(x, x*1.1) + GammaQ(x, x*1.1); math.Abs(s-1) > 1e-15 {
			t.Errorf("P + Q = %v at %v", s, x)
		}
	}
	for z := -8.0; z <= 5; z += 0.17 {
		if got := NormalQuantile(NormalCDF(z)); math.Abs(got-z) > 1e-10*max(1, math.Exp(z*z/2)*1e-5) {
			t.Errorf("NormalQuantile(NormalCDF(%v)) = %v", z, got)
		}
	}
	x := []float64{-1e3, -1001, -1002.5, math.Inf(-1)}
	want := -1e3 + math.Log(1+math.Exp(-1)+math.Exp(-2.5))
	if got := LogSum(x); math.Abs(got-want) > 1e-12 {
		t.Errorf("LogSum = %v, want %v", got, want)
	}
	if got := LogAdd(LogAdd(x[0], x[1]), LogAdd(x[3], x[2])); math.Abs(got-want) > 1e-12 {
		t.Errorf("LogAdd = %v, want %v", got, want)
	}
}

func TestOutsideTheDomain(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for i, v := range []float64{
		LogGamma(-1), LogGamma(nan), GammaP(0, 1), GammaP(-1, 1), GammaP(1, -1), GammaQ(nan, 1), GammaQ(1, nan),
		GammaQ(inf, 1), ChiSquareTail(1, 0), ChiSquareTail(1, -2), ChiSquareTail(nan, 1), NormalCDF(nan),
		NormalQuantile(-0.1), NormalQuantile(1.1), NormalQuantile(nan), LogSum([]float64{0, nan}), LogAdd(0, nan),
	} {
		if v == v {
			t.Errorf("case %d gives %v, want NaN", i, v)
		}
	}
	for i, c := range [][2]float64{
		{LogGamma(0), inf}, {LogGamma(inf), inf}, {LogGamma(1), 0}, {LogGamma(2), 0}, {GammaP(2, 0), 0}, {GammaP(2, inf), 1},
		{GammaQ(2, inf), 0}, {GammaQ(2, 0), 1}, {ChiSquareTail(0, 3), 1}, {ChiSquareTail(-1e-9, 3), 1},
		{NormalCDF(-inf), 0}, {NormalCDF(inf), 1}, {NormalCDF(-40), 0}, {NormalQuantile(0), -inf}, {NormalQuantile(1), inf},
		{LogSum(nil), -inf}, {LogSum([]float64{-inf, -inf}), -inf}, {LogSum([]float64{0, inf}), inf},
		{LogAdd(-inf, -inf), -inf}, {LogAdd(3, -inf), 3}, {LogAdd(inf, inf), inf},
	} {
		if c[0] != c[1] {
			t.Errorf("case %d gives %v, want %v", i, c[0], c[1])
		}
	}
}

func BenchmarkLogGamma(b *testing.B) {
	x := 0.5
	for b.Loop() {
		x += LogGamma(x) * 1e-9
	}
}

func BenchmarkChiSquareTail(b *testing.B) {
	for b.Loop() {
		ChiSquareTail(7.5, 4)
	}
}

func BenchmarkNormalCDF(b *testing.B) {
	for b.Loop() {
		NormalCDF(-1.25)
	}
}
