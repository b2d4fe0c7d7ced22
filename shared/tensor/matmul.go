package tensor

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
)

// MatMul is a times b: [.., M, K] x [.., K, N] -> [.., M, N]. With transA a is [.., K, M]; with transB b
// is [.., N, K]. A b of two axes serves every leading index of a. dst must not overlap a or b.
//
// Order: k ascends in fused multiply-adds from +0 inside blocks of 256, and block sums are added in
// ascending order, whatever M, N, the batch and the layout are.
func MatMul(dst, a, b *Tensor, transA, transB bool) { MatMulEx(dst, a, b, transA, transB, nil) }

// MatMulEx is MatMul followed by the epilogue, in one pass and with the bits of the single operations.
func MatMulEx(dst, a, b *Tensor, transA, transB bool, ep *Epilogue) {
	sameType("MatMul", dst, a, b)
	p := productOf("MatMul", dst, a, b.Shape(), transA, transB)
	apart("MatMul", dst, a, b)
	ep.check("MatMul", dst)
	if dst.dtype == Float64 {
		multiply(dst.f64, a.f64, b.f64, nil, p, ep)
		return
	}
	multiply(dst.f32, a.f32, b.f32, nil, p, ep)
}

// multiply runs a product by b, or by packed if that is not nil.
func multiply[T float](dst, a, b []T, packed *gemm.Packed[T], p gemm.Product, ep *Epilogue) {
	if len(dst) == 0 {
		return
	}
	f := newItemFinisher[T](ep, len(dst), p.N)
	if packed != nil {
		gemm.MatMulPacked(dst, a, packed, p, f.epilogue())
	} else {
		gemm.MatMul(dst, a, b, p, f.epilogue())
	}
	f.release()
}

// productOf checks the shapes of a product, b's given by itself, and lays out its batch: leading axes of
// a fold into its rows where one b serves them all.
func productOf(op string, dst, a *Tensor, b []int, transA, transB bool) gemm.Product {
	ra, rb := int(a.rank), len(b)
	p := gemm.Product{TransA: transA, TransB: transB}
	if ra < 2 || rb < 2 || int(dst.rank) != ra || (rb != 2 && rb != ra) {
		panic(productError(op, dst, a, b, transA, transB))
	}
	p.M, p.K = a.shape[ra-2], a.shape[ra-1]
	if transA {
		p.M, p.K = p.K, p.M
	}
	kb, n := b[rb-2], b[rb-1]
	if transB {
		kb, n = n, kb
	}
	p.N = n
	ok := kb == p.K && dst.shape[ra-2] == p.M && dst.shape[ra-1] == p.N
	for i := range ra - 2 {
		ok = ok && dst.shape[i] == a.shape[i] && (rb == 2 || b[i] == a.shape[i])
	}
	if !ok {
		panic(productError(op, dst, a, b, transA, transB))
	}
	batch := product(a.shape[:ra-2])
	switch {
	case rb == 2 && !transA:
		p.M *= batch
	case batch > 1:
		p.Batch, p.StrideA, p.StrideC = batch, p.M*p.K, p.M*p.N
		if rb > 2 {
			p.StrideB = p.K * p.N
		}
	}
	return p
}

func productError(op string, dst, a *Tensor, b []int, transA, transB bool) *Error {
	e := shapeError(op, fmt.Sprintf("want [.., M, K] x [.., K, N] or [K, N] -> [.., M, N], got a, b and dst with "+
		"transA %v, transB %v", transA, transB), a)
	e.Shapes = append(e.Shapes, append([]int(nil), b...), append([]int(nil), dst.Shape()...))
	return e
}
