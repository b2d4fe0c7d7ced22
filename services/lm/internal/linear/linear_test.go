package linear

import (
	"math"
	"sort"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"gonum.org/v1/gonum/mat"
)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

func random(n int, sample uint64) []float64 {
	a := make([]float64, n)
	rng.New(7).Normal64(a, sample, 0, rng.General)
	return a
}

func TestSolve(t *testing.T) {
	for _, n := range []int{1, 2, 5, 40} {
		a, want := random(n*n, uint64(n)), random(n, 100+uint64(n))
		b := Multiply(a, want, n, n, 1)
		f := Factor(a, n)
		for i, x := range f.Solve(b) {
			if math.Abs(x-want[i]) > 1e-12 {
				t.Errorf("n %d: x[%d] = %v, want %v", n, i, x, want[i])
			}
		}
		id := Multiply(a, f.Inverse(), n, n, n)
		for i := range id {
			e := 0.0
			if i/n == i%n {
				e = 1
			}
			if math.Abs(id[i]-e) > 1e-12 {
				t.Errorf("n %d: a times its inverse is %v at %d", n, id[i], i)
			}
		}
	}
	if Factor([]float64{1, 2, 2, 4}, 2) != nil || Factor([]float64{math.NaN()}, 1) != nil {
		t.Error("a singular matrix was split")
	}
}

// TestRefinement solves Hilbert's system of 8 equations, whose condition is 1.5e10: the residual comes down to rounding.
func TestRefinement(t *testing.T) {
	const n = 8
	a, ones := make([]float64, n*n), make([]float64, n)
	for i := range n {
		ones[i] = 1
		for j := range n {
			a[i*n+j] = 1 / float64(i+j+1)
		}
	}
	f := Factor(a, n)
	x := f.Solve(ones)
	for i := range n {
		// The exact solution is whole: (-1)^(n-1-i) (i+1) C(n+i, i+1)... checked by its own equation instead.
		if r := residual(1, a[i*n:i*n+n], x); math.Abs(r) > 1e-10 {
			t.Errorf("row %d leaves %v", i, r)
		}
		if math.Abs(x[i]-math.Round(x[i])) > 1e-5*math.Abs(x[i]) {
			t.Errorf("x[%d] = %v is not whole", i, x[i])
		}
	}
}

// TestEigenvalues compares with gonum (LAPACK's algorithm) on random, periodic, defective and zero matrices.
func TestEigenvalues(t *testing.T) {
	cases := [][]float64{
		random(1, 1), random(4, 2), random(9, 3), random(100, 4), random(2500, 5),
		{0, 1, 0, 0, 0, 1, 1, 0, 0}, {2, 1, 0, 0, 2, 1, 0, 0, 2}, make([]float64, 16),
		{0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0},
		{0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0},
	}
	for c, a := range cases {
		n := int(math.Sqrt(float64(len(a))))
		var e mat.Eigen
		if !e.Factorize(mat.NewDense(n, n, append([]float64(nil), a...)), mat.EigenNone) {
			t.Fatal("gonum found no eigenvalues")
		}
		want := e.Values(nil)
		re, im, ok := Eigenvalues(append([]float64(nil), a...), n)
		if !ok || len(re) != n {
			t.Fatalf("case %d: %d of %d eigenvalues", c, len(re), n)
		}
		got := make([]complex128, n)
		for i := range got {
			got[i] = complex(re[i], im[i])
		}
		for _, l := range [][]complex128{got, want} {
			sort.Slice(l, func(i, j int) bool {
				if math.Abs(real(l[i])-real(l[j])) > 1e-4 {
					return real(l[i]) < real(l[j])
				}
				return imag(l[i]) < imag(l[j])
			})
		}
		for i := range got {
			d := got[i] - want[i]
			if math.Hypot(real(d), imag(d)) > 1e-9 && c != 6 || math.Hypot(real(d), imag(d)) > 1e-4 {
				t.Errorf("case %d: eigenvalue %v, want %v", c, got[i], want[i])
			}
		}
	}
}

func TestStationary(t *testing.T) {
	for _, n := range []int{1, 2, 3, 50} {
		p := random(n*n, 9)
		for i := range n {
			s := 0.0
			for j := range n {
				p[i*n+j] = math.Abs(p[i*n+j])
				s += p[i*n+j]
			}
			for j := range n {
				p[i*n+j] /= s
			}
		}
		pi := Stationary(append([]float64(nil), p...), n)
		for j, v := range Multiply(pi, p, 1, n, n) {
			if math.Abs(v-pi[j]) > 1e-15 {
				t.Errorf("n %d: pi P differs by %g at %d", n, v-pi[j], j)
			}
		}
	}
}

func TestCholesky(t *testing.T) {
	a := []float64{4, 2, -2, 2, 10, 4, -2, 4, 9}
	l := make([]float64, 9)
	if !Cholesky(l, a, 3) {
		t.Fatal("not positive definite")
	}
	lt := []float64{l[0], l[3], l[6], l[1], l[4], l[7], l[2], l[5], l[8]}
	for i, v := range Multiply(l, lt, 3, 3, 3) {
		if math.Abs(v-a[i]) > 1e-14 {
			t.Errorf("L L^T is %v at %d, want %v", v, i, a[i])
		}
	}
	if Cholesky(l[:4], []float64{1, 2, 2, 1}, 2) || Cholesky(l[:1], []float64{math.NaN()}, 1) {
		t.Error("an indefinite matrix was split")
	}
}
