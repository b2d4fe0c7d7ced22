package linear

import "math"

// LU is a matrix split by Gaussian elimination with partial pivoting: rows are swapped so that the pivot has the
// greatest magnitude of its column, the first such row winning.
type LU struct {
	n     int
	a, lu []float64
	row   []int // row[i] is the row of the matrix that went to i
}

// Factor splits a, n x n, which it keeps and must not change afterwards. It returns nil if a pivot is zero or not
// finite: the matrix is singular.
func Factor(a []float64, n int) *LU {
	f := &LU{n: n, a: a, lu: append([]float64(nil), a...), row: make([]int, n)}
	for i := range f.row {
		f.row[i] = i
	}
	for k := range n {
		best := k
		for i := k + 1; i < n; i++ {
			if math.Abs(f.lu[i*n+k]) > math.Abs(f.lu[best*n+k]) {
				best = i
			}
		}
		if best != k {
			f.row[k], f.row[best] = f.row[best], f.row[k]
			for j := range n {
				f.lu[k*n+j], f.lu[best*n+j] = f.lu[best*n+j], f.lu[k*n+j]
			}
		}
		pivot := f.lu[k*n+k]
		if pivot == 0 || math.IsNaN(pivot) || math.IsInf(pivot, 0) {
			return nil
		}
		top := f.lu[k*n+k+1 : k*n+n]
		for i := k + 1; i < n; i++ {
			m := f.lu[i*n+k] / pivot
			f.lu[i*n+k] = m
			if m == 0 {
				continue
			}
			rest := f.lu[i*n+k+1 : i*n+n]
			for j, u := range top {
				rest[j] -= float64(m * u)
			}
		}
	}
	return f
}

// once solves a x = b by the two triangles.
func (f *LU) once(x, b []float64) {
	n := f.n
	for i := range n {
		s := b[f.row[i]]
		for j, l := range f.lu[i*n : i*n+i] {
			s -= float64(l * x[j])
		}
		x[i] = s
	}
	for i := n - 1; i >= 0; i-- {
		s := x[i]
		for j := i + 1; j < n; j++ {
			s -= float64(f.lu[i*n+j] * x[j])
		}
		x[i] = s / f.lu[i*n+i]
	}
}

// refinements are the most corrections of a solution: each gains all digits that the matrix's condition leaves.
const refinements = 4

// Solve gives x with a x = b. The solution is corrected by what it leaves over, computed with products and sums of
// twice the precision, for as long as that halves the correction.
func (f *LU) Solve(b []float64) []float64 {
	n := f.n
	x, r, d := make([]float64, n), make([]float64, n), make([]float64, n)
	f.once(x, b)
	last := math.Inf(1)
	for range refinements {
		for i := range n {
			r[i] = residual(b[i], f.a[i*n:i*n+n], x)
		}
		f.once(d, r)
		size := 0.0
		for _, v := range d {
			size = max(size, math.Abs(v))
		}
		if !(size < last/2) {
			break
		}
		last = size
		for i, v := range d {
			x[i] += v
		}
		if size == 0 {
			break
		}
	}
	return x
}

// Inverse solves for every column of the identity.
func (f *LU) Inverse() []float64 {
	n := f.n
	inv, e := make([]float64, n*n), make([]float64, n)
	for j := range n {
		clear(e)
		e[j] = 1
		for i, v := range f.Solve(e) {
			inv[i*n+j] = v
		}
	}
	return inv
}

// residual is b - row.x as if in twice the precision (Ogita, Rump, Oishi: Accurate sum and dot product, 2005).
func residual(b float64, row, x []float64) float64 {
	s, c := b, 0.0
	for i, a := range row {
		p := float64(a * x[i])
		e := math.FMA(a, x[i], -p)
		t := s - p
		z := t - s
		c += float64((s - (t - z)) - (p + z))
		c -= e
		s = t
	}
	return s + c
}

// Stationary is the distribution pi with pi P = pi of an irreducible stochastic matrix p, n x n, which it destroys: the
// elimination of states without a subtraction, so that every probability is right to a few units of its last place
// (Grassmann, Taksar, Heyman: Regenerative analysis and steady state distributions for Markov chains, 1985).
func Stationary(p []float64, n int) []float64 {
	for k := n - 1; k > 0; k-- {
		s := 0.0
		for _, v := range p[k*n : k*n+k] {
			s += v
		}
		for i := range k {
			p[i*n+k] /= s
		}
		for i := range k {
			f := p[i*n+k]
			if f == 0 {
				continue
			}
			for j := range k {
				p[i*n+j] += float64(f * p[k*n+j])
			}
		}
	}
	pi := make([]float64, n)
	pi[0] = 1
	sum := 1.0
	for k := 1; k < n; k++ {
		for i := range k {
			pi[k] += float64(pi[i] * p[i*n+k])
		}
		sum += pi[k]
	}
	for k := range pi {
		pi[k] /= sum
	}
	return pi
}

// Multiply is a b for a of n x m and b of m x l.
func Multiply(a, b []float64, n, m, l int) []float64 {
	c := make([]float64, n*l)
	for i := range n {
		out := c[i*l : i*l+l]
		for k := range m {
			v := a[i*m+k]
			if v == 0 {
				continue
			}
			for j, w := range b[k*l : k*l+l] {
				out[j] += float64(v * w)
			}
		}
	}
	return c
}

// Cholesky puts the lower triangle L with L L^T = a into dst, zeros above it. It reports whether a is positive
// definite.
func Cholesky(dst, a []float64, n int) bool {
	clear(dst)
	for j := range n {
		s := a[j*n+j]
		for _, v := range dst[j*n : j*n+j] {
			s -= float64(v * v)
		}
		if !(s > 0) || math.IsInf(s, 0) {
			return false
		}
		d := math.Sqrt(s)
		dst[j*n+j] = d
		for i := j + 1; i < n; i++ {
			s := a[i*n+j]
			for k := range j {
				s -= float64(dst[i*n+k] * dst[j*n+k])
			}
			dst[i*n+j] = s / d
		}
	}
	return true
}
