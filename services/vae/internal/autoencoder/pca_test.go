package autoencoder

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

// TestLinearAutoencoderSpansPCA trains a linear autoencoder by gradient descent: the columns of its decoder span the
// subspace of the largest principal components (Baldi and Hornik 1989), so that the largest angle between the two
// subspaces vanishes.
func TestLinearAutoencoderSpansPCA(t *testing.T) {
	const n, d, k = 60, 8, 3
	x := tensor.New(tensor.Float64, n, d)
	rng.New(11).Normal64(x.F64(), 0, 0, rng.General)
	for i, v := range x.F64() {
		x.F64()[i] = v * math.Pow(0.7, float64(i%d)) // a spectrum with gaps
	}
	for j := range d { // centred, so that biases stay out of it
		var m float64
		for i := range n {
			m += x.F64()[i*d+j] / n
		}
		for i := range n {
			x.F64()[i*d+j] -= m
		}
	}
	a, err := New(Config{
		Config:     trunk.Config{Height: 1, Width: d, Channels: 1, Kind: trunk.MLP, Activation: "linear"},
		Likelihood: likelihood.Config{Kind: likelihood.Gaussian, Variance: 0.5}, Code: k, CodeActivation: "linear",
	})
	if err != nil {
		t.Fatal(err)
	}
	nn.Init(a, 1)
	nn.To(a, tensor.Float64)
	params, tape := nn.Params(a), autograd.NewTape(nil)
	speed := make([][]float64, len(params))
	for range 4000 {
		tape.Reset()
		nn.Gradient(tape, a.Loss(tape, x, x, nil, Penalties{}, nil).Loss, params)
		for i, p := range params {
			if speed[i] == nil {
				speed[i] = make([]float64, p.Len())
			}
			for j, g := range p.Grad.F64() {
				speed[i][j] = 0.95*speed[i][j] - 0.01*g
				p.F64()[j] += speed[i][j]
			}
		}
	}
	var pca stat.PC
	if !pca.PrincipalComponents(mat.NewDense(n, d, x.F64()), nil) {
		t.Fatal("no components")
	}
	var vectors mat.Dense
	pca.VectorsTo(&vectors)
	w := mat.NewDense(k, d, a.Decoder.Dense[0].Weight.F64())
	if angle := largestAngle(mat.DenseCopyOf(w.T()), vectors.Slice(0, d, 0, k)); angle > 1e-3 {
		t.Errorf("the largest principal angle is %v", angle)
	}
}

// largestAngle is the largest principal angle between the columns of a and the orthonormal columns of b: the sine of it
// is the norm of what b leaves of an orthonormal basis of a.
func largestAngle(a, b mat.Matrix) float64 {
	var svd mat.SVD
	svd.Factorize(a, mat.SVDThin)
	var q, inside, proj, rest mat.Dense
	svd.UTo(&q)
	inside.Mul(b.T(), &q)
	proj.Mul(b, &inside)
	rest.Sub(&q, &proj)
	svd.Factorize(&rest, mat.SVDNone)
	return math.Asin(min(1, svd.Values(nil)[0]))
}

// TestJacobianForms: the closed form of one sigmoid layer, the recorded Jacobian, and the mean of random projections
// are one number.
func TestJacobianForms(t *testing.T) {
	const n, d, k = 2, 7, 5
	a, err := New(Config{
		Config:     trunk.Config{Height: 1, Width: d, Channels: 1, Kind: trunk.MLP, Activation: "tanh"},
		Likelihood: likelihood.Config{Kind: likelihood.Bernoulli}, Code: k, CodeActivation: "sigmoid",
	})
	if err != nil {
		t.Fatal(err)
	}
	nn.Init(a, 1)
	nn.To(a, tensor.Float64)
	x := tensor.New(tensor.Float64, n, d)
	rng.New(1).Uniform64(x.F64(), 0, 0, rng.General)
	tape := autograd.NewTape(nil)
	in := tape.Leaf(x)
	code := a.Encode(tape, in, nil)
	exact := Jacobian(tape, in, code).F64()[0]
	if closed := SigmoidJacobian(code, a.Code.Weight.On(tape)).F64()[0]; math.Abs(closed-exact) > 1e-12*exact {
		t.Errorf("%v in closed form, %v by the tape", closed, exact)
	}
	const probes = 4000
	signs := make([]float32, probes*n*k)
	Signs(signs, rng.New(2), 0, 0)
	s := tape.Const(tensor.FromFloat32(signs, probes, n, k).To(tensor.Float64))
	if probed := ProbedJacobian(tape, in, code, s).F64()[0]; math.Abs(probed-exact) > 0.05*exact {
		t.Errorf("%v by %d probes, %v exactly", probed, probes, exact)
	}
}

// TestCorruption looks at the share of masked numbers, the deviation of noise, and that a draw repeats itself.
func TestCorruption(t *testing.T) {
	const n = 10_000
	x, dst, again, scratch := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range x {
		x[i] = 1
	}
	mask := Penalties{Corruption: Masking, Amount: 0.3}
	mask.Corrupt(dst, x, scratch, rng.New(1), 5, 2)
	var zeros float64
	for _, v := range dst {
		if v == 0 {
			zeros++
		}
	}
	if math.Abs(zeros/n-0.3) > 0.02 {
		t.Errorf("%v of the numbers are masked", zeros/n)
	}
	noise := Penalties{Corruption: Gaussian, Amount: 0.2}
	noise.Corrupt(dst, x, scratch, rng.New(1), 5, 2)
	noise.Corrupt(again, x, scratch, rng.New(1), 5, 2)
	var square float64
	for i, v := range dst {
		if v != again[i] {
			t.Fatal("the same draw gives other noise")
		}
		square += float64(v-1) * float64(v-1)
	}
	if sd := math.Sqrt(square / n); math.Abs(sd-0.2) > 0.01 {
		t.Errorf("the noise has a deviation of %v", sd)
	}
}

func TestPenaltiesRefuse(t *testing.T) {
	for name, p := range map[string]Penalties{
		"masking of 1":  {Corruption: Masking, Amount: 1},
		"no kind":       {Amount: 0.1},
		"unknown noise": {Corruption: "salt", Amount: 0.1},
		"target of 0":   {Sparsity: KL, Weight: 1},
		"no weight":     {Sparsity: L1},
		"contraction":   {Contraction: -1},
		"NaN":           {Contraction: math.NaN()},
		"probes":        {Probes: -1},
	} {
		if p.Validate("sigmoid") == nil {
			t.Errorf("%s: no error", name)
		}
	}
	kl := Penalties{Sparsity: KL, Weight: 1, Target: 0.1}
	if kl.Validate("linear") == nil || kl.Validate("sigmoid") != nil {
		t.Error("a kl target belongs to sigmoid codes alone")
	}
}
