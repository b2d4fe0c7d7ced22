package gemm

import (
	"fmt"
	"unsafe"
)

// Float is an element type.
type Float interface{ float32 | float64 }

const (
	// Width is the number of columns of a panel.
	Width = 16
	// BlockK is the length of a block of the reduction.
	BlockK = 256
)

// Epilogue is applied to C while it is in cache.
type Epilogue[T Float] interface {
	// Finish is called exactly once for every element of C, in blocks: rows [row, row+rows) and
	// columns [col, col+cols) of the whole C. c[0] is element (row, col), the row stride is ld, and
	// len(c) = (rows-1)*ld + cols. Blocks may be finished at the same time by several threads. For a
	// batch of products and for convolutions, rows count through the whole batch (n*M+i and
	// (n*Ho+ho)*Wo+wo).
	Finish(c []T, ld, row, col, rows, cols int)
}

// Sums is an Epilogue that begins with sums, which some kernels do before they store C.
type Sums[T Float] interface {
	Epilogue[T]
	// Sums are the row of a bias to be added to every row of C first, and a matrix as C to be added next; nil where
	// there is none. more says whether something is left for FinishRest, which is Finish without these sums.
	Sums() (bias, residual []T, more bool)
	FinishRest(c []T, ld, row, col, rows, cols int)
}

// Follow is an Epilogue that knows what follows the product.
type Follow[T Float] interface {
	Epilogue[T]
	// Next is the packed operand of a product of as many rows that follows, whose beginning is fetched, or nil.
	Next() *Packed[T]
}

// Product is the shape of C = op(A) op(B), where op(A) is M x K and op(B) is K x N.
type Product struct {
	M, N, K        int
	TransA, TransB bool // A is stored K x M; B is stored N x K
	LDA, LDB, LDC  int  // row strides in elements as stored; 0 means tight
	// Batch > 1 computes that many products whose operands lie StrideA, StrideB and StrideC elements
	// apart. StrideB = 0 shares B.
	Batch                     int
	StrideA, StrideB, StrideC int
}

// normal fills the defaults and panics if an operand is too short.
func (p Product) normal(lenC, lenA, lenB int) Product {
	if p.M < 0 || p.N < 0 || p.K < 0 {
		panic(fmt.Sprintf("gemm: negative size in %+v", p))
	}
	rowsA, colsA := p.M, p.K
	if p.TransA {
		rowsA, colsA = p.K, p.M
	}
	rowsB, colsB := p.K, p.N
	if p.TransB {
		rowsB, colsB = p.N, p.K
	}
	p.LDA, p.LDB, p.LDC = orTight(p.LDA, colsA), orTight(p.LDB, colsB), orTight(p.LDC, p.N)
	p.Batch = max(p.Batch, 1)
	if p.Batch == 1 {
		p.StrideA, p.StrideB, p.StrideC = 0, 0, 0
	}
	check := func(name string, have, rows, cols, ld, stride int) {
		need := 0
		if rows > 0 && cols > 0 {
			need = (p.Batch-1)*stride + (rows-1)*ld + cols
		}
		if have < need || ld < cols || stride < 0 {
			panic(fmt.Sprintf("gemm: %s has %d elements, want %d, in %+v", name, have, need, p))
		}
	}
	check("C", lenC, p.M, p.N, p.LDC, p.StrideC)
	check("A", lenA, rowsA, colsA, p.LDA, p.StrideA)
	if lenB >= 0 {
		check("B", lenB, rowsB, colsB, p.LDB, p.StrideB)
	}
	return p
}

func orTight(ld, cols int) int {
	if ld == 0 {
		return cols
	}
	return ld
}

// MatMul computes C = op(A) op(B), and then ep on it if it is not nil. C must not overlap A or B. It
// panics if an operand is shorter than its shape says.
func MatMul[T Float](c, a, b []T, p Product, ep Epilogue[T]) {
	p = p.normal(len(c), len(a), len(b))
	if p.M == 0 || p.N == 0 {
		return
	}
	j := newJob[T]()
	j.matmul(c, a, b, nil, p, ep)
	j.release()
}

// MatMulPacked is MatMul with B packed before; p.N, p.K must be those of b, and TransB, LDB and StrideB
// are ignored: the whole batch shares b.
func MatMulPacked[T Float](c, a []T, b *Packed[T], p Product, ep Epilogue[T]) {
	p.TransB, p.LDB, p.StrideB = false, 0, 0
	p = p.normal(len(c), len(a), -1)
	if p.K != b.K || p.N != b.N {
		panic(fmt.Sprintf("gemm: packed operand is %dx%d, want %dx%d", b.K, b.N, p.K, p.N))
	}
	if p.M == 0 || p.N == 0 {
		return
	}
	j := newJob[T]()
	j.matmul(c, a, nil, b, p, ep)
	j.release()
}

// size is the number of bytes of one element.
func size[T Float]() int {
	var z T
	return int(unsafe.Sizeof(z))
}
