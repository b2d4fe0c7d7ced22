package vec

// Unary names an element-wise function of one argument.
type Unary uint8

// The functions that Map knows. Their values, errors and special cases are those of the scalar forms
// (Exp32, Exp64, ...).
const (
	Neg      Unary = iota // sign bit flipped, NaN included
	Abs                   // sign bit cleared, NaN included
	Square                // x*x
	Recip                 // 1/x
	Sqrt                  // IEEE square root
	Rsqrt                 // 1/sqrt(x), two roundings
	ReLU                  // x if x > 0, +0 if x <= 0 or x is -0, NaN of NaN
	Exp                   //
	Log                   // natural logarithm
	Tanh                  //
	Sigmoid               // 1/(1+exp(-x))
	SiLU                  // x*sigmoid(x)
	Softplus              // log(1+exp(x))
	Erf                   //
	GELU                  // x/2*(1+erf(x/sqrt 2))
	GELUTanh              // x*sigmoid(2u), u = sqrt(2/pi)*(x + 0.044715 x^3)
	Sin                   // radians
	Cos                   // radians
	numUnary
)

// Map sets dst[i] = op(x[i]).
func Map[T Float](op Unary, dst, x []T) {
	dst = dst[:len(x)]
	switch {
	case !isF32[T]():
		map64(op, f64s(dst), f64s(x))
	case native[T](len(x)):
		mapNative(op, f32s(dst), f32s(x))
	default:
		map32(op, f32s(dst), f32s(x))
	}
}

// map32 is the portable form of Map.
func map32(op Unary, dst, x []float32) {
	f := scalar32(op)
	for i, v := range x {
		dst[i] = f(v)
	}
}

func map64(op Unary, dst, x []float64) {
	f := scalar64(op)
	for i, v := range x {
		dst[i] = f(v)
	}
}

// trigBlock is how many elements of Sin and Cos are checked together for arguments out of the kernels' range.
const trigBlock = 1024

func mapNative(op Unary, dst, x []float32) {
	size := maxCall
	if op == Sin || op == Cos {
		size = trigBlock
	}
	for len(x) > 0 {
		n := min(len(x), size)
		if size == trigBlock && !(AbsMax(x[:n]) <= trigMax) {
			map32(op, dst[:n], x[:n])
		} else {
			mapKernel(op, p32(dst), p32(x), n)
		}
		dst, x = dst[n:], x[n:]
	}
}

func mapKernel(op Unary, d, x *float32, n int) {
	switch op {
	case Neg:
		kNeg(d, x, n)
	case Abs:
		kAbs(d, x, n)
	case Square:
		kSquare(d, x, n)
	case Recip:
		kRecip(d, x, n)
	case Sqrt:
		kSqrt(d, x, n)
	case Rsqrt:
		kRsqrt(d, x, n)
	case ReLU:
		kRelu(d, x, n)
	case Exp:
		kExp(d, x, n)
	case Log:
		kLog(d, x, n)
	case Tanh:
		kTanh(d, x, n)
	case Sigmoid:
		kSigmoid(d, x, n)
	case SiLU:
		kSilu(d, x, n)
	case Softplus:
		kSoftplus(d, x, n)
	case Erf:
		kErf(d, x, n)
	case GELU:
		kGelu(d, x, n)
	case GELUTanh:
		kGeluTanh(d, x, n)
	case Sin:
		kSin(d, x, n)
	case Cos:
		kCos(d, x, n)
	default:
		panic("vec: unknown unary function")
	}
}

func scalar32(op Unary) func(float32) float32 {
	switch op {
	case Neg:
		return Neg32
	case Abs:
		return Abs32
	case Square:
		return Square32
	case Recip:
		return Recip32
	case Sqrt:
		return Sqrt32
	case Rsqrt:
		return Rsqrt32
	case ReLU:
		return ReLU32
	case Exp:
		return Exp32
	case Log:
		return Log32
	case Tanh:
		return Tanh32
	case Sigmoid:
		return Sigmoid32
	case SiLU:
		return SiLU32
	case Softplus:
		return Softplus32
	case Erf:
		return Erf32
	case GELU:
		return GELU32
	case GELUTanh:
		return GELUTanh32
	case Sin:
		return Sin32
	case Cos:
		return Cos32
	}
	panic("vec: unknown unary function")
}

func scalar64(op Unary) func(float64) float64 {
	switch op {
	case Neg:
		return Neg64
	case Abs:
		return Abs64
	case Square:
		return Square64
	case Recip:
		return Recip64
	case Sqrt:
		return Sqrt64
	case Rsqrt:
		return Rsqrt64
	case ReLU:
		return ReLU64
	case Exp:
		return Exp64
	case Log:
		return Log64
	case Tanh:
		return Tanh64
	case Sigmoid:
		return Sigmoid64
	case SiLU:
		return SiLU64
	case Softplus:
		return Softplus64
	case Erf:
		return Erf64
	case GELU:
		return GELU64
	case GELUTanh:
		return GELUTanh64
	case Sin:
		return Sin64
	case Cos:
		return Cos64
	}
	panic("vec: unknown unary function")
}

// SiLUGrad sets dst = dy * d/dx silu(x), with e = exp(-|x|), d = 1/(1+e), s = d or e*d (the sigmoid),
// t = e*d or d (one minus it) for x >= 0 or x < 0, and x clamped to +-104:
// dst = dy*(s*fma(x, t, 1)).
func SiLUGrad[T Float](dst, x, dy []T) {
	dst, dy = dst[:len(x)], dy[:len(x)]
	if native[T](len(x)) {
		for i := 0; i < len(x); i += maxCall {
			kSiluGrad(p32(dst[i:]), p32(x[i:]), p32(dy[i:]), min(maxCall, len(x)-i))
		}
		return
	}
	for i, v := range x {
		dst[i] = siluGrad(v, dy[i])
	}
}

// GELUGrad sets dst = dy * d/dx gelu(x) for the erf form: c = 0.5*(1+erf(x*sqrt(1/2))),
// p = exp(-0.5*x*x) * 1/sqrt(2 pi), dst = dy*fma(x, p, c).
func GELUGrad[T Float](dst, x, dy []T) {
	dst, dy = dst[:len(x)], dy[:len(x)]
	if native[T](len(x)) {
		for i := 0; i < len(x); i += maxCall {
			kGeluGrad(p32(dst[i:]), p32(x[i:]), p32(dy[i:]), min(maxCall, len(x)-i))
		}
		return
	}
	for i, v := range x {
		dst[i] = geluGrad(v, dy[i])
	}
}
