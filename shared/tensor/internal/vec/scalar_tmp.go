package vec

import "math"

// Exp64 is the float64 form of Exp.
func Exp64(x float64) float64 { return canon(math.Exp(x)) }

// Exp32 is the float32 form of Exp.
func Exp32(x float32) float32 { return float32(Exp64(float64(x))) }

// Log64 is the float64 form of Log.
func Log64(x float64) float64 { return canon(math.Log(x)) }

// Log32 is the float32 form of Log.
func Log32(x float32) float32 { return float32(Log64(float64(x))) }

// Tanh64 is the float64 form of Tanh.
func Tanh64(x float64) float64 { return canon(math.Tanh(x)) }

// Tanh32 is the float32 form of Tanh.
func Tanh32(x float32) float32 { return float32(Tanh64(float64(x))) }

// Sigmoid64 is the float64 form of Sigmoid.
func Sigmoid64(x float64) float64 { return canon(1 / (1 + math.Exp(-x))) }

// Sigmoid32 is the float32 form of Sigmoid.
func Sigmoid32(x float32) float32 { return float32(Sigmoid64(float64(x))) }

// SiLU64 is the float64 form of SiLU.
func SiLU64(x float64) float64 { return canon(x / (1 + math.Exp(-x))) }

// SiLU32 is the float32 form of SiLU.
func SiLU32(x float32) float32 { return float32(SiLU64(float64(x))) }

// Softplus64 is the float64 form of Softplus.
func Softplus64(x float64) float64 { return canon(math.Log1p(math.Exp(x))) }

// Softplus32 is the float32 form of Softplus.
func Softplus32(x float32) float32 { return float32(Softplus64(float64(x))) }

// Erf64 is the float64 form of Erf.
func Erf64(x float64) float64 { return canon(math.Erf(x)) }

// Erf32 is the float32 form of Erf.
func Erf32(x float32) float32 { return float32(Erf64(float64(x))) }

// GELU64 is the float64 form of GELU.
func GELU64(x float64) float64 { return canon(x / 2 * (1 + math.Erf(x/math.Sqrt2))) }

// GELU32 is the float32 form of GELU.
func GELU32(x float32) float32 { return float32(GELU64(float64(x))) }

// GELUTanh64 is the float64 form of GELUTanh.
func GELUTanh64(x float64) float64 {
	return canon(x / (1 + math.Exp(-2*math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))))
}

// GELUTanh32 is the float32 form of GELUTanh.
func GELUTanh32(x float32) float32 { return float32(GELUTanh64(float64(x))) }

// Sin64 is the float64 form of Sin.
func Sin64(x float64) float64 { return canon(math.Sin(x)) }

// Sin32 is the float32 form of Sin.
func Sin32(x float32) float32 { return float32(Sin64(float64(x))) }

// Cos64 is the float64 form of Cos.
func Cos64(x float64) float64 { return canon(math.Cos(x)) }

// Cos32 is the float32 form of Cos.
func Cos32(x float32) float32 { return float32(Cos64(float64(x))) }

// Pow64 is x to the power y.
func Pow64(x, y float64) float64 { return math.Pow(x, y) }

// Log1p64 is log(1+x).
func Log1p64(x float64) float64 { return math.Log1p(x) }

// SiLUGrad64 is dy times the derivative of SiLU.
func SiLUGrad64(x, dy float64) float64 {
	s := Sigmoid64(x)
	return dy * (s * (1 + x*(1-s)))
}

// GELUGrad64 is dy times the derivative of GELU.
func GELUGrad64(x, dy float64) float64 {
	return dy * (0.5*(1+Erf64(x/math.Sqrt2)) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi))
}

// SiLUGrad32 is dy times the derivative of SiLU.
func SiLUGrad32(x, dy float32) float32 { return float32(SiLUGrad64(float64(x), float64(dy))) }

// GELUGrad32 is dy times the derivative of GELU.
func GELUGrad32(x, dy float32) float32 { return float32(GELUGrad64(float64(x), float64(dy))) }
