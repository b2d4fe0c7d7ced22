// Package likelihood holds the distributions of pictures that decoders describe: Bernoulli, Gaussian, and the
// discretised logistic of 8-bit values. All logarithms are natural, and all sums run over the numbers of a picture.
//
// Letters in shape comments: R rows, D numbers of a picture, C its channels.
package likelihood

import (
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// Kinds of distributions.
const (
	Bernoulli = "bernoulli" // of numbers in [0, 1]; of a gray value, the cross-entropy against it
	Gaussian  = "gaussian"
	Logistic  = "logistic" // discretised: of the values 0/255 .. 255/255
)

// Config describes a distribution.
type Config struct {
	Kind string `json:"kind"`
	// Variance of a Gaussian; 0 means that it is learned, one number for the whole model (gamma of Dai and Wipf,
	// "Diagnosing and Enhancing VAE Models", 2019).
	Variance float64 `json:"variance,omitempty"`
}

// Validate names what is wrong.
func (c *Config) Validate() error {
	switch c.Kind {
	case Bernoulli, Logistic:
		if c.Variance != 0 {
			return fmt.Errorf("a variance of %v, but only a gaussian likelihood has one", c.Variance)
		}
	case Gaussian:
		if !(c.Variance == 0 || c.Variance >= 1e-8 && c.Variance <= 1e8) {
			return fmt.Errorf("a variance of %v, want 1e-8 to 1e8, or 0 to learn it", c.Variance)
		}
	default:
		return fmt.Errorf("likelihood %.40q, want bernoulli, gaussian or logistic", c.Kind)
	}
	return nil
}

// Likelihood is p(x | out) where out is what a decoder says.
type Likelihood struct {
	// LogScale is the logarithm of a learned Gaussian's standard deviation [1] or of the logistic's scale of every
	// channel [C]; nil for the others.
	LogScale *nn.Param `weights:"log_scale"`

	kind     string
	variance float64
	channels int
}

// New returns the distribution of pictures of some channels.
func New(c Config, channels int) *Likelihood {
	l := &Likelihood{kind: c.Kind, variance: c.Variance, channels: channels}
	switch {
	case c.Kind == Gaussian && c.Variance == 0:
		l.LogScale = nn.NewParam(1)
	case c.Kind == Logistic:
		l.LogScale = nn.NewParam(channels).Constant(-2)
	}
	return l
}

// Kind is bernoulli, gaussian or logistic.
func (l *Likelihood) Kind() string { return l.kind }

// minLogScale keeps the probability of an 8-bit value away from a step function, as Salimans et al. do.
const minLogScale = -7

// Sum is the log-likelihood of all rows together: out and x [R, D], result [].
func (l *Likelihood) Sum(t *autograd.Tape, out, x *autograd.Value) *autograd.Value {
	if l.kind == Bernoulli {
		return autograd.Neg(autograd.BCELogits(out, x))
	}
	return autograd.Sum(l.Rows(t, out, x))
}

// Rows is the log-likelihood of every row: out [.., D], x of that shape or broadcast to it, result [..].
func (l *Likelihood) Rows(t *autograd.Tape, out, x *autograd.Value) *autograd.Value {
	switch l.kind {
	case Bernoulli:
		// x log s(out) + (1-x) log(1-s(out)) = x out - softplus(out)
		return autograd.Sum(autograd.Sub(autograd.Mul(out, x), autograd.Softplus(out)), -1)
	case Gaussian:
		return l.gaussian(t, out, x)
	}
	return l.logistic(t, out, x)
}

// gaussian is -((x-out)^2/s^2 + log(2 pi s^2))/2, summed.
func (l *Likelihood) gaussian(t *autograd.Tape, out, x *autograd.Value) *autograd.Value {
	d := float64(out.Dim(-1))
	square := autograd.Sum(autograd.Square(autograd.Sub(x, out)), -1) // [..]
	if l.LogScale == nil {
		return autograd.AddScalar(autograd.Scale(square, -0.5/l.variance), -0.5*d*tensor.LogF64(2*math.Pi*l.variance))
	}
	s := autograd.Reshape(l.LogScale.On(t)) // []
	square = autograd.Mul(square, autograd.Exp(autograd.Scale(s, -2)))
	square = autograd.AddScalar(autograd.Scale(square, -0.5), -0.5*d*tensor.LogF64(2*math.Pi))
	return autograd.Sub(square, autograd.Scale(s, d))
}

// logistic is the probability that a logistic distribution gives the bin of width 1/255 around an 8-bit value, where
// the first and the last bin reach to infinity (Salimans et al., "PixelCNN++", 2017, section 2.1). With the bin from b
// to a in units of the scale, for both ends inside
//
//	log(s(a) - s(b)) = -softplus(-a) - softplus(b) + log(1 - e^(b-a))
//
// and a - b is 1/255 over the scale; the first bin lacks the terms of b, the last one those of a.
func (l *Likelihood) logistic(t *autograd.Tape, out, x *autograd.Value) *autograd.Value {
	const half = 0.5 / 255
	dt := out.DType()
	scale := autograd.Maximum(l.LogScale.On(t), t.Scalar(dt, minLogScale)) // [C]
	wide := out.Dim(-1) / l.channels
	scale = autograd.Reshape(autograd.BroadcastTo(autograd.Reshape(scale, 1, l.channels), wide, l.channels), -1) // [D]
	inverse := autograd.Exp(autograd.Neg(scale))
	diff := autograd.Sub(x, out)
	a := autograd.Mul(autograd.AddScalar(diff, half), inverse)
	b := autograd.Mul(autograd.AddScalar(diff, -half), inverse)
	// log(1 - e^-w) = log(2 tanh(w/2) / (1 + tanh(w/2))), which loses nothing where w is small.
	th := autograd.Tanh(autograd.Scale(inverse, half))
	bin := autograd.Log(autograd.Div(autograd.Scale(th, 2), autograd.AddScalar(th, 1))) // [D]
	low := autograd.Greater(x, t.Scalar(dt, half))                                      // 0 at the first bin
	high := autograd.Greater(t.Scalar(dt, 1-half), x)                                   // 0 at the last bin
	p := autograd.Mul(autograd.Mul(low, high), bin)
	p = autograd.Sub(p, autograd.Mul(high, autograd.Softplus(autograd.Neg(a))))
	p = autograd.Sub(p, autograd.Mul(low, autograd.Softplus(b)))
	return autograd.Sum(p, -1)
}

// Mean writes the mean picture for out to dst, limited to [0, 1].
func (l *Likelihood) Mean(dst, out *tensor.Tensor) {
	if l.kind == Bernoulli {
		tensor.Sigmoid(dst, out)
		return
	}
	tensor.Clamp(dst, out, 0, 1)
}
