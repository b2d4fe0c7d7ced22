package autograd

import "math"

// row says how a kind of operation hands the cotangent g of its result v on to its inputs, by exactly
// one of:
//
//	pulls   one function per input, run only for inputs on the path; nil where nothing flows
//	each    the same for any number of inputs: i is the input
//	fused   one kernel gives the cotangents of all (three) inputs
//	expand  v computed again from primitive operations, through which g is pulled
type row struct {
	pulls  []pull
	each   func(v, g *Value, i int) *Value
	fused  func(v, g *Value) [3]*Value // if there is an expand, too, that one is for derivatives that are recorded
	expand func(v *Value) *Value
}

// pull returns an input's cotangent; it may have the broadcast shape, which the walk then reduces.
type pull func(v, g *Value) *Value

// dx is the row of a function y of one argument x.
func dx(f func(g, x, y *Value) *Value) row {
	return row{pulls: []pull{func(v, g *Value) *Value { return f(g, v.in[0], v) }}}
}

// dab is the row of a function of two arguments a and b.
func dab(fa, fb func(g, a, b *Value) *Value) row {
	return row{pulls: []pull{
		func(v, g *Value) *Value { return fa(g, v.in[0], v.in[1]) },
		func(v, g *Value) *Value { return fb(g, v.in[0], v.in[1]) },
	}}
}

// same hands the cotangent on as it is.
func same(_, g *Value) *Value { return g }

// table is the whole of calculus that this package knows.
var table = [numOps]row{
	OpLeaf:  {pulls: []pull{}},
	OpKnown: {each: knownGrad},

	// y = f(x)
	OpNeg:         dx(func(g, _, _ *Value) *Value { return Neg(g) }),
	OpExp:         dx(func(g, _, y *Value) *Value { return Mul(g, y) }),
	OpLog:         dx(func(g, x, _ *Value) *Value { return Div(g, x) }),
	OpSqrt:        dx(func(g, _, y *Value) *Value { return Scale(Div(g, y), 0.5) }),
	OpRsqrt:       dx(func(g, x, y *Value) *Value { return Scale(Mul(g, Div(y, x)), -0.5) }),
	OpRecip:       dx(func(g, _, y *Value) *Value { return Neg(Mul(g, Square(y))) }),
	OpTanh:        dx(func(g, _, y *Value) *Value { return TanhGrad(y, g) }),
	OpTanhGrad:    {expand: func(v *Value) *Value { return Mul(v.in[1], oneMinus(Square(v.in[0]))) }},
	OpSigmoid:     dx(func(g, _, y *Value) *Value { return SigmoidGrad(y, g) }),
	OpSigmoidGrad: {expand: func(v *Value) *Value { return Mul(v.in[1], Mul(v.in[0], oneMinus(v.in[0]))) }},
	OpSiLU:        dx(func(g, x, _ *Value) *Value { return SiLUGrad(x, g) }),
	OpSiLUGrad:    {expand: expandSiLUGrad},
	OpReLU:        dx(func(g, _, y *Value) *Value { return ReLUGrad(y, g) }),
	OpReLUGrad:    {pulls: []pull{nil, func(v, g *Value) *Value { return ReLUGrad(v.in[0], g) }}},
	OpGELU:        dx(func(g, x, _ *Value) *Value { return GELUGrad(x, g) }),
	OpGELUGrad:    {expand: func(v *Value) *Value { return Mul(v.in[1], geluSlope(v.in[0])) }},
	OpGELUTanh:    dx(func(g, x, _ *Value) *Value { return Mul(g, geluTanhSlope(x)) }),
	OpSin:         dx(func(g, x, _ *Value) *Value { return Mul(g, Cos(x)) }),
	OpCos:         dx(func(g, x, _ *Value) *Value { return Neg(Mul(g, Sin(x))) }),
	OpErf:         dx(func(g, x, _ *Value) *Value { return Mul(g, Scale(Exp(Neg(Square(x))), 2/math.SqrtPi)) }),
	OpSquare:      dx(func(g, x, _ *Value) *Value { return Scale(Mul(g, x), 2) }),
	OpAbs:         dx(func(g, x, _ *Value) *Value { return Mul(g, Sub(positive(x), positive(Neg(x)))) }),
	OpSoftplus:    dx(func(g, x, _ *Value) *Value { return Mul(g, Sigmoid(x)) }),

	OpScale:     {pulls: []pull{func(v, g *Value) *Value { return Scale(g, v.attr.c) }}},
	OpAddScalar: {pulls: []pull{same}},
	OpClamp:     {pulls: []pull{func(v, g *Value) *Value { return Mul(g, within(v.in[0], v.attr.c, v.attr.d)) }}},

	// y = f(a, b)
	OpAdd: {pulls: []pull{same, same}},
	OpSub: {pulls: []pull{same, func(_, g *Value) *Value { return Neg(g) }}},
	OpMul: dab(
		func(g, _, b *Value) *Value { return Mul(g, b) },
		func(g, a, _ *Value) *Value { return Mul(g, a) }),
	OpDiv: dab(
		func(g, _, b *Value) *Value { return Div(g, b) },
		func(g, a, b *Value) *Value { return Neg(Mul(g, Div(a, Square(b)))) }),
	OpMaximum: dab(
		func(g, a, b *Value) *Value { return Mul(g, larger(a, b)) },
		func(g, a, b *Value) *Value { return Mul(g, larger(b, a)) }),
	OpMinimum: dab(
		func(g, a, b *Value) *Value { return Mul(g, larger(b, a)) },
		func(g, a, b *Value) *Value { return Mul(g, larger(a, b)) }),
	OpGreater: {pulls: []pull{nil, nil}},
	OpWhere: {pulls: []pull{
		nil,
		func(v, g *Value) *Value { return Where(v.in[0], g, zero(g)) },
		func(v, g *Value) *Value { return Where(v.in[0], zero(g), g) },
	}},

	// Reductions and what undoes them
	OpSum: {pulls: []pull{func(v, g *Value) *Value {
		return BroadcastTo(Reshape(g, v.attr.shape.dims()...), v.in[0].Shape()...)
	}}},
	OpSumTo:       dx(func(g, x, _ *Value) *Value { return BroadcastTo(g, x.Shape()...) }),
	OpBroadcastTo: dx(func(g, x, _ *Value) *Value { return SumTo(g, x.Shape()...) }),
	OpMaxAlong: {pulls: []pull{func(v, g *Value) *Value {
		largest := oneMinus(Greater(v, v.in[0]))
		return Mul(largest, Div(g, sumKeep(largest, v.attr.i)))
	}}},
	OpSoftmax:     dx(func(g, _, y *Value) *Value { return SoftmaxGrad(y, g) }),
	OpSoftmaxGrad: {expand: expandSoftmaxGrad},
	OpLogSoftmax:  dx(func(g, _, y *Value) *Value { return LogSoftmaxGrad(y, g) }),
	OpLogSoftmaxGrad: {expand: func(v *Value) *Value {
		y, g := v.in[0], v.in[1]
		return Sub(g, Mul(Exp(y), sumKeep(g, -1)))
	}},

	// Losses, summed
	OpBCELogits: dab(
		func(g, x, p *Value) *Value { return BCELogitsGrad(x, p, g) },
		func(g, x, _ *Value) *Value { return Neg(Mul(g, x)) }),
	OpBCELogitsGrad:    {expand: func(v *Value) *Value { return Mul(v.in[2], Sub(Sigmoid(v.in[0]), v.in[1])) }},
	OpCrossEntropy:     {pulls: []pull{func(v, g *Value) *Value { return crossEntropyGrad(v.in[0], g, &v.attr) }}},
	OpCrossEntropyGrad: {expand: expandCrossEntropyGrad},

	// Products: c = a b with either transposed; a bias and a residual may have been added
	OpMatMul: {pulls: []pull{
		func(v, g *Value) *Value {
			if v.attr.ta {
				return MatMul(v.in[1], g, v.attr.tb, true)
			}
			return MatMul(g, v.in[1], false, !v.attr.tb)
		},
		func(v, g *Value) *Value {
			if v.attr.tb {
				return MatMul(g, v.in[0], true, v.attr.ta)
			}
			return MatMul(v.in[0], g, !v.attr.ta, false)
		},
		same, same,
	}},

	// The three convolutions are each other's derivatives: <dy, conv(x, w)> is linear in all three.
	OpConv2D: {pulls: []pull{
		func(v, g *Value) *Value {
			x, w := v.in[0], v.in[1]
			return Conv2DInputGrad(g, w, x.Dim(1), x.Dim(2), v.attr.spec)
		},
		func(v, g *Value) *Value {
			x, w := v.in[0], v.in[1]
			return Conv2DWeightGrad(x, g, w.Dim(0), w.Dim(1), v.attr.spec)
		},
		same, same,
	}},
	OpConv2DInputGrad: {pulls: []pull{
		func(v, g *Value) *Value { return Conv2D(g, v.in[1], v.attr.spec, Epilogue{}) },
		func(v, g *Value) *Value {
			dy, w := v.in[0], v.in[1]
			return Conv2DWeightGrad(g, dy, w.Dim(0), w.Dim(1), v.attr.spec)
		},
	}},
	OpConv2DWeightGrad: {pulls: []pull{
		func(v, g *Value) *Value {
			x, dy := v.in[0], v.in[1]
			return Conv2DInputGrad(dy, g, x.Dim(1), x.Dim(2), v.attr.spec)
		},
		func(v, g *Value) *Value { return Conv2D(v.in[0], g, v.attr.spec, Epilogue{}) },
	}},
	// So are those of a kernel for each channel.
	OpDepthwiseConv2D: {pulls: []pull{
		func(v, g *Value) *Value {
			x, w := v.in[0], v.in[1]
			return DepthwiseConv2DInputGrad(g, w, x.Dim(1), x.Dim(2), v.attr.spec)
		},
		func(v, g *Value) *Value {
			x, w := v.in[0], v.in[1]
			return DepthwiseConv2DWeightGrad(x, g, w.Dim(0), w.Dim(1), v.attr.spec)
		},
		same, same,
	}},
	OpDepthwiseConv2DInputGrad: {pulls: []pull{
		func(v, g *Value) *Value { return DepthwiseConv2D(g, v.in[1], v.attr.spec, Epilogue{}) },
		func(v, g *Value) *Value {
			dy, w := v.in[0], v.in[1]
			return DepthwiseConv2DWeightGrad(g, dy, w.Dim(0), w.Dim(1), v.attr.spec)
		},
	}},
	OpDepthwiseConv2DWeightGrad: {pulls: []pull{
		func(v, g *Value) *Value {
			x, dy := v.in[0], v.in[1]
			return DepthwiseConv2DInputGrad(dy, g, x.Dim(1), x.Dim(2), v.attr.spec)
		},
		func(v, g *Value) *Value { return DepthwiseConv2D(v.in[0], g, v.attr.spec, Epilogue{}) },
	}},
	OpAttention:     {fused: attentionGrad},
	OpAttentionGrad: {expand: expandAttentionGrad},

	// Norms
	OpGroupNorm: {fused: func(v, g *Value) [3]*Value { return groupNormGrad(v.in[0], v.in[1], g, &v.attr) }},
	OpLayerNorm: {fused: func(v, g *Value) [3]*Value { return layerNormGrad(v.in[0], v.in[1], g, &v.attr) }},

	OpGroupNormGrad: {expand: expandGroupNormGrad},
	OpLayerNormGrad: {expand: expandLayerNormGrad},

	// Movement: each with its adjoint
	OpReshape: dx(func(g, x, _ *Value) *Value { return Reshape(g, x.Shape()...) }),
	OpPermute: {pulls: []pull{func(v, g *Value) *Value {
		back := inverse(v.attr.shape.dims())
		return Permute(g, back.dims()...)
	}}},
	OpConcat: {each: func(v, g *Value, i int) *Value {
		axis, start := v.attr.i, 0
		for _, x := range v.in[:i] {
			start += x.Dim(axis)
		}
		return Slice(g, axis, start, v.in[i].Dim(axis))
	}},
	OpSlice: {pulls: []pull{func(v, g *Value) *Value {
		return PadInto(g, v.attr.i, v.attr.j, v.in[0].Dim(v.attr.i))
	}}},
	OpPadInto: {pulls: []pull{func(v, g *Value) *Value {
		return Slice(g, v.attr.i, v.attr.j, v.in[0].Dim(v.attr.i))
	}}},
	OpGather:           {pulls: []pull{func(v, g *Value) *Value { return ScatterAdd(g, v.attr.ids, v.in[0].Dim(0)) }}},
	OpScatterAdd:       {pulls: []pull{func(v, g *Value) *Value { return Embedding(g, v.attr.ids) }}},
	OpUpsampleNearest2: dx(func(g, _, _ *Value) *Value { return SumPool2(g) }),
	OpSumPool2:         dx(func(g, _, _ *Value) *Value { return UpsampleNearest2(g) }),
	OpMaxPool2:         dx(func(g, x, _ *Value) *Value { return MaxPool2Grad(x, g) }),
	OpMaxPool2Grad:     {expand: expandMaxPool2Grad},
	OpSpaceToDepth2:    dx(func(g, _, _ *Value) *Value { return DepthToSpace2(g) }),
	OpCheckpoint:       {expand: again},
	OpGroupNormSiLU:    {fused: groupNormSiLUGrad, expand: expandGroupNormSiLU},
	OpDepthToSpace2:    dx(func(g, _, _ *Value) *Value { return SpaceToDepth2(g) }),
}
