package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/vec"

// AdamWParams are the numbers of one AdamW update. BC1 and BC2 are the bias corrections 1-B1^step and
// 1-B2^step; GradScale multiplies the gradient first, for clipping.
type AdamWParams struct {
	LR, B1, B2, Eps, WeightDecay, BC1, BC2, GradScale float64
}

// AdamW updates param and its moments m and v in one pass (Loshchilov and Hutter: Decoupled weight decay
// regularization). The numbers are combined in float64 and rounded to the type once: w1 = 1-B1, w2 = 1-B2,
// r2 = 1/sqrt(BC2), decay = 1-LR*WeightDecay, step = LR/BC1. Then
//
//	g = grad*GradScale;  m = fma(w1, g-m, m);  v = fma(B2, v, w2*(g*g))
//	param = fma(-step, m/fma(sqrt(v), r2, Eps), param*decay)
func AdamW(param, grad, m, v *Tensor, h AdamWParams) {
	sameShape("AdamW", param, grad)
	sameShape("AdamW", param, m)
	sameShape("AdamW", param, v)
	j := newJob()
	j.t[0], j.t[1], j.t[2], j.t[3], j.adj = param, grad, m, v, h
	j.elements(param.dtype, param.Len(), dear, adamWLoop[float32], adamWLoop[float64])
}

func adamWLoop[T float](j *job, lo, hi int) {
	h := j.adj
	vec.AdamW(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], data[T](j.t[2])[lo:hi], data[T](j.t[3])[lo:hi],
		vec.AdamWArgs{
			LR: h.LR, Beta1: h.B1, Beta2: h.B2, Eps: h.Eps, WeightDecay: h.WeightDecay,
			BiasCorr1: h.BC1, BiasCorr2: h.BC2, GradScale: h.GradScale,
		})
}

// SGDMomentum updates param and its velocity in one pass, numbers rounded to the type once:
//
//	g = fma(weightDecay, param, grad*gradScale);  vel = fma(mu, vel, g);  param = fma(-lr, vel, param)
func SGDMomentum(param, grad, vel *Tensor, lr, mu, weightDecay, gradScale float64) {
	sameShape("SGDMomentum", param, grad)
	sameShape("SGDMomentum", param, vel)
	j := newJob()
	j.t[0], j.t[1], j.t[2] = param, grad, vel
	j.adj = AdamWParams{LR: lr, B1: mu, WeightDecay: weightDecay, GradScale: gradScale}
	j.elements(param.dtype, param.Len(), cheap, sgdLoop[float32], sgdLoop[float64])
}

func sgdLoop[T float](j *job, lo, hi int) {
	h := j.adj
	vec.SGDMomentum(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], data[T](j.t[2])[lo:hi],
		h.LR, h.B1, h.WeightDecay, h.GradScale)
}

// Lerp is dst += t*(x-dst) by one fused multiply-add, the update of a moving average; t is rounded to the
// type once.
func Lerp(dst, x *Tensor, t float64) {
	sameShape("Lerp", dst, x)
	j := newJob()
	j.t[0], j.t[1], j.c = dst, x, t
	j.elements(dst.dtype, dst.Len(), cheap, lerpLoop[float32], lerpLoop[float64])
}

func lerpLoop[T float](j *job, lo, hi int) {
	vec.Lerp(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], T(j.c))
}
