package bench

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// dcgan is the generator of Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative
// Adversarial Networks" (2015), for pictures of 64 x 64, with its batch norms folded into the convolutions before
// them:
//
//	z [N, 100] -> 4x4x512 -> 8x8x256 -> 16x16x128 -> 32x32x64 -> tanh 64x64x3
//
// The first transposed convolution sees one pixel: it is a product.
type dcgan struct {
	first *tensor.Packed
	bias  *tensor.Tensor
	up    []*tensor.PackedTranspose
	b     []*tensor.Tensor
}

// dcganChannels are those of the results, each of twice the size of the one before.
var dcganChannels = []int{512, 256, 128, 64, 3}

const dcganZ = 100

func newDCGAN() *dcgan {
	side := 4 * 4 * dcganChannels[0]
	g := &dcgan{first: tensor.PackB(wave(0.05, dcganZ, side), false), bias: wave(0.1, side)}
	double := tensor.ConvSpec{StrideH: 2, StrideW: 2, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}
	for i, in := range dcganChannels[:len(dcganChannels)-1] {
		out := dcganChannels[i+1]
		g.up = append(g.up, tensor.PackConvTranspose(wave(0.03, 4, 4, out, in), double))
		g.b = append(g.b, wave(0.1, out))
	}
	return g
}

// wave is a tensor of small numbers without denormals.
func wave(scale float32, shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.Float32, shape...)
	for i := range t.F32() {
		t.F32()[i] = scale * float32((i*7919)%1009-504) / 504
	}
	return t
}

// forward writes the pictures of z, and all results before them, to h.
func (g *dcgan) forward(h []*tensor.Tensor, rows, z *tensor.Tensor) {
	tensor.MatMulPacked(rows, z, g.first, &tensor.Epilogue{Bias: g.bias, Act: tensor.ActReLU})
	for i, w := range g.up {
		act := tensor.ActReLU
		if i == len(g.up)-1 {
			act = tensor.ActNone
		}
		tensor.ConvTranspose2D(h[i+1], h[i], w, &tensor.Epilogue{Bias: g.b[i], Act: act})
	}
	last := h[len(h)-1]
	tensor.Tanh(last, last)
}

// generators are DCGAN at several batch sizes.
func generators() []Workload {
	flops, weights := 2*float64(dcganZ*16*dcganChannels[0]), float64(dcganZ*16*dcganChannels[0])
	for i, in := range dcganChannels[:len(dcganChannels)-1] {
		taps := float64(16 * in * dcganChannels[i+1])
		weights += taps
		flops += 2 * float64(int(16)<<(2*i)) * taps
	}
	var l []Workload
	for _, n := range []int{1, 64} {
		l = append(l, Workload{
			Name: fmt.Sprintf("dcgan-64/f32/%d", n), Unit: "pictures", Items: float64(n), Flops: float64(n) * flops,
			Bytes: 4 * weights,
			New: func() func() {
				g := newDCGAN()
				var h []*tensor.Tensor
				for i, c := range dcganChannels {
					h = append(h, tensor.New(tensor.Float32, n, 4<<i, 4<<i, c))
				}
				z, rows := wave(1, n, dcganZ), h[0].Reshape(n, 16*dcganChannels[0])
				return func() { g.forward(h, rows, z) }
			},
		})
	}
	return l
}
