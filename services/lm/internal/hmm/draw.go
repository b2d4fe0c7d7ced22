package hmm

import (
	"sort"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// draws are uniform numbers for one attempt of training, one after the other.
type draws struct {
	s      rng.Stream
	sample uint64
	room   [256]float64
	at     int
}

func (d *draws) uniform() float64 {
	if d.at%len(d.room) == 0 {
		d.s.Uniform64(d.room[:], d.sample, uint32(d.at/len(d.room)), rng.Init)
	}
	u := d.room[d.at%len(d.room)]
	d.at++
	return u
}

// scatter gives every positive probability of rows of n a weight between 1/2 and 3/2.
func (d *draws) scatter(p []float64, n int) {
	for r := 0; r < len(p); r += n {
		sum := 0.0
		for i, v := range p[r : r+n] {
			if v > 0 {
				p[r+i] = 0.5 + d.uniform()
				sum += p[r+i]
			}
		}
		for i := range n {
			p[r+i] /= sum
		}
	}
}

// moments are the mean and the variance of every value over all steps.
func moments(data []Sequence, d int) (mean, variance []float64) {
	mean, variance = make([]float64, d), make([]float64, d)
	n := 0
	for _, q := range data {
		for i, v := range q.Values {
			mean[i%d] += v
		}
		n += len(q.Values) / d
	}
	for i := range mean {
		mean[i] /= float64(n)
	}
	for _, q := range data {
		for i, v := range q.Values {
			v -= mean[i%d]
			variance[i%d] += float64(v * v)
		}
	}
	for i := range variance {
		variance[i] = max(variance[i]/float64(n), 1e-6)
	}
	return mean, variance
}

// spread puts n observations into dst, far from each other: each is drawn with a probability in proportion to its
// squared distance, in units of the variance, from those before it (Arthur and Vassilvitskii: k-means++, 2007). At most
// 65536 observations, evenly spaced, are looked at.
func (d *draws) spread(dst []float64, n int, data []Sequence, variance []float64) {
	dim := len(variance)
	total := 0
	for _, q := range data {
		total += len(q.Values) / dim
	}
	every := (total + 65535) / 65536
	var rows [][]float64
	at := 0
	for _, q := range data {
		for t := range len(q.Values) / dim {
			if at%every == 0 {
				rows = append(rows, q.Values[t*dim:(t+1)*dim])
			}
			at++
		}
	}
	far, sums := make([]float64, len(rows)), make([]float64, len(rows))
	for i := range far {
		far[i] = 1
	}
	for k := range n {
		sum := 0.0
		for i, v := range far {
			sum += v
			sums[i] = sum
		}
		pick := int(d.uniform() * float64(len(rows)))
		if sum > 0 {
			pick = draw(sums, d.uniform())
		}
		copy(dst[k*dim:(k+1)*dim], rows[pick])
		for i, x := range rows {
			s := 0.0
			for j, v := range x {
				v -= rows[pick][j]
				s += float64(v*v) / variance[j]
			}
			if k == 0 || s < far[i] {
				far[i] = s
			}
		}
	}
}

// draw finds the first running sum above u times the last one.
func draw(sums []float64, u float64) int {
	u *= sums[len(sums)-1]
	i := sort.Search(len(sums)-1, func(i int) bool { return sums[i] > u })
	for i > 0 && sums[i] == sums[i-1] { // u was rounded up to the whole sum
		i--
	}
	return i
}

// running turns rows of n values into running sums.
func running(p []float64, n int) []float64 {
	q := make([]float64, len(p))
	for r := 0; r < len(p); r += n {
		s := 0.0
		for i := range n {
			s += p[r+i]
			q[r+i] = s
		}
	}
	return q
}

// sampler draws what a state shows.
type sampler interface {
	// draw appends the observation of state j at step t.
	draw(q *Sequence, j, t int, s rng.Stream, sample uint64)
}

// MaxSample is the longest sequence of one draw.
const MaxSample = 1 << 22

// block is how many draws share a step of the random stream.
const block = 4096

// Sampler draws sequences.
type Sampler struct {
	m           *Model
	start, rows []float64
	emit        sampler
}

// Sampler makes a Sampler, which holds running sums.
func (m *Model) Sampler() *Sampler {
	return &Sampler{m, running(m.start, m.n), running(m.trans, m.n), m.emit.sampler()}
}

// Draw gives n steps of states and observations. They depend on (seed, sample) alone, and a longer sequence begins as a
// shorter one: the state of step t is by draw t of the purpose Chain, the observation by draws of its own.
func (p *Sampler) Draw(s rng.Stream, sample uint64, n int) ([]int32, Sequence, error) {
	if n < 0 || n > MaxSample {
		return nil, Sequence{}, bad("BAD_STEPS", "%d steps, want 0 to %d", n, MaxSample)
	}
	var q Sequence
	states, u := make([]int32, n), make([]float64, min(n, block))
	for t := range states {
		if t%block == 0 {
			s.Uniform64(u[:min(block, n-t)], sample, uint32(t/block), rng.Chain)
		}
		row := p.start
		if t > 0 {
			i := int(states[t-1])
			row = p.rows[i*p.m.n : (i+1)*p.m.n]
		}
		states[t] = int32(draw(row, u[t%block]))
		p.emit.draw(&q, int(states[t]), t, s, sample)
	}
	return states, q, nil
}

// uniforms are draws t of a purpose, in blocks.
type uniforms struct {
	room   []float64
	from   int
	sample uint64
	seed   uint64
}

func (u *uniforms) at(t int, s rng.Stream, sample uint64) float64 {
	if u.room == nil || u.from != t/block || u.sample != sample || u.seed != s.Seed {
		if u.room == nil {
			u.room = make([]float64, block)
		}
		u.from, u.sample, u.seed = t/block, sample, s.Seed
		s.Uniform64(u.room, sample, uint32(t/block), rng.Choice)
	}
	return u.room[t%block]
}

type categoricalSampler struct {
	sums []float64
	m    int
	u    uniforms
}

func (c *Categorical) sampler() sampler { return &categoricalSampler{sums: running(c.b, c.m), m: c.m} }

func (c *categoricalSampler) draw(q *Sequence, j, t int, s rng.Stream, sample uint64) {
	q.Symbols = append(q.Symbols, int32(draw(c.sums[j*c.m:(j+1)*c.m], c.u.at(t, s, sample))))
}

type gaussianSampler struct {
	g    *Gaussian
	sums []float64
	z    []float64
	u    uniforms
}

func (g *Gaussian) sampler() sampler {
	return &gaussianSampler{g: g, sums: running(g.weight, g.k), z: make([]float64, g.d)}
}

func (p *gaussianSampler) draw(q *Sequence, j, t int, s rng.Stream, sample uint64) {
	g := p.g
	c := j * g.k
	if g.k > 1 {
		c += draw(p.sums[j*g.k:(j+1)*g.k], p.u.at(t, s, sample))
	}
	s.Normal64(p.z, sample, uint32(t), rng.Visible)
	for i := range g.d {
		x := g.mean[c*g.d+i]
		if !g.full {
			x += p.z[i] / sqrt(g.lower[c*g.d+i])
		} else {
			l := g.lower[c*g.d*g.d+i*g.d:]
			for k := range i {
				x += float64(l[k] * p.z[k])
			}
			x += p.z[i] / l[i]
		}
		q.Values = append(q.Values, x)
	}
}

type poissonSampler struct {
	p *Poisson
	u []float64
}

func (p *Poisson) sampler() sampler { return &poissonSampler{p, make([]float64, p.d)} }

func (p *poissonSampler) draw(q *Sequence, j, t int, s rng.Stream, sample uint64) {
	s.Uniform64(p.u, sample, uint32(t), rng.Visible)
	for i, u := range p.u {
		at := j*p.p.d + i
		q.Values = append(q.Values, count(p.p.rate[at], p.p.logs[at], u))
	}
}

// count turns a uniform number into a Poisson one by going through the counts from the most likely one outwards: k,
// k+1, k-1, k+2 and so on, about the square root of the rate many.
func count(rate, logRate, u float64) float64 {
	k := float64(int64(rate))
	up := tensor.ExpF64(float64(k*logRate) - rate - logFactorial(k))
	down, hi, lo := up, k, k
	u -= up
	for range 1 << 20 {
		if u < 0 {
			break
		}
		hi++
		up = float64(up * (rate / hi))
		if u -= up; u < 0 {
			return hi
		}
		if lo > 0 {
			down = float64(down * (lo / rate))
			lo--
			if u -= down; u < 0 {
				return lo
			}
		}
		if up == 0 && (lo == 0 || down == 0) {
			break
		}
	}
	return k
}
