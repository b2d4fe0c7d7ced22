package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// DepthwiseConv2D filters every channel of x [N, H, W, C] alone by w [KH, KW, C, M] and applies the epilogue:
// [N, Ho, Wo, C*M]. The bits are those of the single operations. An inference tape does all of the epilogue in the
// same pass; see Linear for a recording one.
func DepthwiseConv2D(x, w *Value, spec tensor.ConvSpec, e Epilogue) *Value {
	t := shared(OpDepthwiseConv2D, x, w)
	kh, kw, c, m := w.Dims4()
	y := convResult(x, kh, kw, c*m, spec)
	now, later := e.split()
	if t.inference {
		now, later = e, Epilogue{}
	}
	te := now.tensors()
	tensor.DepthwiseConv2DEx(y, x.Tensor, w.Tensor, spec, &te)
	if t.inference {
		return t.record(OpDepthwiseConv2D, y, nil)
	}
	return later.apply(now.applied(t.recordProduct(OpDepthwiseConv2D, y, &attr{spec: spec.Normalize()}, x, w, now)))
}

// DepthwiseConv2DInputGrad is the adjoint of DepthwiseConv2D in x: dy [N, Ho, Wo, C*M] to pictures [N, h, w, C].
func DepthwiseConv2DInputGrad(dy, weight *Value, h, w int, spec tensor.ConvSpec) *Value {
	t := shared(OpDepthwiseConv2DInputGrad, dy, weight)
	n, _, _, _ := dy.Dims4()
	_, _, c, _ := weight.Dims4()
	spec = spec.Normalize()
	dx := t.alloc(dy.DType(), n, h, w, c)
	tensor.DepthwiseConv2DInputGrad(dx, dy.Tensor, weight.Tensor, spec)
	return t.record(OpDepthwiseConv2DInputGrad, dx, &attr{spec: spec}, dy, weight)
}

// DepthwiseConv2DWeightGrad is the adjoint of DepthwiseConv2D in w: x [N, H, W, C] and dy [N, Ho, Wo, C*M] to weights
// [kh, kw, C, M].
func DepthwiseConv2DWeightGrad(x, dy *Value, kh, kw int, spec tensor.ConvSpec) *Value {
	t := shared(OpDepthwiseConv2DWeightGrad, x, dy)
	spec = spec.Normalize()
	c := x.Dim(-1)
	dw := t.result(x.DType(), kh, kw, c, dy.Dim(-1)/max(c, 1))
	tensor.DepthwiseConv2DWeightGrad(dw, x.Tensor, dy.Tensor, spec)
	return t.record(OpDepthwiseConv2DWeightGrad, dw, &attr{spec: spec}, x, dy)
}
