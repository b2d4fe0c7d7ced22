package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// Element-wise functions; each has its argument's shape and the order and special values of the
// function of the same name in package tensor.

func unary(op Op, f func(dst, x *tensor.Tensor), x *Value) *Value {
	y := x.like()
	f(y, x.Tensor)
	return x.tape.record(op, y, nil, x)
}

// Neg is -x.
func Neg(x *Value) *Value { return unary(OpNeg, tensor.Neg, x) }

// Exp is e^x.
func Exp(x *Value) *Value { return unary(OpExp, tensor.Exp, x) }

// Log is the natural logarithm.
func Log(x *Value) *Value { return unary(OpLog, tensor.Log, x) }

// Sqrt is the square root; its derivative at 0 is infinite.
func Sqrt(x *Value) *Value { return unary(OpSqrt, tensor.Sqrt, x) }

// Rsqrt is 1/sqrt(x).
func Rsqrt(x *Value) *Value { return unary(OpRsqrt, tensor.Rsqrt, x) }

// Recip is 1/x.
func Recip(x *Value) *Value { return unary(OpRecip, tensor.Recip, x) }

// Tanh is the hyperbolic tangent.
func Tanh(x *Value) *Value { return unary(OpTanh, tensor.Tanh, x) }

// Sigmoid is 1/(1+e^-x).
func Sigmoid(x *Value) *Value { return unary(OpSigmoid, tensor.Sigmoid, x) }

// SiLU is x*sigmoid(x).
func SiLU(x *Value) *Value { return unary(OpSiLU, tensor.SiLU, x) }

// ReLU is max(x, 0); its derivative at 0 is 0.
func ReLU(x *Value) *Value { return unary(OpReLU, tensor.ReLU, x) }

// GELU is x*Phi(x) by the error function.
func GELU(x *Value) *Value { return unary(OpGELU, tensor.GELU, x) }

// GELUTanh is the tanh approximation of GELU, as GPT-2 uses it.
func GELUTanh(x *Value) *Value { return unary(OpGELUTanh, tensor.GELUTanh, x) }

// Sin is the sine of x in radians.
func Sin(x *Value) *Value { return unary(OpSin, tensor.Sin, x) }

// Cos is the cosine of x in radians.
func Cos(x *Value) *Value { return unary(OpCos, tensor.Cos, x) }

// Erf is the error function.
func Erf(x *Value) *Value { return unary(OpErf, tensor.Erf, x) }

// Square is x*x.
func Square(x *Value) *Value { return unary(OpSquare, tensor.Square, x) }

// Abs is |x|; its derivative at 0 is 0.
func Abs(x *Value) *Value { return unary(OpAbs, tensor.Abs, x) }

// Softplus is log(1+e^x).
func Softplus(x *Value) *Value { return unary(OpSoftplus, tensor.Softplus, x) }

// slope records a fused derivative times dy.
func slope(op Op, f func(dst, x, dy *tensor.Tensor), x, dy *Value) *Value {
	t := shared(op, x, dy)
	dx := x.like()
	f(dx, x.Tensor, dy.Tensor)
	return t.record(op, dx, nil, x, dy)
}

// SiLUGrad is the derivative of SiLU at x times dy, fused.
func SiLUGrad(x, dy *Value) *Value { return slope(OpSiLUGrad, tensor.SiLUGrad, x, dy) }

// GELUGrad is the derivative of GELU at x times dy, fused.
func GELUGrad(x, dy *Value) *Value { return slope(OpGELUGrad, tensor.GELUGrad, x, dy) }

// ReLUGrad is the derivative of ReLU from its result y times dy, fused.
func ReLUGrad(y, dy *Value) *Value { return slope(OpReLUGrad, tensor.ReLUGrad, y, dy) }

// TanhGrad is the derivative of Tanh from its result y times dy, fused.
func TanhGrad(y, dy *Value) *Value { return slope(OpTanhGrad, tensor.TanhGrad, y, dy) }

// SigmoidGrad is the derivative of Sigmoid from its result y times dy, fused.
func SigmoidGrad(y, dy *Value) *Value { return slope(OpSigmoidGrad, tensor.SigmoidGrad, y, dy) }

// Scale is x*c; c is rounded to the element type once.
func Scale(x *Value, c float64) *Value {
	y := x.like()
	tensor.Scale(y, x.Tensor, c)
	return x.tape.record(OpScale, y, &attr{c: c}, x)
}

// AddScalar is x+c; c is rounded to the element type once.
func AddScalar(x *Value, c float64) *Value {
	y := x.like()
	tensor.AddScalar(y, x.Tensor, c)
	return x.tape.record(OpAddScalar, y, &attr{c: c}, x)
}

// Clamp limits x to [lo, hi]; the derivative is 1 within, bounds included, and 0 outside.
func Clamp(x *Value, lo, hi float64) *Value {
	y := x.like()
	tensor.Clamp(y, x.Tensor, lo, hi)
	return x.tape.record(OpClamp, y, &attr{c: lo, d: hi}, x)
}

// binary allocates the broadcast result of a and b and records it.
func binary(op Op, f func(dst, a, b *tensor.Tensor), a, b *Value) *Value {
	t := shared(op, a, b)
	s := broadcast(a, b)
	y := t.alloc(a.DType(), s.dims()...)
	f(y, a.Tensor, b.Tensor)
	return t.record(op, y, nil, a, b)
}

// broadcast is numpy's rule: axes are aligned at the end and an axis of size 1 stretches. Sizes that do
// not fit are left to the operation to refuse.
func broadcast(vs ...*Value) shape {
	var s shape
	for _, v := range vs {
		s.n = max(s.n, v.Rank())
	}
	for i := range s.d[:s.n] {
		s.d[i] = 1
	}
	for _, v := range vs {
		off := s.n - v.Rank()
		for i, d := range v.Shape() {
			if d != 1 {
				s.d[off+i] = d
			}
		}
	}
	return s
}

// Add is a+b with broadcasting.
func Add(a, b *Value) *Value { return binary(OpAdd, tensor.Add, a, b) }

// Sub is a-b with broadcasting.
func Sub(a, b *Value) *Value { return binary(OpSub, tensor.Sub, a, b) }

// Mul is a*b with broadcasting.
func Mul(a, b *Value) *Value { return binary(OpMul, tensor.Mul, a, b) }

// Div is a/b with broadcasting.
func Div(a, b *Value) *Value { return binary(OpDiv, tensor.Div, a, b) }

// Maximum is the larger of a and b with broadcasting; where they are equal each gets half the gradient.
func Maximum(a, b *Value) *Value { return binary(OpMaximum, tensor.Maximum, a, b) }

// Minimum is the smaller of a and b with broadcasting; where they are equal each gets half the gradient.
func Minimum(a, b *Value) *Value { return binary(OpMinimum, tensor.Minimum, a, b) }

// Greater is 1 where a > b and 0 elsewhere, with broadcasting. No gradient flows through it.
func Greater(a, b *Value) *Value { return binary(OpGreater, tensor.Greater, a, b) }

// Where is a where cond is not zero and b elsewhere, with broadcasting. No gradient flows into cond.
func Where(cond, a, b *Value) *Value {
	t := shared(OpWhere, cond, a, b)
	s := broadcast(cond, a, b)
	y := t.alloc(a.DType(), s.dims()...)
	tensor.Where(y, cond.Tensor, a.Tensor, b.Tensor)
	return t.record(OpWhere, y, nil, cond, a, b)
}
