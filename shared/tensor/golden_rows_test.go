package tensor_test

import (
	"math"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// composed are the cases that other packages' operations answer: losses, layers, optimisers. Cases whose
// name ends in _grad without a row here are derivatives that package autograd composes.
var composed = map[string]bool{
	"linear": true, "mse": true, "cross_entropy": true, "bce_logits": true, "time_embedding": true,
	"clip_global_norm": true,
}

// closedForm names the exported operations that need no golden, and the test that covers them.
var closedForm = map[string]string{
	"PackB":    "TestPackedEqualsUnpacked",
	"PackConv": "TestPackedEqualsUnpacked",

	"PackConvTranspose": "TestConvTranspose", "ConvTranspose2D": "TestConvTranspose",
	"Conv2DConcatPacked": "TestConcatOfChannels", "GroupNormSiLUConcat": "TestConcatOfChannels",

	"ScaleAdd":         "TestScaleAdd",
	"AttentionEx":      "TestAttentionGoldens",
	"AttentionCached":  "TestAttentionChunksAndCaches",
	"AttentionGrad":    "TestAttentionGoldens",
	"PackInt8":         "lowp.TestProduct",
	"PackBF16":         "lowp.TestProduct",
	"MatMulInt8":       "lowp.TestProduct",
	"MatMulBF16":       "lowp.TestProduct",
	"MatMulLow":        "TestLowEpilogue",
	"MatMulNarrow":     "TestLowEpilogue",
	"RMSNorm":          "TestDecoderGoldens",
	"RoPE":             "TestDecoderGoldens",
	"SwiGLU":           "TestDecoderGoldens",
	"MatMulQuant":      "TestMatMulQuant",
	"QuantizeBlocks":   "TestMatMulQuant, and quant's TestGGUF",
	"DequantizeBlocks": "TestMatMulQuant, and quant's TestGGUF",
	"ReLUGrad":         "TestTrainingClosedForms", "TanhGrad": "TestTrainingClosedForms", "SigmoidGrad": "TestTrainingClosedForms",
	"MatMulSparse": "TestSparseIsMatMul", "MatMulSparsePacked": "TestSparseIsMatMul",
	"GroupNormSiLUGrad": "TestGroupNormSiLUGradIsTheTwo",
	"BCELogits":         "TestTrainingClosedForms", "BCELogitsGrad": "TestTrainingClosedForms",
	"CrossEntropy": "TestTrainingClosedForms", "CrossEntropyGrad": "TestTrainingClosedForms",
}

// covers says which exported functions a row tests.
var covers = map[string][]string{
	"neg": {"Neg"}, "abs": {"Abs"}, "square": {"Square"}, "recip": {"Recip"}, "sqrt": {"Sqrt"},
	"rsqrt": {"Rsqrt"}, "exp": {"Exp"}, "log": {"Log"}, "sin": {"Sin"}, "cos": {"Cos"}, "tanh": {"Tanh"},
	"erf": {"Erf"}, "sigmoid": {"Sigmoid"}, "silu": {"SiLU"}, "relu": {"ReLU"}, "gelu": {"GELU"},
	"gelu_tanh": {"GELUTanh"}, "softplus": {"Softplus"}, "silu_grad": {"SiLUGrad"}, "gelu_grad": {"GELUGrad"},
	"scale": {"Scale"}, "add_scalar": {"AddScalar"}, "clamp": {"Clamp"}, "axpy": {"AXPY"}, "lerp": {"Lerp"},
	"add": {"Add"}, "sub": {"Sub"}, "mul": {"Mul"}, "div": {"Div"}, "maximum": {"Maximum"},
	"minimum": {"Minimum"}, "greater": {"Greater"}, "where": {"Where"},
	"sum": {"Sum"}, "mean": {"Mean"}, "max_along": {"MaxAlong"}, "sum_squares": {"SumSquares"},
	"sum_to": {"SumTo"}, "broadcast_to": {"BroadcastTo"},
	"softmax": {"Softmax"}, "log_softmax": {"LogSoftmax"}, "softmax_grad": {"SoftmaxGrad"},
	"log_softmax_grad": {"LogSoftmaxGrad"},
	"matmul":           {"MatMul"}, "matmul_grad": {"MatMul"}, "matmul_ex": {"MatMulEx", "MatMulPacked"},
	"conv2d":       {"Conv2D", "Conv2DInputGrad", "Conv2DWeightGrad"},
	"conv2d_ex":    {"Conv2DEx", "Conv2DPacked"},
	"depthwise":    {"DepthwiseConv2D", "DepthwiseConv2DInputGrad", "DepthwiseConv2DWeightGrad"},
	"depthwise_ex": {"DepthwiseConv2DEx"},
	"group_norm":   {"GroupNorm", "GroupNormGrad"}, "group_norm_silu": {"GroupNormSiLU"},
	"layer_norm": {"LayerNorm", "LayerNormGrad"},
	"permute":    {"Permute"}, "concat": {"Concat"}, "slice": {"Slice"}, "pad_into": {"PadInto"},
	"gather": {"Gather"}, "scatter_add": {"ScatterAdd"},
	"upsample_nearest2": {"UpsampleNearest2"}, "sum_pool2": {"SumPool2"}, "avg_pool2": {"AvgPool2"},
	"max_pool2": {"MaxPool2", "MaxPool2Grad"}, "space_to_depth2": {"SpaceToDepth2"},
	"depth_to_space2": {"DepthToSpace2"}, "attention": {"Attention"},
	"adamw": {"AdamW"}, "sgd": {"SGDMomentum"},
}

// operations computes the outputs of a case, in the order of the file; fewer than there are where the rest
// belongs to other packages.
var operations = map[string]func(g *golden) []*Tensor{
	"neg": one(Neg), "abs": one(Abs), "square": one(Square), "recip": one(Recip), "sqrt": one(Sqrt),
	"rsqrt": one(Rsqrt), "exp": one(Exp), "log": one(Log), "sin": one(Sin), "cos": one(Cos), "tanh": one(Tanh),
	"erf": one(Erf), "sigmoid": one(Sigmoid), "silu": one(SiLU), "relu": one(ReLU), "gelu": one(GELU),
	"gelu_tanh": one(GELUTanh), "softplus": one(Softplus), "silu_grad": two(SiLUGrad), "gelu_grad": two(GELUGrad),
	"add": two(Add), "sub": two(Sub), "mul": two(Mul), "div": two(Div), "maximum": two(Maximum),
	"minimum": two(Minimum), "greater": two(Greater),
	"softmax": one(Softmax), "log_softmax": one(LogSoftmax), "sum_to": one(SumTo), "broadcast_to": one(BroadcastTo),
	"upsample_nearest2": one(UpsampleNearest2), "sum_pool2": one(SumPool2), "avg_pool2": one(AvgPool2),
	"space_to_depth2": one(SpaceToDepth2), "depth_to_space2": one(DepthToSpace2),

	"scale":       with(func(g *golden, y, x *Tensor) { Scale(y, x, g.num("c")) }),
	"add_scalar":  with(func(g *golden, y, x *Tensor) { AddScalar(y, x, g.num("c")) }),
	"clamp":       with(func(g *golden, y, x *Tensor) { Clamp(y, x, g.num("lo"), g.num("hi")) }),
	"max_along":   with(func(g *golden, y, x *Tensor) { MaxAlong(y, x, g.int("axis")) }),
	"permute":     with(func(g *golden, y, x *Tensor) { Permute(y, x, g.ints("perm")...) }),
	"slice":       with(func(g *golden, y, x *Tensor) { Slice(y, x, g.int("axis"), g.int("start")) }),
	"pad_into":    with(func(g *golden, y, x *Tensor) { PadInto(y, x, g.int("axis"), g.int("start")) }),
	"concat":      with(func(g *golden, y, _ *Tensor) { Concat(y, g.int("axis"), g.in...) }),
	"gather":      with(func(g *golden, y, x *Tensor) { Gather(y, x, g.ids) }),
	"scatter_add": with(func(g *golden, y, x *Tensor) { ScatterAdd(y, g.ids, x) }),
	"where":       with(func(g *golden, y, _ *Tensor) { Where(y, g.in[0], g.in[1], g.in[2]) }),
	"sum":         with(func(g *golden, y, x *Tensor) { Sum(scalarOf(y, x, g), x, g.ints("axes")...) }),
	"mean":        with(func(g *golden, y, x *Tensor) { Mean(scalarOf(y, x, g), x, g.ints("axes")...) }),

	"sum_squares": func(g *golden) []*Tensor { return []*Tensor{FromFloat64([]float64{SumSquares(g.in[0])}, 1)} },
	"axpy": func(g *golden) []*Tensor {
		y := g.in[0].Clone()
		AXPY(y, g.num("a"), g.in[1])
		return []*Tensor{y}
	},
	"lerp": func(g *golden) []*Tensor {
		y := g.in[0].Clone()
		Lerp(y, g.in[1], g.num("t"))
		return []*Tensor{y}
	},
	"softmax_grad": func(g *golden) []*Tensor {
		y, dx := g.like(0), g.like(0)
		Softmax(y, g.in[0])
		SoftmaxGrad(dx, y, g.in[1])
		return []*Tensor{dx}
	},
	"log_softmax_grad": func(g *golden) []*Tensor {
		y, dx := g.like(0), g.like(0)
		LogSoftmax(y, g.in[0])
		LogSoftmaxGrad(dx, y, g.in[1])
		return []*Tensor{dx}
	},
	"matmul": with(func(g *golden, y, x *Tensor) { MatMul(y, x, g.in[1], g.bool("trans_a"), g.bool("trans_b")) }),
	"matmul_grad": func(g *golden) []*Tensor {
		a, b, dy := g.in[0], g.in[1], g.in[2]
		da, db := g.like(0), g.like(1)
		MatMul(da, dy, b, false, true)
		if b.Rank() == 2 { // one b for the whole batch: its rows join
			a, dy = a.Reshape(-1, a.Dim(-1)), dy.Reshape(-1, dy.Dim(-1))
		}
		MatMul(db, a, dy, true, false)
		return []*Tensor{da, db}
	},
	"matmul_ex": func(g *golden) []*Tensor {
		y, z := g.like(0), g.like(0)
		MatMulEx(y, g.in[0], g.in[1], false, false, g.epilogue())
		MatMulPacked(z, g.in[0], PackB(g.in[1], false), g.epilogue())
		return []*Tensor{sameOrNaN(y, z)}
	},
	"conv2d": func(g *golden) []*Tensor {
		y, dx, dw := g.like(0), g.like(1), g.like(2)
		Conv2D(y, g.in[0], g.in[1], g.spec())
		Conv2DInputGrad(dx, g.in[2], g.in[1], g.spec())
		Conv2DWeightGrad(dw, g.in[0], g.in[2], g.spec())
		return []*Tensor{y, dx, dw}
	},
	"conv2d_ex": func(g *golden) []*Tensor {
		y, z := g.like(0), g.like(0)
		Conv2DEx(y, g.in[0], g.in[1], g.spec(), g.epilogue())
		Conv2DPacked(z, g.in[0], PackConv(g.in[1]), g.spec(), g.epilogue())
		return []*Tensor{sameOrNaN(y, z)}
	},
	"depthwise": func(g *golden) []*Tensor {
		y, dx, dw := g.like(0), g.like(1), g.like(2)
		DepthwiseConv2D(y, g.in[0], g.in[1], g.spec())
		DepthwiseConv2DInputGrad(dx, g.in[2], g.in[1], g.spec())
		DepthwiseConv2DWeightGrad(dw, g.in[0], g.in[2], g.spec())
		return []*Tensor{y, dx, dw}
	},
	"depthwise_ex": func(g *golden) []*Tensor {
		y, z := g.like(0), g.like(0)
		DepthwiseConv2DEx(y, g.in[0], g.in[1], g.spec(), g.epilogue())
		DepthwiseConv2D(z, g.in[0], g.in[1], g.spec())
		Add(z, z, g.in[2])
		SiLU(z, z)
		Add(z, z, g.in[3])
		return []*Tensor{sameOrNaN(y, z)}
	},
	"group_norm": func(g *golden) []*Tensor {
		x, gamma, beta, dy := g.in[0], g.in[1], g.in[2], g.in[3]
		y, mean, rstd, dx, dgamma, dbeta := g.like(0), g.like(1), g.like(2), g.like(3), g.like(4), g.like(5)
		GroupNorm(y, mean, rstd, x, gamma, beta, g.int("groups"), g.num("eps"))
		GroupNormGrad(dx, dgamma, dbeta, x, mean, rstd, gamma, dy, g.int("groups"))
		return []*Tensor{y, mean, rstd, dx, dgamma, dbeta}
	},
	"group_norm_silu": func(g *golden) []*Tensor {
		x, gamma, beta, dy := g.in[0], g.in[1], g.in[2], g.in[3]
		y, mean, rstd, dx, dgamma, dbeta := g.like(0), g.like(1), g.like(2), g.like(3), g.like(4), g.like(5)
		h := g.like(0)
		GroupNorm(h, mean, rstd, x, gamma, beta, g.int("groups"), g.num("eps"))
		SiLUGrad(h, h, dy)
		GroupNormGrad(dx, dgamma, dbeta, x, mean, rstd, gamma, h, g.int("groups"))
		GroupNormSiLU(y, mean, rstd, x, gamma, beta, g.int("groups"), g.num("eps"))
		return []*Tensor{y, mean, rstd, dx, dgamma, dbeta}
	},
	"layer_norm": func(g *golden) []*Tensor {
		x, gamma, beta, dy := g.in[0], g.in[1], g.in[2], g.in[3]
		y, mean, rstd, dx, dgamma, dbeta := g.like(0), g.like(1), g.like(2), g.like(3), g.like(4), g.like(5)
		LayerNorm(y, mean, rstd, x, gamma, beta, g.num("eps"))
		LayerNormGrad(dx, dgamma, dbeta, x, mean, rstd, gamma, dy)
		return []*Tensor{y, mean, rstd, dx, dgamma, dbeta}
	},
	"max_pool2": func(g *golden) []*Tensor {
		y, dx := g.like(0), g.like(1)
		MaxPool2(y, g.in[0])
		MaxPool2Grad(dx, g.in[0], g.in[1])
		return []*Tensor{y, dx}
	},
	"attention": func(g *golden) []*Tensor {
		y := g.like(0)
		Attention(y, g.in[0], g.in[1], g.in[2], g.int("heads"), g.num("scale"))
		return []*Tensor{y}
	},
	"adamw": func(g *golden) []*Tensor {
		p, m, v := g.in[0].Clone(), New(g.in[0].DType(), g.in[0].Len()), New(g.in[0].DType(), g.in[0].Len())
		all := g.like(0)
		h := AdamWParams{
			LR: g.num("lr"), B1: g.num("b1"), B2: g.num("b2"), Eps: g.num("eps"), WeightDecay: g.num("wd"), GradScale: 1,
		}
		for step := range all.Dim(0) {
			h.BC1, h.BC2 = 1-math.Pow(h.B1, float64(step+1)), 1-math.Pow(h.B2, float64(step+1))
			AdamW(p, row(g.in[1], step), m, v, h)
			row(all, step).CopyFrom(p)
		}
		return []*Tensor{all, m, v}
	},
	"sgd": func(g *golden) []*Tensor {
		if g.bool("nesterov") {
			return nil
		}
		p, vel, all := g.in[0].Clone(), New(g.in[0].DType(), g.in[0].Len()), g.like(0)
		for step := range all.Dim(0) {
			SGDMomentum(p, row(g.in[1], step), vel, g.num("lr"), g.num("momentum"), 0, 1)
			row(all, step).CopyFrom(p)
		}
		return []*Tensor{all}
	},
}

func one(f func(dst, x *Tensor)) func(g *golden) []*Tensor {
	return with(func(_ *golden, y, x *Tensor) { f(y, x) })
}

func two(f func(dst, a, b *Tensor)) func(g *golden) []*Tensor {
	return with(func(g *golden, y, a *Tensor) { f(y, a, g.in[1]) })
}

func with(f func(g *golden, y, x *Tensor)) func(g *golden) []*Tensor {
	return func(g *golden) []*Tensor {
		y := g.like(0)
		f(g, y, g.in[0])
		return []*Tensor{y}
	}
}

// scalarOf views y, [1] in the file, without axes where all of them were reduced.
func scalarOf(y, x *Tensor, g *golden) *Tensor {
	if len(g.ints("axes")) == x.Rank() {
		return y.Reshape()
	}
	return y
}

// row is a view of row i of a matrix.
func row(x *Tensor, i int) *Tensor {
	n := x.Dim(1)
	if x.DType() == Float64 {
		return FromFloat64(x.F64()[i*n:(i+1)*n], n)
	}
	return FromFloat32(x.F32()[i*n:(i+1)*n], n)
}

// sameOrNaN is y, or NaN where y and z differ in a bit.
func sameOrNaN(y, z *Tensor) *Tensor {
	if digest(y) != digest(z) {
		y.Fill(math.NaN())
	}
	return y
}

func (g *golden) spec() ConvSpec {
	return ConvSpec{
		StrideH: g.int("stride_h"), StrideW: g.int("stride_w"), PadTop: g.int("pad_top"),
		PadBottom: g.int("pad_bottom"), PadLeft: g.int("pad_left"), PadRight: g.int("pad_right"),
	}
}

func (g *golden) epilogue() *Epilogue {
	acts := map[string]Activation{"none": ActNone, "silu": ActSiLU, "relu": ActReLU, "gelu": ActGELU}
	return &Epilogue{Bias: g.in[2], Act: acts[g.Attrs["act"].(string)], Residual: g.in[3]}
}
