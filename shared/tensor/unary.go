package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/vec"

// Neg flips the sign of every element, of zeros and NaN too. dst may be x in this and every other
// element-wise operation.
func Neg(dst, x *Tensor) { unary("Neg", vec.Neg, cheap, dst, x) }

// Abs clears the sign of every element, of NaN too.
func Abs(dst, x *Tensor) { unary("Abs", vec.Abs, cheap, dst, x) }

// Square is x*x.
func Square(dst, x *Tensor) { unary("Square", vec.Square, cheap, dst, x) }

// Recip is 1/x by IEEE division.
func Recip(dst, x *Tensor) { unary("Recip", vec.Recip, cheap, dst, x) }

// Sqrt is the correctly rounded square root: NaN below zero, -0 of -0.
func Sqrt(dst, x *Tensor) { unary("Sqrt", vec.Sqrt, cheap, dst, x) }

// Rsqrt is 1/sqrt(x), two correctly rounded operations.
func Rsqrt(dst, x *Tensor) { unary("Rsqrt", vec.Rsqrt, cheap, dst, x) }

// ReLU is x where x > 0, +0 where x <= 0 (-0 included), and NaN where x is NaN.
func ReLU(dst, x *Tensor) { unary("ReLU", vec.ReLU, cheap, dst, x) }

// Exp is e to the power x.
func Exp(dst, x *Tensor) { unary("Exp", vec.Exp, dear, dst, x) }

// Log is the natural logarithm: -Inf at either zero, NaN below.
func Log(dst, x *Tensor) { unary("Log", vec.Log, dear, dst, x) }

// Sin is the sine of x radians.
func Sin(dst, x *Tensor) { unary("Sin", vec.Sin, dear, dst, x) }

// Cos is the cosine of x radians.
func Cos(dst, x *Tensor) { unary("Cos", vec.Cos, dear, dst, x) }

// Tanh is the hyperbolic tangent.
func Tanh(dst, x *Tensor) { unary("Tanh", vec.Tanh, dear, dst, x) }

// Erf is the error function.
func Erf(dst, x *Tensor) { unary("Erf", vec.Erf, dear, dst, x) }

// Sigmoid is 1/(1+exp(-x)).
func Sigmoid(dst, x *Tensor) { unary("Sigmoid", vec.Sigmoid, dear, dst, x) }

// SiLU is x*sigmoid(x), also called swish.
func SiLU(dst, x *Tensor) { unary("SiLU", vec.SiLU, dear, dst, x) }

// GELU is x times the normal distribution function, by erf. Its zeros are +0.
func GELU(dst, x *Tensor) { unary("GELU", vec.GELU, dear, dst, x) }

// GELUTanh is GELU's approximation by tanh, which GPT-2 uses.
func GELUTanh(dst, x *Tensor) { unary("GELUTanh", vec.GELUTanh, dear, dst, x) }

// Softplus is log(1+exp(x)).
func Softplus(dst, x *Tensor) { unary("Softplus", vec.Softplus, dear, dst, x) }

// unary runs op over x.
func unary(name string, op vec.Unary, grain int, dst, x *Tensor) {
	sameShape(name, dst, x)
	j := newJob()
	j.t[0], j.t[1], j.i[0] = dst, x, int(op)
	j.elements(dst.dtype, dst.Len(), grain, unaryLoop[float32], unaryLoop[float64])
}

func unaryLoop[T float](j *job, lo, hi int) {
	vec.Map(vec.Unary(j.i[0]), data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi])
}

// SiLUGrad is dy times the derivative of SiLU at x.
func SiLUGrad(dst, x, dy *Tensor) {
	pairwise("SiLUGrad", dear, dst, x, dy, siluGradLoop[float32], siluGradLoop[float64])
}

func siluGradLoop[T float](j *job, lo, hi int) {
	vec.SiLUGrad(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], data[T](j.t[2])[lo:hi])
}

// GELUGrad is dy times the derivative of GELU at x.
func GELUGrad(dst, x, dy *Tensor) {
	pairwise("GELUGrad", dear, dst, x, dy, geluGradLoop[float32], geluGradLoop[float64])
}

func geluGradLoop[T float](j *job, lo, hi int) {
	vec.GELUGrad(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], data[T](j.t[2])[lo:hi])
}

// ReLUGrad is the derivative of ReLU from its result y: dy where y > 0, and +0 elsewhere, also where y is NaN.
func ReLUGrad(dst, y, dy *Tensor) {
	pairwise("ReLUGrad", cheap, dst, y, dy, reluGradLoop[float32], reluGradLoop[float64])
}

func reluGradLoop[T float](j *job, lo, hi int) {
	vec.ReLUGrad(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], data[T](j.t[2])[lo:hi])
}

// TanhGrad is the derivative of Tanh from its result y: dy*fma(-y, y, 1).
func TanhGrad(dst, y, dy *Tensor) {
	pairwise("TanhGrad", cheap, dst, y, dy, tanhGradLoop[float32], tanhGradLoop[float64])
}

func tanhGradLoop[T float](j *job, lo, hi int) {
	vec.TanhGrad(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], data[T](j.t[2])[lo:hi])
}

// SigmoidGrad is the derivative of Sigmoid from its result y: dy*(y*(1-y)).
func SigmoidGrad(dst, y, dy *Tensor) {
	pairwise("SigmoidGrad", cheap, dst, y, dy, sigmoidGradLoop[float32], sigmoidGradLoop[float64])
}

func sigmoidGradLoop[T float](j *job, lo, hi int) {
	vec.SigmoidGrad(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], data[T](j.t[2])[lo:hi])
}

// pairwise runs a loop over the elements of three tensors of one shape.
func pairwise(name string, grain int, dst, x, y *Tensor, f32, f64 func(j *job, lo, hi int)) {
	sameShape(name, dst, x)
	sameShape(name, dst, y)
	j := newJob()
	j.t[0], j.t[1], j.t[2] = dst, x, y
	j.elements(dst.dtype, dst.Len(), grain, f32, f64)
}

// Scale is c*x; c is rounded to the type once.
func Scale(dst, x *Tensor, c float64) { withScalar("Scale", vec.Mul, dst, x, c) }

// AddScalar is x+c; c is rounded to the type once.
func AddScalar(dst, x *Tensor, c float64) { withScalar("AddScalar", vec.Add, dst, x, c) }

// withScalar runs a binary operation with a scalar on its right.
func withScalar(name string, op vec.Binary, dst, x *Tensor, c float64) {
	sameShape(name, dst, x)
	j := newJob()
	j.t[0], j.t[1], j.i[0], j.c = dst, x, int(op), c
	j.elements(dst.dtype, dst.Len(), cheap, scalarLoop[float32], scalarLoop[float64])
}

func scalarLoop[T float](j *job, lo, hi int) {
	vec.ZipScalar(vec.Binary(j.i[0]), data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], T(j.c), false)
}

// Clamp is lo where x < lo, hi where x > hi, and x elsewhere: NaN stays NaN, and -0 stays -0 between
// bounds of 0. The bounds are rounded to the type once; lo must be at most hi, and neither NaN.
func Clamp(dst, x *Tensor, lo, hi float64) {
	sameShape("Clamp", dst, x)
	if !(lo <= hi) {
		panic(shapeError("Clamp", "want lo <= hi", x))
	}
	j := newJob()
	j.t[0], j.t[1], j.c, j.d = dst, x, lo, hi
	j.elements(dst.dtype, dst.Len(), cheap, clampLoop[float32], clampLoop[float64])
}

func clampLoop[T float](j *job, lo, hi int) {
	vec.Clamp(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], T(j.c), T(j.d))
}

// AXPY is dst += c*x, one fused multiply-add per element; c is rounded to the type once.
func AXPY(dst *Tensor, c float64, x *Tensor) {
	sameShape("AXPY", dst, x)
	j := newJob()
	j.t[0], j.t[1], j.c = dst, x, c
	j.elements(dst.dtype, dst.Len(), cheap, axpyLoop[float32], axpyLoop[float64])
}

func axpyLoop[T float](j *job, lo, hi int) {
	vec.AXPY(data[T](j.t[0])[lo:hi], T(j.c), data[T](j.t[1])[lo:hi])
}

// ScaleAdd is a*x + b*y: b*y is rounded, then a*x is added to it by one fused multiply-add. a and b are
// rounded to the type once.
func ScaleAdd(dst *Tensor, a float64, x *Tensor, b float64, y *Tensor) {
	sameShape("ScaleAdd", dst, x)
	sameShape("ScaleAdd", dst, y)
	j := newJob()
	j.t[0], j.t[1], j.t[2], j.c, j.d = dst, x, y, a, b
	j.elements(dst.dtype, dst.Len(), cheap, scaleAddLoop[float32], scaleAddLoop[float64])
}

func scaleAddLoop[T float](j *job, lo, hi int) {
	vec.ScaleAdd(data[T](j.t[0])[lo:hi], T(j.c), data[T](j.t[1])[lo:hi], T(j.d), data[T](j.t[2])[lo:hi])
}
