package optim

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// trainingDigest is what five steps of training come to, to the last bit, on every CPU, with all kernels
// and any number of threads. It was computed by this test on amd64 (AVX-512) and holds for
// tensor.NumericsVersion 2: whoever changes it changes the version.
const trainingDigest = "26cebb18631c72c7"

type classifier struct {
	Stem  *nn.Conv2D          `weights:"stem"`
	Norm  *nn.GroupNorm       `weights:"norm"`
	Attn  *nn.SelfAttention2D `weights:"attn"`
	Down  *nn.Conv2D          `weights:"down"`
	Label *nn.Embedding       `weights:"label"`
	Last  *nn.LayerNorm       `weights:"last"`
	Head  *nn.Linear          `weights:"head"`
	time  *nn.TimeEmbedding
}

func (c *classifier) loss(t *autograd.Tape, x *tensor.Tensor, step int) *autograd.Value {
	h := c.Norm.ForwardSiLU(t, c.Stem.Forward(t, t.Const(x)))
	h = autograd.AvgPool2(c.Attn.Forward(t, h))
	h = c.Down.ForwardThen(t, h, nn.Then{Act: tensor.ActGELU})
	n := h.Dim(0)
	when := c.time.Forward(t, x.DType(), []float32{3, float32(100 * step)})
	e := autograd.Add(c.Label.Forward(t, []int32{1, 0}), when)
	h = autograd.Mul(c.Last.Forward(t, autograd.Mean(h, 1, 2)), autograd.Tanh(e)) // [N, C]
	logits := c.Head.Forward(t, h)
	return autograd.Add(nn.CrossEntropy(logits, []int32{2, 0}), nn.MSE(h, t.Zeros(x.DType(), n, h.Dim(1))))
}

func train() string {
	const c = 8
	m := &classifier{
		Stem: nn.NewConv2D(3, c, 3, 1), Norm: nn.NewGroupNorm(2, c, 1e-5), Attn: nn.NewSelfAttention2D(c, 2, 4, 1e-5),
		Down: nn.NewConv2D(c, c, 3, 2), Label: nn.NewEmbedding(2, c), Last: nn.NewLayerNorm(c, 1e-5),
		Head: nn.NewLinear(c, 3, true), time: nn.NewTimeEmbedding(c, nn.TimeOptions{}),
	}
	nn.Init(m, 11)
	params := nn.Params(m)
	adam, sgd := NewAdamW(params, AdamWConfig{WeightDecay: 0.01}), NewSGD(params, 0.9, 0.01, true)
	ema, rate := NewEMA(params, 0.99, true), WarmupCosine{Peak: 0.01, Floor: 0.001, Warmup: 2, Total: 6}
	x, tape := tensor.New(tensor.Float32, 2, 4, 4, 3), autograd.NewTape(nil)
	for step := range 5 {
		rng.New(5).Normal(x.F32(), 0, uint32(step), rng.General)
		tape.Reset()
		nn.ZeroGrad(params)
		nn.Backward(tape, m.loss(tape, x, step), params)
		_, scale := ClipGlobalNorm(params, 1, 1)
		if step%2 == 0 {
			adam.Step(rate.At(step), scale)
		} else {
			sgd.Step(rate.At(step), scale)
		}
		ema.Update()
	}
	h := sha256.New()
	for i, p := range params {
		for _, ts := range []*tensor.Tensor{p.Tensor, ema.shadow[i], adam.v[i], sgd.u[i]} {
			for _, v := range ts.F32() {
				h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func TestTrainingDigest(t *testing.T) {
	kernels, threads := tensor.Kernels(), tensor.Threads()
	defer func() {
		tensor.SetThreads(threads)
		if err := tensor.SetKernels(kernels); err != nil {
			t.Fatal(err)
		}
	}()
	for _, k := range tensor.AvailableKernels() {
		if err := tensor.SetKernels(k); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 2, 8} {
			tensor.SetThreads(n)
			if got := train(); got != trainingDigest {
				t.Errorf("%s kernels, %d threads: digest %s, want %s", k, n, got, trainingDigest)
			}
		}
	}
}
