package autograd

import "github.com/manifold-gen/manifold/shared/tensor"

// un is the check of a function of one argument over a range.
func un(name string, f func(*Value) *Value, lo, hi float64) check {
	return check{name, []input{in(2, 5).in(lo, hi)}, func(in []*Value) *Value { return f(in[0]) }}
}

// bin checks a function of two arguments of the given shapes.
func bin(name string, f func(a, b *Value) *Value, a, b input) check {
	return check{name, []input{a, b}, func(in []*Value) *Value { return f(in[0], in[1]) }}
}

// mat checks a product.
func mat(name string, ta, tb bool, a, b input) check {
	return bin(name, func(a, b *Value) *Value { return MatMul(a, b, ta, tb) }, a, b)
}

// conv checks the three convolutions of one geometry: x [N, H, W, Ci], w [KH, KW, Ci, Co].
func conv(name string, x, w input, s tensor.ConvSpec) []check {
	ho, wo := s.Out(x.shape[1], x.shape[2], w.shape[0], w.shape[1])
	y := in(x.shape[0], ho, wo, w.shape[3])
	return []check{
		{name, []input{x, w, in(w.shape[3])},
			func(in []*Value) *Value { return Conv2D(in[0], in[1], s, Epilogue{Bias: in[2]}) }},
		bin(name+" input", func(y, w *Value) *Value {
			return Conv2DInputGrad(y, w, x.shape[1], x.shape[2], s)
		}, y, w),
		bin(name+" weight", func(x, y *Value) *Value {
			return Conv2DWeightGrad(x, y, w.shape[0], w.shape[1], s)
		}, x, y),
	}
}

// depthwise checks the three depthwise convolutions of one geometry: x [N, H, W, C], w [KH, KW, C, M].
func depthwise(name string, x, w input, s tensor.ConvSpec) []check {
	ho, wo := s.Out(x.shape[1], x.shape[2], w.shape[0], w.shape[1])
	co := w.shape[2] * w.shape[3]
	y := in(x.shape[0], ho, wo, co)
	return []check{
		{name, []input{x, w, in(co), y},
			func(in []*Value) *Value {
				return DepthwiseConv2D(in[0], in[1], s, Epilogue{Bias: in[2], Act: tensor.ActSiLU, Residual: in[3]})
			}},
		bin(name+" input", func(y, w *Value) *Value {
			return DepthwiseConv2DInputGrad(y, w, x.shape[1], x.shape[2], s)
		}, y, w),
		bin(name+" weight", func(x, y *Value) *Value {
			return DepthwiseConv2DWeightGrad(x, y, w.shape[0], w.shape[1], s)
		}, x, y),
	}
}

func part(n int, f func(x, gamma, dy *Value) [3]*Value) func(in []*Value) *Value {
	return func(in []*Value) *Value { return f(in[0], in[1], in[2])[n] }
}

// groupStats runs GroupNorm for its statistics and then its fused derivative.
func groupStats(x, gamma, dy *Value) [3]*Value {
	y := GroupNorm(x, gamma, gamma, 2, 1e-3)
	return groupNormGrad(x, gamma, dy, &y.attr)
}

func layerStats(x, gamma, dy *Value) [3]*Value {
	y := LayerNorm(x, gamma, gamma, 1e-3)
	return layerNormGrad(x, gamma, dy, &y.attr)
}

// ramp is sum(i * x_i), whose derivatives it knows.
func ramp(x *Value) *Value {
	var sum float64
	for i, v := range x.F64() {
		sum += float64(i) * v
	}
	return Scale(Known(sum, []*Value{x}, func(_ int, dst *tensor.Tensor) {
		for i := range dst.F64() {
			dst.F64()[i] = float64(i)
		}
	}), 0.7)
}

var (
	away = in(2, 5).in(0.2, 1.4) // away from the kinks at 0 and the poles
	ids  = []int32{2, 0, 2, 1}
)

var checks = flatten([]check{
	un("Neg", Neg, -1, 1),
	un("Known", ramp, -1, 1),
	un("Exp", Exp, -2, 1),
	un("Log", Log, 0.3, 2),
	un("Sqrt", Sqrt, 0.3, 2),
	un("Rsqrt", Rsqrt, 0.3, 2),
	un("Recip", Recip, 0.4, 2),
	un("Tanh", Tanh, -2, 2),
	un("Sigmoid", Sigmoid, -3, 3),
	un("SiLU", SiLU, -3, 3),
	bin("SiLUGrad", SiLUGrad, in(2, 5), in(2, 5)),
	bin("GELUGrad", GELUGrad, in(2, 5), in(2, 5)),
	{"GroupNormSiLU", []input{in(2, 3, 1, 4), in(4), in(4)},
		func(in []*Value) *Value { return GroupNormSiLU(in[0], in[1], in[2], 2, 1e-3) }},
	{"Checkpoint", []input{in(2, 5), in(5)}, func(in []*Value) *Value {
		return Checkpoint(in[0].Tape(), twice{in[1]}, in[0])
	}},
	bin("TanhGrad", TanhGrad, in(2, 5), in(2, 5)),
	bin("SigmoidGrad", SigmoidGrad, in(2, 5), in(2, 5)),
	bin("LogSoftmaxGrad", LogSoftmaxGrad, in(2, 5), in(2, 5)),
	bin("ReLUGrad", func(y, dy *Value) *Value { return ReLUGrad(AddScalar(y, 3), dy) }, in(2, 5), in(2, 5)),
	bin("BCELogits", BCELogits, in(2, 5), in(2, 5).in(0, 1)),
	{"BCELogitsGrad", []input{in(2, 5), in(2, 5), in()},
		func(in []*Value) *Value { return BCELogitsGrad(in[0], in[1], in[2]) }},
	un("CrossEntropy", func(x *Value) *Value { return CrossEntropy(x, []int32{3, -1}) }, -2, 2),
	bin("CrossEntropyGrad", func(x, c *Value) *Value {
		y := CrossEntropy(x, []int32{3, -1})
		return crossEntropyGrad(x, c, &y.attr)
	}, in(2, 5), in()),
	un("ReLU positive", ReLU, 0.1, 2),
	un("ReLU negative", ReLU, -2, -0.1),
	un("GELU", GELU, -3, 3),
	un("GELUTanh", GELUTanh, -3, 3),
	un("Sin", Sin, -3, 3),
	un("Cos", Cos, -3, 3),
	un("Erf", Erf, -2, 2),
	un("Square", Square, -2, 2),
	un("Abs positive", Abs, 0.1, 2),
	un("Abs negative", Abs, -2, -0.1),
	un("Softplus", Softplus, -3, 3),
	un("Scale", func(x *Value) *Value { return Scale(x, -1.75) }, -1, 1),
	un("AddScalar", func(x *Value) *Value { return Square(AddScalar(x, 0.5)) }, -1, 1),
	un("Clamp inside", func(x *Value) *Value { return Clamp(x, -1.5, 1.5) }, -1, 1),
	un("Clamp outside", func(x *Value) *Value { return Clamp(x, -0.5, 0.25) }, 0.5, 1),

	bin("Add", Add, in(2, 5), in(2, 5)),
	bin("Add suffix", Add, in(2, 3, 4), in(4)),
	bin("Sub columns", Sub, in(2, 3, 4), in(3, 1)),
	bin("Mul", Mul, in(2, 5), in(2, 5)),
	bin("Mul picture", Mul, in(2, 2, 3, 4), in(2, 1, 1, 4)),
	bin("Mul scalar", Mul, in(), in(2, 5)),
	bin("Mul both", Mul, in(3, 1), in(1, 4)),
	bin("Div", Div, in(2, 5), away),
	bin("Div row", Div, in(2, 5), away.in(0.4, 2)),
	bin("Maximum", Maximum, in(2, 5), in(2, 5)),
	bin("Minimum", Minimum, in(2, 5), in(2, 5)),
	bin("Greater", func(a, b *Value) *Value { return Mul(Square(a), Greater(a, b)) }, in(2, 5), in(2, 5)),
	{"Where", []input{in(2, 5), in(2, 5)}, func(in []*Value) *Value {
		cond := Greater(in[0], in[1])
		return Where(cond, Square(in[0]), Exp(in[1]))
	}},

	un("Sum all", func(x *Value) *Value { return Square(Sum(x)) }, -1, 1),
	un("Sum rows", func(x *Value) *Value { return Square(Sum(x, 0)) }, -1, 1),
	un("Sum last", func(x *Value) *Value { return Exp(Sum(x, -1)) }, -1, 1),
	un("Mean", func(x *Value) *Value { return Square(Mean(x, 1)) }, -1, 1),
	un("SumTo", func(x *Value) *Value { return Square(SumTo(x, 2, 1)) }, -1, 1),
	un("BroadcastTo", func(x *Value) *Value { return Square(BroadcastTo(x, 3, 2, 5)) }, -1, 1),
	un("MaxAlong", func(x *Value) *Value { return Square(MaxAlong(x, 1)) }, -1, 1),
	un("Softmax", Softmax, -2, 2),
	bin("SoftmaxGrad", SoftmaxGrad, in(2, 5).in(0.05, 0.5), in(2, 5)),
	un("LogSoftmax", LogSoftmax, -2, 2),

	mat("MatMul", false, false, in(3, 4), in(4, 2)),
	mat("MatMul ta", true, false, in(4, 3), in(4, 2)),
	mat("MatMul tb", false, true, in(3, 4), in(2, 4)),
	mat("MatMul ta tb", true, true, in(4, 3), in(2, 4)),
	mat("MatMul batch", false, true, in(2, 2, 3, 4), in(2, 2, 2, 4)),
	mat("MatMul rows", false, false, in(2, 3, 4), in(4, 2)),
	{"Linear", []input{in(2, 2, 3), in(3, 4), in(4)}, func(in []*Value) *Value {
		return Tanh(Linear(in[0], in[1], Epilogue{Bias: in[2]}))
	}},
	{"Linear SiLU residual", []input{in(2, 2, 3), in(3, 4), in(4), in(2, 2, 4)}, func(in []*Value) *Value {
		return Tanh(Linear(in[0], in[1], Epilogue{Bias: in[2], Act: tensor.ActSiLU, Residual: in[3]}))
	}},
	{"Linear residual", []input{in(2, 2, 3), in(3, 4), in(2, 2, 4)}, func(in []*Value) *Value {
		return Tanh(Linear(in[0], in[1], Epilogue{Residual: in[2]}))
	}},
	{"Linear bias residual", []input{in(2, 3), in(3, 4), in(4), in(2, 4)}, func(in []*Value) *Value {
		return Tanh(Linear(in[0], in[1], Epilogue{Bias: in[2], Residual: in[3]}))
	}},
	{"Conv2D bias residual", []input{in(1, 2, 2, 2), in(3, 3, 2, 3), in(3), in(1, 2, 2, 3)}, func(in []*Value) *Value {
		return Tanh(Conv2D(in[0], in[1], tensor.Same(3), Epilogue{Bias: in[2], Residual: in[3]}))
	}},
	{"Attention", []input{in(2, 3, 4), in(2, 2, 4), in(2, 2, 4)}, func(in []*Value) *Value {
		return Attention(in[0], in[1], in[2], 2, 0.7)
	}},
	{"Attention causal", []input{in(2, 3, 8), in(2, 4, 4), in(2, 4, 4)}, func(in []*Value) *Value {
		return AttentionEx(in[0], in[1], in[2], tensor.AttentionSpec{
			Heads: 4, KVHeads: 2, Scale: 0.7, Causal: true, Start: 1, Lengths: []int{4, 2},
		})
	}},
	{"Attention columns", []input{in(1, 3, 12)}, func(in []*Value) *Value {
		spec := tensor.AttentionSpec{Heads: 2, Scale: 0.7, KAt: 4, VAt: 8}
		return AttentionEx(in[0], in[0], in[0], spec)
	}},
	{"Attention self", []input{in(1, 3, 4)}, func(in []*Value) *Value {
		return Attention(in[0], in[0], in[0], 1, 0.5)
	}},

	{"GroupNorm", []input{in(2, 2, 2, 4), in(4), in(4)}, func(in []*Value) *Value {
		return GroupNorm(in[0], in[1], in[2], 2, 1e-3)
	}},
	{"GroupNormSiLU", []input{in(1, 2, 2, 4), in(4), in(4)}, func(in []*Value) *Value {
		return GroupNormSiLU(in[0], in[1], in[2], 2, 1e-3)
	}},
	{"GroupNormGrad dx", []input{in(2, 3, 4), in(4), in(2, 3, 4)}, part(0, groupStats)},
	{"GroupNormGrad dgamma", []input{in(2, 3, 4), in(4), in(2, 3, 4)}, part(1, groupStats)},
	{"GroupNormGrad dbeta", []input{in(2, 3, 4), in(4), in(2, 3, 4)}, part(2, groupStats)},
	{"LayerNorm", []input{in(2, 3, 4), in(4), in(4)}, func(in []*Value) *Value {
		return LayerNorm(in[0], in[1], in[2], 1e-3)
	}},
	{"LayerNormGrad dx", []input{in(3, 4), in(4), in(3, 4)}, part(0, layerStats)},
	{"LayerNormGrad dgamma", []input{in(3, 4), in(4), in(3, 4)}, part(1, layerStats)},
	{"LayerNormGrad dbeta", []input{in(3, 4), in(4), in(3, 4)}, part(2, layerStats)},

	un("Reshape", func(x *Value) *Value { return Square(Reshape(x, 5, -1)) }, -1, 1),
	{"Permute", []input{in(2, 3, 4)}, func(in []*Value) *Value { return Square(Permute(in[0], 2, 0, 1)) }},
	{"Concat", []input{in(2, 1, 3), in(2, 2, 3), in(2, 1, 3)}, func(in []*Value) *Value {
		return Square(Concat(1, in...))
	}},
	{"Slice", []input{in(2, 5, 2)}, func(in []*Value) *Value { return Square(Slice(in[0], 1, 1, 3)) }},
	{"PadInto", []input{in(2, 2)}, func(in []*Value) *Value { return Exp(PadInto(in[0], -1, 1, 4)) }},
	{"Embedding", []input{in(3, 2)}, func(in []*Value) *Value { return Square(Embedding(in[0], ids)) }},
	{"ScatterAdd", []input{in(4, 2)}, func(in []*Value) *Value { return Square(ScatterAdd(in[0], ids, 5)) }},
	{"UpsampleNearest2", []input{in(1, 2, 2, 3)}, func(in []*Value) *Value {
		return Square(UpsampleNearest2(in[0]))
	}},
	{"SumPool2", []input{in(1, 4, 2, 3)}, func(in []*Value) *Value { return Square(SumPool2(in[0])) }},
	{"AvgPool2", []input{in(1, 4, 2, 3)}, func(in []*Value) *Value { return Square(AvgPool2(in[0])) }},
	{"MaxPool2", []input{in(1, 4, 4, 2)}, func(in []*Value) *Value { return Square(MaxPool2(in[0])) }},
	{"MaxPool2Grad", []input{in(1, 4, 2, 2), in(1, 2, 1, 2)}, func(in []*Value) *Value {
		return Square(MaxPool2Grad(in[0], in[1]))
	}},
	{"SpaceToDepth2", []input{in(1, 2, 4, 2)}, func(in []*Value) *Value { return Square(SpaceToDepth2(in[0])) }},
	{"DepthToSpace2", []input{in(1, 1, 2, 8)}, func(in []*Value) *Value { return Square(DepthToSpace2(in[0])) }},
},
	conv("Conv2D 3x3", in(2, 3, 4, 2), in(3, 3, 2, 3), tensor.Same(3)),
	conv("Conv2D 1x1", in(1, 2, 2, 3), in(1, 1, 3, 2), tensor.ConvSpec{}),
	conv("Conv2D stride 2", in(1, 4, 5, 2), in(3, 3, 2, 2),
		tensor.ConvSpec{StrideH: 2, StrideW: 2, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}),
	depthwise("DepthwiseConv2D", in(2, 3, 4, 2), in(3, 3, 2, 1), tensor.Same(3)),
	depthwise("DepthwiseConv2D multiplier", in(1, 4, 5, 2), in(3, 3, 2, 3),
		tensor.ConvSpec{StrideH: 2, StrideW: 2, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}),
	conv("Conv2D uneven", in(1, 4, 4, 1), in(2, 3, 1, 2),
		tensor.ConvSpec{StrideH: 1, StrideW: 2, PadTop: 0, PadBottom: 1, PadLeft: 2, PadRight: 1}),
	[]check{
		// A block of a U-Net: everything that a second derivative must pass through at once.
		{"residual block", []input{in(1, 2, 2, 4), in(4), in(4), in(3, 3, 4, 4), in(1, 4)}, func(in []*Value) *Value {
			h := GroupNormSiLU(in[0], in[1], in[2], 2, 1e-2)
			h = Add(h, Reshape(in[4], 1, 1, 1, 4))
			return Conv2D(SiLU(h), in[3], tensor.Same(3), Epilogue{Residual: in[0]})
		}},
		// Values used several times collect several cotangents, views among them.
		{"fan-out", []input{in(2, 4)}, func(in []*Value) *Value {
			x := in[0]
			y := Add(x, x)
			z := Add(Mul(y, x), Add(y, Reshape(Reshape(y, 4, 2), 2, 4)))
			return Add(z, Add(Tanh(z), Neg(z)))
		}},
	})

func flatten(cs ...[]check) (all []check) {
	for _, c := range cs {
		all = append(all, c...)
	}
	return all
}
