package gemm

// Tiles runs the kernels on the calling goroutine, for code that cuts its work and its threads by itself. The zero
// Tiles works; it keeps what it needs between calls, so that in steady state a call allocates nothing. A Tiles is for
// one goroutine at a time.
type Tiles[T Float] struct {
	s    scratch[T]
	segs []segment
}

// Left is the left operand of a Tiles product: element (i, k) is at Data[i*Row + k*Step].
type Left[T Float] struct {
	Data      []T
	Row, Step int
}

// Right is the right operand of a Tiles product in panels of Width columns: element (k, 16*p + j), j < 16, is at
// Data[k*Step + p*Panel + j]. So a row-major matrix of whole panels is one, with Panel = Width, and so are Packed.Data,
// with Step = Width. The last panel is read in full, whatever the number of columns.
type Right[T Float] struct {
	Data        []T
	Step, Panel int
}

// Multiply sets C = A B, or adds to C if add, for m rows, n columns and k, all at least 1: the order of MatMul. C has
// the row stride ldc; its elements beyond n are not written. The operands must hold what is read: nothing is checked.
func (t *Tiles[T]) Multiply(c []T, ldc int, a Left[T], b Right[T], m, n, k int, add bool) {
	es := size[T]()
	t.segs = t.segs[:0]
	for i := 0; i < k; i += BlockK {
		t.segs = append(t.segs, segment{
			offA: i * a.Step * es, offB: i * b.Step * es, n: int32(min(BlockK, k-i)), end: 1,
		})
	}
	t.s.rowA = rowsFrom(t.s.rowA, m, 0, a.Row*es)
	t.s.rowC = rowsFrom(t.s.rowC, m, 0, ldc*es)
	right := operand{base: first(b.Data), strideK: b.Step * es, strideP: b.Panel * es}
	t.s.sweep(kernelsFor[T](), first(a.Data), first(c), a.Step*es, right, 0, panelsOf(n), n, t.segs, add)
	t.s.arg = tile{} // keeps no operand alive
}

// PackRows fills panels of Width rows of src, that is, the panels of its transpose: element (r, k) of src, with the row
// stride ld, goes to dst[r/16*16*cols + k*16 + r%16]. Missing rows of the last panel are 0. It runs on the calling
// goroutine.
func PackRows[T Float](dst, src []T, rows, cols, ld int) {
	for r := 0; r < rows; r += Width {
		packRows(dst[r*cols:(r+Width)*cols], src[r*ld:], cols, min(Width, rows-r), ld)
	}
}

// PackLines fills panels of Width columns of src, which has rows rows of the row stride ld: element (r, c) goes to
// dst[c/16*16*rows + r*16 + c%16]. Missing columns of the last panel are 0. It runs on the calling goroutine.
func PackLines[T Float](dst, src []T, rows, cols, ld int) {
	packLines(dst, src, rows, cols, ld)
}
