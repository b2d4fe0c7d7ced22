package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// Epilogue is what a product does to its result, in this order: add Bias [N], apply Act, add Residual,
// which has the result's shape. The zero Epilogue does nothing. It is tensor.Epilogue over values.
type Epilogue struct {
	Bias     *Value
	Act      tensor.Activation
	Residual *Value
	Slope    float64 // of ActLeakyReLU
}

// tensors is the epilogue for the kernels.
func (e *Epilogue) tensors() tensor.Epilogue {
	te := tensor.Epilogue{Act: e.Act, Slope: e.Slope}
	if e.Bias != nil {
		te.Bias = e.Bias.Tensor
	}
	if e.Residual != nil {
		te.Residual = e.Residual.Tensor
	}
	return te
}

// split parts the epilogue into what the product does at once and what must be recorded after it: an activation whose
// derivative needs its argument, and what follows that. ReLU's derivative needs its result alone, so the product
// applies it; a residual after it must wait, because the result has to remain.
func (e *Epilogue) split() (now, later Epilogue) {
	switch e.Act {
	case tensor.ActNone:
		return *e, Epilogue{}
	case tensor.ActReLU:
		return Epilogue{Bias: e.Bias, Act: e.Act}, Epilogue{Residual: e.Residual}
	}
	return Epilogue{Bias: e.Bias}, Epilogue{Act: e.Act, Residual: e.Residual, Slope: e.Slope}
}

// apply records activation and residual as operations of their own.
func (e *Epilogue) apply(x *Value) *Value {
	switch e.Act {
	case tensor.ActSiLU:
		x = SiLU(x)
	case tensor.ActReLU:
		x = ReLU(x)
	case tensor.ActGELU:
		x = GELU(x)
	case tensor.ActGELUTanh:
		x = GELUTanh(x)
	case tensor.ActTanh:
		x = Tanh(x)
	case tensor.ActSigmoid:
		x = Sigmoid(x)
	case tensor.ActLeakyReLU:
		x = Maximum(x, Scale(x, e.Slope))
	}
	if e.Residual != nil {
		x = Add(x, e.Residual)
	}
	return x
}

// applied records ReLU as an operation that the product p did in its own memory. The value of the product itself
// is lost, but no derivative reads it.
func (e *Epilogue) applied(p *Value) *Value {
	if e.Act != tensor.ActReLU {
		return p
	}
	y := p.tape.record(OpReLU, p.Tensor, nil, p)
	y.owner = p.owner
	y.owner.kept = true
	return y
}

// LinearPacked is Linear by packed weights [K, N], all of the epilogue fused, with the same bits. It
// records nothing, so it panics on a recording tape.
func LinearPacked(x *Value, w *tensor.Packed, e Epilogue) *Value {
	t := x.tape
	t.inferenceOnly("LinearPacked")
	shape := w.Shape()
	s := withLast(x, shape[len(shape)-1])
	y := t.alloc(x.DType(), s.dims()...)
	te := e.tensors()
	tensor.MatMulPacked(y, x.Tensor, w, &te)
	return t.record(OpMatMul, y, nil)
}

// Conv2DPacked is Conv2D by packed weights [KH, KW, Ci, Co], all of the epilogue fused, with the same
// bits. It records nothing, so it panics on a recording tape.
func Conv2DPacked(x *Value, w *tensor.Packed, spec tensor.ConvSpec, e Epilogue) *Value {
	t := x.tape
	t.inferenceOnly("Conv2DPacked")
	s := w.Shape()
	if len(s) != 4 {
		panic(&tensor.Error{Op: "Conv2DPacked", Shapes: [][]int{s}, Msg: "want weights of PackConv"})
	}
	y := convResult(x, s[0], s[1], s[3], spec)
	te := e.tensors()
	tensor.Conv2DPacked(y, x.Tensor, w, spec, &te)
	return t.record(OpConv2D, y, nil)
}

func (t *Tape) inferenceOnly(op string) {
	if !t.inference {
		panic(&tensor.Error{Op: op, Msg: "packed weights have no gradient; want an inference tape"})
	}
}
