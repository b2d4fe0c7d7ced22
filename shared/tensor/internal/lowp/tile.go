package lowp

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

// tile is the argument of a kernel; portable.go says what kernels do. The assembly knows its layout.
type tile struct {
	a, b, c                 unsafe.Pointer // the first row, the first panel, the result
	strideA, panelB, stride int            // bytes from one row, panel, row of the result to the next
	lines                   int            // of a panel
	scale, start            unsafe.Pointer // of the columns, int8 only
	rowScale                unsafe.Pointer // of the rows, int8 only
	bias                    unsafe.Pointer // of the columns, or nil
	ahead                   int            // bytes from weights to what is fetched with them
	mr, np                  int            // size of the tile; the portable kernel reads it
	bf16                    bool
}

// Largest tile of any instruction set.
const maxRows, maxPanels = 8, 4

// kernels is the family of one instruction set: table[mr-1][np-1], for mr*np up to accumulators.
type kernels struct {
	rows, panels, accumulators int
	table                      *[maxRows][maxPanels]func(unsafe.Pointer)
}

// kernelsFor is the family in use.
func kernelsFor(f Format) kernels {
	if k, ok := native(cpu.Active(), f); ok {
		return k
	}
	return kernels{rows: maxRows, panels: 1, accumulators: maxRows, table: &portableTable}
}

// shape is the size of the tiles for a block of rows: tiles of nearly equal height, as wide as there are
// accumulators for.
func (k kernels) shape(rows int) (mr, np int) {
	tiles := (rows + k.rows - 1) / k.rows
	mr = (rows + tiles - 1) / tiles
	return mr, min(k.panels, k.accumulators/mr)
}
