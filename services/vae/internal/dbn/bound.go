package dbn

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Bound writes lower bounds on log p(v) of the rows of v [B, P], up to -log Z of the top machine, whose labels are
// summed over: with h = (h1 .. hN) drawn K times from recognition,
//
//	log 1/K sum_k p*(hN) p(h(N-1) | hN) ... p(v | h1) / (q(h1 | v) ... q(hN | h(N-1))),   p*(x) = exp(-F(x)),
//
// whose mean is below log p(v) and rises with K (Burda, Grosse and Salakhutdinov 2016; one sample is the bound of
// Salakhutdinov and Murray 2008, section 5). The draws of row i are those of rows[i].Sample and the steps 0 .. K-1.
func (d *DBN) Bound(dst []float64, v *tensor.Tensor, rows []rng.Row, samples int, a *tensor.Arena) {
	B := v.Dim(0)
	free := make([]float64, B)
	for i := range dst[:B] {
		dst[i] = math.Inf(-1)
	}
	for k := range samples {
		mark := a.Mark()
		for i := range rows {
			rows[i].Step = uint32(k)
		}
		q, h := d.Recognition(v, rows, a)
		top := a.New(tensor.Float32, B, d.Top.Visible())
		d.joinPenultimate(top, h[d.Layers()-1])
		d.Top.MarginalFreeEnergy(free, top, a)
		below := v
		for l, g := range d.Generate {
			p := a.New(tensor.Float32, B, d.Below(l))
			g.Apply(p, h[l], tensor.ActNone)
			for i := range B {
				free[i] -= logLikelihood(p, below, i)
				free[i] += logBernoulli(q[l], h[l], i)
			}
			below = h[l]
		}
		for i, f := range free {
			dst[i] = logSumExp(dst[i], -f)
		}
		a.Release(mark)
	}
	for i := range dst[:B] {
		dst[i] -= tensor.LogF64(float64(samples))
	}
}

// joinPenultimate is Join with the labels off.
func (d *DBN) joinPenultimate(v, x *tensor.Tensor) {
	V, N := d.Top.Visible(), x.Dim(1)
	for i := range x.Dim(0) {
		row := v.F32()[i*V : (i+1)*V]
		copy(row, x.F32()[i*N:(i+1)*N])
		clear(row[N:])
	}
}

// logLikelihood is log p(x) of row i of Bernoulli units with the logits y: sum of x y - softplus(y).
func logLikelihood(y, x *tensor.Tensor, i int) float64 {
	n := y.Dim(1)
	var s float64
	for j, l := range y.F32()[i*n : (i+1)*n] {
		s += float64(float64(x.F32()[i*n+j])*float64(l)) - softplus(float64(l))
	}
	return s
}

// logBernoulli is log q(x) of row i of binary units x with the means p, which is finite because x was drawn from them.
func logBernoulli(p, x *tensor.Tensor, i int) float64 {
	n := p.Dim(1)
	var s float64
	for j, q := range p.F32()[i*n : (i+1)*n] {
		if x.F32()[i*n+j] == 0 {
			q = 1 - q
		}
		s += tensor.LogF64(math.Max(float64(q), 1e-12))
	}
	return s
}

func softplus(x float64) float64 {
	return math.Max(x, 0) + tensor.LogF64(1+tensor.ExpF64(-math.Abs(x)))
}

func logSumExp(a, b float64) float64 {
	top := math.Max(a, b)
	if math.IsInf(top, -1) {
		return top
	}
	return top + tensor.LogF64(tensor.ExpF64(a-top)+tensor.ExpF64(b-top))
}
