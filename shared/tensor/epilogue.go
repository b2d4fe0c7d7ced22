package tensor

import (
	"sync"

	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// Activation is the function of an Epilogue.
type Activation uint8

// The activations. ActNone leaves the product as it is.
const (
	ActNone Activation = iota
	ActSiLU
	ActReLU
	ActGELU // by erf
	ActGELUTanh
	ActTanh
	ActSigmoid
	ActLeakyReLU // Maximum of x and Slope*x, for a Slope of at most 1
	numActs
)

// Epilogue is what a product does to its result before it leaves the cache, in this order: add Bias,
// apply Act, add Residual. The bits are those of Add, the activation and Add called one by one. A nil
// Epilogue does nothing.
type Epilogue struct {
	Bias     *Tensor // [N], or nil; or, where dst is [B, .., N], a row for each item of the batch: [B, N]
	Act      Activation
	Residual *Tensor // shape of dst, or nil; it must not overlap dst
	Slope    float64 // of ActLeakyReLU below zero, 0 to 1, rounded to the type once
	// Next is nil or the weights of PackB that the next product of as many rows reads: their beginning is fetched from
	// memory meanwhile. It changes no bit.
	Next *Packed
}

// check panics unless the epilogue fits dst.
func (e *Epilogue) check(op string, dst *Tensor) {
	if e == nil {
		return
	}
	if e.Bias != nil {
		e.checkBias(op, dst)
	}
	if e.Residual != nil {
		sameShape(op, dst, e.Residual)
		apart(op, dst, e.Residual)
	}
	if e.Act >= numActs {
		panic(shapeError(op, "unknown activation", dst))
	}
	if !(e.Slope >= 0 && e.Slope <= 1) {
		panic(shapeError(op, "want a slope of 0 to 1", dst))
	}
}

// checkBias panics unless the bias is [N] or [B, N].
func (e *Epilogue) checkBias(op string, dst *Tensor) {
	if e.Bias.rank != 2 {
		vector(op, "Bias", e.Bias, dst.Dim(-1), dst)
		return
	}
	sameType(op, dst, e.Bias)
	if dst.rank < 2 || e.Bias.shape[0] != dst.shape[0] || e.Bias.shape[1] != dst.Dim(-1) {
		panic(shapeError(op, "Bias must be [N] or [B, N]", dst, e.Bias))
	}
}

// unary is the element-wise function of a.
func (a Activation) unary() vec.Unary {
	switch a {
	case ActSiLU:
		return vec.SiLU
	case ActReLU:
		return vec.ReLU
	case ActGELUTanh:
		return vec.GELUTanh
	case ActTanh:
		return vec.Tanh
	case ActSigmoid:
		return vec.Sigmoid
	default:
		return vec.GELU
	}
}

// finisher applies an epilogue to blocks of a product; it implements gemm.Epilogue.
type finisher[T float] struct {
	bias, residual []T
	n              int // columns of dst
	rows           int // of dst for each row of the bias; 0 if there is one row
	act            Activation
	slope          T
	next           *gemm.Packed[T]
}

var finishers struct {
	sync.Mutex
	f32 []*finisher[float32]
	f64 []*finisher[float64]
}

// finisherList is the free list of T.
func finisherList[T float]() *[]*finisher[T] {
	if p, ok := any(&finishers.f32).(*[]*finisher[T]); ok {
		return p
	}
	return any(&finishers.f64).(*[]*finisher[T])
}

// newItemFinisher is newFinisher for a product into dst elements, whose bias may have a row for each item.
func newItemFinisher[T float](ep *Epilogue, dst, n int) *finisher[T] {
	f := newFinisher[T](ep, n)
	if f != nil && ep.Bias != nil && ep.Bias.rank == 2 {
		f.rows = dst / max(ep.Bias.Len(), 1)
	}
	return f
}

// newFinisher prepares the epilogue of a product of n columns; nil for a nil epilogue.
func newFinisher[T float](ep *Epilogue, n int) *finisher[T] {
	if ep == nil {
		return nil
	}
	finishers.Lock()
	list := finisherList[T]()
	var f *finisher[T]
	if k := len(*list); k > 0 {
		f = (*list)[k-1]
		*list = (*list)[:k-1]
	} else {
		f = &finisher[T]{}
	}
	finishers.Unlock()
	f.n, f.act, f.slope = n, ep.Act, T(ep.Slope)
	if ep.Bias != nil {
		f.bias = data[T](ep.Bias)
	}
	if ep.Residual != nil {
		f.residual = data[T](ep.Residual)
	}
	if ep.Next != nil {
		f.next = packedAs[T](ep.Next)
	}
	return f
}

// release returns f to the free list.
func (f *finisher[T]) release() {
	if f == nil {
		return
	}
	*f = finisher[T]{}
	finishers.Lock()
	list := finisherList[T]()
	*list = append(*list, f)
	finishers.Unlock()
}

// epilogue is f, or a nil interface for a nil f.
func (f *finisher[T]) epilogue() gemm.Epilogue[T] {
	if f == nil {
		return nil
	}
	return f
}

// biasAt is the bias of a row of dst, and the number of rows from there on that share it.
func (f *finisher[T]) biasAt(row, rows int) (bias []T, n int) {
	if f.rows == 0 {
		return f.bias, rows
	}
	b := row / f.rows
	return f.bias[b*f.n : (b+1)*f.n], min(rows, (b+1)*f.rows-row)
}

// Sums implements gemm.Sums.
func (f *finisher[T]) Sums() (bias, residual []T, more bool) {
	if f.rows != 0 || f.act != ActNone && f.bias == nil {
		return nil, nil, true
	}
	if f.act != ActNone {
		return f.bias, nil, true
	}
	return f.bias, f.residual, false
}

// Next implements gemm.Follow.
func (f *finisher[T]) Next() *gemm.Packed[T] { return f.next }

// FinishRest implements gemm.Sums.
func (f *finisher[T]) FinishRest(c []T, ld, row, col, rows, cols int) {
	f.blocks(c, ld, row, col, rows, cols, false)
}

// Finish implements gemm.Epilogue.
func (f *finisher[T]) Finish(c []T, ld, row, col, rows, cols int) {
	f.blocks(c, ld, row, col, rows, cols, f.bias != nil)
}

// blocks finishes a block of dst, with the bias or from the activation on. Blocks of whole rows are done at once,
// others row by row.
func (f *finisher[T]) blocks(c []T, ld, row, col, rows, cols int, biased bool) {
	for rows > 0 {
		bias, n := f.biasAt(row, rows)
		if !biased {
			bias = nil
		}
		if ld == cols && cols == f.n {
			f.finish(c[:n*cols], row*f.n, bias)
		} else {
			if bias != nil {
				bias = bias[col : col+cols]
			}
			for r := range n {
				f.finish(c[r*ld:r*ld+cols], (row+r)*f.n+col, bias)
			}
		}
		row, rows = row+n, rows-n
		if rows > 0 {
			c = c[n*ld:]
		}
	}
}

// finish does a stretch of dst that begins at element at.
func (f *finisher[T]) finish(c []T, at int, bias []T) {
	if len(c) == 0 {
		return
	}
	if bias != nil {
		vec.ZipRow(vec.Add, c, c, bias, false)
	}
	switch f.act {
	case ActNone:
	case ActLeakyReLU:
		f.leaky(c)
	default:
		vec.Map(f.act.unary(), c, c)
	}
	if f.residual != nil {
		vec.Zip(vec.Add, c, c, f.residual[at:at+len(c)])
	}
}

// leaky is Scale and Maximum, a piece at a time so that the piece stays in cache.
func (f *finisher[T]) leaky(c []T) {
	const piece = 1 << 10
	b, scaled := scratch[T](min(len(c), piece))
	defer b.release()
	for len(c) > 0 {
		n := min(len(c), piece)
		vec.ZipScalar(vec.Mul, scaled[:n], c[:n], f.slope, false)
		vec.Zip(vec.Maximum, c[:n], c[:n], scaled[:n])
		c = c[n:]
	}
}
