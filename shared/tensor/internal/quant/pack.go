package quant

import (
	"fmt"
	"sync/atomic"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// Packed is a matrix of repacked weights: n outputs of k weights. It does not change after Pack.
type Packed struct {
	kind  Kind
	n, k  int
	panel int // bytes
	data  []byte
}

// Kind is the format.
func (p *Packed) Kind() Kind { return p.kind }

// N is the number of outputs, K the weights of each.
func (p *Packed) N() int { return p.n }

// K is the number of weights of an output.
func (p *Packed) K() int { return p.k }

// Bytes is the size of the repacked weights.
func (p *Packed) Bytes() int { return len(p.data) }

// panels is the number of panels.
func (p *Packed) panels() int { return (p.n + Width - 1) / Width }

// Pack repacks raw, n rows of cols weights in blocks. It returns an error on wrong sizes and on scales that are not
// finite.
func Pack(kind Kind, raw []byte, n, cols int) (*Packed, error) {
	if !kind.Valid() {
		return nil, fmt.Errorf("format %d of weights is unknown", kind)
	}
	if err := kind.checkRows(raw, n, cols); err != nil {
		return nil, err
	}
	f := &formats[kind]
	p := &Packed{kind: kind, n: n, k: cols, panel: f.panelBytes(cols / Step)}
	p.data = weights.take(p.panels() * p.panel)
	var bad atomic.Bool
	pool.For(p.panels(), 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			if !p.pack(i, raw) {
				bad.Store(true)
			}
		}
	})
	if bad.Load() {
		return nil, fmt.Errorf("%s: a scale of the weights is not finite", kind)
	}
	return p, nil
}

// pack fills panel i and says whether all scales are finite.
func (p *Packed) pack(i int, raw []byte) bool {
	f := &formats[p.kind]
	panel := p.data[i*p.panel : (i+1)*p.panel]
	blocks, steps := p.k/f.block, f.block/Step
	var b block
	ok := true
	for lane := range min(Width, p.n-i*Width) {
		row := raw[(i*Width+lane)*blocks*f.blockBytes:]
		for at := range blocks {
			p.kind.parse(row[at*f.blockBytes:], &b)
			ok = ok && b.finite()
			for s := range steps {
				chunk, scales, lines := f.at(at*steps + s)
				switch p.kind {
				case Q80, Q40:
					copy(panel[scales+2*lane:], b.d)
				case Q4K:
					copy(panel[chunk+2*lane:], b.d)
					copy(panel[chunk+32+2*lane:], b.dmin)
					panel[scales+lane], panel[scales+16+lane] = b.s[s], b.m[s]
				case Q6K:
					copy(panel[chunk+2*lane:], b.d)
					panel[scales+lane], panel[scales+16+lane] = b.s[2*s], b.s[2*s+1]
				}
				p.kind.spread(panel[lines:lines+f.lines], (*[Step]uint8)(b.q[s*Step:]), lane)
			}
		}
	}
	return ok
}

// spread puts the 32 digits of a step into its lines.
func (k Kind) spread(lines []byte, q *[Step]uint8, lane int) {
	at := 4 * lane
	switch k {
	case Q80:
		for g := range 8 {
			copy(lines[g*line+at:g*line+at+4], q[4*g:])
		}
	case Q40, Q4K:
		for i := range 16 {
			lines[i/4*line+at+i%4] = q[i] | q[i+16]<<4
		}
	case Q6K:
		for h := range 2 {
			part, q := lines[h*192:h*192+192], q[16*h:16*h+16]
			for i := range 8 {
				part[i/4*line+at+i%4] = q[i]&15 | q[i+8]<<4
			}
			for i := range 4 {
				part[128+at+i] = q[i]>>4 | q[i+4]>>4<<2 | q[i+8]>>4<<4 | q[i+12]>>4<<6
			}
		}
	}
}

// unpacked is one step of a panel: scales of its halves, minima, and digits by group of four k, output and k.
type unpacked struct {
	scale [2][Width]float32
	low   [Width]float32
	q     [8][line]uint8
}

// unpack takes step s of a panel apart.
func (k Kind) unpack(u *unpacked, panel []byte, s int) {
	f := &formats[k]
	chunk, scales, lines := f.at(s)
	for l := range Width {
		switch k {
		case Q80, Q40:
			u.scale[0][l] = half(panel[scales+2*l:])
		case Q4K:
			u.scale[0][l] = half(panel[chunk+2*l:]) * float32(panel[scales+l])
			u.low[l] = half(panel[chunk+32+2*l:]) * float32(panel[scales+16+l])
		case Q6K:
			d := half(panel[chunk+2*l:])
			u.scale[0][l] = d * float32(int8(panel[scales+l]))
			u.scale[1][l] = d * float32(int8(panel[scales+16+l]))
		}
	}
	b := panel[lines : lines+f.lines]
	switch k {
	case Q80:
		for g := range u.q {
			copy(u.q[g][:], b[g*line:])
		}
	case Q40, Q4K:
		for i, v := range b {
			u.q[i/line][i%line], u.q[i/line+4][i%line] = v&15, v>>4
		}
	case Q6K:
		for h := range 2 {
			for i := range line {
				n0, n1, high := b[h*192+i], b[h*192+64+i], b[h*192+128+i]
				u.q[4*h][i] = n0&15 | high&3<<4
				u.q[4*h+1][i] = n1&15 | high>>2&3<<4
				u.q[4*h+2][i] = n0>>4 | high>>4&3<<4
				u.q[4*h+3][i] = n1>>4 | high>>6<<4
			}
		}
	}
}

// Row writes the weights of output i as Dequantize has them.
func (p *Packed) Row(dst []float32, i int) {
	f := &formats[p.kind]
	panel, l := p.data[i/Width*p.panel:], i%Width
	var u unpacked
	for s := range p.k / Step {
		p.kind.unpack(&u, panel, s)
		for j := range Step {
			h := j / 16 % f.halves
			q := int32(u.q[j/4][4*l+j%4]) - f.offset
			v := float32(u.scale[h][l] * float32(q)) // rounded before the minimum is taken
			if p.kind == Q4K {
				v -= u.low[l]
			}
			dst[s*Step+j] = v
		}
	}
}
