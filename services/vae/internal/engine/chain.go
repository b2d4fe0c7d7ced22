package engine

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"time"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/batch"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// MaxChains is the largest number of chains in one request.
const MaxChains = 64

// ChainRequest asks for Gibbs chains. Chain i depends on the seed and i alone.
type ChainRequest struct {
	Seed        uint64
	N           int
	Sweeps      int
	Temperature float32
	Class       int32     // clamped; model.Unconditional for none
	Start       []float32 // picture that every chain begins at; nil: noise
	Every       int       // sweeps between two reports, at least 1
	States      bool      // put states to resume from into the stream
	Resume      *State    // go on from here
}

// Event is one thing that happened to a chain request: exactly one field is set.
type Event struct {
	Sweep   *Sweep
	Preview *Preview
	State   *State
	Result  *Result
}

// Sweep reports the energies after some sweeps.
type Sweep struct {
	Sweep    int
	Energies []float64
}

// Preview shows all chains after some sweeps.
type Preview struct {
	Sweep int
	Pix   [][]byte
}

// State is what another replica needs to go on.
type State struct {
	Sweep  int
	Chains [][]byte // units of each chain, float32, little-endian
}

// Result is the end of a request.
type Result struct {
	Pix      [][]byte
	Energies []float64
	Timing   Timing
}

// PreviewBytes implements batch.Event.
func (e Event) PreviewBytes() int {
	if e.Preview == nil {
		return 0
	}
	n := 0
	for _, p := range e.Preview.Pix {
		n += len(p)
	}
	return n
}

// IsState implements batch.Event.
func (e Event) IsState() bool { return e.State != nil }

// Stream is the reading end of a chain request.
type Stream = batch.Stream[Event]

// chain is the state of a ChainRequest on its way.
type chain struct {
	ChainRequest
	states    [][]float32
	sweep     int
	stateSent time.Time
	random    rng.Stream
}

// Chains admits a request for chains. The stream belongs to the caller, who must read it to its end or Leave it; when
// ctx ends, the request ends within one pass.
func (e *Engine) Chains(ctx context.Context, r ChainRequest) (*Stream, error) {
	const op = "engine.Chains"
	m, ok := e.model.(model.Chain)
	if !ok {
		return nil, UnsupportedError("run a Gibbs chain")
	}
	if r.Class != model.Unconditional && !m.Clamps() {
		return nil, UnsupportedError("clamp a class")
	}
	if r.N < 1 || r.N > MaxChains || r.Sweeps < 1 || r.Every < 1 || !(r.Temperature > 0) {
		return nil, fault.InvalidField(op, "n", "%d chains, %d sweeps, a report after every %d, temperature %g", r.N,
			r.Sweeps, r.Every, r.Temperature)
	}
	c := &chain{ChainRequest: r, random: rng.New(r.Seed)}
	if r.Resume != nil {
		if err := c.resume(m); err != nil {
			return nil, err
		}
		e.cfg.Observer.Resumed()
	}
	own, cancel := context.WithCancel(ctx)
	j := &job{ctx: own, kind: sweeping, n: r.N, chain: c, stream: batch.NewStream[Event](cancel)}
	if c.states == nil {
		c.states = make([][]float32, r.N)
	}
	j.left.Store(int64(r.N) * int64(r.Sweeps-c.sweep))
	if err := e.admit(j); err != nil {
		cancel()
		return nil, err
	}
	return j.stream, nil
}

// resume takes up a state that came from afar.
func (c *chain) resume(m model.Chain) error {
	refuse := func(format string, args ...any) error {
		return fault.E(fault.Precondition, "RESUME_STATE_MISMATCH", "engine.Chains",
			"the resume state does not belong here: "+format, args...)
	}
	s := c.Resume
	switch {
	case len(s.Chains) != c.N:
		return refuse("it has %d chains, the request %d", len(s.Chains), c.N)
	case s.Sweep < 1 || s.Sweep >= c.Sweeps:
		return refuse("it is after sweep %d of %d", s.Sweep, c.Sweeps)
	}
	for i, b := range s.Chains {
		if len(b) != 4*m.StateSize() {
			return refuse("chain %d has %d bytes, want %d", i, len(b), 4*m.StateSize())
		}
		u := make([]float32, m.StateSize())
		for k := range u {
			u[k] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*k:]))
		}
		if !finite(u) {
			return refuse("chain %d has units that are not finite", i)
		}
		c.states = append(c.states, u)
	}
	c.sweep = s.Sweep
	return nil
}

// start makes the states of a new chain.
func (c *chain) start(m model.Chain) {
	if c.states[0] != nil {
		return
	}
	for i := range c.states {
		c.states[i] = make([]float32, m.StateSize())
		m.Start(c.states[i], c.random, uint64(i), c.Start, c.Class)
	}
}

// report tells the stream where the chains are after a sweep; it says whether they are at their end.
func (l *loop) report(j *job, m model.Chain) (ended bool) {
	c := j.chain
	now := time.Now()
	ended = c.sweep == c.Sweeps
	if c.sweep%c.Every == 0 || ended {
		energies := make([]float64, len(c.states))
		size := l.e.model.Size().PictureLen()
		pix := make([][]byte, len(c.states))
		for i, s := range c.states {
			energies[i] = m.Energy(s)
			l.show = room(l.show, size)
			m.Show(l.show, s)
			if e := energies[i]; math.IsNaN(e) || math.IsInf(e, 0) || !finite(l.show) {
				l.fail(j, fault.E(fault.Internal, "NOT_FINITE", "engine",
					"chain %d of the model %s has values that are not finite after sweep %d", i, l.e.name, c.sweep), "step")
				return true
			}
			pix[i] = Pixels(l.show)
		}
		j.stream.Push(Event{Sweep: &Sweep{Sweep: c.sweep, Energies: energies}})
		if ended {
			j.ended = now
			l.e.cfg.Observer.Finished(len(pix))
			j.stream.Push(Event{Result: &Result{Pix: pix, Energies: energies, Timing: j.timing()}})
			l.end(j, io.EOF)
			return true
		}
		j.stream.Push(Event{Preview: &Preview{Sweep: c.sweep, Pix: pix}})
	}
	if c.States && now.Sub(c.stateSent) >= l.e.cfg.StateInterval {
		l.sendState(j, now, l.e.cfg.StateInterval < 0)
	}
	return false
}

// sendState puts a state into the stream if its bounds allow, or whatever its size when forced.
func (l *loop) sendState(j *job, now time.Time, force bool) {
	c := j.chain
	if c.sweep == 0 || c.states[0] == nil || !force && !j.stream.Room(4*len(c.states)*len(c.states[0])+128, now) {
		return
	}
	st := &State{Sweep: c.sweep}
	for _, s := range c.states {
		b := make([]byte, 0, 4*len(s))
		for _, v := range s {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		st.Chains = append(st.Chains, b)
	}
	j.stream.Push(Event{State: st})
	c.stateSent = now
}
