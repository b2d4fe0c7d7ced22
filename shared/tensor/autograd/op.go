package autograd

// Op is a kind of operation on the tape.
type Op uint8

// The kinds of operations. Each has a name here and a row in the derivative table.
const (
	OpLeaf Op = iota

	OpNeg
	OpExp
	OpLog
	OpSqrt
	OpRsqrt
	OpRecip
	OpTanh
	OpTanhGrad
	OpSigmoid
	OpSigmoidGrad
	OpSiLU
	OpSiLUGrad
	OpReLU
	OpReLUGrad
	OpGELU
	OpGELUGrad
	OpGELUTanh
	OpSin
	OpCos
	OpErf
	OpSquare
	OpAbs
	OpSoftplus
	OpScale
	OpAddScalar
	OpClamp

	OpAdd
	OpSub
	OpMul
	OpDiv
	OpMaximum
	OpMinimum
	OpGreater
	OpWhere

	OpSum
	OpSumTo
	OpBroadcastTo
	OpMaxAlong
	OpSoftmax
	OpSoftmaxGrad
	OpLogSoftmax
	OpLogSoftmaxGrad
	OpBCELogits
	OpBCELogitsGrad
	OpCrossEntropy
	OpCrossEntropyGrad

	OpMatMul
	OpConv2D
	OpConv2DInputGrad
	OpConv2DWeightGrad
	OpDepthwiseConv2D
	OpDepthwiseConv2DInputGrad
	OpDepthwiseConv2DWeightGrad

	OpGroupNorm
	OpGroupNormGrad
	OpLayerNorm
	OpLayerNormGrad

	OpReshape
	OpPermute
	OpConcat
	OpSlice
	OpPadInto
	OpGather
	OpScatterAdd
	OpUpsampleNearest2
	OpSumPool2
	OpMaxPool2
	OpMaxPool2Grad
	OpSpaceToDepth2
	OpDepthToSpace2
	OpAttention
	OpAttentionGrad
	OpCheckpoint
	OpGroupNormSiLU
	OpKnown

	numOps
)

var opNames = [numOps]string{
	OpLeaf: "Leaf", OpNeg: "Neg", OpExp: "Exp", OpLog: "Log", OpSqrt: "Sqrt", OpRsqrt: "Rsqrt",
	OpRecip: "Recip", OpTanh: "Tanh", OpSigmoid: "Sigmoid", OpSiLU: "SiLU", OpSiLUGrad: "SiLUGrad",
	OpReLU: "ReLU", OpGELU: "GELU", OpGELUTanh: "GELUTanh", OpSin: "Sin", OpCos: "Cos", OpErf: "Erf",
	OpSquare: "Square", OpAbs: "Abs", OpSoftplus: "Softplus", OpScale: "Scale", OpAddScalar: "AddScalar",
	OpClamp: "Clamp", OpAdd: "Add", OpSub: "Sub", OpMul: "Mul", OpDiv: "Div", OpMaximum: "Maximum",
	OpMinimum: "Minimum", OpGreater: "Greater", OpWhere: "Where", OpSum: "Sum", OpSumTo: "SumTo",
	OpBroadcastTo: "BroadcastTo", OpMaxAlong: "MaxAlong", OpSoftmax: "Softmax",
	OpSoftmaxGrad: "SoftmaxGrad", OpLogSoftmax: "LogSoftmax", OpMatMul: "MatMul", OpConv2D: "Conv2D",
	OpConv2DInputGrad: "Conv2DInputGrad", OpConv2DWeightGrad: "Conv2DWeightGrad",
	OpDepthwiseConv2D: "DepthwiseConv2D", OpDepthwiseConv2DInputGrad: "DepthwiseConv2DInputGrad",
	OpDepthwiseConv2DWeightGrad: "DepthwiseConv2DWeightGrad",
	OpGroupNorm:                 "GroupNorm", OpGroupNormGrad: "GroupNormGrad", OpLayerNorm: "LayerNorm",
	OpLayerNormGrad: "LayerNormGrad", OpReshape: "Reshape", OpPermute: "Permute", OpConcat: "Concat",
	OpSlice: "Slice", OpPadInto: "PadInto", OpGather: "Gather", OpScatterAdd: "ScatterAdd",
	OpUpsampleNearest2: "UpsampleNearest2", OpSumPool2: "SumPool2", OpMaxPool2: "MaxPool2",
	OpMaxPool2Grad: "MaxPool2Grad", OpSpaceToDepth2: "SpaceToDepth2", OpDepthToSpace2: "DepthToSpace2",
	OpAttention: "Attention", OpAttentionGrad: "AttentionGrad",
	OpReLUGrad: "ReLUGrad", OpGELUGrad: "GELUGrad", OpTanhGrad: "TanhGrad",
	OpCheckpoint: "Checkpoint", OpGroupNormSiLU: "GroupNormSiLU", OpKnown: "Known",
	OpSigmoidGrad: "SigmoidGrad", OpLogSoftmaxGrad: "LogSoftmaxGrad", OpBCELogits: "BCELogits",
	OpBCELogitsGrad: "BCELogitsGrad", OpCrossEntropy: "CrossEntropy", OpCrossEntropyGrad: "CrossEntropyGrad",
}

// String is the operation's name, that of the function that records it.
func (op Op) String() string {
	if op >= numOps {
		return "Op?"
	}
	return opNames[op]
}
