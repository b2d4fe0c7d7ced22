package autograd

import (
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/internal/golden"
)

func one(f func(*Value) *Value) func(*golden.Case, []*Value) *Value {
	return func(_ *golden.Case, in []*Value) *Value { return f(in[0]) }
}

func two(f func(a, b *Value) *Value) func(*golden.Case, []*Value) *Value {
	return func(_ *golden.Case, in []*Value) *Value { return f(in[0], in[1]) }
}

// goldenOps are the operations whose derivatives have references: the case's inputs are the arguments and
// then the cotangent of the result.
var goldenOps = map[string]func(c *golden.Case, in []*Value) *Value{
	"neg_grad": one(Neg), "exp_grad": one(Exp), "log_grad": one(Log), "sqrt_grad": one(Sqrt),
	"rsqrt_grad": one(Rsqrt), "recip_grad": one(Recip), "tanh_grad": one(Tanh), "sigmoid_grad": one(Sigmoid),
	"silu_grad": one(SiLU), "gelu_grad": one(GELU), "gelu_tanh_grad": one(GELUTanh), "sin_grad": one(Sin),
	"cos_grad": one(Cos), "erf_grad": one(Erf), "square_grad": one(Square), "softplus_grad": one(Softplus),
	"softmax_grad": one(Softmax), "log_softmax_grad": one(LogSoftmax), "max_pool2": one(MaxPool2),
	"add_grad": two(Add), "sub_grad": two(Sub), "mul_grad": two(Mul), "div_grad": two(Div),
	"matmul_grad": func(_ *golden.Case, in []*Value) *Value { return MatMul(in[0], in[1], false, false) },
	"linear":      func(_ *golden.Case, in []*Value) *Value { return Linear(in[0], in[1], Epilogue{Bias: in[2]}) },
	"conv2d":      func(c *golden.Case, in []*Value) *Value { return Conv2D(in[0], in[1], c.Spec(), Epilogue{}) },
	"attention": func(c *golden.Case, in []*Value) *Value {
		return Attention(in[0], in[1], in[2], c.Int("heads"), c.Num("scale"))
	},
	"group_norm": func(c *golden.Case, in []*Value) *Value {
		return GroupNorm(in[0], in[1], in[2], c.Int("groups"), c.Num("eps"))
	},
	"group_norm_silu": func(c *golden.Case, in []*Value) *Value {
		return GroupNormSiLU(in[0], in[1], in[2], c.Int("groups"), c.Num("eps"))
	},
	"layer_norm": func(c *golden.Case, in []*Value) *Value { return LayerNorm(in[0], in[1], in[2], c.Num("eps")) },
}

// TestGoldens compares results and gradients with PyTorch's.
func TestGoldens(t *testing.T) {
	cases, err := golden.Read("../testdata/ops.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	tape := NewTape(nil)
	for _, c := range cases {
		f := goldenOps[c.Op]
		if f == nil {
			if strings.HasSuffix(c.Op, "_grad") {
				t.Errorf("%s: no such operation here", c.Name)
			}
			continue
		}
		seen[c.Op] = true
		for _, d := range []tensor.DType{tensor.Float32, tensor.Float64} {
			tape.Reset()
			var in []*Value
			for _, x := range c.In[:len(c.In)-1] {
				in = append(in, tape.Leaf(x.To(d)))
			}
			y := f(c, in)
			grads := tape.Pull(y, tape.Const(c.In[len(c.In)-1].To(d)), in, false)
			outs := len(c.Out)
			for i, g := range grads {
				if err := c.Compare(outs-len(grads)+i, g.Tensor); err != nil {
					t.Error(err)
				}
			}
			if outs > len(grads) {
				if err := c.Compare(0, y.Tensor); err != nil {
					t.Error(err)
				}
			}
		}
	}
	for op := range goldenOps {
		if !seen[op] {
			t.Errorf("no case of %s", op)
		}
	}
}
