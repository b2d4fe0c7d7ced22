package schedule

import (
	"fmt"
	"math"
)

// Prediction says what a model's output means. The zero value is Epsilon.
type Prediction uint8

// The three parameterisations of one linear relation: x = sqrt(abar) x0 + sqrt(1-abar) eps and
// v = sqrt(abar) eps - sqrt(1-abar) x0.
const (
	Epsilon Prediction = iota // the noise
	X0                        // the picture
	V                         // the velocity
)

// String is the name used in model manifests.
func (p Prediction) String() string {
	switch p {
	case Epsilon:
		return "epsilon"
	case X0:
		return "x0"
	case V:
		return "v"
	}
	return fmt.Sprintf("Prediction(%d)", uint8(p))
}

// ParsePrediction reads "epsilon", "x0" or "v"; diffusers' "sample" and "v_prediction" mean the last two.
func ParsePrediction(name string) (Prediction, error) {
	switch name {
	case "epsilon":
		return Epsilon, nil
	case "x0", "sample":
		return X0, nil
	case "v", "v_prediction":
		return V, nil
	}
	return 0, fmt.Errorf("schedule: no prediction type %q, have epsilon, x0 and v", name)
}

// coefficients of signal and noise at alphaBar.
func coefficients(alphaBar float64) (signal, noise float64) {
	return math.Sqrt(alphaBar), math.Sqrt(1 - alphaBar)
}

// ToX0 turns the model's output for x at alphaBar into its estimate of the picture, clipped to [-1, 1] if
// clip is set (NaN stays NaN). The slices have one length; dst may be pred or x. An epsilon prediction
// needs alphaBar > 0.
func ToX0(dst, pred, x []float32, p Prediction, alphaBar float64, clip bool) {
	signal, noise := coefficients(alphaBar)
	switch p {
	case Epsilon:
		// x0 = x/sqrt(abar) - sqrt(1/abar - 1) eps
		combine(dst, float32(1/signal), x, float32(-noise/signal), pred)
	case V:
		combine(dst, float32(signal), x, float32(-noise), pred)
	default:
		copy(dst, pred)
	}
	if clip {
		Clip(dst)
	}
}

// Clip limits every element to [-1, 1]; NaN stays NaN.
func Clip(x []float32) {
	for i, v := range x {
		if v > 1 {
			x[i] = 1
		} else if v < -1 {
			x[i] = -1
		}
	}
}

// Target is what a model of prediction type p is trained to say for x = AddNoise(x0, eps).
func Target(dst, x0, eps []float32, p Prediction, alphaBar float64) {
	signal, noise := coefficients(alphaBar)
	switch p {
	case Epsilon:
		copy(dst, eps)
	case V:
		combine(dst, float32(signal), eps, float32(-noise), x0)
	default:
		copy(dst, x0)
	}
}

// AddNoise draws from q(x_t | x_0) in closed form, given standard normals eps:
// sqrt(abar) x0 + sqrt(1-abar) eps.
func AddNoise(dst, x0, eps []float32, alphaBar float64) {
	signal, noise := coefficients(alphaBar)
	combine(dst, float32(signal), x0, float32(noise), eps)
}

// MarkovStep draws from q(x_t | x_{t-1}), given standard normals eps: sqrt(1-beta) x + sqrt(beta) eps. A
// chain of such steps has the distribution of AddNoise.
func MarkovStep(dst, x, eps []float32, beta float64) {
	signal, noise := coefficients(1 - beta)
	combine(dst, float32(signal), x, float32(noise), eps)
}

// combine is dst = a*x + b*y with both products rounded to float32 before they are added.
func combine(dst []float32, a float32, x []float32, b float32, y []float32) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := range dst {
		dst[i] = float32(a*x[i]) + float32(b*y[i])
	}
}
