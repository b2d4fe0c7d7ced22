package tensor

import "fmt"

// slabElems is the size of an arena's slab in elements: 4 MiB of Float32, 8 MiB of Float64. Larger
// tensors get a slab of their own.
const slabElems = 1 << 20

// headerSlab is the number of Tensor headers made at once.
const headerSlab = 256

// alignElems keeps every tensor of an arena on a 64-byte boundary in either type.
const alignElems = 16

// Arena hands out tensors from slabs and takes them all back at once. After a Reset the same sequence
// of requests gets the same memory and allocates nothing. An Arena is not safe for concurrent use, and
// its tensors must not be used after the Reset or Release that took them back.
type Arena struct {
	f32  region[float32]
	f64  region[float64]
	hdrs [][]Tensor
	slab int // header slab in use
	used int // headers used in it

	peak   int64 // bytes in use at most, from the last Reset to the last Release
	poison bool  // tests: fill what New returns with NaN
}

// Mark is a position in an arena; see Arena.Mark.
type Mark struct {
	f32, f64   position
	slab, used int
}

// position is a place in a region: everything before it is in use.
type position struct{ slab, off int }

// region is a list of slabs with a bump pointer.
type region[T float] struct {
	slabs [][]T
	at    position
}

// take returns n elements, whatever they held before.
func (r *region[T]) take(n int) []T {
	need := (n + alignElems - 1) / alignElems * alignElems
	if r.at.slab < len(r.slabs) && len(r.slabs[r.at.slab])-r.at.off >= need {
		return r.cut(n, need)
	}
	next := r.at.slab + 1
	if len(r.slabs) == 0 {
		next = 0
	}
	// The first later slab that is large enough moves up to be the next one; if there is none, make it.
	found := -1
	for i := next; i < len(r.slabs); i++ {
		if len(r.slabs[i]) >= need {
			found = i
			break
		}
	}
	if found < 0 {
		r.slabs = append(r.slabs, make([]T, max(need, slabElems)))
		found = len(r.slabs) - 1
	}
	r.slabs[next], r.slabs[found] = r.slabs[found], r.slabs[next]
	r.at = position{slab: next}
	return r.cut(n, need)
}

func (r *region[T]) cut(n, need int) []T {
	off := r.at.off
	r.at.off += need
	return r.slabs[r.at.slab][off : off+n : off+n]
}

func (r *region[T]) elems() int64 {
	var n int64
	for _, s := range r.slabs {
		n += int64(len(s))
	}
	return n
}

// NewArena returns an empty arena.
func NewArena() *Arena { return &Arena{} }

// New returns a tensor of the given shape. Its elements are NOT zeroed: they hold whatever was there
// before, and operations write every element of their dst. A nil arena is the heap, whose tensors are
// zeroed. It panics with *Error as the function New does.
func (a *Arena) New(d DType, shape ...int) *Tensor {
	t := a.header()
	n := t.setShape("Arena.New", d, shape)
	switch {
	case a == nil:
		t.alloc(n)
	case d == Float64:
		t.f64 = a.f64.take(n)
	default:
		t.f32 = a.f32.take(n)
	}
	if a != nil && a.poison {
		t.poison()
	}
	return t
}

// View returns a header of the arena for t's elements in another shape of equally many elements. One
// size may be -1 and is then computed.
func (a *Arena) View(t *Tensor, shape ...int) *Tensor {
	u := a.header()
	t.reshapeInto(u, shape)
	return u
}

// Reset takes back every tensor and header; the slabs stay.
func (a *Arena) Reset() {
	a.Release(Mark{})
	a.peak = 0
}

// Mark returns the current position, for Release.
func (a *Arena) Mark() Mark {
	return Mark{f32: a.f32.at, f64: a.f64.at, slab: a.slab, used: a.used}
}

// Release takes back what was handed out since the mark was taken. Marks are released in the reverse
// order of their taking; a mark taken before the last Reset or an earlier Release panics.
func (a *Arena) Release(m Mark) {
	if m.after(a.Mark()) {
		panic(&Error{Op: "Arena.Release", Msg: fmt.Sprintf("the mark %+v lies behind the arena's end", m)})
	}
	a.peak = a.Peak()
	a.f32.at, a.f64.at = m.f32, m.f64
	a.slab, a.used = m.slab, m.used
}

func (p position) after(q position) bool {
	return p.slab > q.slab || (p.slab == q.slab && p.off > q.off)
}

func (m Mark) after(n Mark) bool {
	return m.f32.after(n.f32) || m.f64.after(n.f64) ||
		position{m.slab, m.used}.after(position{n.slab, n.used})
}

// Bytes is the memory held in slabs of elements, in use or not.
func (a *Arena) Bytes() int64 { return 4*a.f32.elems() + 8*a.f64.elems() }

// Peak is the most bytes of elements that were in use at one time since the last Reset, in multiples of 64 bytes a
// tensor, ends of slabs that were too short for the next tensor included.
func (a *Arena) Peak() int64 { return max(a.peak, 4*a.f32.used()+8*a.f64.used()) }

// used is the elements up to the bump pointer.
func (r *region[T]) used() int64 {
	n := int64(r.at.off)
	for _, s := range r.slabs[:min(r.at.slab, len(r.slabs))] {
		n += int64(len(s))
	}
	return n
}

// header returns a cleared header.
func (a *Arena) header() *Tensor {
	if a == nil {
		return &Tensor{}
	}
	if a.slab == len(a.hdrs) {
		a.hdrs = append(a.hdrs, make([]Tensor, headerSlab))
	}
	t := &a.hdrs[a.slab][a.used]
	*t = Tensor{}
	if a.used++; a.used == headerSlab {
		a.slab, a.used = a.slab+1, 0
	}
	return t
}
