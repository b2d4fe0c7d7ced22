package gemm

import "unsafe"

// sums is the part of an epilogue that the kernels of a product do.
type sums[T Float] struct {
	bias, residual []T
	rest           Sums[T] // what has them; nil if the kernels do nothing
	more           bool
}

// set chooses what the kernels of a product do of its epilogue.
func (s *sums[T]) set(ep Epilogue[T], p Product, f kernels) {
	*s = sums[T]{}
	e, ok := ep.(Sums[T])
	if !ok || !f.masked || p.K == 0 || p.LDC != p.N || p.Batch > 1 && p.StrideC != p.M*p.N {
		return
	}
	s.bias, s.residual, s.more = e.Sums()
	if s.bias != nil || s.residual != nil {
		s.rest = e
	}
}

// of is what the kernels add to rows of C that begin at element at.
func (s *sums[T]) of(at int) (bias, residual unsafe.Pointer) {
	if s.bias != nil {
		bias = first(s.bias)
	}
	if s.residual != nil {
		residual = first(s.residual[at:])
	}
	return bias, residual
}

// finish does what the kernels have left of ep.
func (s *sums[T]) finish(ep Epilogue[T], c []T, ld, row, col, rows, cols int) {
	switch {
	case s.rest == nil:
		ep.Finish(c, ld, row, col, rows, cols)
	case s.more:
		s.rest.FinishRest(c, ld, row, col, rows, cols)
	}
}

// sumsAt sets what the kernels add from a column on, off bytes from the first.
func (s *scratch[T]) sumsAt(off int) {
	t := &s.arg
	t.bias, t.residual = nil, nil
	if s.bias != nil {
		t.bias = unsafe.Add(s.bias, off)
	}
	if s.residual != nil {
		t.residual = unsafe.Add(s.residual, off)
	}
}
