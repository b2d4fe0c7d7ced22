package tensor_test

import (
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// TestNoAllocation checks that operations allocate nothing in steady state, on one thread and on several.
func TestNoAllocation(t *testing.T) {
	defer restore(t)()
	d := Float32
	x, y, z := input(d, 1, 2, 16, 16, 32), fresh(d, 2, 16, 16, 32), input(d, 2, 2, 16, 16, 32)
	w, dw := input(d, 3, 3, 3, 32, 32), fresh(d, 3, 3, 32, 32)
	c, c2 := input(d, 4, 32), input(d, 5, 32)
	mean, rstd := fresh(d, 2, 4), fresh(d, 2, 4)
	rowMean, rowRstd := fresh(d, 2, 256), fresh(d, 2, 256)
	q, o := x.Reshape(2, 256, 32), y.Reshape(2, 256, 32)
	m, scalar := input(d, 6, 32, 32), fresh(d)
	half, double := fresh(d, 2, 8, 8, 32), fresh(d, 2, 32, 32, 32)
	packed, packedConv := PackB(m, false), PackConv(w)
	ep := &Epilogue{Bias: c, Act: ActSiLU, Residual: z}
	epQ := &Epilogue{Bias: c, Act: ActSiLU, Residual: z.Reshape(2, 256, 32)}
	flat := func(t *Tensor) *Tensor { return t.Reshape(512, 32) }
	fx, fy, fz := flat(x), flat(y), flat(z)
	fm, fr := rowMean.Reshape(512), rowRstd.Reshape(512)
	ids := make([]int32, 512)
	table := fresh(d, 40, 32)
	perm := fresh(d, 2, 32, 16, 16)
	one := fresh(d, 2, 16, 16, 1)
	dg := fresh(d, 32)
	deep := fresh(d, 2, 8, 8, 128)
	cat := [2]*Tensor{half, half}
	tall := fresh(d, 2, 16, 8, 32)
	ids512 := make([]int32, 512)
	l1, l2, l3 := fresh(d, 512), fresh(d, 512), fresh(d, 512)
	states := []AdamWState{{Param: y, Grad: x, M: z, V: z, Mean: fresh(d, 2, 16, 16, 32)}, {Param: c, Grad: c, M: c2, V: c2}}
	lse, dq, dk, dv := fresh(d, 2, 4, 256), fresh(d, 2, 256, 32), fresh(d, 2, 256, 32), fresh(d, 2, 256, 32)
	caches := []*KVCache{NewKVCache(d, 4, 8), NewKVCache(d, 4, 8)}
	for _, c := range caches {
		c.Append(fx, fx)
	}
	rows := map[string]func(){
		"Exp":              func() { Exp(y, x) },
		"Scale":            func() { Scale(y, x, 2) },
		"Clamp":            func() { Clamp(y, x, -1, 1) },
		"Add":              func() { Add(y, x, z) },
		"AddBias":          func() { Add(y, x, c) },
		"Where":            func() { Where(y, x, x, z) },
		"Sum":              func() { Sum(scalar, x) },
		"SumRows":          func() { Sum(c2, x, 0, 1, 2) },
		"SumTo":            func() { SumTo(c2, x) },
		"SumSquares":       func() { SumSquares(x) },
		"BroadcastTo":      func() { BroadcastTo(y, c) },
		"MaxAlong":         func() { MaxAlong(one, x, 3) },
		"Softmax":          func() { Softmax(y, x) },
		"MatMul":           func() { MatMul(o, q, m, false, false) },
		"MatMulSparse":     func() { MatMulSparse(o, q, m, false, false, epQ) },
		"MatMulPacked":     func() { MatMulPacked(o, q, packed, epQ) },
		"Conv2D":           func() { Conv2D(y, x, w, Same(3)) },
		"Conv2DPacked":     func() { Conv2DPacked(y, x, packedConv, Same(3), ep) },
		"Conv2DInputGrad":  func() { Conv2DInputGrad(y, x, w, Same(3)) },
		"Conv2DWeightGrad": func() { Conv2DWeightGrad(dw, x, z, Same(3)) },
		"GroupNormSiLU":    func() { GroupNormSiLU(y, mean, rstd, x, c, c, 4, 1e-5) },
		"GroupNormGrad":    func() { GroupNormGrad(y, c2, dg, x, mean, rstd, c, z, 4) },
		"LayerNorm":        func() { LayerNorm(fy, fm, fr, fx, c, c, 1e-5) },
		"LayerNormGrad":    func() { LayerNormGrad(fy, c2, dg, fx, fm, fr, c, fz) },
		"Permute":          func() { Permute(perm, x, 0, 3, 1, 2) },
		"Concat":           func() { Concat(tall, 1, cat[:]...) },
		"Gather":           func() { Gather(fy, table, ids) },
		"ScatterAdd":       func() { ScatterAdd(table, ids, fx) },
		"UpsampleNearest2": func() { UpsampleNearest2(double, x) },
		"SumPool2":         func() { SumPool2(half, x) },
		"MaxPool2Grad":     func() { MaxPool2Grad(y, x, half) },
		"SpaceToDepth2":    func() { SpaceToDepth2(deep, x) },
		"Attention":        func() { Attention(o, q, q, q, 4, 0.3) },
		"AttentionCached":  func() { AttentionCached(o, q, caches, AttentionSpec{Heads: 4, Scale: 0.3, Causal: true}) },
		"AttentionGrad": func() {
			AttentionGrad(dq, dk, dv, q, q, q, q, o, lse, AttentionSpec{Heads: 4, Scale: 0.3, Causal: true})
		},
		"AdamWAll":          func() { AdamWAll(states, AdamWParams{LR: 1, BC1: 1, BC2: 1}) },
		"ReLUGrad":          func() { ReLUGrad(y, x, z) },
		"BCELogits":         func() { BCELogits(y, x, z) },
		"BCELogitsGrad":     func() { BCELogitsGrad(y, x, z, scalar) },
		"CrossEntropy":      func() { CrossEntropy(l1, l2, l3, fx, ids512) },
		"CrossEntropyGrad":  func() { CrossEntropyGrad(fy, fx, l2, l3, ids512, scalar) },
		"AdamW":             func() { AdamW(y, x, z, z, AdamWParams{LR: 1, BC1: 1, BC2: 1}) },
		"GroupNormSiLUGrad": func() { GroupNormSiLUGrad(y, c2, dg, x, mean, rstd, c, c, z, 4) },
	}
	for _, threads := range []int{1, 3} {
		SetThreads(threads)
		for _, name := range sortedKeys(rows) {
			// A thread that first takes part late makes its scratch late: the state is steady once it repeats.
			n := testing.AllocsPerRun(20, rows[name])
			for try := 0; n != 0 && try < 3; try++ {
				n = testing.AllocsPerRun(20, rows[name])
			}
			if n != 0 {
				t.Errorf("%s with %d threads: %g allocations", name, threads, n)
			}
		}
	}
}
