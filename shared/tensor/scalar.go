package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/vec"

// ExpF64 is e to the power x, the same bits on every CPU.
func ExpF64(x float64) float64 { return vec.Exp64(x) }

// LogF64 is the natural logarithm, the same bits on every CPU.
func LogF64(x float64) float64 { return vec.Log64(x) }

// SinF64 is the sine of x radians, the same bits on every CPU.
func SinF64(x float64) float64 { return vec.Sin64(x) }

// CosF64 is the cosine of x radians, the same bits on every CPU.
func CosF64(x float64) float64 { return vec.Cos64(x) }

// PowF64 is x to the power y, the same bits on every CPU.
func PowF64(x, y float64) float64 { return vec.Pow64(x, y) }

// TanhF64 is the hyperbolic tangent, the same bits on every CPU.
func TanhF64(x float64) float64 { return vec.Tanh64(x) }
