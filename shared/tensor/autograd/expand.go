package autograd

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Parts that several rows of the table use, and the expansions of fused operations into primitives.

func oneMinus(x *Value) *Value { return AddScalar(Neg(x), 1) }

func zero(like *Value) *Value { return like.tape.Scalar(like.DType(), 0) }

// expandCrossEntropyGrad is c*(softmax(x) - 1 at the target), 0 in rows without a target.
func expandCrossEntropyGrad(v *Value) *Value {
	x, c := v.in[0], v.in[1]
	r, n := x.Dims2()
	pick, counts := tensor.New(tensor.Float64, r, n), tensor.New(tensor.Float64, r, 1)
	for i, t := range v.attr.ids {
		if t >= 0 {
			pick.F64()[i*n+int(t)], counts.F64()[i] = 1, 1
		}
	}
	on := func(x *tensor.Tensor) *Value { return v.tape.Const(x.To(v.DType())) }
	return Mul(c, Mul(on(counts), Sub(Softmax(x), on(pick))))
}

// positive is 1 where x > 0 and 0 elsewhere.
func positive(x *Value) *Value { return Greater(x, zero(x)) }

// within is 1 where lo <= x <= hi and 0 elsewhere.
func within(x *Value, lo, hi float64) *Value {
	t, d := x.tape, x.DType()
	return Mul(oneMinus(Greater(t.Scalar(d, lo), x)), oneMinus(Greater(x, t.Scalar(d, hi))))
}

// larger is 1 where a > b, 1/2 where they are equal, and 0 elsewhere.
func larger(a, b *Value) *Value {
	return Scale(AddScalar(Sub(Greater(a, b), Greater(b, a)), 1), 0.5)
}

// geluSlope is Phi(x) + x*phi(x).
func geluSlope(x *Value) *Value {
	cdf := Scale(AddScalar(Erf(Scale(x, math.Sqrt2/2)), 1), 0.5)
	pdf := Scale(Exp(Scale(Square(x), -0.5)), 1/math.Sqrt(2*math.Pi))
	return Add(cdf, Mul(x, pdf))
}

// geluTanhSlope is the derivative of x/2*(1+tanh(u)) with u = sqrt(2/pi)*(x+0.044715*x^3).
func geluTanhSlope(x *Value) *Value {
	a, b := math.Sqrt(2/math.Pi), 0.044715
	sq := Square(x)
	th := Tanh(Mul(Scale(x, a), AddScalar(Scale(sq, b), 1)))
	du := Scale(AddScalar(Scale(sq, 3*b), 1), a)
	return Add(Scale(AddScalar(th, 1), 0.5), Scale(Mul(Mul(x, oneMinus(Square(th))), du), 0.5))
}

// expandSiLUGrad is dy*s*(1+x*(1-s)) with s = sigmoid(x).
func expandSiLUGrad(v *Value) *Value {
	x, dy := v.in[0], v.in[1]
	s := Sigmoid(x)
	return Mul(dy, Mul(s, AddScalar(Mul(x, oneMinus(s)), 1)))
}

// expandSoftmaxGrad is y*(dy-sum(y*dy)).
func expandSoftmaxGrad(v *Value) *Value {
	y, dy := v.in[0], v.in[1]
	return Mul(y, Sub(dy, sumKeep(Mul(y, dy), -1)))
}

// normGrad is the derivative of y = (x-mean)*rstd*gamma + beta over the given axes of one group. All
// arguments have one shape, or broadcast to it. It returns dx and the normalised x.
func normGrad(x, gamma, dy *Value, eps float64, axes ...int) (dx, xhat *Value) {
	xc := Sub(x, meanKeep(x, axes...))
	rstd := Rsqrt(AddScalar(meanKeep(Square(xc), axes...), eps))
	xhat = Mul(xc, rstd)
	d := Mul(dy, gamma)
	inner := Sub(Sub(d, meanKeep(d, axes...)), Mul(xhat, meanKeep(Mul(d, xhat), axes...)))
	return Mul(rstd, inner), xhat
}

func expandGroupNormGrad(v *Value) *Value {
	x, gamma, dy := v.in[0], v.in[1], v.in[2]
	n, groups, c := x.Dim(0), v.attr.i, x.Dim(-1)
	split := func(u *Value) *Value { return Reshape(u, n, -1, groups, c/groups) } // [N, pixels, G, C/G]
	dys := split(dy)
	if v.out == 2 {
		return Reshape(Sum(dys, 0, 1), c)
	}
	dx, xhat := normGrad(split(x), Reshape(gamma, groups, c/groups), dys, v.attr.c, 1, 3)
	if v.out == 1 {
		return Reshape(Sum(Mul(dys, xhat), 0, 1), c)
	}
	return Reshape(dx, x.Shape()...)
}

func expandLayerNormGrad(v *Value) *Value {
	x, gamma, dy := v.in[0], v.in[1], v.in[2]
	c := x.Dim(-1)
	dys := Reshape(dy, -1, c)
	if v.out == 2 {
		return Sum(dys, 0)
	}
	dx, xhat := normGrad(Reshape(x, -1, c), gamma, dys, v.attr.c, 1)
	if v.out == 1 {
		return Sum(Mul(dys, xhat), 0)
	}
	return Reshape(dx, x.Shape()...)
}

// expandMaxPool2Grad is dy repeated over its pixels, where the largest pixel was. Which one that is does
// not change near x, so the mask is a constant.
func expandMaxPool2Grad(v *Value) *Value {
	x, dy := v.in[0], v.in[1]
	t := v.tape
	one := t.arena.New(dy.DType(), dy.Shape()...)
	one.Fill(1)
	t.recording = false
	mask := MaxPool2Grad(x, t.Const(one))
	t.recording = true
	return Mul(t.Const(mask.Tensor), UpsampleNearest2(dy))
}
