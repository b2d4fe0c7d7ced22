package tensor

// Neg flips the sign of every element, of zeros and NaN too. dst may be x in this and every other
// element-wise operation.
func Neg(dst, x *Tensor) { unary("Neg", opNeg, dst, x) }

// Abs clears the sign of every element.
func Abs(dst, x *Tensor) { unary("Abs", opAbs, dst, x) }

// Square is x*x.
func Square(dst, x *Tensor) { unary("Square", opSquare, dst, x) }

// Recip is 1/x by IEEE division.
func Recip(dst, x *Tensor) { unary("Recip", opRecip, dst, x) }

// Sqrt is the correctly rounded square root; NaN below -0.
func Sqrt(dst, x *Tensor) { unary("Sqrt", opSqrt, dst, x) }

// Rsqrt is 1/sqrt(x), two correctly rounded operations.
func Rsqrt(dst, x *Tensor) { unary("Rsqrt", opRsqrt, dst, x) }

// Exp is e to the power x.
func Exp(dst, x *Tensor) { unary("Exp", opExp, dst, x) }

// Log is the natural logarithm; -Inf at either zero, NaN below.
func Log(dst, x *Tensor) { unary("Log", opLog, dst, x) }

// Sin is the sine of x radians.
func Sin(dst, x *Tensor) { unary("Sin", opSin, dst, x) }

// Cos is the cosine of x radians.
func Cos(dst, x *Tensor) { unary("Cos", opCos, dst, x) }

// Tanh is the hyperbolic tangent.
func Tanh(dst, x *Tensor) { unary("Tanh", opTanh, dst, x) }

// Erf is the error function.
func Erf(dst, x *Tensor) { unary("Erf", opErf, dst, x) }

// Sigmoid is 1/(1+exp(-x)).
func Sigmoid(dst, x *Tensor) { unary("Sigmoid", opSigmoid, dst, x) }

// SiLU is x*sigmoid(x), also called swish.
func SiLU(dst, x *Tensor) { unary("SiLU", opSiLU, dst, x) }

// ReLU is x where x > 0, NaN where x is NaN, and +0 elsewhere.
func ReLU(dst, x *Tensor) { unary("ReLU", opReLU, dst, x) }

// GELU is x times the normal distribution function, by erf.
func GELU(dst, x *Tensor) { unary("GELU", opGELU, dst, x) }

// GELUTanh is GELU's approximation by tanh, which GPT-2 uses.
func GELUTanh(dst, x *Tensor) { unary("GELUTanh", opGELUTanh, dst, x) }

// Softplus is log(1+exp(x)).
func Softplus(dst, x *Tensor) { unary("Softplus", opSoftplus, dst, x) }

// unary runs op over x.
func unary(name string, op unaryOp, dst, x *Tensor) {
	sameShape(name, dst, x)
	if x.dtype == Float64 {
		mapUnary(op, dst.f64, x.f64)
		return
	}
	mapUnary(op, dst.f32, x.f32)
}

// SiLUGrad is the derivative of SiLU at x times dy: dy*(s + x*s*(1-s)) with s = sigmoid(x), computed
// as t = 1-s, u = fma(x*s, t, s), dy*u.
func SiLUGrad(dst, x, dy *Tensor) {
	sameShape("SiLUGrad", dst, x)
	sameShape("SiLUGrad", dst, dy)
	if x.dtype == Float64 {
		siluGrad(dst.f64, x.f64, dy.f64)
		return
	}
	siluGrad(dst.f32, x.f32, dy.f32)
}

// Scale is c*x; c is rounded to the type once.
func Scale(dst, x *Tensor, c float64) { scalarRight("Scale", opMul, dst, x, c) }

// AddScalar is x+c; c is rounded to the type once.
func AddScalar(dst, x *Tensor, c float64) { scalarRight("AddScalar", opAdd, dst, x, c) }

// Clamp is Minimum(Maximum(x, lo), hi): NaN stays NaN, and hi wins where lo > hi. The bounds are
// rounded to the type once and must not be NaN.
func Clamp(dst, x *Tensor, lo, hi float64) {
	if lo != lo || hi != hi {
		panic(shapeError("Clamp", "a bound is NaN", x))
	}
	scalarRight("Clamp", opMaximum, dst, x, lo)
	scalarRight("Clamp", opMinimum, dst, dst, hi)
}

// scalarRight runs a binary operation with a scalar on its right.
func scalarRight(name string, op binaryOp, dst, x *Tensor, c float64) {
	sameShape(name, dst, x)
	if x.dtype == Float64 {
		zipScalar(op, dst.f64, x.f64, c, false)
		return
	}
	zipScalar(op, dst.f32, x.f32, float32(c), false)
}
