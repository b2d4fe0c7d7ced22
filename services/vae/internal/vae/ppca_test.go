package vae

import (
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

// ppca is probabilistic PCA (Tipping and Bishop 1999) as a VAE: x = W z + mu + s e. The columns of W are orthogonal, so
// that the exact posterior N(M^-1 W'(x-mu), s^2 M^-1) with M = W'W + s^2 has a diagonal covariance and the encoder
// can hold it.
type ppca struct {
	model *VAE
	x     *tensor.Tensor // [1, D]
	exact float64        // log p(x) = log N(mu, WW' + s^2)
}

const (
	ppcaD, ppcaK = 6, 2
	ppcaVar      = 0.3
)

func newPPCA(t *testing.T) *ppca {
	t.Helper()
	m, err := New(Config{
		Config:     trunk.Config{Height: 1, Width: ppcaD, Channels: 1, Kind: trunk.MLP, Activation: "linear"},
		Likelihood: likelihood.Config{Kind: likelihood.Gaussian, Variance: ppcaVar},
		Latent:     ppcaK,
	})
	if err != nil {
		t.Fatal(err)
	}
	nn.To(m, tensor.Float64)
	// Two orthogonal columns of lengths a and b.
	columns := [ppcaK][ppcaD]float64{{1, 1, -1, 0, 0.5, 0.5}, {1, -1, 0, 2, 0, 0}}
	mu := [ppcaD]float64{0.2, -0.4, 0.1, 0.9, 0, -1}
	x := [ppcaD]float64{1.3, 0.2, -0.7, 0.4, 0.8, -0.5}
	dec, enc := m.Decoder.Dense[0], m.Mean
	copy(dec.Bias.F64(), mu[:])
	var square, logdet float64
	for j := range x {
		square += (x[j] - mu[j]) * (x[j] - mu[j]) / ppcaVar
	}
	logdet = ppcaD * math.Log(ppcaVar)
	for k, w := range columns {
		var length, along float64
		for j, v := range w {
			length += v * v
			along += v * (x[j] - mu[j])
		}
		mk := length + ppcaVar
		for j, v := range w {
			dec.Weight.F64()[k*ppcaD+j] = v
			enc.Weight.F64()[j*ppcaK+k] = v / mk
			enc.Bias.F64()[k] -= v / mk * mu[j]
		}
		m.LogVar.Weight.Zero()
		m.LogVar.Bias.F64()[k] = math.Log(ppcaVar / mk)
		// Woodbury and the determinant lemma, column by column because they are orthogonal.
		square -= along * along / (ppcaVar * mk)
		logdet += math.Log(mk / ppcaVar)
	}
	exact := -0.5 * (square + logdet + ppcaD*math.Log(2*math.Pi))
	return &ppca{m, tensor.FromFloat64(x[:], 1, ppcaD), exact}
}

// bound is the mean over runs of the importance weighted bound with s samples, and its standard error.
func (p *ppca) bound(s, runs int) (mean, se float64) {
	tape := autograd.NewTape(nil)
	eps := tensor.New(tensor.Float64, runs, s, ppcaK)
	rng.New(7).Normal64(eps.F64(), uint64(s), 0, rng.Noise)
	x := tensor.New(tensor.Float64, runs, ppcaD)
	for i := range runs {
		copy(x.F64()[i*ppcaD:], p.x.F64())
	}
	b := LogMeanExp(p.model.LogWeights(tape, tape.Const(x), tape.Const(eps), nil, 1).Importances).F64()
	var sum, square float64
	for _, v := range b {
		sum += v
		square += v * v
	}
	n := float64(runs)
	mean = sum / n
	return mean, math.Sqrt(max(0, square/n-mean*mean) / n)
}

// TestExactPosteriorMakesBoundsExact: with the exact posterior every importance weight is p(x), so that the ELBO and
// the importance weighted bound are log p(x), without any spread.
func TestExactPosteriorMakesBoundsExact(t *testing.T) {
	p := newPPCA(t)
	for _, s := range []int{1, 3, 50} {
		if mean, se := p.bound(s, 20); math.Abs(mean-p.exact) > 1e-9 || se > 1e-7 {
			t.Errorf("%d samples: bound %.12f +- %.2g, log p(x) is %.12f", s, mean, se, p.exact)
		}
	}
	// The same by the closed forms of ELBO, in expectation over eps.
	tape := autograd.NewTape(nil)
	b := p.model.ELBO(tape, tape.Const(p.x), tape.Zeros(tensor.Float64, 1, ppcaK), nil, 1, 0)
	// E_q log p(x|z) is that at the mean less tr(W'W S)/(2 s^2).
	spread := 0.0
	for k := range ppcaK {
		length := 0.0
		for j := range ppcaD {
			w := p.model.Decoder.Dense[0].Weight.F64()[k*ppcaD+j]
			length += w * w
		}
		spread += length * math.Exp(p.model.LogVar.Bias.F64()[k]) / (2 * ppcaVar)
	}
	if got := -b.Loss.F64()[0] - spread; math.Abs(got-p.exact) > 1e-9 {
		t.Errorf("ELBO %.12f, log p(x) is %.12f", got, p.exact)
	}
}

// TestBoundsAreOrdered: with a posterior that is wrong by a known amount ELBO = log p(x) - KL(q || p(z|x)), and
// ELBO <= IWAE-5 <= IWAE-50 <= log p(x) (Burda et al., theorem 1).
func TestBoundsAreOrdered(t *testing.T) {
	p := newPPCA(t)
	const shift, stretch = 0.4, 1.5 // of mean and deviation of the first number of the code
	sd := math.Exp(0.5 * p.model.LogVar.Bias.F64()[0])
	p.model.Mean.Bias.F64()[0] += shift * sd
	p.model.LogVar.Bias.F64()[0] += 2 * math.Log(stretch)
	kl := 0.5 * (shift*shift + stretch*stretch - 1 - 2*math.Log(stretch))
	elbo, se := p.bound(1, 40_000)
	if want := p.exact - kl; math.Abs(elbo-want) > 4*se {
		t.Errorf("ELBO %.5f +- %.5f, want %.5f", elbo, se, want)
	}
	before := elbo
	for _, s := range []int{5, 50, 500} {
		b, se := p.bound(s, 40_000/s)
		if b < before-4*se || b > p.exact+4*se {
			t.Errorf("IWAE-%d is %.5f +- %.5f, between %.5f and log p(x) = %.5f", s, b, se, before, p.exact)
		}
		before = b
	}
	if p.exact-before > 0.01 {
		t.Errorf("IWAE-500 is %.5f, log p(x) is %.5f", before, p.exact)
	}
}

// TestKLAgainstMonteCarlo compares the closed form with the mean of log q(z|x) - log p(z).
func TestKLAgainstMonteCarlo(t *testing.T) {
	const n = 200_000
	tape := autograd.NewTape(nil)
	mean := tensor.FromFloat64([]float64{0.7, -1.2, 0, 0}, 1, 4)
	logvar := tensor.FromFloat64([]float64{0.3, -2, 0, 1.5}, 1, 4)
	kl := KL(tape.Const(mean), tape.Const(logvar)).F64()
	eps := make([]float64, n)
	for k, want := range kl {
		rng.New(3).Normal64(eps, uint64(k), 0, rng.Noise)
		var sum, square float64
		for _, e := range eps {
			z := mean.F64()[k] + math.Exp(logvar.F64()[k]/2)*e
			v := (z*z - e*e - logvar.F64()[k]) / 2
			sum += v
			square += v * v
		}
		got := sum / n
		if se := math.Sqrt((square/n - got*got) / n); math.Abs(got-want) > 4*se+1e-12 {
			t.Errorf("dimension %d: %v by Monte Carlo, %v in closed form", k, got, want)
		}
	}
	if kl[2] != 0 {
		t.Errorf("the divergence of the prior from itself is %v", kl[2])
	}
}

// TestLogisticSumsToOne: the probabilities of all 256 values add up to 1, wherever the distribution lies.
func TestLogisticSumsToOne(t *testing.T) {
	l := likelihood.New(likelihood.Config{Kind: likelihood.Logistic}, 1)
	nn.To(l, tensor.Float64)
	for _, c := range []struct{ mean, scale float64 }{{0.5, -2}, {0, -6.5}, {1.4, -1}, {0.31, 2}, {-3, -7}, {0.5, -20}} {
		l.LogScale.F64()[0] = c.scale
		tape := autograd.NewTape(nil)
		x, out := tensor.New(tensor.Float64, 256, 1), tensor.New(tensor.Float64, 256, 1)
		for v := range 256 {
			x.F64()[v], out.F64()[v] = float64(v)/255, c.mean
		}
		var sum float64
		for _, p := range l.Rows(tape, tape.Const(out), tape.Const(x)).F64() {
			sum += math.Exp(p)
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("mean %v, scale e^%v: the probabilities add up to %v", c.mean, c.scale, sum)
		}
	}
}

// TestBetaOfTheBound: with one sample the bound is linear in beta, between log p(x|z) and the estimate of the ELBO.
func TestBetaOfTheBound(t *testing.T) {
	p := newPPCA(t)
	eps := tensor.New(tensor.Float64, 1, 1, ppcaK)
	rng.New(3).Normal64(eps.F64(), 0, 0, rng.Noise)
	p.model.Mean.Bias.F64()[0] += 0.3 // a posterior that is not the exact one
	loss := func(beta float64) float64 {
		tape := autograd.NewTape(nil)
		return p.model.IWAE(tape, tape.Const(p.x), tape.Const(eps), nil, beta).Loss.F64()[0]
	}
	tape := autograd.NewTape(nil)
	b := p.model.LogWeights(tape, tape.Const(p.x), tape.Const(eps), nil, 0)
	z := Reparameterise(b.Mean, b.LogVar, tape.Const(eps.Reshape(1, ppcaK)))
	out := p.model.Decode(tape, z, nil)
	if want := -p.model.Likelihood.Rows(tape, out, tape.Const(p.x)).F64()[0]; math.Abs(loss(0)-want) > 1e-12 {
		t.Errorf("beta 0: %v, want %v", loss(0), want)
	}
	if got, want := loss(0.25), 0.75*loss(0)+0.25*loss(1); math.Abs(got-want) > 1e-12 || loss(0) == loss(1) {
		t.Errorf("beta 0.25: %v, want %v", got, want)
	}
}
