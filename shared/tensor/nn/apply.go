package nn

import "github.com/manifold-gen/manifold/shared/tensor"

// This file is the layers without a tape, for inference that manages its own memory. Each packs its weights on first
// use, as inference on a tape does.

// Packed is the weights in the layout of the kernels.
func (c *Conv2D) Packed() *tensor.Packed { return c.Weight.packed(tensor.PackConv) }

// Apply writes the convolution of x [N, H, W, In], and residual added unless it is nil, to dst [N, Ho, Wo, Out].
func (c *Conv2D) Apply(dst, x, residual *tensor.Tensor) {
	e := tensor.Epilogue{Residual: residual}
	if c.Bias != nil {
		e.Bias = c.Bias.Tensor
	}
	tensor.Conv2DPacked(dst, x, c.Packed(), c.Spec, &e)
}

// Apply writes act(x W + b) of x [.., In] to dst [.., Out].
func (l *Linear) Apply(dst, x *tensor.Tensor, act tensor.Activation) {
	e := tensor.Epilogue{Act: act}
	if l.Bias != nil {
		e.Bias = l.Bias.Tensor
	}
	tensor.MatMulPacked(dst, x, l.Weight.packed(packMatrix), &e)
}

// Write is Forward into dst [n, Dim].
func (e *TimeEmbedding) Write(dst *tensor.Tensor, timesteps []float32) {
	if n, dim := dst.Dims2(); n != len(timesteps) || dim != e.dim {
		failf("TimeEmbedding: %d timesteps of %d numbers do not fit %v", len(timesteps), e.dim, dst.Shape())
	}
	for i, ts := range timesteps {
		if dst.DType() == tensor.Float64 {
			sinusoid(e, dst.F64()[i*e.dim:(i+1)*e.dim], float64(ts))
		} else {
			sinusoid(e, dst.F32()[i*e.dim:(i+1)*e.dim], float64(ts))
		}
	}
}
