package engine

import (
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/picture"
)

// rows is the input and output of one forward pass. Its memory is kept from tick to tick.
type rows struct {
	size     int
	x, out   []float32 // R*H*W*C
	timestep []float32 // R
	class    []int32   // R
}

func (r *rows) init(m *Model) {
	r.size = m.size()
}

func (r *rows) reset() {
	r.x, r.timestep, r.class = r.x[:0], r.timestep[:0], r.class[:0]
}

func (r *rows) count() int { return len(r.class) }

func (r *rows) add(x []float32, timestep float64, class int32) {
	r.x = append(r.x, x...)
	r.timestep = append(r.timestep, float32(timestep))
	r.class = append(r.class, class)
}

// gather adds the rows of one picture: with its class and, under guidance, without.
func (r *rows) gather(j *job, p int) {
	s := j.states[p]
	timestep, _ := j.Sampler.At(s)
	r.add(s.X, timestep, j.Classes[p])
	if j.rows() == 2 {
		r.add(s.X, timestep, Unconditional)
	}
}

func (r *rows) forward(m *Model) {
	n := len(r.x)
	r.out = slices.Grow(r.out[:0], n)[:n]
	m.Denoiser.Denoise(r.out, r.x, r.timestep, r.class)
}

// unit is one picture's part in a tick.
type unit struct {
	job     *job
	picture int
	row     int // its first row
	err     error
}

// guide is classifier-free guidance on the model's raw prediction: c = u + g (c - u), the product rounded first.
func guide(c, u []float32, g float64) {
	w := float32(g)
	u = u[:len(c)]
	for i := range c {
		c[i] = u[i] + float32(w*(c[i]-u[i]))
	}
}

// carryOn takes one picture through the evaluation that its rows gave; x0 is scratch. A value that is not finite is
// the unit's error. Units touch nothing but their own picture, so they run side by side.
func (l *loop) carryOn(u *unit, x0 []float32) {
	j, p, m, size := u.job, u.picture, &l.e.model, l.rows.size
	s := j.states[p]
	pred := l.rows.out[u.row*size : (u.row+1)*size]
	if j.rows() == 2 {
		guide(pred, l.rows.out[(u.row+1)*size:(u.row+2)*size], j.Guidance)
	}
	_, alphaBar := j.Sampler.At(s)
	schedule.ToX0(x0, pred, s.X, m.Prediction, alphaBar, m.Clip)
	step := s.Step
	// Clipping hides an infinite prediction, so both are looked at.
	if !finite(pred) || !finite(x0) {
		u.err = notFinite(j, p, step)
		return
	}
	j.Sampler.Step(s, x0, j.noise[p])
	if !finite(s.X) {
		u.err = notFinite(j, p, step)
		return
	}
	if s.Stage != 0 || !j.previewAt(s.Step) {
		return
	}
	shown := s.X
	if j.PreviewEstimate {
		shown = x0
	}
	quantise(j.pix[p*size:(p+1)*size], shown)
}

func notFinite(j *job, p, step int) error {
	return fault.E(fault.Internal, "NOT_FINITE", "engine",
		"picture %d has values that are not finite after step %d of %d", p, step+1, j.Sampler.Steps())
}

// finite says whether no element is NaN or infinite.
func finite(x []float32) bool {
	const exponent = 0x7f800000
	for _, v := range x {
		if math.Float32bits(v)&exponent == exponent {
			return false
		}
	}
	return true
}

func quantise(dst []byte, x []float32) { picture.Quantise(dst, x) }

func sigma(alphaBar float64) float64 { return schedule.Sigma(alphaBar) }

// split cuts n pictures of one size out of b.
func split(b []byte, n int) [][]byte {
	size := len(b) / n
	parts := make([][]byte, n)
	for i := range parts {
		parts[i] = b[i*size : (i+1)*size : (i+1)*size]
	}
	return parts
}
