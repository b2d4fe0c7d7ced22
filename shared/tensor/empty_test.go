package tensor_test

import (
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// TestEmpty checks operations on tensors without elements: nothing panics, and empty sums are +0.
func TestEmpty(t *testing.T) {
	f := func(shape ...int) *Tensor { return fresh(Float32, shape...) }
	zero := func(name string, y *Tensor) {
		t.Helper()
		for i := range y.Len() {
			if at(y, i) != 0 {
				t.Errorf("%s: element %d is %g, want 0", name, i, at(y, i))
			}
		}
	}
	Exp(f(0, 3), f(0, 3))
	Add(f(0, 3), f(0, 3), f(3))
	Add(f(2, 0), f(2, 0), f(1, 1))
	Where(f(0), f(0), f(0), f(0))
	BroadcastTo(f(0, 3), f(3))
	Softmax(f(0, 3), f(0, 3))
	Softmax(f(3, 0), f(3, 0))
	LayerNorm(f(0, 3), f(0), f(0), f(0, 3), f(3), f(3), 1e-5)
	GroupNorm(f(0, 3, 4), f(0, 2), f(0, 2), f(0, 3, 4), f(4), f(4), 2, 1e-5)
	Permute(f(3, 0), f(0, 3), 1, 0)
	Concat(f(2, 3), 0, f(0, 3), f(2, 3))
	Gather(f(0, 3), f(4, 3), nil)
	UpsampleNearest2(f(0, 4, 4, 3), f(0, 2, 2, 3))
	SpaceToDepth2(f(0, 2, 2, 12), f(0, 4, 4, 3))
	Attention(f(0, 2, 4), f(0, 2, 4), f(0, 2, 4), f(0, 2, 4), 2, 1)
	AdamW(f(0), f(0), f(0), f(0), AdamWParams{BC1: 1, BC2: 1})

	y := f(2, 5)
	MatMul(y, f(2, 0), f(0, 5), false, false)
	zero("MatMul", y)
	MatMul(f(0, 5), f(0, 3), f(3, 5), false, false)
	MatMul(f(0, 2, 5), f(0, 2, 3), f(0, 3, 5), false, false)
	MatMul(f(0, 2, 5), f(0, 3, 2), f(3, 5), true, false)
	y = f(1, 4, 4, 2)
	Conv2D(y, f(1, 4, 4, 0), f(3, 3, 0, 2), Same(3))
	zero("Conv2D", y)
	DepthwiseConv2D(f(0, 4, 4, 2), f(0, 4, 4, 2), f(3, 3, 2, 1), Same(3))
	DepthwiseConv2D(f(1, 4, 4, 0), f(1, 4, 4, 0), f(3, 3, 0, 1), Same(3))
	d := f(3, 3, 2, 1)
	DepthwiseConv2DWeightGrad(d, f(0, 4, 4, 2), f(0, 4, 4, 2), Same(3))
	zero("DepthwiseConv2DWeightGrad", d)
	d = f(1, 4, 4, 2)
	DepthwiseConv2DInputGrad(d, f(1, 4, 4, 0), f(3, 3, 2, 0), Same(3))
	zero("DepthwiseConv2DInputGrad", d)
	Conv2D(f(0, 4, 4, 2), f(0, 4, 4, 3), f(3, 3, 3, 2), Same(3))
	w := f(3, 3, 3, 2)
	Conv2DWeightGrad(w, f(0, 4, 4, 3), f(0, 4, 4, 2), Same(3))
	zero("Conv2DWeightGrad", w)
	x := f(1, 4, 4, 3)
	Conv2DInputGrad(x, f(1, 4, 4, 0), f(3, 3, 3, 0), Same(3))
	zero("Conv2DInputGrad", x)
	y = f(3)
	Sum(y, f(0, 3), 0)
	zero("Sum", y)
	SumTo(y, f(0, 3))
	zero("SumTo", y)
	y = f(4, 3)
	ScatterAdd(y, nil, f(0, 3))
	zero("ScatterAdd", y)
	dg, db := f(4), f(4)
	GroupNormGrad(f(0, 3, 4), dg, db, f(0, 3, 4), f(0, 2), f(0, 2), f(4), f(0, 3, 4), 2)
	zero("GroupNormGrad", dg)
	LayerNormGrad(f(0, 4), dg, db, f(0, 4), f(0), f(0), f(4), f(0, 4))
	zero("LayerNormGrad", db)
	if SumSquares(f(0)) != 0 {
		t.Error("SumSquares of nothing is not 0")
	}
	// An epilogue on an empty reduction is still applied.
	y = f(2, 3)
	MatMulEx(y, f(2, 0), f(0, 3), false, false, &Epilogue{Bias: FromFloat32([]float32{1, 2, 3}, 3)})
	if at(y, 5) != 3 {
		t.Errorf("the bias on an empty product gives %g, want 3", at(y, 5))
	}
}
