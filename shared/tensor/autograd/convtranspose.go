package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// ConvTranspose2D is the transposed convolution of x [N, H, W, Ci] by w [KH, KW, Co, Ci] and the epilogue: pictures
// [N, h, width, Co], where spec is the geometry of the convolution from there to x. It is Conv2DInputGrad with the
// bits of the single operations of the epilogue.
func ConvTranspose2D(x, w *Value, h, width int, spec tensor.ConvSpec, e Epilogue) *Value {
	y := Conv2DInputGrad(x, w, h, width, spec)
	if e.Bias != nil {
		y = Add(y, e.Bias)
	}
	return e.apply(y)
}

// ConvTranspose2DPacked is ConvTranspose2D by packed weights, all of the epilogue fused, with the same bits. It
// records nothing, so it panics on a recording tape.
func ConvTranspose2DPacked(x *Value, w *tensor.PackedTranspose, h, width int, e Epilogue) *Value {
	t := x.tape
	t.inferenceOnly("ConvTranspose2DPacked")
	y := t.alloc(x.DType(), x.Dim(0), h, width, w.Channels())
	te := e.tensors()
	tensor.ConvTranspose2D(y, x.Tensor, w, &te)
	return t.record(OpConv2DInputGrad, y, nil)
}
