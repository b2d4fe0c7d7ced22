package autoencoder

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

// Autoencoder is code = f(x), picture = g(code).
type Autoencoder struct {
	Encoder    *trunk.Encoder         `weights:"encoder"`
	Code       *nn.Linear             `weights:"code"`
	Decoder    *trunk.Decoder         `weights:"decoder"`
	Likelihood *likelihood.Likelihood `weights:"likelihood"`

	cfg Config
	act tensor.Activation
}

// New returns a model; nn.Init draws its weights.
func New(cfg Config) (*Autoencoder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	act, _ := trunk.Activation(cfg.CodeActivation) // Validate looked at it
	return &Autoencoder{
		Encoder:    trunk.NewEncoder(cfg.Config),
		Code:       nn.NewLinear(cfg.Features(), cfg.Code, true),
		Decoder:    trunk.NewDecoder(cfg.Config, cfg.Code),
		Likelihood: likelihood.New(cfg.Likelihood, cfg.Channels),
		cfg:        cfg, act: act,
	}, nil
}

// Config is what the model was made of.
func (a *Autoencoder) Config() Config { return a.cfg }

// Encode maps x [N, D] to codes [N, K]; class is nil for a model without classes.
func (a *Autoencoder) Encode(t *autograd.Tape, x *autograd.Value, class []int32) *autograd.Value {
	return a.Code.ForwardThen(t, a.Encoder.Forward(t, x, class), nn.Then{Act: a.act})
}

// Decode maps codes [N, K] to what the likelihood makes pictures of [N, D].
func (a *Autoencoder) Decode(t *autograd.Tape, z *autograd.Value, class []int32) *autograd.Value {
	return a.Decoder.Forward(t, z, class)
}

// Parts are the terms of a loss, means over pictures.
type Parts struct {
	Loss           *autograd.Value // []
	Reconstruction *autograd.Value // [], -log p(x | code) in nats
	Code           *autograd.Value // [N, K]
	Output         *autograd.Value // [N, D]
}

// Loss is the reconstruction error of x [N, D] from the code of noisy [N, D], which is x itself unless the input is
// corrupted, and what p adds. signs [Probes, N, K] are random signs for the estimate of the Jacobian; nil without.
func (a *Autoencoder) Loss(
	t *autograd.Tape, x, noisy *tensor.Tensor, class []int32, p Penalties, signs *tensor.Tensor,
) Parts {
	n := float64(x.Dim(0))
	in := t.Const(noisy)
	if p.Contraction > 0 && !a.oneSigmoidLayer() {
		in = t.Leaf(noisy) // the Jacobian is a derivative in the input
	}
	var l Parts
	l.Code = a.Encode(t, in, class)
	l.Output = a.Decode(t, l.Code, class)
	l.Reconstruction = autograd.Scale(a.Likelihood.Sum(t, l.Output, t.Const(x)), -1/n)
	l.Loss = l.Reconstruction
	switch p.Sparsity {
	case KL:
		l.Loss = autograd.Add(l.Loss, autograd.Scale(SparsityKL(l.Code, p.Target), p.Weight))
	case L1:
		l.Loss = autograd.Add(l.Loss, autograd.Scale(autograd.Sum(autograd.Abs(l.Code)), p.Weight/n))
	}
	if p.Contraction > 0 {
		var j *autograd.Value
		switch {
		case a.oneSigmoidLayer():
			j = SigmoidJacobian(l.Code, a.Code.Weight.On(t))
		case signs != nil:
			j = ProbedJacobian(t, in, l.Code, t.Const(signs))
		default:
			j = Jacobian(t, in, l.Code)
		}
		l.Loss = autograd.Add(l.Loss, autograd.Scale(j, p.Contraction/n))
	}
	return l
}

// oneSigmoidLayer says whether the encoder is h = sigmoid(x W + b).
func (a *Autoencoder) oneSigmoidLayer() bool {
	return a.cfg.Kind == trunk.MLP && len(a.cfg.Hidden) == 0 && a.act == tensor.ActSigmoid
}

// SparsityKL is the divergence of a Bernoulli variable of mean rho from one of the unit's mean over the batch, summed
// over the units of the code [N, K] (Ng 2011, section 3):
//
//	sum_k rho log(rho/m_k) + (1-rho) log((1-rho)/(1-m_k))
func SparsityKL(code *autograd.Value, rho float64) *autograd.Value {
	const eps = 1e-6 // keeps the logarithm of a unit that is always on or off
	m := autograd.Clamp(autograd.Mean(code, 0), eps, 1-eps)
	k := float64(code.Dim(-1))
	off := autograd.AddScalar(autograd.Neg(m), 1)
	cross := autograd.Add(autograd.Scale(autograd.Log(m), rho), autograd.Scale(autograd.Log(off), 1-rho))
	entropy := float64(rho*tensor.LogF64(rho)) + float64((1-rho)*tensor.LogF64(1-rho))
	return autograd.AddScalar(autograd.Neg(autograd.Sum(cross)), k*entropy)
}

// SigmoidJacobian is the squared Frobenius norm of dh/dx, summed over the rows, for h = sigmoid(x W + b) [N, K] and
// w [D, K] (Rifai et al. 2011, equation 7):
//
//	sum_k (h_k (1-h_k))^2 sum_d w_dk^2
func SigmoidJacobian(h, w *autograd.Value) *autograd.Value {
	slope := autograd.Square(autograd.Mul(h, autograd.AddScalar(autograd.Neg(h), 1))) // [N, K]
	return autograd.Sum(autograd.Mul(slope, autograd.Sum(autograd.Square(w), 0)))
}

// Jacobian is the squared Frobenius norm of d code/dx, summed over the rows: one recorded backward pass for each
// number of the code. Rows do not depend on each other, so that one pass serves all of them.
func Jacobian(t *autograd.Tape, x, code *autograd.Value) *autograd.Value {
	n, k := code.Dims2()
	var sum *autograd.Value
	for j := range k {
		pick := t.Arena().New(code.DType(), n, k)
		pick.Zero()
		for i := range n {
			if pick.DType() == tensor.Float64 {
				pick.F64()[i*k+j] = 1
			} else {
				pick.F32()[i*k+j] = 1
			}
		}
		sum = plus(sum, autograd.Sum(autograd.Square(t.Pull(code, t.Const(pick), []*autograd.Value{x}, true)[0])))
	}
	return sum
}

// ProbedJacobian estimates Jacobian: the squared length of s' J for random signs s has the squared Frobenius norm for
// its mean (Hutchinson 1989). signs is [P, N, K], +1 and -1.
func ProbedJacobian(t *autograd.Tape, x, code, signs *autograd.Value) *autograd.Value {
	probes, n, k := signs.Dims3()
	var sum *autograd.Value
	for i := range probes {
		s := autograd.Reshape(autograd.Slice(signs, 0, i, 1), n, k)
		sum = plus(sum, autograd.Sum(autograd.Square(t.Pull(code, s, []*autograd.Value{x}, true)[0])))
	}
	return autograd.Scale(sum, 1/float64(probes))
}

// plus is a+b, where a may be nil.
func plus(a, b *autograd.Value) *autograd.Value {
	if a == nil {
		return b
	}
	return autograd.Add(a, b)
}
