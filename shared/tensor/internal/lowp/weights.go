package lowp

import (
	"encoding/binary"
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// Weights is a K x N matrix in panels of Width columns, [ceil(N/Width)][lines][Width][4 bytes]: a line holds 2
// successive k of bf16 or 4 of int8. What lies beyond K and N is zero. The layout is the same for every instruction
// set. Weights are immutable.
type Weights struct {
	Format Format
	K, N   int
	data   []byte
	scale  []float32 // of the columns, int8 only
	start  []int32   // -128 times the sums of the columns' integers: rows hold their integers plus 128
}

// Pack lays out b, which is K x N with tight rows, or N x K when trans.
func Pack(f Format, b []float32, k, n int, trans bool) *Weights {
	if k < 0 || n < 0 || len(b) != k*n || k > MaxK {
		panic(fmt.Sprintf("lowp: %d elements to pack %dx%d", len(b), k, n))
	}
	panels := (n + Width - 1) / Width
	w := &Weights{Format: f, K: k, N: n, data: aligned(panels * f.lines(k) * lineBytes)}
	if f == Int8 {
		w.scale, w.start = make([]float32, panels*Width), make([]int32, panels*Width)
	}
	pool.For(panels, 1, func(lo, hi int) {
		column := make([]float32, k)
		for c := lo * Width; c < min(hi*Width, n); c++ {
			for i := range column {
				if trans {
					column[i] = b[c*k+i]
				} else {
					column[i] = b[i*n+c]
				}
			}
			w.set(c, column)
		}
	})
	return w
}

// panel is the bytes of a panel.
func (w *Weights) panel(p int) []byte {
	n := w.Format.lines(w.K) * lineBytes
	return w.data[p*n : (p+1)*n]
}

// set narrows column c.
func (w *Weights) set(c int, x []float32) {
	if len(x) == 0 {
		return
	}
	d := w.panel(c / Width)[c%Width*4:]
	if w.Format == BF16 {
		for k, v := range x {
			binary.LittleEndian.PutUint16(d[k/2*lineBytes+k%2*2:], ToBF16(v))
		}
		return
	}
	inv, scale := scales(vec.AbsMax(x))
	w.scale[c] = scale
	if inv == 0 {
		return
	}
	var sum int32
	for k, v := range x {
		q := integer(v, inv)
		d[k/4*lineBytes+k%4] = byte(q)
		sum += int32(q)
	}
	w.start[c] = -128 * sum
}

// Column is column c as the product sees it.
func (w *Weights) Column(dst []float32, c int) {
	d := w.panel(c / Width)[c%Width*4:]
	for k := range dst {
		if w.Format == BF16 {
			dst[k] = FromBF16(binary.LittleEndian.Uint16(d[k/2*lineBytes+k%2*2:]))
		} else {
			dst[k] = float32(int8(d[k/4*lineBytes+k%4])) * w.scale[c]
		}
	}
}

// Bytes is the memory that a product reads.
func (w *Weights) Bytes() int { return len(w.data) + 4*len(w.scale) + 4*len(w.start) }
