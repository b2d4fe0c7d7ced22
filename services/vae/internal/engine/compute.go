package engine

import (
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// compute makes a pass for l.counts[i] rows of job i, or for one sweep of its chains.
func (l *loop) compute(k kind, jobs []*job) {
	switch k {
	case encoding:
		l.encode(jobs)
	case decoding:
		l.decode(jobs)
	case drawing:
		l.draw(jobs)
		l.decode(jobs)
	case scoring:
		l.scores(jobs[0], l.counts[0])
	case sweeping:
		l.sweeps(jobs)
	default:
		panic("engine: no such kind of work")
	}
}

// gather copies the jobs' rows of x behind one another; width is the length of one.
func (l *loop) gather(jobs []*job, width int) (rows int, class []int32) {
	l.in, l.class = l.in[:0], l.class[:0]
	for i, j := range jobs {
		n := l.counts[i]
		l.in = append(l.in, j.x[j.at*width:(j.at+n)*width]...)
		if l.e.model.Size().Classes > 0 {
			if j.class == nil {
				l.class = append(l.class, slices.Repeat([]int32{model.Unconditional}, n)...)
			} else {
				l.class = append(l.class, j.classes(n)...)
			}
		}
		rows += n
	}
	if l.e.model.Size().Classes == 0 {
		return rows, nil
	}
	return rows, l.class
}

func (l *loop) encode(jobs []*job) {
	enc, ok := l.e.model.(model.Encoder)
	if !ok {
		return
	}
	size := l.e.model.Size()
	k := size.CodeLen()
	rows, class := l.gather(jobs, size.PictureLen())
	l.mean = room(l.mean, rows*k)
	var variance []float32
	if !enc.Deterministic() {
		l.variance = room(l.variance, rows*k)
		variance = l.variance
	}
	enc.Encode(l.mean, variance, l.in, rows, class)
	at := 0
	for i, j := range jobs {
		n := l.counts[i]
		copy(j.mean[j.at*k:], l.mean[at*k:(at+n)*k])
		if j.variance != nil {
			copy(j.variance[j.at*k:], variance[at*k:(at+n)*k])
		}
		at += n
	}
}

func (l *loop) decode(jobs []*job) {
	dec, ok := l.e.model.(model.Decoder)
	if !ok {
		return
	}
	size := l.e.model.Size()
	p := size.PictureLen()
	rows, class := l.gather(jobs, size.CodeLen())
	l.out = room(l.out, rows*p)
	dec.Decode(l.out, l.in, rows, class)
	at := 0
	for i, j := range jobs {
		n := l.counts[i]
		copy(j.out[j.at*p:], l.out[at*p:(at+n)*p])
		at += n
	}
}

// draw fills the codes of the jobs' next rows.
func (l *loop) draw(jobs []*job) {
	prior, own := l.e.model.(model.Prior)
	k := l.e.model.Size().CodeLen()
	for i, j := range jobs {
		for r := j.at; r < j.at+l.counts[i]; r++ {
			z := j.x[r*k : (r+1)*k]
			class := int32(model.Unconditional)
			if j.class != nil {
				class = j.class[r]
			}
			if own {
				prior.Draw(z, j.random, uint64(r), j.temperature, class)
				continue
			}
			j.random.Normal(z, uint64(r), 0, rng.Latent)
			for c := range z {
				z[c] *= j.temperature
			}
		}
	}
}

func (l *loop) scores(j *job, n int) {
	sc, ok := l.e.model.(model.Scorer)
	if !ok {
		return
	}
	p := l.e.model.Size().PictureLen()
	s, err := sc.Score(j.x[j.at*p:(j.at+n)*p], n, j.classes(n), j.samples, j.random, uint64(j.at))
	if err != nil {
		panic(err)
	}
	s.Values = append(j.score.Values, s.Values...)
	s.Free = append(j.score.Free, s.Free...)
	j.score = s
}

func (l *loop) sweeps(jobs []*job) {
	m, ok := l.e.model.(model.Chain)
	if !ok {
		return
	}
	l.runs = l.runs[:0]
	for i, j := range jobs {
		if l.counts[i] == 0 {
			continue
		}
		c := j.chain
		c.start(m)
		for n, s := range c.states {
			l.runs = append(l.runs, model.Run{State: s, Stream: c.random, Chain: uint64(n), Sweep: uint32(c.sweep),
				Temperature: c.Temperature, Class: c.Class})
		}
	}
	m.Sweep(l.runs)
	clear(l.runs)
}

// room makes a buffer of n elements, its own if it is large enough.
func room(x []float32, n int) []float32 { return slices.Grow(x[:0], n)[:n] }

// Pixels are the bytes of a picture in [0, 1]: v * 255, rounded to the nearest, halves up; what lies outside is
// clipped.
func Pixels(x []float32) []byte {
	pix := make([]byte, len(x))
	for i, v := range x {
		pix[i] = byte(float32(max(0, min(1, v))*255) + 0.5)
	}
	return pix
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
