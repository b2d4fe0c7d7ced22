package metric

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

func near(t *testing.T, name string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*max(1, math.Abs(want))) {
		t.Errorf("%s: %v, want %v within %v", name, got, want, tol)
	}
}

// TestGoldens compares with NumPy and SciPy; see tools/reference/metric/goldens.py.
func TestGoldens(t *testing.T) {
	b, err := os.ReadFile("testdata/goldens.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Rows []struct {
			Name                             string
			Dim                              int
			A, B                             []float32
			Frechet, MMD2, Precision, Recall float64
		}
	}
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	for _, r := range g.Rows {
		a, b := Features{r.Dim, r.A}, Features{r.Dim, r.B}
		f, err := FrechetOf(a, b)
		if err != nil {
			t.Fatal(err)
		}
		near(t, r.Name+" Frechet", f, r.Frechet, 1e-9)
		m, err := MMD2(a, b)
		if err != nil {
			t.Fatal(err)
		}
		near(t, r.Name+" MMD2", m, r.MMD2, 1e-9)
		p, rec, err := PrecisionRecall(a, b, 3)
		if err != nil {
			t.Fatal(err)
		}
		near(t, r.Name+" precision", p, r.Precision, 1e-12)
		near(t, r.Name+" recall", rec, r.Recall, 1e-12)
		size := min(a.Len(), b.Len())
		k, err := KID(a, Features{r.Dim, b.X[:size*r.Dim]}, KIDConfig{Subsets: 1, Size: size})
		if err != nil {
			t.Fatal(err)
		}
		if k.Std > 1e-6*math.Abs(k.Mean) || k.Size != size {
			t.Errorf("%s: one subset with a spread: %+v", r.Name, k)
		}
	}
}

func gaussian(mean []float64, cov ...float64) Gaussian {
	return Gaussian{Mean: mean, Cov: mat.NewSymDense(len(mean), cov)}
}

// TestFrechetClosedForms: commuting covariances have (m1-m2)^2 + sum (s1-s2)^2 along their common axes.
func TestFrechetClosedForms(t *testing.T) {
	rows := []struct {
		name string
		a, b Gaussian
		want float64
	}{
		{"equal", gaussian([]float64{1, 2}, 2, 1, 1, 3), gaussian([]float64{1, 2}, 2, 1, 1, 3), 0},
		{"moved", gaussian([]float64{0, 0}, 2, 1, 1, 3), gaussian([]float64{3, -4}, 2, 1, 1, 3), 25},
		{"scaled", gaussian([]float64{0, 0}, 4, 0, 0, 9), gaussian([]float64{0, 0}, 1, 0, 0, 16), 1 + 1},
		{"against a point", gaussian([]float64{0, 0}, 4, 1, 1, 9), gaussian([]float64{0, 0}, 0, 0, 0, 0), 13},
		{"singular", gaussian([]float64{0, 0}, 1, 1, 1, 1), gaussian([]float64{0, 0}, 4, 4, 4, 4), 2},
		// Disjoint lines: the product of the roots is zero.
		{"orthogonal lines", gaussian([]float64{0, 0}, 1, 0, 0, 0), gaussian([]float64{0, 0}, 0, 0, 0, 1), 2},
	}
	for _, r := range rows {
		for _, pair := range [][2]Gaussian{{r.a, r.b}, {r.b, r.a}} {
			got, err := Frechet(pair[0], pair[1])
			if err != nil {
				t.Fatal(err)
			}
			near(t, r.name, got, r.want, 1e-12)
		}
	}
	if _, err := Frechet(rows[0].a, gaussian([]float64{1}, 1)); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}

func normals(n, dim int, seed uint64, scale, shift float32) Features {
	x := make([]float32, n*dim)
	rng.New(seed).Normal(x, 0, 0, rng.General)
	for i := range x {
		x[i] = x[i]*scale + shift
	}
	return Features{dim, x}
}

// TestFitDividesByNMinus1 on three rows computed by hand.
func TestFitDividesByNMinus1(t *testing.T) {
	g, err := Fit(Features{2, []float32{1, 2, 3, 2, 5, 8}})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "mean 0", g.Mean[0], 3, 0)
	near(t, "mean 1", g.Mean[1], 4, 0)
	near(t, "var 0", g.Cov.At(0, 0), 4, 1e-15)
	near(t, "var 1", g.Cov.At(1, 1), 12, 1e-15)
	near(t, "cov", g.Cov.At(1, 0), 6, 1e-15)
	// More rows than a chunk holds; the same rows far from zero keep their variance.
	far, err := Fit(normals(3000, 2, 5, 1, 4096))
	if err != nil {
		t.Fatal(err)
	}
	here, err := Fit(normals(3000, 2, 5, 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "variance far from zero", far.Cov.At(0, 0), here.Cov.At(0, 0), 1e-3)
}

// TestKIDIsUnbiased: over equal distributions the estimate scatters about zero, and the Frechet distance does not.
func TestKIDIsUnbiased(t *testing.T) {
	a, b := normals(600, 8, 1, 1, 0), normals(500, 8, 2, 1, 0)
	k, err := KID(a, b, KIDConfig{Subsets: 50, Size: 100, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(k.Mean) > k.Std || k.Std == 0 {
		t.Errorf("equal distributions: %+v", k)
	}
	f, err := FrechetOf(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if f <= 0 {
		t.Errorf("Frechet distance %v", f)
	}
	moved, err := KID(a, normals(500, 8, 2, 1, 0.5), KIDConfig{Subsets: 50, Size: 100, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if moved.Mean < 5*moved.Std {
		t.Errorf("moved distribution: %+v", moved)
	}
	again, err := KID(a, b, KIDConfig{Subsets: 50, Size: 100, Seed: 3})
	if err != nil || again != k {
		t.Errorf("the seed does not decide: %+v %+v %v", k, again, err)
	}
	if other, _ := KID(a, b, KIDConfig{Subsets: 50, Size: 100, Seed: 4}); other == k {
		t.Error("the seed does nothing")
	}
	if def, err := KID(a, b, KIDConfig{}); err != nil || def.Subsets != 100 || def.Size != 500 {
		t.Errorf("%+v %v", def, err)
	}
}

// TestPrecisionRecallOfACollapse: samples of one of two clusters are precise and miss half.
func TestPrecisionRecallOfACollapse(t *testing.T) {
	left, right := normals(300, 2, 1, 1, -20), normals(300, 2, 2, 1, 20)
	known := Features{2, append(append([]float32(nil), left.X...), right.X...)}
	p, r, err := PrecisionRecall(known, normals(600, 2, 3, 1, -20), 3)
	if err != nil {
		t.Fatal(err)
	}
	if p < 0.9 || r < 0.4 || r > 0.5 {
		t.Errorf("collapse: precision %v recall %v", p, r)
	}
	p, r, err = PrecisionRecall(known, normals(600, 2, 3, 1, 60), 3)
	if err != nil || p != 0 || r != 0 {
		t.Errorf("elsewhere: precision %v recall %v %v", p, r, err)
	}
	if p, r, err = PrecisionRecall(known, known, 1); err != nil || p != 1 || r != 1 {
		t.Errorf("itself: precision %v recall %v %v", p, r, err)
	}
}

func TestAccuracy(t *testing.T) {
	s, err := Accuracy([]int32{0, 1, 2, 2}, []int32{0, 1, 1, 2})
	if err != nil || s != (Share{3, 4}) || s.Value() != 0.75 {
		t.Error(s, err)
	}
	lo, hi := Share{9, 10}.Interval() // by the formula of Wilson 1927 in Python
	near(t, "lower", lo, 0.5958499732047615, 1e-12)
	near(t, "upper", hi, 0.9821237869049271, 1e-12)
	if lo, hi := (Share{0, 10}).Interval(); lo != 0 || hi <= 0 || hi >= 1 {
		t.Error(lo, hi)
	}
	got, err := Argmax(Features{3, []float32{1, 3, 3, -1, -2, -3}})
	if err != nil || got[0] != 1 || got[1] != 0 {
		t.Error(got, err)
	}
	c, err := Confusion([]int32{0, 1, 1}, []int32{0, 0, 1}, 2)
	if err != nil || c[0][0] != 1 || c[0][1] != 1 || c[1][0] != 0 || c[1][1] != 1 {
		t.Error(c, err)
	}
}

func TestBadInput(t *testing.T) {
	nan := float32(math.NaN())
	good := normals(10, 2, 1, 1, 0)
	call := func(_ any, err error) error { return err }
	errs := map[string]error{
		"NaN":         call(Fit(Features{2, []float32{1, 2, nan, 4}})),
		"infinite":    call(Fit(Features{1, []float32{1, float32(math.Inf(-1))}})),
		"one row":     call(Fit(Features{2, []float32{1, 2}})),
		"no dim":      call(Fit(Features{0, nil})),
		"ragged":      call(Fit(Features{2, []float32{1, 2, 3}})),
		"dims":        call(FrechetOf(good, normals(10, 3, 1, 1, 0))),
		"dims MMD":    call(MMD2(good, normals(10, 3, 1, 1, 0))),
		"subset":      call(KID(good, good, KIDConfig{Size: 11})),
		"subset of 1": call(KID(good, good, KIDConfig{Size: 1})),
		"subsets":     call(KID(good, good, KIDConfig{Subsets: -1})),
		"lengths":     call(Accuracy([]int32{1}, nil)),
		"nothing":     call(Accuracy(nil, nil)),
		"NaN score":   call(Argmax(Features{1, []float32{nan}})),
		"label":       call(Confusion([]int32{2}, []int32{0}, 2)),
		"negative":    call(Confusion([]int32{0}, []int32{-1}, 2)),
	}
	_, _, errs["k"] = PrecisionRecall(good, good, 0)
	_, _, errs["few rows"] = PrecisionRecall(good, good, 10)
	for name, err := range errs {
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
