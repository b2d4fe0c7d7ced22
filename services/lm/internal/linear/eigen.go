package linear

import "math"

// sweeps are the most QR steps for one eigenvalue.
const sweeps = 60

// Eigenvalues are those of a, n x n, which it destroys: real and imaginary parts in the order in which they were
// found, by reduction to Hessenberg form with Householder reflections and Francis's double shifts (Golub and Van Loan,
// Matrix Computations, 7.4 and 7.5; Martin, Peters, Wilkinson: The QR algorithm for real Hessenberg matrices, 1970).
// It reports whether all were found.
func Eigenvalues(a []float64, n int) (re, im []float64, ok bool) {
	hessenberg(a, n)
	re, im = make([]float64, 0, n), make([]float64, 0, n)
	shift, tries := 0.0, 0
	for hi := n - 1; hi >= 0; {
		lo := split(a, n, hi)
		switch lo {
		case hi:
			re, im = append(re, a[hi*n+hi]+shift), append(im, 0)
			hi, tries = hi-1, 0
			continue
		case hi - 1:
			r, i := pair(a[(hi-1)*n+hi-1]+shift, a[(hi-1)*n+hi], a[hi*n+hi-1], a[hi*n+hi]+shift)
			re, im = append(re, r[0], r[1]), append(im, i, -i)
			hi, tries = hi-2, 0
			continue
		}
		if tries == sweeps {
			return re, im, false
		}
		x, y := a[hi*n+hi], a[(hi-1)*n+hi-1]
		w := float64(a[hi*n+hi-1] * a[(hi-1)*n+hi])
		if tries > 0 && tries%10 == 0 { // an exceptional shift, for matrices that the usual ones leave as they are
			shift += x
			for i := range hi + 1 {
				a[i*n+i] -= x
			}
			s := math.Abs(a[hi*n+hi-1]) + math.Abs(a[(hi-1)*n+hi-2])
			x = 0.75 * s
			y = x
			w = float64(-0.4375*s) * s
		}
		tries++
		francis(a, n, lo, hi, x, y, w)
	}
	return re, im, true
}

// hessenberg clears everything under the first subdiagonal.
func hessenberg(a []float64, n int) {
	v := make([]float64, n)
	for m := 1; m < n-1; m++ {
		scale := 0.0
		for i := m; i < n; i++ {
			scale += math.Abs(a[i*n+m-1])
		}
		if scale == 0 {
			continue
		}
		h := 0.0
		for i := n - 1; i >= m; i-- {
			v[i] = a[i*n+m-1] / scale
			h += float64(v[i] * v[i])
		}
		g := math.Sqrt(h)
		if v[m] > 0 {
			g = -g
		}
		h -= float64(v[m] * g)
		v[m] -= g
		for j := m; j < n; j++ {
			f := 0.0
			for i := n - 1; i >= m; i-- {
				f += float64(v[i] * a[i*n+j])
			}
			f /= h
			for i := m; i < n; i++ {
				a[i*n+j] -= float64(f * v[i])
			}
		}
		for i := range n {
			f := 0.0
			for j := n - 1; j >= m; j-- {
				f += float64(v[j] * a[i*n+j])
			}
			f /= h
			for j := m; j < n; j++ {
				a[i*n+j] -= float64(f * v[j])
			}
		}
		a[m*n+m-1] = scale * g
		for i := m + 1; i < n; i++ {
			a[i*n+m-1] = 0
		}
	}
}

// split finds the first row of the block that ends at hi: the last small subdiagonal element above it.
func split(a []float64, n, hi int) int {
	lo := hi
	for lo > 0 {
		s := math.Abs(a[(lo-1)*n+lo-1]) + math.Abs(a[lo*n+lo])
		if s == 0 {
			s = 1
		}
		if math.Abs(a[lo*n+lo-1]) < 0x1p-52*s {
			a[lo*n+lo-1] = 0
			break
		}
		lo--
	}
	return lo
}

// pair are the eigenvalues of a block of two rows.
func pair(a, b, c, d float64) (re [2]float64, im float64) {
	p := float64((a - d) / 2)
	q := float64(p*p) + float64(b*c)
	if q < 0 {
		m := d + p
		return [2]float64{m, m}, math.Sqrt(-q)
	}
	z := p + math.Copysign(math.Sqrt(q), p)
	x := d + z
	y := x
	if z != 0 {
		y = d - float64(b*c)/z
	}
	return [2]float64{x, y}, 0
}

// francis is a double step from the shifts whose sum is x+y and whose product is x*y-w.
func francis(a []float64, n, lo, hi int, x, y, w float64) {
	var p, q, r float64
	m := hi - 2
	for ; ; m-- {
		z := a[m*n+m]
		dx, dy := x-z, y-z
		p = (float64(dx*dy)-w)/a[(m+1)*n+m] + a[m*n+m+1]
		q = a[(m+1)*n+m+1] - z - dx - dy
		r = a[(m+2)*n+m+1]
		s := math.Abs(p) + math.Abs(q) + math.Abs(r)
		p, q, r = p/s, q/s, r/s
		if m == lo {
			break
		}
		left := math.Abs(a[m*n+m-1]) * (math.Abs(q) + math.Abs(r))
		right := math.Abs(p) * (math.Abs(a[(m-1)*n+m-1]) + math.Abs(z) + math.Abs(a[(m+1)*n+m+1]))
		if left < 0x1p-52*right {
			break
		}
	}
	for i := m + 2; i <= hi; i++ {
		a[i*n+i-2] = 0
		if i > m+2 {
			a[i*n+i-3] = 0
		}
	}
	for k := m; k < hi; k++ {
		last := k == hi-1
		scale := 1.0
		if k != m {
			p, q, r = a[k*n+k-1], a[(k+1)*n+k-1], 0
			if !last {
				r = a[(k+2)*n+k-1]
			}
			scale = math.Abs(p) + math.Abs(q) + math.Abs(r)
			if scale == 0 {
				continue
			}
			p, q, r = p/scale, q/scale, r/scale
		}
		s := math.Copysign(math.Sqrt(float64(p*p)+float64(q*q)+float64(r*r)), p)
		if s == 0 {
			continue
		}
		if k != m {
			a[k*n+k-1] = float64(-s * scale)
		} else if lo != m {
			a[k*n+k-1] = -a[k*n+k-1]
		}
		p += s
		x, y, z := p/s, q/s, r/s
		q, r = q/p, r/p
		for j := k; j < n; j++ {
			t := a[k*n+j] + float64(q*a[(k+1)*n+j])
			if !last {
				t += float64(r * a[(k+2)*n+j])
				a[(k+2)*n+j] -= float64(t * z)
			}
			a[(k+1)*n+j] -= float64(t * y)
			a[k*n+j] -= float64(t * x)
		}
		for i := range min(hi, k+3) + 1 {
			t := float64(x*a[i*n+k]) + float64(y*a[i*n+k+1])
			if !last {
				t += float64(z * a[i*n+k+2])
				a[i*n+k+2] -= float64(t * r)
			}
			a[i*n+k+1] -= float64(t * q)
			a[i*n+k] -= t
		}
	}
}
