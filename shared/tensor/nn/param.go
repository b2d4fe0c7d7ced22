package nn

import (
	"sync"
	"sync/atomic"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// Param is one weight of a model.
type Param struct {
	// Name is the dotted path of tags from the model down to the parameter; Params sets it.
	Name string
	// Tensor holds the elements.
	*tensor.Tensor
	// Grad collects gradients; it is nil until Backward first needs it.
	Grad *tensor.Tensor

	start   start
	mu      sync.Mutex // serialises packing
	pack    atomic.Pointer[tensor.Packed]
	changes atomic.Uint64 // calls of Changed
}

// NewParam returns a Float32 parameter of zeros that Init leaves at zero; see Uniform, Normal, Constant.
func NewParam(shape ...int) *Param { return &Param{Tensor: tensor.New(tensor.Float32, shape...)} }

// On is the parameter as a value on t that wants gradients.
func (p *Param) On(t *autograd.Tape) *autograd.Value { return t.Leaf(p.Tensor) }

// Changed tells the parameter that its elements were written, so that the next inference packs them
// again. It must not be called while another goroutine runs the layer.
func (p *Param) Changed() {
	p.changes.Add(1)
	p.pack.Store(nil)
}

// packed returns the parameter in the layout of the kernels, packed by f on first use.
func (p *Param) packed(f func(w *tensor.Tensor) *tensor.Packed) *tensor.Packed {
	if w := p.pack.Load(); w != nil {
		return w
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.pack.Load(); w != nil {
		return w
	}
	w := f(p.Tensor)
	p.pack.Store(w)
	return w
}

func packMatrix(w *tensor.Tensor) *tensor.Packed { return tensor.PackB(w, false) }

// on is p on t, or nil for a layer without this parameter.
func on(t *autograd.Tape, p *Param) *autograd.Value {
	if p == nil {
		return nil
	}
	return p.On(t)
}
