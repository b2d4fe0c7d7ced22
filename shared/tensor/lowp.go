package tensor

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor/internal/lowp"
)

// LowType is the type in which both operands of a low-precision product are held; the products are of Float32 tensors.
type LowType uint8

const (
	// LowInt8 holds integers from -127 to 127 with one scale for every row of activations and every column of
	// weights. Its products of normals are about 1.0 % to 1.3 % off, norm-wise (K = 64: 0.8 %, 4096: 1.3 %): the
	// rounding of both operands.
	LowInt8 LowType = iota
	// LowBF16 holds bfloat16. Its products of normals are about 0.24 % off, norm-wise, for K from 64 to 4096.
	LowBF16
)

// String is the name of the type.
func (t LowType) String() string { return t.format().String() }

func (t LowType) format() lowp.Format {
	if t == LowBF16 {
		return lowp.BF16
	}
	return lowp.Int8
}

// PackedLow is a weight matrix [K, N] narrowed and laid out once. It is immutable and safe for concurrent use.
type PackedLow struct {
	w *lowp.Weights
	t LowType
}

// PackInt8 narrows and lays out b [K, N], or [N, K] with transB: for each of the N columns the scale s = max|b|/127
// and the integers round(b * (127/max|b|)), ties to even. A column whose magnitudes are all below 2^-100 counts as
// zeros; one with a NaN or an infinity makes NaN of its column of every product. K is at most 131072.
func PackInt8(b *Tensor, transB bool) *PackedLow { return packLow("PackInt8", LowInt8, b, transB) }

// PackBF16 narrows and lays out b [K, N], or [N, K] with transB: rounded to bfloat16, ties to even. K is at most
// 131072.
func PackBF16(b *Tensor, transB bool) *PackedLow { return packLow("PackBF16", LowBF16, b, transB) }

func packLow(op string, t LowType, b *Tensor, transB bool) *PackedLow {
	if b.rank != 2 || b.dtype != Float32 {
		panic(shapeError(op, "want two axes of float32", b))
	}
	k, n := b.Dims2()
	if transB {
		k, n = n, k
	}
	if k > lowp.MaxK {
		panic(shapeError(op, fmt.Sprintf("K is %d, want at most %d", k, lowp.MaxK), b))
	}
	return &PackedLow{w: lowp.Pack(t.format(), b.f32, k, n, transB), t: t}
}

// Dims is K and N.
func (p *PackedLow) Dims() (k, n int) { return p.w.K, p.w.N }

// Type is the type of the weights and of the rows that they are multiplied by.
func (p *PackedLow) Type() LowType { return p.t }

// Bytes is the memory that a product reads.
func (p *PackedLow) Bytes() int { return p.w.Bytes() }

// LowRows are narrowed activations [R, K]. The zero value is empty; what fills it reuses its memory. It is not safe
// for concurrent use while it is filled.
type LowRows struct{ rows lowp.Rows }

// Dims is the number of rows and their length.
func (r *LowRows) Dims() (rows, k int) { return r.rows.M, r.rows.K }

// Type is the type that the rows were narrowed to.
func (r *LowRows) Type() LowType {
	if r.rows.Format == lowp.BF16 {
		return LowBF16
	}
	return LowInt8
}

// NarrowRows fills r with x [.., K] in the type t. Int8: for each row the scale s = max|x|/127 and the integers
// round(x * (127/max|x|)), ties to even; a row whose magnitudes are all below 2^-100 counts as zeros, one with a
// NaN or an infinity makes NaN of its row of the product and of no other. BF16: rounded to nearest, ties to even.
func NarrowRows(r *LowRows, x *Tensor, t LowType) {
	m, k := lowRows("NarrowRows", x)
	r.rows.From(t.format(), x.f32, m, k)
}

// LayerNormNarrow is LayerNorm, without its statistics, and NarrowRows in one pass over the rows of x [.., C]. gamma
// and beta are [C]. normed, which may be x, gets the norms; it may be nil.
func LayerNormNarrow(r *LowRows, normed, x, gamma, beta *Tensor, eps float64, t LowType) {
	const op = "LayerNormNarrow"
	m, c := lowRows(op, x)
	if c == 0 {
		panic(shapeError(op, "the last axis is empty", x))
	}
	vector(op, "gamma", gamma, c, x)
	vector(op, "beta", beta, c, x)
	var y []float32
	if normed != nil {
		sameShape(op, normed, x)
		y = normed.f32
	}
	r.rows.Normed(t.format(), y, x.f32, m, c, gamma.f32, beta.f32, eps)
}

// lowRows is the number of rows of x, which must be of Float32, and their length.
func lowRows(op string, x *Tensor) (r, c int) {
	if x.rank == 0 || x.dtype != Float32 {
		panic(shapeError(op, "want [.., C] of float32", x))
	}
	return rows(op, x)
}

// LowThen is what a product does to whole rows of its result after the epilogue: LayerNorm over the row if Gamma and
// Beta [N] are not nil, and NarrowRows into Out, in the type of the product, if that is not nil.
type LowThen struct {
	Gamma, Beta *Tensor
	Eps         float64
	Out         *LowRows
}

// MatMulLow is a w, a [R, K] and w [K, N] of one type, into dst [.., N] of R rows, then the epilogue, then what then
// says of whole rows; both may be nil. dst may be nil if then has an Out, which must not be a.
//
// Order of LowInt8: the sum of the products of integers is exact; float32(sum) * (scale of the row * scale of the
// column), three roundings.
//
// Order of LowBF16: pairs of k ascend from +0, of each pair the odd element first, then the even one, each acc =
// flush(fma(a, w, acc)): rounded once to 24 bits, ties to even, then denormal results become zeros; denormal operands
// count as zeros. One sum takes the whole of K.
//
// It is portable Go on arm64 for now.
func MatMulLow(dst *Tensor, a *LowRows, w *PackedLow, ep *Epilogue, then *LowThen) {
	const op = "MatMulLow"
	m, k := a.Dims()
	if k != w.w.K || a.Type() != w.t {
		panic(lowError(op, dst, []int{m, k}, w, a.Type()))
	}
	if then != nil && then.Out == a {
		panic(&Error{Op: op, Msg: "the rows that go in cannot come out"})
	}
	multiplyLow(op, dst, lowp.Product{A: &a.rows}, m, w, ep, then)
}

// MatMulNarrow is NarrowRows of a [.., K] and MatMulLow in one pass, with the same bits: dst [.., N]. dst must not
// overlap a.
func MatMulNarrow(dst, a *Tensor, w *PackedLow, ep *Epilogue, then *LowThen) {
	matMulNarrow("MatMulNarrow", dst, a, w, w.t, ep, then)
}

// MatMulInt8 is MatMulNarrow by weights of PackInt8.
func MatMulInt8(dst, a *Tensor, w *PackedLow, ep *Epilogue) {
	matMulNarrow("MatMulInt8", dst, a, w, LowInt8, ep, nil)
}

// MatMulBF16 is MatMulNarrow by weights of PackBF16.
func MatMulBF16(dst, a *Tensor, w *PackedLow, ep *Epilogue) {
	matMulNarrow("MatMulBF16", dst, a, w, LowBF16, ep, nil)
}

func matMulNarrow(op string, dst, a *Tensor, w *PackedLow, t LowType, ep *Epilogue, then *LowThen) {
	m, k := lowRows(op, a)
	if k != w.w.K || w.t != t {
		panic(lowError(op, dst, []int{m, k}, w, t))
	}
	if dst != nil {
		apart(op, dst, a)
	}
	multiplyLow(op, dst, lowp.Product{X: a.f32, M: m}, m, w, ep, then)
}

// multiplyLow completes and runs p, a product of m rows.
func multiplyLow(op string, dst *Tensor, p lowp.Product, m int, w *PackedLow, ep *Epilogue, then *LowThen) {
	n := w.w.N
	p.B = w.w
	if then != nil {
		if then.Out != nil {
			p.Then.Out, p.Then.Format = &then.Out.rows, w.t.format()
		}
		if then.Gamma != nil {
			lowVector(op, "Gamma", then.Gamma, n)
			lowVector(op, "Beta", then.Beta, n)
			p.Then.Gamma, p.Then.Beta, p.Then.Eps = then.Gamma.f32, then.Beta.f32, then.Eps
		}
	}
	switch {
	case dst != nil:
		if r, c := lowRows(op, dst); r != m || c != n {
			panic(lowError(op, dst, []int{m, w.w.K}, w, w.t))
		}
		ep.check(op, dst)
		p.C = dst.f32
	case p.Then.Out == nil:
		panic(lowError(op, dst, []int{m, w.w.K}, w, w.t))
	}
	var rest Epilogue
	if ep != nil {
		if ep.Bias != nil {
			lowVector(op, "Bias", ep.Bias, n)
			p.Bias = ep.Bias.f32
		}
		if ep.Residual != nil && (ep.Residual.Len() != m*n || ep.Residual.dtype != Float32) {
			panic(lowError(op, ep.Residual, []int{m, w.w.K}, w, w.t))
		}
		rest = Epilogue{Act: ep.Act, Residual: ep.Residual, Slope: ep.Slope}
	}
	if rest.Act == ActNone && rest.Residual == nil {
		p.Run()
		return
	}
	f := newFinisher[float32](&rest, n)
	p.Ep = f
	p.Run()
	f.release()
}

// lowVector panics unless t is [n] of Float32.
func lowVector(op, name string, t *Tensor, n int) {
	if t == nil || t.rank != 1 || t.shape[0] != n || t.dtype != Float32 {
		panic(&Error{Op: op, Msg: fmt.Sprintf("%s must be [%d] of float32", name, n)})
	}
}

func lowError(op string, dst *Tensor, a []int, w *PackedLow, t LowType) *Error {
	e := &Error{Op: op, Msg: fmt.Sprintf("want [R, K] of %s x [K, N] of %s -> [.., N] of float32", t, w.t)}
	e.Shapes = append(e.Shapes, a, []int{w.w.K, w.w.N})
	if dst != nil {
		e.Shapes = append(e.Shapes, append([]int(nil), dst.Shape()...))
	}
	return e
}
