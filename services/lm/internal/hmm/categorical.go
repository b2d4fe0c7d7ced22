package hmm

import "slices"

// Categorical emissions: state j shows symbol x with probability B[j][x].
type Categorical struct {
	n, m int
	b    []float64 // [N, M]
	bySy []float64 // [M, N]
	logs []float64 // [M, N]
}

// MaxSymbols is the most symbols of a categorical emission.
const MaxSymbols = 1 << 22

// NewCategorical makes an emission of n states from B, [N, M].
func NewCategorical(n int, b []float64) (*Categorical, error) {
	if n < 1 || len(b) == 0 || len(b)%n != 0 || len(b)/n > MaxSymbols {
		return nil, bad("BAD_EMISSION", "%d probabilities for %d states, want up to %d a state", len(b), n, MaxSymbols)
	}
	c := &Categorical{n: n, m: len(b) / n, b: slices.Clone(b)}
	if err := rows(c.b, c.m, "the symbols' distribution"); err != nil {
		return nil, err
	}
	c.prepare()
	return c, nil
}

func (c *Categorical) prepare() {
	c.bySy, c.logs = make([]float64, len(c.b)), make([]float64, len(c.b))
	for j := range c.n {
		for x := range c.m {
			p := c.b[j*c.m+x]
			c.bySy[x*c.n+j], c.logs[x*c.n+j] = p, log(p)
		}
	}
}

// Symbols is M.
func (c *Categorical) Symbols() int { return c.m }

// Probabilities is B, [N, M].
func (c *Categorical) Probabilities() []float64 { return c.b }

// Kind implements Emission.
func (c *Categorical) Kind() string { return "categorical" }

// States implements Emission.
func (c *Categorical) States() int { return c.n }

// Steps implements Emission.
func (c *Categorical) Steps(q Sequence) (int, error) {
	if q.Values != nil {
		return 0, bad("BAD_SEQUENCE", "the model reads symbols, not values")
	}
	for t, x := range q.Symbols {
		if x < 0 || int(x) >= c.m {
			return 0, bad("UNKNOWN_SYMBOL", "symbol %d at %d, want 0 to %d", x, t, c.m-1)
		}
	}
	return len(q.Symbols), nil
}

// Log implements Emission.
func (c *Categorical) Log(dst []float64, q Sequence) {
	for t, x := range q.Symbols {
		copy(dst[t*c.n:(t+1)*c.n], c.logs[int(x)*c.n:])
	}
}

// Likelihood implements Emission: without a shift.
func (c *Categorical) Likelihood(dst, _ []float64, q Sequence) {
	for t, x := range q.Symbols {
		copy(dst[t*c.n:(t+1)*c.n], c.bySy[int(x)*c.n:])
	}
}

// Parameters implements Emission.
func (c *Categorical) Parameters() int { return free(c.b, c.m) }

// symbolCounts are expected counts, [M, N].
type symbolCounts struct {
	n      int
	counts []float64
}

func (c *Categorical) collect() collector { return &symbolCounts{c.n, make([]float64, len(c.b))} }

func (s *symbolCounts) add(q Sequence, gamma []float64) {
	for t, x := range q.Symbols {
		d := s.counts[int(x)*s.n : (int(x)+1)*s.n]
		for j, v := range gamma[t*s.n : (t+1)*s.n] {
			d[j] += v
		}
	}
}

func (s *symbolCounts) merge(o collector) { plus(s.counts, o.(*symbolCounts).counts) }

func plus(dst, x []float64) {
	for i, v := range x {
		dst[i] += v
	}
}

func (c *Categorical) update(s collector, p *Prior) (Emission, error) {
	d := &Categorical{n: c.n, m: c.m, b: make([]float64, len(c.b))}
	counts := s.(*symbolCounts).counts
	for j := range c.n {
		row := d.b[j*c.m : (j+1)*c.m]
		for x := range row {
			row[x] = counts[x*c.n+j]
		}
		estimate(row, c.b[j*c.m:(j+1)*c.m], p.Emission)
	}
	d.prepare()
	return d, nil
}

// estimate turns counts into probabilities, with so much added to each. What was zero stays zero; without any counts
// the row stays as it was.
func estimate(counts, old []float64, add float64) {
	sum := 0.0
	for i, v := range counts {
		if old[i] == 0 {
			counts[i] = 0
			continue
		}
		counts[i] = v + add
		sum += counts[i]
	}
	if !(sum > 0) {
		copy(counts, old)
		return
	}
	for i := range counts {
		counts[i] /= sum
	}
}

// dirichlet is the logarithm of Dirichlet densities with parameters 1 + add, but for a constant.
func dirichlet(p []float64, add float64) float64 {
	if add == 0 {
		return 0
	}
	s := 0.0
	for _, v := range p {
		if v > 0 {
			s += float64(add * log(v))
		}
	}
	return s
}

func (c *Categorical) prior(p *Prior) float64 { return dirichlet(c.b, p.Emission) }

func (c *Categorical) guess(d *draws, _ []Sequence) Emission {
	e := &Categorical{n: c.n, m: c.m, b: slices.Clone(c.b)}
	d.scatter(e.b, c.m)
	e.prepare()
	return e
}
