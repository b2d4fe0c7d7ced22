package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/gemm"

// MatMulSparse is MatMulEx, with the same bits and shapes, for an a of which many elements are zero, as pictures and
// states of binary units are: it leaves out products of zeros. Pairs of neighbouring rows of op(a) share what they
// leave out, so its time goes with the share of columns in which one of two rows is not zero; if that is large, or b is
// not finite everywhere, the whole product is computed. Products of float64, of fewer than 16 rows or of batches of
// matrices always are.
func MatMulSparse(dst, a, b *Tensor, transA, transB bool, ep *Epilogue) {
	sameType("MatMulSparse", dst, a, b)
	p := productOf("MatMulSparse", dst, a, b.Shape(), transA, transB)
	apart("MatMulSparse", dst, a, b)
	ep.check("MatMulSparse", dst)
	if dst.dtype == Float64 {
		multiply(dst.f64, a.f64, b.f64, nil, p, ep)
		return
	}
	multiplySparse(dst.f32, a.f32, b.f32, nil, p, ep)
}

// MatMulSparsePacked is MatMulSparse by packed weights, as MatMulPacked is MatMulEx.
func MatMulSparsePacked(dst, a *Tensor, b *Packed, ep *Epilogue) {
	sameType("MatMulSparsePacked", dst, a)
	b.like("MatMulSparsePacked", a)
	p := productOf("MatMulSparsePacked", dst, a, b.shape, false, false)
	apart("MatMulSparsePacked", dst, a)
	ep.check("MatMulSparsePacked", dst)
	if dst.dtype == Float64 {
		multiply(dst.f64, a.f64, nil, b.f64, p, ep)
		return
	}
	multiplySparse(dst.f32, a.f32, nil, b.f32, p, ep)
}

func multiplySparse(dst, a, b []float32, packed *gemm.Packed[float32], p gemm.Product, ep *Epilogue) {
	if len(dst) == 0 {
		return
	}
	f := newItemFinisher[float32](ep, len(dst), p.N)
	gemm.MatMulSparse(dst, a, b, packed, p, f.epilogue())
	f.release()
}
