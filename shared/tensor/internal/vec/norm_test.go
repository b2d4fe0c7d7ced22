package vec

import (
	"math"
	"math/rand/v2"
	"testing"
)

func normals64(seed uint64, n int) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*(1+math.Abs(want))) {
		t.Errorf("%s: %.17g, want %.17g", what, got, want)
	}
}

// groupNorm is the textbook form on one picture of rows x cols, channels in groups.
func groupNorm(x, gamma, beta []float64, rows, groups int, eps float64) []float64 {
	cols := len(gamma)
	per := cols / groups
	y := make([]float64, len(x))
	for g := range groups {
		var s, q float64
		for r := range rows {
			for c := g * per; c < (g+1)*per; c++ {
				s += x[r*cols+c]
			}
		}
		n := float64(rows * per)
		for r := range rows {
			for c := g * per; c < (g+1)*per; c++ {
				q += (x[r*cols+c] - s/n) * (x[r*cols+c] - s/n)
			}
		}
		for r := range rows {
			for c := g * per; c < (g+1)*per; c++ {
				y[r*cols+c] = (x[r*cols+c]-s/n)/math.Sqrt(q/n+eps)*gamma[c] + beta[c]
			}
		}
	}
	return y
}

// dot64 is a plain inner product.
func dot64(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

// slope is the central difference of f along x[i].
func slope(x []float64, i int, f func() float64) float64 {
	const h = 1e-5
	v := x[i]
	x[i] = v + h
	a := f()
	x[i] = v - h
	b := f()
	x[i] = v
	return (a - b) / (2 * h)
}

func TestGroupNormPieces(t *testing.T) {
	const rows, cols, groups, eps = 6, 12, 3, 1e-5
	x, dy := normals64(1, rows*cols), normals64(2, rows*cols)
	gamma, beta := normals64(3, cols), normals64(4, cols)
	mean, rstd, scratch := make([]float64, groups), make([]float64, groups), make([]float64, 2*cols)
	GroupStats(mean, rstd, x, rows, cols, cols, eps, scratch)
	scale, shift, y := make([]float64, cols), make([]float64, cols), make([]float64, rows*cols)
	GroupScaleShift(scale, shift, mean, rstd, gamma, beta)
	AffineRows(y, x, scale, shift)
	want := groupNorm(x, gamma, beta, rows, groups, eps)
	for i := range y {
		near(t, "group norm", y[i], want[i], 1e-12)
	}
	// Backward, against central differences of sum(dy * y).
	cm, cr := make([]float64, cols), make([]float64, cols)
	for c := range cols {
		cm[c], cr[c] = mean[c/(cols/groups)], rstd[c/(cols/groups)]
	}
	dsum, dxhat := make([]float64, cols), make([]float64, cols)
	ColGradSums(dsum, dxhat, dy, x, cm, cr, rows, cols)
	a, b, d := make([]float64, cols), make([]float64, cols), make([]float64, cols)
	GroupGradCoef(a, b, d, dsum, dxhat, rstd, gamma, rows)
	dx := make([]float64, rows*cols)
	AffineGradRows(dx, dy, x, a, cm, b, d)
	loss := func() float64 { return dot64(dy, groupNorm(x, gamma, beta, rows, groups, eps)) }
	for i := range dx {
		near(t, "group norm dx", dx[i], slope(x, i, loss), 1e-7)
	}
	for c := range cols {
		near(t, "dgamma", dxhat[c], slope(gamma, c, loss), 1e-7)
		near(t, "dbeta", dsum[c], slope(beta, c, loss), 1e-7)
	}
}

func TestLayerNorm(t *testing.T) {
	const n, eps = 37, 1e-5
	x, dy, gamma, beta := normals64(5, n), normals64(6, n), normals64(7, n), normals64(8, n)
	y := make([]float64, n)
	mean, rstd := LayerNormRow(y, x, gamma, beta, eps)
	textbook := func() []float64 {
		var s, q float64
		for _, v := range x {
			s += v
		}
		for _, v := range x {
			q += (v - s/n) * (v - s/n)
		}
		o := make([]float64, n)
		for i, v := range x {
			o[i] = (v-s/n)/math.Sqrt(q/n+eps)*gamma[i] + beta[i]
		}
		return o
	}
	for i, w := range textbook() {
		near(t, "layer norm", y[i], w, 1e-12)
	}
	loss := func() float64 { return dot64(dy, textbook()) }
	dx, dgamma, dbeta := make([]float64, n), make([]float64, n), make([]float64, n)
	LayerNormGradRow(dx, x, dy, gamma, mean, rstd)
	LayerNormParamGradRow(dgamma, dbeta, x, dy, mean, rstd)
	for i := range n {
		near(t, "layer norm dx", dx[i], slope(x, i, loss), 1e-7)
		near(t, "layer norm dgamma", dgamma[i], slope(gamma, i, loss), 1e-7)
		near(t, "layer norm dbeta", dbeta[i], slope(beta, i, loss), 1e-7)
	}
}

func TestGradientsOfFunctions(t *testing.T) {
	for x := -8.0; x <= 8; x += 0.37 {
		v := []float64{x}
		near(t, "SiLUGrad", SiLUGrad64(x, 1.5), 1.5*slope(v, 0, func() float64 { return SiLU64(v[0]) }), 1e-8)
		near(t, "GELUGrad", GELUGrad64(x, 1.5), 1.5*slope(v, 0, func() float64 { return GELU64(v[0]) }), 1e-8)
		near(t, "SiLUGrad32", float64(SiLUGrad32(float32(x), 1.5)), SiLUGrad64(float64(float32(x)), 1.5), 5e-7)
		near(t, "GELUGrad32", float64(GELUGrad32(float32(x), 1.5)), GELUGrad64(float64(float32(x)), 1.5), 5e-7)
	}
}

func TestSoftmax(t *testing.T) {
	x, dy := normals64(9, 21), normals64(10, 21)
	soft := func(log bool) []float64 {
		s := 0.0
		for _, v := range x {
			s += math.Exp(v)
		}
		o := make([]float64, len(x))
		for i, v := range x {
			o[i] = math.Exp(v) / s
			if log {
				o[i] = v - math.Log(s)
			}
		}
		return o
	}
	y, dx := make([]float64, len(x)), make([]float64, len(x))
	SoftmaxRow(y, x)
	SoftmaxGradRow(dx, y, dy)
	for i, w := range soft(false) {
		near(t, "softmax", y[i], w, 1e-13)
		near(t, "softmax dx", dx[i], slope(x, i, func() float64 { return dot64(dy, soft(false)) }), 1e-8)
	}
	LogSoftmaxRow(y, x)
	LogSoftmaxGradRow(dx, y, dy)
	for i, w := range soft(true) {
		near(t, "log softmax", y[i], w, 1e-13)
		near(t, "log softmax dx", dx[i], slope(x, i, func() float64 { return dot64(dy, soft(true)) }), 1e-8)
	}
}

func TestOptimisers(t *testing.T) {
	args := AdamWArgs{LR: 1e-2, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1, GradScale: 0.5}
	p, m, v := []float64{0.7}, []float64{0}, []float64{0}
	wp, wm, wv := 0.7, 0.0, 0.0
	q, vel, wq, wvel := []float64{0.7}, []float64{0}, 0.7, 0.0
	for step := 1; step <= 5; step++ {
		g := math.Cos(float64(step))
		args.BiasCorr1, args.BiasCorr2 = 1-math.Pow(0.9, float64(step)), 1-math.Pow(0.99, float64(step))
		AdamW(p, []float64{g}, m, v, nil, 0, args)
		// Loshchilov and Hutter, Decoupled Weight Decay Regularization, algorithm 2.
		wm = 0.9*wm + 0.1*g*0.5
		wv = 0.99*wv + 0.01*g*0.5*g*0.5
		wp -= 1e-2 * (wm/args.BiasCorr1/(math.Sqrt(wv/args.BiasCorr2)+1e-8) + 0.1*wp)
		near(t, "AdamW", p[0], wp, 1e-14)
		SGDMomentum(q, []float64{g}, vel, 1e-2, 0.9, 0.1, 0.5)
		wvel = 0.9*wvel + g*0.5 + 0.1*wq
		wq -= 1e-2 * wvel
		near(t, "SGDMomentum", q[0], wq, 1e-14)
	}
}
