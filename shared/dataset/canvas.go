package dataset

import "math/bits"

// sub is the number of sample rows and columns in a pixel.
const sub = 8

// warp maps a glyph's units to samples of a canvas: a bend, a linear map and a shift, all fractions of 1<<16.
type warp struct {
	bendX, bendY   int64
	a, b, c, d     int64 // sample units per glyph unit
	shiftX, shiftY int64
}

// randomMap draws a map for a canvas of size pixels: turned by up to 0.26 (15 degrees), slanted by up to 0.25, the
// larger side 0.60 to 0.80 of the canvas, up to 18 % narrower, bent by up to 0.12 of its size, and moved by up to
// 0.07 of the canvas.
func randomMap(d *dice, size int) warp {
	sin, cos := sinCos(d.between(-260, 260))
	slant := d.between(-250, 250)
	height := d.between(600, 800) * int64(size) * sub
	width := height / unit * d.between(820, 1000)
	m := warp{bendX: d.between(-480, 480), bendY: d.between(-240, 240)}
	// rotation * slant * scale; height and width carry 16 fractional bits, as sin, cos and slant do.
	m.a = cos * (width >> 8) >> 8
	m.b = (cos*slant>>16 - sin) * (height >> 8) >> 8
	m.c = sin * (width >> 8) >> 8
	m.d = (sin*slant>>16 + cos) * (height >> 8) >> 8
	half := int64(size) * sub * unit / 2
	m.shiftX = half + d.between(-70, 70)*int64(size)*sub
	m.shiftY = half + d.between(-70, 70)*int64(size)*sub
	return m
}

// at maps p, whose coordinates lie in -1/2..1/2.
func (m *warp) at(p point) point {
	const mid = unit / 12 // the mean of y*y over -1/2..1/2, so that bending moves nothing on the average
	x := p.x + m.bendX*(p.y*p.y>>16-mid)>>16
	y := p.y + m.bendY*(p.x*p.x>>16-mid)>>16
	return point{(m.a*x+m.b*y)>>16 + m.shiftX, (m.c*x+m.d*y)>>16 + m.shiftY}
}

// bounds is the smallest box around the mapped outline.
func (m *warp) bounds(o outline) (lo, hi point) {
	lo = m.at(o[0][0])
	hi = lo
	for _, contour := range o {
		for _, p := range contour {
			q := m.at(p)
			lo = point{min(lo.x, q.x), min(lo.y, q.y)}
			hi = point{max(hi.x, q.x), max(hi.y, q.y)}
		}
	}
	return lo, hi
}

// keepInside shrinks and moves the map just so far that the outline keeps a margin of one pixel and a quarter, of
// which thickening may take a quarter, to every side of the canvas.
func (m *warp) keepInside(o outline, size int) {
	margin := int64(sub+sub/4) * unit
	side := int64(size)*sub*unit - 2*margin
	lo, hi := m.bounds(o)
	if box := max(hi.x-lo.x, hi.y-lo.y); box > side {
		shrink := func(v int64) int64 { return v * (side >> 8) / (box >> 8) }
		m.a, m.b, m.c, m.d = shrink(m.a), shrink(m.b), shrink(m.c), shrink(m.d)
		lo, hi = m.bounds(o)
	}
	m.shiftX += max(0, margin-lo.x) - max(0, hi.x-margin-side)
	m.shiftY += max(0, margin-lo.y) - max(0, hi.y-margin-side)
}

// sinCos is the sine and cosine of x, |x| below a half, as fractions of 1<<16: Taylor's series to the fifth and
// fourth power, which are off by less than one part in 2^16.
func sinCos(x int64) (sin, cos int64) {
	x2 := x * x >> 16
	sin = x * (unit - x2*(unit-x2/20)>>16/6) >> 16
	cos = unit - x2*(unit-x2/12)>>16/2
	return sin, cos
}

// canvas draws one glyph: crossings of edges with sample rows, then filled spans as bits, then samples per pixel.
// Each row's crossings are in the order of x.
type canvas struct {
	size  int
	words int // 64-bit words in a row of samples
	cross [][]crossing
	bits  []uint64
	spare []uint64
	cover []uint8 // samples set in each pixel, 0..64
	out   []byte
}

// crossing is where an edge meets the middle of a sample row; dir is 1 downwards and -1 upwards.
type crossing struct {
	x   int64
	dir int
}

func newCanvas(size int) *canvas {
	rows := size * sub
	words := (rows + 63) / 64
	return &canvas{
		size: size, words: words, cross: make([][]crossing, rows),
		bits: make([]uint64, rows*words), spare: make([]uint64, rows*words),
		cover: make([]uint8, size*size), out: make([]byte, size*size*3),
	}
}

func (c *canvas) clear() {
	for i := range c.cross {
		c.cross[i] = c.cross[i][:0]
	}
	clear(c.bits)
}

// edge adds a line. A row r is met when its middle, r + 1/2, lies in the half-open range of the line's y.
func (c *canvas) edge(from, to point) {
	dir := 1
	if from.y > to.y {
		from, to, dir = to, from, -1
	}
	first := max(0, (from.y+unit/2-1)>>16) // the first middle that is not above from
	last := min(int64(len(c.cross))-1, (to.y-unit/2-1)>>16)
	for r := first; r <= last; r++ {
		y := r*unit + unit/2
		x := from.x + (to.x-from.x)*(y-from.y)/(to.y-from.y)
		c.cross[r] = insert(c.cross[r], crossing{x, dir})
	}
}

// insert keeps a row's crossings in order; there are only a few.
func insert(row []crossing, n crossing) []crossing {
	row = append(row, n)
	i := len(row) - 1
	for ; i > 0 && row[i-1].x > n.x; i-- {
		row[i] = row[i-1]
	}
	row[i] = n
	return row
}

// fill sets the samples whose middles have a winding number other than zero.
func (c *canvas) fill() {
	for r, row := range c.cross {
		line := c.bits[r*c.words : (r+1)*c.words]
		winding := 0
		for i := 0; i+1 < len(row); i++ {
			winding += row[i].dir
			if winding == 0 {
				continue
			}
			from := max(0, (row[i].x+unit/2-1)>>16)
			to := min(int64(len(c.cross))-1, (row[i+1].x-unit/2-1)>>16)
			for x := from; x <= to; x++ {
				line[x>>6] |= 1 << (x & 63)
			}
		}
	}
}

// thicken sets every sample that has a set neighbour above, below, left or right.
func (c *canvas) thicken() {
	n := c.words
	for i, v := range c.bits {
		w := v | v<<1 | v>>1
		if i%n > 0 {
			w |= c.bits[i-1] >> 63
		}
		if i%n < n-1 {
			w |= c.bits[i+1] << 63
		}
		if i >= n {
			w |= c.bits[i-n]
		}
		if i+n < len(c.bits) {
			w |= c.bits[i+n]
		}
		c.spare[i] = w
	}
	c.bits, c.spare = c.spare, c.bits
}

// count counts the set samples of every pixel.
func (c *canvas) count() {
	for y := range c.size {
		for x := range c.size {
			n := 0
			for r := y * sub; r < (y+1)*sub; r++ {
				word := c.bits[r*c.words+x*sub>>6]
				n += bits.OnesCount8(uint8(word >> (x * sub & 63)))
			}
			c.cover[y*c.size+x] = uint8(n)
		}
	}
}

// colours paints the glyph in one colour on another: one of them light and pale, the other dark and full.
func (c *canvas) colours(d *dice) {
	light := hue(d.below(1536), 190+d.below(66), 60+d.below(120))
	dark := hue(d.below(1536), 20+d.below(100), 120+d.below(136))
	ink, paper := light, dark
	if d.below(2) == 1 {
		ink, paper = dark, light
	}
	for j, n := range c.cover {
		for k := range 3 {
			v := ink[k]*int(n) + paper[k]*(sub*sub-int(n))
			c.out[3*j+k] = byte((v + sub*sub/2) / (sub * sub))
		}
	}
}

// hue is the colour at angle h of 1536 on the wheel, with brightness v and saturation s of 255.
func hue(h, v, s int) [3]int {
	ramp := func(h int) int { // 255 over a third of the wheel, 0 over another, straight lines between
		h = (h%1536 + 1536) % 1536
		return max(0, min(255, 512-max(h-768, 768-h)))
	}
	var rgb [3]int
	for k := range rgb {
		full := ramp(h + 768 - 512*k)
		rgb[k] = v * (255*255 - s*(255-full)) / (255 * 255)
	}
	return rgb
}
