package nn

import (
	"sync"
	"sync/atomic"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// ConvTranspose2D is a transposed convolution, which makes pictures larger: PyTorch's ConvTranspose2d.
type ConvTranspose2D struct {
	Weight *Param          `weights:"weight"` // [KH, KW, Out, In]
	Bias   *Param          `weights:"bias"`   // [Out], or nil
	Spec   tensor.ConvSpec // of the convolution from the result back to the input
	Extra  int             // rows and columns of the result that the geometry leaves open: PyTorch's output_padding

	mu   sync.Mutex // serialises packing
	pack atomic.Pointer[packedTranspose]
}

// packedTranspose is packed weights and the number of changes that they have seen.
type packedTranspose struct {
	w       *tensor.PackedTranspose
	changes uint64
}

// NewConvTranspose2D returns a transposed convolution with a bias, a square kernel, and pad pixels taken off every
// side of the result; Init draws its weights as PyTorch does. A kernel of 4 with stride 2 and a pad of 1 doubles the
// size of a picture.
func NewConvTranspose2D(in, out, kernel, stride, pad int) *ConvTranspose2D {
	fan := kernel * kernel * out // PyTorch counts so: its weights are [In, Out, KH, KW]
	return &ConvTranspose2D{
		Weight: NewParam(kernel, kernel, out, in).fanIn(fan),
		Bias:   NewParam(out).fanIn(fan),
		Spec: tensor.ConvSpec{
			StrideH: stride, StrideW: stride, PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: pad,
		},
	}
}

// Out is the size of the result for an input of h x w.
func (c *ConvTranspose2D) Out(h, w int) (ho, wo int) {
	s := c.Spec.Normalize()
	kh, kw := c.Weight.Dim(0), c.Weight.Dim(1)
	h = (h-1)*s.StrideH + kh - s.PadTop - s.PadBottom + c.Extra
	w = (w-1)*s.StrideW + kw - s.PadLeft - s.PadRight + c.Extra
	return h, w
}

// Pack packs the weights.
func (c *ConvTranspose2D) Pack() { c.packed() }

// packed is the weights in the layout of the kernels, packed again after they changed.
func (c *ConvTranspose2D) packed() *tensor.PackedTranspose {
	now := c.Weight.changes.Load()
	if p := c.pack.Load(); p != nil && p.changes == now {
		return p.w
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pack.Load(); p != nil && p.changes == now {
		return p.w
	}
	p := &packedTranspose{tensor.PackConvTranspose(c.Weight.Tensor, c.Spec), now}
	c.pack.Store(p)
	return p.w
}

// Forward maps x [N, H, W, In] to [N, Ho, Wo, Out].
func (c *ConvTranspose2D) Forward(t *autograd.Tape, x *autograd.Value) *autograd.Value {
	return c.ForwardThen(t, x, Then{})
}

// ForwardThen is Forward followed by an activation and a residual.
func (c *ConvTranspose2D) ForwardThen(t *autograd.Tape, x *autograd.Value, then Then) *autograd.Value {
	h, w := c.Out(x.Dim(1), x.Dim(2))
	e := autograd.Epilogue{Bias: on(t, c.Bias), Act: then.Act, Residual: then.Residual}
	if t.Inference() {
		return autograd.ConvTranspose2DPacked(x, c.packed(), h, w, e)
	}
	return autograd.ConvTranspose2D(x, c.Weight.On(t), h, w, c.Spec, e)
}
