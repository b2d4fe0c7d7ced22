package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/attn"

// AttentionGrad is the derivative of AttentionEx, from its results y and lse and their operands: dq, dk and dv have the
// shapes of q, k and v, and only the columns of the heads are written, so that all three may be one tensor where q, k
// and v are. dy and y are [B, T, Heads*E]. Keys that no query sees get zeros. The results must not overlap the
// operands.
//
// Order: scores are computed again, block by block, as AttentionEx computes them; p = exp(score - lse), D = sum of y*dy
// over a head (16 lanes, tree 8, 4, 2, 1), dp = dy v', ds = p*(dp-D). Over blocks of 256 keys and of max(1, 64/G)
// positions of the queries of the G heads that share a key, both from 0: dv adds up p' dy and dk ds' q, q scaled, by
// ascending query blocks, dq adds up ds k by ascending key blocks and is scaled last. Each block's product is one of
// MatMul.
func AttentionGrad(dq, dk, dv, dy, q, k, v, y, lse *Tensor, spec AttentionSpec) {
	const op = "AttentionGrad"
	s := spec.shape(op, y, q, k, v)
	s.S = k.shape[1]
	sameShape(op, y, dy)
	sameShape(op, q, dq)
	sameShape(op, k, dk)
	sameShape(op, v, dv)
	if lse == nil {
		panic(shapeError(op, "want lse", y))
	}
	checkLSE(op, lse, &s, y)
	for _, d := range [...]*Tensor{dq, dk, dv} {
		apart(op, d, dy, q, k, v, y, lse)
	}
	if s.B == 0 || s.T == 0 && s.S == 0 {
		return
	}
	if y.dtype == Float64 {
		attendGrad[float64](s, &spec, dq, dk, dv, dy, q, k, v, y, lse)
		return
	}
	attendGrad[float32](s, &spec, dq, dk, dv, dy, q, k, v, y, lse)
}

func attendGrad[T float](s attn.Shape, spec *AttentionSpec, dq, dk, dv, dy, q, k, v, y, lse *Tensor) {
	attn.Backward(s, attn.Grads[T]{
		DQ: rowsAt[T](dq, spec.QAt), DK: rowsAt[T](dk, spec.KAt), DV: rowsAt[T](dv, spec.VAt),
		Q: rowsAt[T](q, spec.QAt), K: rowsAt[T](k, spec.KAt), V: rowsAt[T](v, spec.VAt),
		DY: rowsAt[T](dy, 0), Y: rowsAt[T](y, 0), LSE: data[T](lse),
	})
}
