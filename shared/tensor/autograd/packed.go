package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// Epilogue is what a product does to its result, in this order: add Bias [N], apply Act, add Residual,
// which has the result's shape. The zero Epilogue does nothing. It is tensor.Epilogue over values.
type Epilogue struct {
	Bias     *Value
	Act      tensor.Activation
	Residual *Value
}

// tensors is the epilogue for the kernels; r is the residual's header, in the result's shape.
func (e *Epilogue) tensors(r *tensor.Tensor) tensor.Epilogue {
	te := tensor.Epilogue{Act: e.Act, Residual: r}
	if e.Bias != nil {
		te.Bias = e.Bias.Tensor
	}
	return te
}

// Apply runs activation and residual as operations of their own. The bias is not among them: Linear and
// Conv2D add it.
func (e *Epilogue) Apply(x *Value) *Value {
	switch e.Act {
	case tensor.ActSiLU:
		x = SiLU(x)
	case tensor.ActReLU:
		x = ReLU(x)
	case tensor.ActGELU:
		x = GELU(x)
	}
	if e.Residual != nil {
		x = Add(x, e.Residual)
	}
	return x
}

// LinearPacked is x [.., K] times packed weights [K, n] with the epilogue fused: [.., n]. It records
// nothing, so it panics on a recording tape. The bits are those of Linear and Epilogue.Apply.
func LinearPacked(x *Value, w *tensor.Packed, n int, e Epilogue) *Value {
	t := x.tape
	t.inferenceOnly("LinearPacked")
	s := shapeOf(x.Shape())
	if s.n == 0 {
		panic(&tensor.Error{Op: "LinearPacked", Msg: "want at least one axis"})
	}
	k := s.d[s.n-1]
	s.d[s.n-1] = n
	y := t.alloc(x.DType(), s.dims()...)
	a, flat := t.arena.View(x.Tensor, x.Len()/max(k, 1), k), t.arena.View(y, x.Len()/max(k, 1), n)
	var r *tensor.Tensor
	if e.Residual != nil {
		r = t.arena.View(e.Residual.Tensor, flat.Shape()...)
	}
	te := e.tensors(r)
	tensor.MatMulPacked(flat, a, w, &te)
	return t.record(OpMatMul, y, nil)
}

// Conv2DPacked is Conv2D by packed weights [kh, kw, Ci, co] with the epilogue fused. It records nothing,
// so it panics on a recording tape. The bits are those of Conv2D and Epilogue.Apply.
func Conv2DPacked(x *Value, w *tensor.Packed, kh, kw, co int, spec tensor.ConvSpec, e Epilogue) *Value {
	t := x.tape
	t.inferenceOnly("Conv2DPacked")
	n, h, wd, _ := x.Dims4()
	ho, wo := spec.Out(h, wd, kh, kw)
	y := t.alloc(x.DType(), n, max(ho, 0), max(wo, 0), co)
	var r *tensor.Tensor
	if e.Residual != nil {
		r = e.Residual.Tensor
	}
	te := e.tensors(r)
	tensor.Conv2DPacked(y, x.Tensor, w, spec, &te)
	return t.record(OpConv2D, y, nil)
}

func (t *Tape) inferenceOnly(op string) {
	if !t.inference {
		panic(&tensor.Error{Op: op, Msg: "packed weights have no gradient; want an inference tape"})
	}
}
