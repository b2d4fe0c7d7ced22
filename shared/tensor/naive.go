package tensor

import "math"

type unaryOp uint8

const (
	opNeg unaryOp = iota
	opAbs
	opSquare
	opRecip
	opSqrt
	opRsqrt
	opExp
	opLog
	opSin
	opCos
	opTanh
	opErf
	opSigmoid
	opSiLU
	opReLU
	opGELU
	opGELUTanh
	opSoftplus
)

type binaryOp uint8

const (
	opAdd binaryOp = iota
	opSub
	opMul
	opDiv
	opMaximum
	opMinimum
	opGreater
)

func mapUnary[T float](op unaryOp, dst, x []T) {
	for i, v := range x {
		dst[i] = T(unary64(op, float64(v)))
	}
}

func unary64(op unaryOp, x float64) float64 {
	switch op {
	case opNeg:
		return -x
	case opAbs:
		return math.Abs(x)
	case opSquare:
		return x * x
	case opRecip:
		return 1 / x
	case opSqrt:
		return math.Sqrt(x)
	case opRsqrt:
		return 1 / math.Sqrt(x)
	case opExp:
		return math.Exp(x)
	case opLog:
		return math.Log(x)
	case opSin:
		return math.Sin(x)
	case opCos:
		return math.Cos(x)
	case opTanh:
		return math.Tanh(x)
	case opErf:
		return math.Erf(x)
	case opSigmoid:
		return 1 / (1 + math.Exp(-x))
	case opSiLU:
		return x / (1 + math.Exp(-x))
	case opReLU:
		if x > 0 || x != x {
			return x
		}
		return 0
	case opGELU:
		return 0.5 * x * (1 + math.Erf(x/math.Sqrt2))
	case opGELUTanh:
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	case opSoftplus:
		return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
	}
	panic("unknown")
}

func siluGrad[T float](dst, x, dy []T) {
	for i, v := range x {
		s := 1 / (1 + math.Exp(-float64(v)))
		dst[i] = T(float64(dy[i]) * (s + float64(v)*s*(1-s)))
	}
}

func binary1[T float](op binaryOp, a, b T) T {
	switch op {
	case opAdd:
		return a + b
	case opSub:
		return a - b
	case opMul:
		return a * b
	case opDiv:
		return a / b
	case opMaximum:
		return max(a, b)
	case opMinimum:
		return min(a, b)
	case opGreater:
		if a > b {
			return 1
		}
		return 0
	}
	panic("unknown")
}

func zip[T float](op binaryOp, dst, a, b []T) {
	for i := range dst {
		dst[i] = binary1(op, a[i], b[i])
	}
}

func zipScalar[T float](op binaryOp, dst, a []T, s T, left bool) {
	for i := range dst {
		if left {
			dst[i] = binary1(op, s, a[i])
		} else {
			dst[i] = binary1(op, a[i], s)
		}
	}
}

func fma[T float](a, b, c T) T {
	return T(math.FMA(float64(a), float64(b), float64(c)))
}
