package lowp

import (
	"encoding/binary"
	"math"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// Rows is a narrowed M x K matrix: rows of bf16, or of integers plus 128 with a scale for each row. Its memory is
// reused.
type Rows struct {
	Format Format
	M, K   int
	Scale  []float32 // of the rows, int8 only
	stride int       // bytes from one row to the next
	data   []byte
	memory []byte
	task   rowsTask
}

// Resize makes room for m rows of k elements; what they hold is open.
func (r *Rows) Resize(f Format, m, k int) {
	r.Format, r.M, r.K = f, m, k
	r.stride = (f.lines(k)*4 + lineBytes - 1) / lineBytes * lineBytes
	if r.stride%512 == 0 {
		r.stride += lineBytes // rows a power of two apart would fall into the same few cache sets
	}
	if n := m * r.stride; cap(r.memory) < n {
		r.memory = aligned(n)
	}
	r.data = r.memory[:m*r.stride]
	if f == Int8 {
		r.Scale = grow(r.Scale, m)
	} else {
		r.Scale = r.Scale[:0]
	}
}

// Row is the bytes of row i.
func (r *Rows) Row(i int) []byte {
	return r.data[i*r.stride : i*r.stride+r.K*r.Format.size()]
}

// Value is row i as the product sees it.
func (r *Rows) Value(dst []float32, i int) {
	b := r.Row(i)
	for k := range dst {
		if r.Format == BF16 {
			dst[k] = FromBF16(binary.LittleEndian.Uint16(b[2*k:]))
		} else {
			dst[k] = float32(int32(b[k])-128) * r.Scale[i]
		}
	}
}

// Set narrows x to row i.
func (r *Rows) Set(i int, x []float32) {
	x = x[:r.K]
	row := r.data[i*r.stride : i*r.stride+r.Format.lines(r.K)*4]
	done := len(x) / 16 * 16
	if r.Format == BF16 {
		if !roundNative(row, x[:done]) {
			done = 0
		}
		for k, v := range x[done:] {
			binary.LittleEndian.PutUint16(row[2*(done+k):], ToBF16(v))
		}
		clear(row[2*len(x):])
		return
	}
	inv, scale := scales(vec.AbsMax(x))
	r.Scale[i] = scale
	if inv == 0 {
		for k := range row {
			row[k] = 128
		}
		return
	}
	if !quantizeNative(row, x[:done], inv) {
		done = 0
	}
	for k, v := range x[done:] {
		row[done+k] = byte(int32(math.RoundToEven(float64(v*inv))) + 128)
	}
	clear(row[len(x):])
}

// From narrows the m rows of x, on all threads.
func (r *Rows) From(f Format, x []float32, m, k int) {
	r.Resize(f, m, k)
	r.task = rowsTask{rows: r, x: x}
	r.task.run()
}

// Normed narrows the rows of x after the layer norm of then; normed, which may be x, gets the norms if it is not nil.
func (r *Rows) Normed(f Format, normed, x []float32, m, k int, gamma, beta []float32, eps float64) {
	r.Resize(f, m, k)
	r.task = rowsTask{rows: r, x: x, normed: normed, gamma: gamma, beta: beta, eps: eps}
	r.task.run()
}

// rowsTask narrows blocks of rows.
type rowsTask struct {
	rows        *Rows
	x, normed   []float32
	gamma, beta []float32
	eps         float64
	size        int
}

// rowsGrain is the number of elements that are worth a part of their own.
const rowsGrain = 1 << 13

func (t *rowsTask) run() {
	m := t.rows.M
	t.size = min(pool.Chunk(m, rowsGrain/max(t.rows.K, 1)), max(1<<17/max(t.rows.K, 1), 1))
	if n := (m + t.size - 1) / t.size; n > 1 {
		pool.Run(n, t)
	} else if m > 0 {
		t.Do(0)
	}
	*t = rowsTask{}
}

// Do implements pool.Task.
func (t *rowsTask) Do(part int) {
	k := t.rows.K
	var s *scratch
	if t.gamma != nil && t.normed == nil {
		s = newScratch()
		s.c = grow(s.c, k)
		defer s.release()
	}
	for i := part * t.size; i < min((part+1)*t.size, t.rows.M); i++ {
		x := t.x[i*k : (i+1)*k]
		if t.gamma != nil {
			var d []float32
			if s != nil {
				d = s.c
			} else {
				d = t.normed[i*k : (i+1)*k]
			}
			vec.LayerNormRow(d, x, t.gamma, t.beta, t.eps)
			x = d
		}
		t.rows.Set(i, x)
	}
}
