package gemm

import (
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// MatMulSparse is MatMul, or MatMulPacked where packed is not nil, for an A of which many elements are zero. It leaves
// out the products of zeros, which changes no bit:
//
//   - A product of zero and a finite number is +0 or -0, and does not change a sum other than -0. Where B is not finite
//     everywhere the product is computed whole.
//   - A sum, which begins with +0, becomes -0 only by a product that is too small for a float32; adding the +0 of a
//     later product of zeros would make it +0 again. So a part in which a result is -0 is computed again, whole.
//
// Rows of A are taken two by two, or by eight where A has few zeros, with a list of those k where one of them is not
// zero. Where the lists are long, or there are no kernels for them, the product is computed whole, too.
func MatMulSparse(c, a, b []float32, packed *Packed[float32], p Product, ep Epilogue[float32]) {
	lenB := len(b)
	if packed != nil {
		p.TransB, p.LDB, p.StrideB, lenB = false, 0, 0, -1
	}
	p = p.normal(len(c), len(a), lenB)
	if p.M == 0 || p.N == 0 {
		return
	}
	j := newJob[float32]()
	defer j.release()
	kern := kernelsFor[float32]()
	flops := 2 * float64(p.M) * float64(p.N) * float64(p.K)
	listed := kern.list != nil || cpu.Active() == cpu.Portable
	small := flops < smallWork/4 || packed == nil && p.M < minListed
	if !listed || small || p.Batch > 1 || p.LDB > maxListed {
		j.matmul(c, a, b, packed, p, ep)
		return
	}
	height, worth := heightFor(a, p.TransA, kern)
	if height == 0 {
		j.matmul(c, a, b, packed, p, ep)
		return
	}
	t := &j.sparse
	t.begin(c, a, b, packed, p, kern, height)
	if t.pieces > 0 { // otherwise every part does that for itself
		pool.Run(t.bands+t.pieces, t)
		if t.packs {
			packed = &t.packed
		}
	} else {
		pool.Run(t.bands, t)
	}
	if t.infinite.Load() || t.share() > worth {
		j.matmul(c, a, b, packed, p, ep)
		return
	}
	t.whole = j.prepare(c, a, b, packed, p, ep)
	if j.sums.residual != nil {
		j.sums = sums[float32]{} // the listed kernels do not add it
	}
	t.listed = true
	dispatch(t.grid.count(), t, flops)
}

// heightFor is how many rows of A share a list, and the share of a product above which lists are not worth while. The
// height is 0 where lists would be made in vain. Pairs read a line of B for every two rows, and want short lists. Eight
// rows are as fast as whole products; they are for transposed pictures, whose neighbouring pixels are zero together.
func heightFor(a []float32, transposed bool, kern kernels) (height int, worth float64) {
	const samples = 512
	filled, n := 0, 0
	for i, step := 0, len(a)/samples|1; i < len(a); i += step {
		if a[i] != 0 {
			filled++
		}
		n++
	}
	switch share := float64(filled) / float64(n); {
	case share < 0.45:
		return 2, 0.7
	case share < 0.85 && transposed && kern.scan != nil:
		return listRows, 0.85
	default:
		return 0, 0
	}
}

const (
	// maxListed is the longest row of B such that its offsets in a block are int32.
	maxListed = 1 << 20
	// minListed is how many rows are worth packing B for.
	minListed = 16
	// listRows is the most rows that share a list.
	listRows = 8
	// listBlock is the room of a list for a block of k: a scan writes whole vectors. The assembly knows it.
	listBlock = BlockK + Width
	// scanRows are listed by one part.
	scanRows = Width
)

// sparseTask prepares a product and then computes its parts. The parts of the preparation are bands of rows to list,
// then pieces of B to look at, and to pack or, if it is row-major, to copy such that no vector lies across two lines of
// the cache. Where a part of the product has all rows it does the latter itself, and finds the copy in its cache.
type sparseTask struct {
	whole    *productTask[float32]
	kern     kernels
	p        Product
	c, a     []float32
	b        []float32 // in panels, or row-major
	packs    bool
	direct   bool            // b is row-major; the kernels read copies of its lines
	from     []float32       // b, if direct
	packed   Packed[float32] // if packs
	packing  packTask[float32]
	listed   bool         // the preparation is done
	infinite atomic.Bool  // B is not finite; known beforehand if there are pieces
	total    atomic.Int64 // entries of all lists

	height                        int // rows that share a list
	groups                        int // of rows
	blocks, bands, pieces, panels int
	line, panel                   int          // bytes from one line of B to the next, and from one panel to the next
	first                         [Width]int32 // bytes from a line to the next ones
	grid                          grid         // rows are groups
	at                            []int32
	values                        []float32
	counts                        []int32
	room                          []float32 // for a packed B
}

// kept is the task's memory.
func (t *sparseTask) kept() sparseTask {
	return sparseTask{at: t.at, values: t.values, counts: t.counts, room: t.room}
}

// pieceLen are the elements of a packed B that a part of the preparation looks at, pieceLines the lines of another.
const pieceLen, pieceLines = 1 << 15, 16

func (t *sparseTask) begin(c, a, b []float32, packed *Packed[float32], p Product, kern kernels, height int,
) {
	t.kern, t.p, t.c, t.a, t.height = kern, p, c, a, height
	t.groups = (p.M + height - 1) / height
	t.blocks, t.panels = (p.K+BlockK-1)/BlockK, panelsOf(p.N)
	t.bands = (p.M + scanRows - 1) / scanRows
	t.line, t.panel = Width*4, p.K*Width*4
	t.packs = packed == nil && (p.TransB || !kern.masked)
	switch {
	case packed != nil:
		t.b = packed.Data
	case t.packs:
		t.packing = packTask[float32]{src: b, k: p.K, n: p.N, ld: p.LDB, trans: p.TransB}
	default:
		t.from, t.direct = b, true
	}
	t.cut()
	if t.direct {
		t.line, t.panel = t.grid.chunkPanels*Width*4, Width*4
	}
	switch {
	case t.grid.bands == 1:
		t.pieces = 0
	case t.direct:
		t.line = t.panels * Width * 4
		t.room = grow(t.room, p.K*t.line/4)
		t.b, t.pieces = t.room, (p.K+pieceLines-1)/pieceLines
	case t.packs:
		t.room = grow(t.room, PackedLen(p.K, p.N))
		t.b, t.packed = t.room, Packed[float32]{K: p.K, N: p.N, Data: t.room}
		t.packing.dst, t.pieces = t.room, t.panels
	default:
		t.pieces = (len(t.b) + pieceLen - 1) / pieceLen
	}
	for i := range t.first {
		t.first[i] = int32(i * t.line)
	}
	n := t.groups * t.blocks * listBlock
	t.at, t.values, t.counts = grow(t.at, n), grow(t.values, height*n), grow(t.counts, t.groups*t.blocks)
}

// share is the length of the lists in that of all k.
func (t *sparseTask) share() float64 { return float64(t.total.Load()) / float64(t.groups*t.p.K) }

// most is the most panels of a kernel of so many rows.
func (t *sparseTask) most(rows int) int {
	if t.kern.list == nil {
		return 1
	}
	return len(t.kern.list[rows-1])
}

// cut cuts the product into parts. Pictures are few and B is large: then parts have all rows, so that every thread
// reads a part of B alone. Otherwise chunks of panels are as few as the kernels for pairs allow, and bands of rows
// many.
func (t *sparseTask) cut() {
	most, threads := t.most(2), pool.Threads()
	for most < Width/2 {
		most *= 2 // a part runs narrow kernels several times
	}
	chunks := (t.panels + most - 1) / most
	perRow := 2 * Width * float64(t.height) * float64(t.p.K) // of a panel
	g := &t.grid
	*g = grid{rows: t.groups, bandRows: t.groups, panels: t.panels, items: 1}
	if even := (chunks + threads - 1) / threads * threads; 2*t.p.M <= t.p.K && even*4 <= t.panels {
		g.chunkPanels = (t.panels + even - 1) / even
		if perRow*float64(g.bandRows*g.chunkPanels) <= partFlops {
			g.count()
			return
		}
	}
	g.chunkPanels = (t.panels + chunks - 1) / chunks
	large := func() bool { return g.count() < 4*threads || perRow*float64(g.bandRows*g.chunkPanels) > partFlops }
	for large() && g.bandRows*t.height > scanRows {
		g.bandRows = (g.bandRows + 1) / 2
	}
	g.bandRows = (t.groups + g.bands - 1) / g.bands
	g.count()
}

// Do does a part of the preparation or of the product.
func (t *sparseTask) Do(i int) {
	switch {
	case t.listed:
		t.part(t.grid.at(i))
	case i < t.bands:
		t.list(i)
	default:
		t.look(i - t.bands)
	}
}

// look packs or copies a piece of B, if that is wanted, and sees whether it is finite.
func (t *sparseTask) look(piece int) {
	n := pieceLen
	var ok bool
	if t.direct {
		s := newScratch[float32]()
		k := piece * pieceLines
		ok = t.copy(s, t.room[k*t.line/4:], k, min(pieceLines, t.p.K-k), 0, t.panels)
		s.release()
	} else {
		if t.packs {
			t.packing.Do(piece)
			n = t.p.K * Width
		}
		ok = finite(t.b[piece*n : min((piece+1)*n, len(t.b))])
	}
	if !ok {
		t.infinite.Store(true)
	}
}

// finite says whether all of x is finite: if not, nor is the sum. It may be wrong about very large numbers.
func finite(x []float32) bool {
	s := float64(vec.Sum(x))
	return !math.IsInf(s, 0) && !math.IsNaN(s)
}

// copy copies panels of some lines of a row-major B and sees whether they are finite.
func (t *sparseTask) copy(s *scratch[float32], dst []float32, k, lines, p0, p1 int) bool {
	p, col := &t.p, p0*Width
	_, _ = t.from[(k+lines-1)*p.LDB+min(p1*Width, p.N)-1], dst[(lines-1)*t.line/4+(p1-p0)*Width-1]
	s.look = inspection{
		b: unsafe.Pointer(&t.from[k*p.LDB+col]), row: p.LDB * 4, lines: lines, panels: p1 - p0,
		mask: 1<<(min(p1*Width, p.N)-(p1-1)*Width) - 1, top: unsafe.Pointer(&s.top), copy: first(dst), copyRow: t.line,
	}
	t.kern.inspect(unsafe.Pointer(&s.look))
	for _, bits := range s.top {
		if bits >= 0xFF<<24 { // the exponent, without the sign before it
			return false
		}
	}
	return true
}

// own copies the lines of a block of a part, or packs the panels of a part in its first block. It returns where the
// kernels find the block, and whether all is finite.
func (t *sparseTask) own(s *scratch[float32], q part, block int) (unsafe.Pointer, bool) {
	p := &t.p
	if t.direct {
		k := block * BlockK
		s.b = grow(s.b, BlockK*t.line/4+Width)
		b := s.b[align(s.b):]
		return first(b), t.copy(s, b, k, min(BlockK, p.K-k), q.p0, q.p1)
	}
	if !t.packs {
		b := t.b[q.p0*p.K*Width : q.p1*p.K*Width]
		return unsafe.Pointer(&b[block*BlockK*Width]), block > 0 || finite(b)
	}
	if block == 0 {
		n := p.K * Width
		s.b = grow(s.b, (q.p1-q.p0)*n+Width)
		own := t.packing
		own.dst = s.b[align(s.b):][:(q.p1-q.p0)*n]
		if own.trans {
			own.src = own.src[q.p0*Width*own.ld:]
		} else {
			own.src = own.src[q.p0*Width:]
		}
		own.n -= q.p0 * Width
		for i := range q.p1 - q.p0 {
			own.Do(i)
		}
		return first(own.dst), finite(own.dst)
	}
	return unsafe.Add(first(s.b[align(s.b):]), block*BlockK*Width*4), true
}

// align is how many elements before a multiple of 64 bytes x begins.
func align(x []float32) int { return int(-uintptr(first(x))%64) / 4 }

// part computes a part of the product.
func (t *sparseTask) part(q part) {
	p := &t.p
	s := newScratch[float32]()
	l := &s.list
	*l = listed{panel: t.panel}
	again := false
	for block := range t.blocks {
		var b unsafe.Pointer
		if t.pieces == 0 {
			var ok bool
			b, ok = t.own(s, q, block)
			again = again || !ok
		} else {
			b = unsafe.Pointer(&t.b[(q.p0*t.panel+block*BlockK*t.line)/4])
		}
		l.add = min(block, 1)
		var bias []float32
		if block == t.blocks-1 {
			bias = t.whole.j.sums.bias
		}
		for group := q.r0; group < q.r1; group++ {
			i := t.place(group, block)
			l.at, l.n = unsafe.Pointer(&t.at[i]), int(t.counts[group*t.blocks+block])
			l.values = unsafe.Pointer(&t.values[i*t.height])
			t.row(s, q, b, bias, group)
		}
	}
	again = again || l.negative != 0
	s.release()
	q.r0, q.r1 = q.r0*t.height, min(q.r1*t.height, p.M)
	if again {
		t.whole.compute(q, -1)
	}
	if j := t.whole.j; j.ep != nil {
		rows, col, cols := q.r1-q.r0, q.p0*Width, min(q.p1*Width, p.N)-q.p0*Width
		j.sums.finish(j.ep, t.c[q.r0*p.LDC+col:(q.r1-1)*p.LDC+col+cols], p.LDC, q.r0, col, rows, cols)
	}
}
