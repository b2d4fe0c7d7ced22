package hmm

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Prior is what is known before the data; its zero value is nothing. All but Floor are parameters of conjugate
// densities, given as imagined data.
type Prior struct {
	Start, Transition float64 // added to the expected count of everything that is possible
	Emission          float64 // of every symbol
	Weight            float64 // of every component
	// Covariance is added to the diagonal of the scatter, CovarianceCount to the steps that it is divided by.
	Covariance, CovarianceCount float64
	// RateCount is added to the sum of counts, RateSteps to the steps that it is divided by.
	RateCount, RateSteps float64
	// Floor is the smallest variance; 1e-6 where it is 0.
	Floor float64
}

func (p *Prior) floor() float64 {
	if p.Floor > 0 {
		return p.Floor
	}
	return 1e-6
}

// Config says how to train.
type Config struct {
	Prior
	Iterations int     // the most; 100
	Tolerance  float64 // training ends when the objective gains less; 1e-4
	// Restarts are further attempts from starts drawn by the seed; the best objective wins, the first of equals.
	Restarts int
	Seed     uint64
	// Fresh draws the first start as well, keeping only which probabilities are zero.
	Fresh bool
	// Keep leaves parts as they are.
	KeepStart, KeepTransitions, KeepEmissions bool
	// Report, where not nil, hears of every step of training.
	Report func(attempt, iteration int, objective float64)
}

// Fitted tells how training went.
type Fitted struct {
	LogLikelihood float64 `json:"log_likelihood"` // of the data, in nats
	// History is the objective before each step and at the end: ln p(data) + ln prior.
	History    []float64 `json:"history"`
	Iterations int       `json:"iterations"`
	Converged  bool      `json:"converged"`
	Attempt    int       `json:"attempt"` // the one that won
	Steps      int       `json:"steps"`   // observations
	Parameters int       `json:"parameters"`
	AIC        float64   `json:"aic"` // 2 parameters - 2 ln p
	BIC        float64   `json:"bic"` // parameters ln(steps) - 2 ln p
	// Logs is the number of sequences that needed logarithms in the last pass.
	Logs int `json:"logs,omitempty"`
}

// Chunks is how many parts the sequences are added up in.
const Chunks = 16

// sums is what a pass over the data collects.
type sums struct {
	start, trans []float64
	emit         collector
	ll           float64
	steps, logs  int
	err          error
}

func (m *Model) collect(data []Sequence) *sums {
	s := &sums{start: make([]float64, m.n), trans: make([]float64, m.n*m.n), emit: m.emit.collect()}
	for _, q := range data {
		gamma, ll, logs, err := m.expect(q, s.trans)
		if err != nil {
			s.err = err
			return s
		}
		plus(s.start, gamma[:m.n])
		s.emit.add(q, gamma)
		s.ll += ll
		s.steps += len(gamma) / m.n
		if logs {
			s.logs++
		}
	}
	return s
}

// all collects over all sequences: parts side by side, added up in their order.
func (m *Model) all(ctx context.Context, data []Sequence) (*sums, error) {
	k := min(Chunks, len(data))
	parts := make([]*sums, k)
	var wait sync.WaitGroup
	slots := make(chan struct{}, max(1, runtime.GOMAXPROCS(0)))
	for c := range k {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() == nil {
				parts[c] = m.collect(data[c*len(data)/k : (c+1)*len(data)/k])
			}
		})
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, p := range parts {
		if p.err != nil {
			return nil, p.err
		}
	}
	total := parts[0]
	for _, p := range parts[1:] {
		plus(total.start, p.start)
		plus(total.trans, p.trans)
		total.emit.merge(p.emit)
		total.ll += p.ll
		total.steps += p.steps
		total.logs += p.logs
	}
	return total, nil
}

// next is the model that the sums make most likely.
func (m *Model) next(s *sums, cfg *Config) (*Model, error) {
	e := &Model{names: m.names, n: m.n, start: m.start, trans: m.trans, emit: m.emit}
	if !cfg.KeepStart {
		e.start = slices.Clone(s.start)
		estimate(e.start, m.start, cfg.Start)
	}
	if !cfg.KeepTransitions {
		e.trans = slices.Clone(s.trans)
		for i := range m.n {
			estimate(e.trans[i*m.n:(i+1)*m.n], m.trans[i*m.n:(i+1)*m.n], cfg.Transition)
		}
	}
	if !cfg.KeepEmissions {
		var err error
		if e.emit, err = m.emit.update(s.emit, &cfg.Prior); err != nil {
			return nil, err
		}
	}
	e.prepare()
	return e, nil
}

// objective is what training never lets fall.
func (m *Model) objective(s *sums, cfg *Config) float64 {
	return s.ll + dirichlet(m.start, cfg.Start) + dirichlet(m.trans, cfg.Transition) + m.emit.prior(&cfg.Prior)
}

// Fit trains by Baum and Welch's expectation and maximisation from m on, and gives another model. Cancelled it gives
// the context's error.
func (m *Model) Fit(ctx context.Context, data []Sequence, cfg Config) (*Model, *Fitted, error) {
	if len(data) == 0 {
		return nil, nil, bad("NO_DATA", "no sequences to learn from")
	}
	if err := cfg.check(); err != nil {
		return nil, nil, err
	}
	for _, q := range data {
		if _, err := m.steps(q); err != nil {
			return nil, nil, err
		}
	}
	var best *Model
	var report *Fitted
	var failed error
	for a := range cfg.Restarts + 1 {
		at := m
		if a > 0 || cfg.Fresh {
			at = m.guess(&draws{s: rng.New(cfg.Seed), sample: uint64(a)}, data)
		}
		e, r, err := at.climb(ctx, data, &cfg, a)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			if failed == nil {
				failed = err
			}
			continue
		}
		if best == nil || r.History[len(r.History)-1] > report.History[len(report.History)-1] {
			best, report = e, r
		}
	}
	if best == nil {
		return nil, nil, failed
	}
	return best, report, nil
}

func (c *Config) check() error {
	if c.Iterations == 0 {
		c.Iterations = 100
	}
	if c.Tolerance == 0 {
		c.Tolerance = 1e-4
	}
	if c.Iterations < 1 || c.Iterations > 1e6 || c.Restarts < 0 || c.Restarts > 1000 || !(c.Tolerance > 0) {
		return bad("BAD_CONFIG", "%d iterations, %d restarts, tolerance %v: want 1 to 1000000, 0 to 1000, above 0",
			c.Iterations, c.Restarts, c.Tolerance)
	}
	for _, v := range []float64{c.Start, c.Transition, c.Emission, c.Weight, c.Covariance, c.CovarianceCount, c.RateCount,
		c.RateSteps, c.Floor} {
		if !(v >= 0 && v <= 1e12) {
			return bad("BAD_CONFIG", "a prior of %v, want 0 to 1e12", v)
		}
	}
	return nil
}

// climb is one attempt.
func (m *Model) climb(ctx context.Context, data []Sequence, cfg *Config, attempt int) (*Model, *Fitted, error) {
	r := &Fitted{Attempt: attempt}
	for {
		s, err := m.all(ctx, data)
		if err != nil {
			return nil, nil, err
		}
		o := m.objective(s, cfg)
		r.History = append(r.History, o)
		if cfg.Report != nil {
			cfg.Report(attempt, r.Iterations, o)
		}
		k := len(r.History)
		r.Converged = k > 1 && r.History[k-1]-r.History[k-2] < cfg.Tolerance
		if r.Converged || r.Iterations == cfg.Iterations || math.IsNaN(o) || math.IsInf(o, 0) {
			r.LogLikelihood, r.Steps, r.Logs, r.Parameters = s.ll, s.steps, s.logs, m.Parameters()
			r.AIC = 2*float64(r.Parameters) - 2*s.ll
			r.BIC = float64(float64(r.Parameters)*log(float64(s.steps))) - 2*s.ll
			return m, r, nil
		}
		if m, err = m.next(s, cfg); err != nil {
			return nil, nil, err
		}
		r.Iterations++
	}
}

// guess is a model to start from.
func (m *Model) guess(d *draws, data []Sequence) *Model {
	e := &Model{names: m.names, n: m.n, start: slices.Clone(m.start), trans: slices.Clone(m.trans)}
	d.scatter(e.start, m.n)
	d.scatter(e.trans, m.n)
	e.emit = m.emit.guess(d, data)
	e.prepare()
	return e
}

// Supervised counts labelled sequences: first states, transitions and what every state showed, with the prior's counts
// added. m gives the shapes and what is impossible. A state that never occurs keeps its parameters.
func (m *Model) Supervised(data []Sequence, states [][]int32, prior Prior) (*Model, error) {
	if len(data) == 0 || len(data) != len(states) {
		return nil, bad("NO_DATA", "%d sequences and %d of labels", len(data), len(states))
	}
	cfg := Config{Prior: prior}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &sums{start: make([]float64, m.n), trans: make([]float64, m.n*m.n), emit: m.emit.collect()}
	for k, q := range data {
		t, err := m.steps(q)
		if err != nil {
			return nil, err
		}
		if t != len(states[k]) {
			return nil, bad("BAD_LABELS", "sequence %d has %d observations and %d labels", k, t, len(states[k]))
		}
		gamma := make([]float64, t*m.n)
		for i, x := range states[k] {
			if x < 0 || int(x) >= m.n {
				return nil, bad("BAD_LABELS", "sequence %d has label %d at %d, want 0 to %d", k, x, i, m.n-1)
			}
			gamma[i*m.n+int(x)] = 1
			if i == 0 {
				s.start[x]++
			} else {
				s.trans[int(states[k][i-1])*m.n+int(x)]++
			}
		}
		s.emit.add(q, gamma)
	}
	return m.next(s, &cfg)
}
