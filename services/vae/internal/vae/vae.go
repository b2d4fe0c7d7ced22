package vae

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

// VAE is one model: q(z|x) = N(mean, e^logvar) by the encoder, p(x|z) by the decoder, p(z) = N(0, 1).
type VAE struct {
	Encoder    *trunk.Encoder         `weights:"encoder"`
	Mean       *nn.Linear             `weights:"mean"`
	LogVar     *nn.Linear             `weights:"log_var"`
	Decoder    *trunk.Decoder         `weights:"decoder"`
	Likelihood *likelihood.Likelihood `weights:"likelihood"`

	cfg Config
}

// New returns a model; nn.Init draws its weights.
func New(cfg Config) (*VAE, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &VAE{
		Encoder:    trunk.NewEncoder(cfg.Config),
		Mean:       nn.NewLinear(cfg.Features(), cfg.Latent, true),
		LogVar:     nn.NewLinear(cfg.Features(), cfg.Latent, true),
		Decoder:    trunk.NewDecoder(cfg.Config, cfg.Latent),
		Likelihood: likelihood.New(cfg.Likelihood, cfg.Channels),
		cfg:        cfg,
	}, nil
}

// Config is what the model was made of.
func (m *VAE) Config() Config { return m.cfg }

// Posterior is q(z|x): the mean and the logarithm of the variance [N, K] for pictures x [N, D]. class is nil for a
// model without classes.
func (m *VAE) Posterior(t *autograd.Tape, x *autograd.Value, class []int32) (mean, logvar *autograd.Value) {
	h := m.Encoder.Forward(t, x, class) // [N, F]
	return m.Mean.Forward(t, h), m.LogVar.Forward(t, h)
}

// Decode is what the decoder says about pictures with the codes z [N, K]: [N, D]; see likelihood.Mean.
func (m *VAE) Decode(t *autograd.Tape, z *autograd.Value, class []int32) *autograd.Value {
	return m.Decoder.Forward(t, z, class)
}

// Reparameterise is z = mean + e^(logvar/2) eps (Kingma and Welling, section 2.4). eps has mean's shape, or [N, S, K]
// beside mean and logvar of [N, 1, K].
func Reparameterise(mean, logvar, eps *autograd.Value) *autograd.Value {
	return autograd.Add(mean, autograd.Mul(autograd.Exp(autograd.Scale(logvar, 0.5)), eps))
}

// KL is the divergence of every number of q(z|x) from the prior, (mean^2 + e^logvar - logvar - 1)/2 (Kingma and
// Welling, appendix B): [N, K].
func KL(mean, logvar *autograd.Value) *autograd.Value {
	s := autograd.Sub(autograd.Add(autograd.Square(mean), autograd.Exp(logvar)), logvar)
	return autograd.Scale(autograd.AddScalar(s, -1), 0.5)
}

// Bound is a bound of the log-likelihood with its parts, all means over pictures in nats.
type Bound struct {
	Loss        *autograd.Value // [], what training minimises: the negative bound with beta and free bits
	LogLik      *autograd.Value // [], E_q log p(x|z)
	KL          *autograd.Value // [N, K]
	Mean        *autograd.Value // [N, K]
	LogVar      *autograd.Value // [N, K]
	Output      *autograd.Value // [N, D], what the decoder said
	Importances *autograd.Value // [N, S], log w of IWAE
}

// ELBO is the evidence lower bound of pictures x [N, D] with one sample of noise eps [N, K] each: the loss is
//
//	-E_q log p(x|z) + beta sum_k max(freeBits, mean over N of KL_k)
//
// (Higgins et al. 2017, equation 4; Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow",
// 2016, appendix C.8, with every number of the code a group of its own). Beta 1 and no free bits is the bound itself.
func (m *VAE) ELBO(t *autograd.Tape, x, eps *autograd.Value, class []int32, beta, freeBits float64) Bound {
	n := float64(x.Dim(0))
	b := Bound{}
	b.Mean, b.LogVar = m.Posterior(t, x, class)
	z := Reparameterise(b.Mean, b.LogVar, eps)
	b.Output = m.Decode(t, z, class)
	b.LogLik = autograd.Scale(m.Likelihood.Sum(t, b.Output, x), 1/n)
	b.KL = KL(b.Mean, b.LogVar)
	kl := autograd.Scale(autograd.Sum(b.KL), 1/n)
	if freeBits > 0 {
		each := autograd.Scale(autograd.Sum(b.KL, 0), 1/n) // [K]
		kl = autograd.Sum(autograd.Maximum(each, t.Scalar(x.DType(), freeBits)))
	}
	b.Loss = autograd.Sub(autograd.Scale(kl, beta), b.LogLik)
	return b
}

// LogWeights is log w = log p(x|z) + beta (log p(z) - log q(z|x)) for S samples of every picture (Burda et al.,
// equation 7, where beta is 1): x [N, D], eps [N, S, K], result [N, S].
func (m *VAE) LogWeights(t *autograd.Tape, x, eps *autograd.Value, class []int32, beta float64) (b Bound) {
	n, s, k := eps.Dims3()
	b.Mean, b.LogVar = m.Posterior(t, x, class)
	mean, logvar := autograd.Reshape(b.Mean, n, 1, k), autograd.Reshape(b.LogVar, n, 1, k)
	z := Reparameterise(mean, logvar, eps) // [N, S, K]
	out := m.Decode(t, autograd.Reshape(z, n*s, k), repeat(class, s))
	out = autograd.Reshape(out, n, s, -1)
	rows := m.Likelihood.Rows(t, out, autograd.Reshape(x, n, 1, -1)) // [N, S]
	// log p(z) - log q(z|x) = sum_k (eps^2 + logvar - z^2)/2: the constants cancel, and (z-mean)^2/e^logvar is eps^2.
	prior := autograd.Sub(autograd.Square(eps), autograd.Square(z))
	prior = autograd.Scale(autograd.Sum(autograd.Add(prior, logvar), -1), 0.5*beta)
	b.Importances = autograd.Add(rows, prior)
	return b
}

// IWAE is the importance weighted bound log(1/S sum_s w_s) with S samples of noise eps [N, S, K] (Burda et al.,
// equation 8); with S = 1 it is an unbiased estimate of the ELBO. That is so with beta 1; a smaller one is for the
// first steps of training, where it keeps numbers of the code in use (Sonderby et al., "Ladder Variational
// Autoencoders", 2016, section 3.2).
func (m *VAE) IWAE(t *autograd.Tape, x, eps *autograd.Value, class []int32, beta float64) Bound {
	b := m.LogWeights(t, x, eps, class, beta)
	b.KL = KL(b.Mean, b.LogVar)
	bound := LogMeanExp(b.Importances) // [N]
	b.Loss = autograd.Neg(autograd.Mean(bound))
	return b
}

// LogMeanExp is log(1/S sum_s e^x_s) over the last axis: x [N, S], result [N].
func LogMeanExp(x *autograd.Value) *autograd.Value {
	n, s := x.Dims2()
	top := x.Tape().Const(maxima(x)) // the result does not depend on it
	sum := autograd.Sum(autograd.Exp(autograd.Sub(x, top)), -1)
	return autograd.Add(autograd.AddScalar(autograd.Log(sum), -tensor.LogF64(float64(s))), autograd.Reshape(top, n))
}

// maxima is the largest element of every row of x [N, S]: [N, 1].
func maxima(x *autograd.Value) *tensor.Tensor {
	m := x.Tape().Arena().New(x.DType(), x.Dim(0), 1)
	tensor.MaxAlong(m, x.Tensor, 1)
	return m
}

// repeat is every class s times.
func repeat(class []int32, s int) []int32 {
	if class == nil || s == 1 {
		return class
	}
	r := make([]int32, 0, len(class)*s)
	for _, c := range class {
		for range s {
			r = append(r, c)
		}
	}
	return r
}
