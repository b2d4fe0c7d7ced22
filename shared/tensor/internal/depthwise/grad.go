package depthwise

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// grad is what a weight gradient has beside a task. Gradients lie in the order [kernel row][block][kernel column][16]
// of gather.
type grad[T Float] struct {
	bands int // of a picture; 0 for the other tasks
	lines int // of a band
	from  int // the first band, counted through the pictures of the copies, of the sums
	sums  []T // of the bands of a part
	total []T
	dyc   []T // the copy of dy
}

// WeightGrad computes dw.
func WeightGrad[T Float](dw, x, dy []T, c gemm.Conv) {
	if len(dw) == 0 {
		return
	}
	if len(dy) == 0 {
		clear(dw)
		return
	}
	c.StrideH, c.StrideW = max(c.StrideH, 1), max(c.StrideW, 1)
	t := newTask[T]()
	t.c, t.x, t.y = c, x, dy
	t.phases = append(t.phases, forward(c))
	t.lines, t.width = c.Out()
	t.xLines, t.xWidth = c.H, c.W
	t.channels = max(c.Co, lanes)
	t.weightGrad()
	t.spill(dw)
	t.release()
}

// length is the number of elements of a gradient as gather has it.
func (t *task[T]) length() int { return t.c.KH * t.c.KW * t.blocks() * lanes }

func (t *task[T]) blocks() int { return (t.channels + lanes - 1) / lanes }

// weightGrad computes the total.
func (t *task[T]) weightGrad() {
	const copied, kept = 1 << 20, 1 << 19 // elements of a copy, of the sums of bands
	g, c := &t.grad, &t.c
	in, out := t.xLines*t.xWidth, t.lines*t.width
	pictures := c.N
	t.wide = c.Co < lanes || c.Co != c.Ci
	if t.wide {
		t.xIn, t.yOut, t.inC, t.outC, t.spread = t.x, t.y, c.Ci, c.Co, c.Co/c.Ci
		pictures = min(c.N, max(1, copied/((in+out)*t.channels)))
		t.xc, g.dyc = grow(t.xc, pictures*in*t.channels), grow(g.dyc, pictures*out*t.channels)
		t.x, t.y = t.xc, g.dyc
	}
	g.lines = max(1, 256/t.width)
	bands := (t.lines + g.lines - 1) / g.lines
	length := t.length()
	most := min(max(1, kept/length), pictures*bands)
	g.sums, g.total = grow(g.sums, most*length), grow(g.total, length)
	flops := 2 * float64(out*t.channels) * float64(c.KH*c.KW)
	done := 0
	for t.picture = 0; t.picture < c.N; t.picture += pictures {
		n := min(pictures, c.N-t.picture)
		if t.wide {
			for i := range n {
				widen(t.xc[i*in*t.channels:], t.xIn[(t.picture+i)*in*t.inC:], in, t.inC, t.spread, t.channels)
				widen(g.dyc[i*out*t.channels:], t.yOut[(t.picture+i)*out*t.outC:], out, t.outC, 1, t.channels)
			}
		}
		for g.from = 0; g.from < n*bands; g.from += most {
			parts := min(most, n*bands-g.from)
			g.bands = bands
			dispatch(parts, t, flops*float64(parts)/float64(bands))
			for i := range parts {
				sum := g.sums[i*length : (i+1)*length]
				if done == 0 {
					copy(g.total, sum)
				} else {
					vec.Zip(vec.Add, g.total, g.total, sum)
				}
				done++
			}
		}
	}
}

// gradPart computes the sum of a band.
func (t *task[T]) gradPart(i int) {
	g, p := &t.grad, &t.phases[0]
	sum := g.sums[i*t.length() : (i+1)*t.length()]
	clear(sum)
	es := size[T]() * t.channels
	a := newArgs()
	defer a.release()
	a.yPixel, a.xPixel, a.xTap, a.bytes = es, p.cols.stride*es, es, es
	a.wRow = t.c.KW * lanes * size[T]()
	n, band := (g.from+i)/g.bands, (g.from+i)%g.bands
	k0, k1 := p.cols.inner()
	for k := band * g.lines; k < min((band+1)*g.lines, t.lines); k++ {
		y := unsafe.Add(first(t.y), (n*t.lines+k)*t.width*es)
		lo, hi := p.rows.span(k)
		for r := lo; r < hi; r++ {
			x := unsafe.Add(first(t.x), (n*t.xLines+k*p.rows.stride+p.rows.off+r)*t.xWidth*es)
			w := unsafe.Pointer(&sum[r*t.blocks()*t.c.KW*lanes])
			for c := 0; c < p.cols.n; {
				u, v := p.cols.span(c)
				a.pixels = 1
				if c >= k0 && c < k1 {
					a.pixels = k1 - c
				}
				for ; u < v; u += a.taps {
					a.taps = min(maxTaps, v-u)
					a.x = unsafe.Add(x, (c*p.cols.stride+p.cols.off+u)*es)
					a.y = unsafe.Add(y, c*es)
					a.w = unsafe.Add(w, u*lanes*size[T]())
					gather[T](a)
				}
				c += a.pixels
			}
		}
	}
}

// spill brings the total to dw.
func (t *task[T]) spill(dw []T) {
	c, blocks := &t.c, t.blocks()
	for tap := range c.KH * c.KW {
		dst := dw[tap*c.Co : (tap+1)*c.Co]
		for b := range blocks {
			src := t.grad.total[((tap/c.KW*blocks+b)*c.KW+tap%c.KW)*lanes:][:lanes]
			copy(dst[min(min(b*lanes, t.channels-lanes), c.Co):], src)
		}
	}
}
