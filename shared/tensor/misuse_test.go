package tensor_test

import (
	"strings"
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// TestMisuse checks that wrong shapes, types and numbers panic with *Error that names the operation, and that
// nothing else is caught.
func TestMisuse(t *testing.T) {
	f := func(shape ...int) *Tensor { return New(Float32, shape...) }
	rows := []struct {
		op  string
		run func()
	}{
		{"New", func() { New(Float32, -1) }},
		{"New", func() { New(Float32, 1<<30, 1<<30) }},
		{"New", func() { New(Float32, 1, 1, 1, 1, 1, 1, 1) }},
		{"Exp", func() { Exp(f(2), f(3)) }},
		{"Exp", func() { Exp(New(Float64, 2), f(2)) }},
		{"Add", func() { Add(f(2, 3), f(2, 3), f(2)) }},
		{"Add", func() { Add(f(2, 3), f(1, 3), f(3)) }},
		{"Add", func() { Add(f(3), f(2, 3), f(3)) }},
		{"Add", func() { Add(f(3), f(3), New(Float64, 3)) }},
		{"Where", func() { Where(f(2, 3), f(3), f(3), f(3)) }},
		{"Clamp", func() { Clamp(f(3), f(3), 1, 0) }},
		{"Clamp", func() { Clamp(f(3), f(3), nan, 0) }},
		{"Sum", func() { Sum(f(3), f(2, 3), 1) }},
		{"Sum", func() { Sum(f(2), f(2, 3), 2) }},
		{"SumTo", func() { SumTo(f(4), f(2, 3)) }},
		{"BroadcastTo", func() { BroadcastTo(f(2, 3), f(2)) }},
		{"MaxAlong", func() { MaxAlong(f(2), f(2, 0), 1) }},
		{"LogSoftmax", func() { x := f(2, 3); LogSoftmax(x, x) }},
		{"MatMul", func() { MatMul(f(2, 4), f(2, 3), f(4, 3), false, false) }},
		{"MatMul", func() { MatMul(f(5, 2, 4), f(5, 2, 3), f(4, 3, 4), false, false) }},
		{"MatMul", func() { MatMul(f(2), f(2), f(2), false, false) }},
		{"MatMul", func() { x := f(2, 2); MatMul(x, x, f(2, 2), false, false) }},
		{"Add", func() { x := f(2, 2); Add(x, x, FromFloat32(x.F32()[:2], 2)) }},
		{"Permute", func() { x := f(2, 2); Permute(x, x, 1, 0) }},
		{"Conv2D", func() { x := f(1, 2, 2, 1); Conv2D(x, x, f(1, 1, 1, 1), ConvSpec{}) }},
		{"Slice", func() { x := f(2, 2); Slice(x, x, 0, 0) }},
		{"MatMulPacked", func() { MatMulPacked(f(2, 4), f(2, 3), PackB(New(Float64, 3, 4), false), nil) }},
		{"MatMul", func() { MatMulEx(f(2, 4), f(2, 3), f(3, 4), false, false, &Epilogue{Bias: f(3)}) }},
		{"MatMul", func() { y := f(2, 4); MatMulEx(y, f(2, 3), f(3, 4), false, false, &Epilogue{Residual: y}) }},
		{"MatMulSparse", func() { MatMulSparse(f(2, 4), f(2, 3), f(4, 3), false, false, nil) }},
		{"MatMulSparsePacked", func() { MatMulSparsePacked(f(2, 4), f(2, 5), PackB(f(3, 4), false), nil) }},
		{"PackB", func() { PackB(f(2, 3, 4), false) }},
		{"PackConv", func() { PackConv(f(2, 3)) }},
		{"Conv2D", func() { Conv2D(f(1, 2, 2, 1), f(1, 2, 2, 3), f(3, 3, 3, 1), ConvSpec{}) }},
		{"DepthwiseConv2D", func() { DepthwiseConv2D(f(1, 2, 2, 4), f(1, 2, 2, 4), f(1, 1, 2, 4), ConvSpec{}) }},
		{"DepthwiseConv2D", func() { DepthwiseConv2D(f(1, 2, 2, 4), f(1, 2, 2, 4), f(1, 1, 4, 2), ConvSpec{}) }},
		{"Conv2D", func() { Conv2D(f(1, 2, 2, 1), f(1, 2, 2, 3), f(1, 1, 2, 1), ConvSpec{}) }},
		{"Conv2D", func() { Conv2D(f(1, 2, 2, 1), f(1, 2, 2, 3), f(1, 1, 3, 1), ConvSpec{PadTop: -1}) }},
		{"GroupNorm", func() { GroupNorm(f(2, 6), f(2, 4), f(2, 4), f(2, 6), f(6), f(6), 4, 1e-5) }},
		{"GroupNorm", func() { GroupNorm(f(2, 6), f(2, 2), f(2, 2), f(2, 6), f(5), f(6), 2, 1e-5) }},
		{"LayerNorm", func() { LayerNorm(f(2, 6), f(2), f(3), f(2, 6), f(6), f(6), 1e-5) }},
		{"Permute", func() { Permute(f(3, 2), f(2, 3), 0, 0) }},
		{"Permute", func() { Permute(f(2, 3), f(2, 3), 1, 0) }},
		{"Concat", func() { Concat(f(2, 5), 1, f(2, 2), f(2, 2)) }},
		{"Slice", func() { Slice(f(2, 2), f(2, 3), 1, 2) }},
		{"PadInto", func() { PadInto(f(2, 3), f(2, 2), 1, 2) }},
		{"Gather", func() { Gather(f(2, 3), f(4, 3), []int32{0, 4}) }},
		{"Gather", func() { Gather(f(2, 3), f(4, 3), []int32{0, -1}) }},
		{"ScatterAdd", func() { ScatterAdd(f(4, 3), []int32{0}, f(2, 3)) }},
		{"UpsampleNearest2", func() { UpsampleNearest2(f(1, 4, 5, 3), f(1, 2, 2, 3)) }},
		{"SpaceToDepth2", func() { SpaceToDepth2(f(1, 2, 2, 9), f(1, 4, 4, 3)) }},
		{"Attention", func() { Attention(f(1, 2, 6), f(1, 2, 6), f(1, 2, 6), f(1, 2, 6), 4, 1) }},
		{"AdamW", func() { AdamW(f(2), f(2), f(2), f(3), AdamWParams{}) }},
		{"Dims4", func() { f(2, 3).Dims4() }},
		{"F64", func() { f(2).F64() }},
		{"Item", func() { f(2).Item() }},
	}
	for _, r := range rows {
		err := Catch(r.run)
		if err == nil || !strings.HasPrefix(err.Error(), "tensor."+r.op) {
			t.Errorf("%s: %v", r.op, err)
		}
	}
	defer func() {
		if recover() != "other" {
			t.Error("Catch took a panic that is not its own")
		}
	}()
	_ = Catch(func() { panic("other") })
}
