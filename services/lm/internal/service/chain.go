package service

import (
	"context"
	"slices"
	"strings"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/services/lm/internal/markov"
	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/wire"
)

const (
	maxSteps  = 1000
	maxPath   = 10_000
	maxStates = 1000
	maxName   = 200
)

// Chain answers about a Markov chain.
func (s *Service) Chain(ctx context.Context, req *lmv1.ChainRequest) (*lmv1.ChainResponse, error) {
	const op = "lm.Chain"
	var bad wire.Violations
	bad.RequestID(req.GetRequestId())
	seed := bad.Seed(req.Seed)
	steps, path := req.GetSteps(), req.GetPath()
	whole(&bad, "steps", &steps, 0, maxSteps, 0)
	whole(&bad, "path", &path, 0, maxPath, 0)
	if (req.GetModel() == "") == (req.GetMatrix() == nil) {
		bad.Addf("model", "want one of model and matrix")
	}
	if n := len(req.GetMatrix().GetStates()); n > maxStates {
		bad.Addf("matrix.states", "%d, want at most %d", n, maxStates)
	}
	for _, name := range req.GetMatrix().GetStates() {
		if len(name) > maxName {
			bad.Addf("matrix.states", "a name of %d bytes, want at most %d", len(name), maxName)
			break
		}
	}
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	var c *call
	var t model.Transitions
	var err error
	if req.GetMatrix() != nil {
		m := req.GetMatrix()
		t, err = markov.New(m.GetStates(), m.GetStart(), m.GetTransitions())
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
	} else {
		if c, err = s.begin(ctx, op, req.GetModel()); err != nil {
			return nil, err
		}
		defer c.free()
		var ok bool
		if t, ok = c.m.Model.(model.Transitions); !ok {
			return nil, c.unsupported("answer about a chain of states")
		}
	}
	r := &lmv1.ChainResponse{}
	timing, err := s.analyse(ctx, func() error {
		chain, ok := t.(*markov.Chain)
		if !ok {
			var err error
			if chain, err = markov.New(t.States(), t.Start(), t.Matrix()); err != nil {
				return err
			}
		}
		return answer(r, chain, req, rng.New(seed))
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	r.Answered = timed(timing)
	if c != nil {
		r.Answered = c.answered(timing)
	}
	if req.GetPath() > 0 {
		r.Answered.Seed = seed
	}
	return r, nil
}

// answer fills in all that was asked.
func answer(r *lmv1.ChainResponse, c *markov.Chain, req *lmv1.ChainRequest, random rng.Stream) error {
	n := len(c.States())
	from := c.Start()
	if req.GetFrom() != "" {
		i, err := state(c, "from", req.GetFrom())
		if err != nil {
			return err
		}
		from = make([]float64, n)
		from[i] = 1
	}
	a, err := c.Analyse()
	if err != nil {
		return err
	}
	r.Matrix = &lmv1.Matrix{States: c.States(), Transitions: c.Matrix(), Start: c.Start()}
	for _, k := range a.Classes {
		class := &lmv1.CommunicatingClass{Closed: k.Closed, Period: int32(k.Period)}
		for _, i := range k.States {
			class.States = append(class.States, int32(i))
		}
		r.Classes = append(r.Classes, class)
	}
	r.Stationary, r.StationaryUnique, r.Converges = a.Limit, len(a.Recurrent) == 1, len(a.Recurrent) == 1 && a.Aperiodic
	r.EntropyRate = a.EntropyRate
	if len(a.Recurrent) == 1 {
		r.SecondEigenvalue, r.Reversible = a.Recurrent[0].Second, a.Recurrent[0].Reversible
	} else {
		r.SecondEigenvalue = 1
	}
	if len(req.GetTargets()) > 0 {
		var set []int
		for _, name := range req.GetTargets() {
			i, err := state(c, "targets", name)
			if err != nil {
				return err
			}
			set = append(set, i)
		}
		slices.Sort(set)
		h, err := c.Hit(slices.Compact(set))
		if err != nil {
			return err
		}
		r.HittingProbability, r.HittingTime = h.Probability, h.Steps
	}
	absorb(r, a, n)
	if req.GetSteps() > 0 {
		for k := range int64(req.GetSteps()) + 1 {
			d, err := c.After(from, k)
			if err != nil {
				return err
			}
			r.Distributions = append(r.Distributions, d...)
		}
	}
	return draw(r, c, from, int(req.GetPath()), random)
}

// absorb spreads what is known of transient states over all of them.
func absorb(r *lmv1.ChainResponse, a *markov.Analysis, n int) {
	var closed []int // classes
	for k := range a.Classes {
		if a.Classes[k].Closed {
			closed = append(closed, k)
		}
	}
	r.Absorption, r.AbsorptionTime = make([]float64, n*len(closed)), make([]float64, n)
	for at, k := range closed {
		for _, i := range a.Classes[k].States {
			r.Absorption[i*len(closed)+at] = 1
		}
	}
	if a.Absorption == nil {
		return
	}
	for row, i := range a.Absorption.Transient {
		r.AbsorptionTime[i] = a.Absorption.Steps[row]
		copy(r.Absorption[i*len(closed):(i+1)*len(closed)],
			a.Absorption.Probability[row*len(closed):(row+1)*len(closed)])
	}
}

// draw walks, from a state that is drawn first.
func draw(r *lmv1.ChainResponse, c *markov.Chain, from []float64, length int, random rng.Stream) error {
	if length == 0 {
		return nil
	}
	u := make([]float64, length)
	random.Uniform64(u, 0, 0, rng.Chain)
	row := from
	n := len(from)
	for i := range length {
		sum, next := 0.0, 0
		for k, p := range row {
			if p == 0 {
				continue
			}
			next = k
			if sum += p; sum > u[i] {
				break
			}
		}
		r.Path = append(r.Path, int32(next))
		row = c.Matrix()[next*n : (next+1)*n]
	}
	return nil
}

// state finds a state by its name.
func state(c *markov.Chain, field, name string) (int, error) {
	if i := slices.Index(c.States(), name); i >= 0 {
		return i, nil
	}
	all := c.States()
	return 0, fault.InvalidField("lm.Chain", field, "%.80q is no state; there are %s", name,
		strings.Join(all[:min(len(all), 20)], ", "))
}
