package tensor

import "math"

// AdamWParams are the numbers of one AdamW update. BC1 and BC2 are the bias corrections 1-B1^step and
// 1-B2^step; GradScale multiplies the gradient first, for clipping.
type AdamWParams struct {
	LR, B1, B2, Eps, WeightDecay, BC1, BC2, GradScale float64
}

// AdamW updates param and its moments m and v in one pass: g = grad*GradScale; param -=
// LR*WeightDecay*param; m = B1*m + (1-B1)*g; v = B2*v + (1-B2)*g*g; param -= LR/BC1 * m / (sqrt(v/BC2)
// + Eps).
func AdamW(param, grad, m, v *Tensor, h AdamWParams) {
	for _, t := range []*Tensor{grad, m, v} {
		sameShape("AdamW", param, t)
	}
	if param.dtype == Float64 {
		adamW(param.f64, grad.f64, m.f64, v.f64, h)
		return
	}
	adamW(param.f32, grad.f32, m.f32, v.f32, h)
}

func adamW[T float](p, grad, m, v []T, h AdamWParams) {
	for i := range p {
		g := grad[i] * T(h.GradScale)
		m[i] = T(h.B1)*m[i] + T(1-h.B1)*g
		v[i] = T(h.B2)*v[i] + T(1-h.B2)*g*g
		p[i] -= T(h.LR*h.WeightDecay) * p[i]
		p[i] -= T(h.LR/h.BC1) * m[i] / (T(math.Sqrt(float64(v[i])/h.BC2)) + T(h.Eps))
	}
}

// Lerp is dst += t*(x-dst), the update of a moving average; t is rounded to the type once.
func Lerp(dst, x *Tensor, t float64) {
	sameShape("Lerp", dst, x)
	for i, v := range x.f64 {
		dst.f64[i] = fma(t, v-dst.f64[i], dst.f64[i])
	}
	for i, v := range x.f32 {
		dst.f32[i] = fma(float32(t), v-dst.f32[i], dst.f32[i])
	}
}
