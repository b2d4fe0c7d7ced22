package classify

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Augment says how far training pictures are moved at random, each draw uniform within plus and minus its number. The
// zero value leaves them as they are.
type Augment struct {
	Turn    float64 `json:"turn,omitempty"`    // radians, to first order
	Stretch float64 `json:"stretch,omitempty"` // of height and of width, each on its own, as a share
	Slant   float64 `json:"slant,omitempty"`   // pixels sideways a pixel up
	Shift   float64 `json:"shift,omitempty"`   // pixels, each axis on its own
}

// apply writes picture src of size x size x channels to dst as seen through a random affine map of the coordinates,
// between four pixels each; what lies outside repeats the border. The draws are those of (sample, step).
func (a Augment) apply(dst, src []float32, size, channels int, s rng.Stream, sample uint64, step uint32) {
	if a == (Augment{}) {
		copy(dst, src)
		return
	}
	var u [6]float32
	s.Uniform(u[:], sample, step, rng.Augment)
	draw := func(i int, bound float64) float32 { return float32(bound * (2*float64(u[i]) - 1)) }
	turn, slant := draw(0, a.Turn), draw(1, a.Slant)
	// Where an output pixel at (x, y) from the middle is taken from: (xx x + xy y + x0, yx x + yy y + y0).
	xx, xy := 1+draw(2, a.Stretch), slant-turn
	yx, yy := turn, 1+draw(3, a.Stretch)
	middle := float32(size-1) / 2
	x0, y0 := middle+draw(4, a.Shift), middle+draw(5, a.Shift)
	top := float32(size - 1)
	for i := range size {
		y := float32(i) - middle
		for j := range size {
			x := float32(j) - middle
			px := min(max(float32(xx*x)+float32(xy*y)+x0, 0), top)
			py := min(max(float32(yx*x)+float32(yy*y)+y0, 0), top)
			fx, fy := float32(math.Floor(float64(px))), float32(math.Floor(float64(py)))
			l, t := int(fx), int(fy)
			r, b := min(l+1, size-1), min(t+1, size-1)
			wx, wy := px-fx, py-fy
			for c := range channels {
				at := func(y, x int) float32 { return src[(y*size+x)*channels+c] }
				upper := at(t, l) + float32(wx*(at(t, r)-at(t, l)))
				lower := at(b, l) + float32(wx*(at(b, r)-at(b, l)))
				dst[(i*size+j)*channels+c] = upper + float32(wy*(lower-upper))
			}
		}
	}
}
