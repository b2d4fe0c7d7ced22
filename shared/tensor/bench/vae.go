package bench

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/optim"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// vae is the network of Kingma and Welling, "Auto-Encoding Variational Bayes" (2014, section 5 and appendix C), with
// ReLU in place of tanh, as PyTorch's example has it:
//
//	q(z|x) = N(mu, exp(logvar)),  p(x|z) = Bernoulli(sigmoid(decode(z)))
//	loss = -ln p(x|z) + KL(q(z|x), N(0, 1)), summed over pixels and latents, the mean over pictures
type vae struct {
	Encode *nn.Linear `weights:"encode"` // pixels to hidden
	Mu     *nn.Linear `weights:"mu"`     // hidden to latent
	LogVar *nn.Linear `weights:"logvar"`
	Decode *nn.Linear `weights:"decode"` // latent to hidden
	Out    *nn.Linear `weights:"out"`    // hidden to logits of pixels
}

func newVAE(pixels, hidden, latent int) *vae {
	return &vae{
		Encode: nn.NewLinear(pixels, hidden, true),
		Mu:     nn.NewLinear(hidden, latent, true),
		LogVar: nn.NewLinear(hidden, latent, true),
		Decode: nn.NewLinear(latent, hidden, true),
		Out:    nn.NewLinear(hidden, pixels, true),
	}
}

// loss is the negative bound of pictures x [N, pixels] with the noise eps [N, latent].
func (v *vae) loss(t *autograd.Tape, x, eps *autograd.Value) *autograd.Value {
	relu := nn.Then{Act: tensor.ActReLU}
	h := v.Encode.ForwardThen(t, x, relu)                                               // [N, hidden]
	mu, logvar := v.Mu.Forward(t, h), v.LogVar.Forward(t, h)                            // [N, latent]
	z := autograd.Add(mu, autograd.Mul(eps, autograd.Exp(autograd.Scale(logvar, 0.5)))) // [N, latent]
	logits := v.Out.Forward(t, v.Decode.ForwardThen(t, z, relu))                        // [N, pixels]

	n := float64(x.Dim(0))
	bce := autograd.Scale(nn.BCELogits(logits, x), float64(x.Dim(1)))
	// KL = -1/2 sum(1 + logvar - mu^2 - exp(logvar)).
	kl := autograd.Sum(autograd.Sub(
		autograd.AddScalar(logvar, 1), autograd.Add(autograd.Square(mu), autograd.Exp(logvar))))
	return autograd.Add(bce, autograd.Scale(kl, -0.5/n))
}

// vaeStep is a step of training by Adam on random pictures.
func vaeStep(pixels, hidden, latent, batch int) func() {
	v := newVAE(pixels, hidden, latent)
	nn.Init(v, 1)
	params := nn.Params(v)
	adam := optim.NewAdamW(params, optim.AdamWConfig{})
	tape := autograd.NewTape(nil)
	draws := rng.New(1)
	x := tensor.New(tensor.Float32, batch, pixels)
	draws.Uniform(x.F32(), 0, 0, rng.General)
	step := uint32(0)
	return func() {
		tape.Reset()
		eps := tape.Arena().New(tensor.Float32, batch, latent)
		draws.Normal(eps.F32(), 0, step, rng.Noise)
		nn.Gradient(tape, v.loss(tape, tape.Const(x), tape.Const(eps)), params)
		adam.Step(1e-3, 1)
		step++
	}
}

// vaeFlops is the arithmetic of a step: every product forward, for its weights, and, but for the first, for its
// input.
func vaeFlops(pixels, hidden, latent, batch int) float64 {
	first, rest := pixels*hidden, 3*latent*hidden+hidden*pixels
	return 2 * float64(batch) * float64(2*first+3*rest)
}

// trainings are steps of training.
func trainings() []Workload {
	const pixels, hidden, latent, batch = 784, 400, 20, 128
	return []Workload{{
		Name: "vae-784-400-20/train/128", Unit: "steps", Items: 1, Flops: vaeFlops(pixels, hidden, latent, batch),
		New: func() func() { return vaeStep(pixels, hidden, latent, batch) },
	}, {
		Name: "mlp-64-64-10/train/32", Unit: "steps", Items: 1, Flops: 2 * 32 * float64(2*64*64+3*64*10),
		New: func() func() { return mlpStep(64, 64, 10, 32) },
	}}
}
