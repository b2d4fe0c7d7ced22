package engine

import (
	"context"
	"slices"
	"sync"
	"time"
)

// pendingPreviews is how many bytes of pictures wait for a slow reader as previews; older ones are dropped, the newest
// never. It is bytes and not a count, so that a reader who is late for a moment misses no step of small pictures.
const pendingPreviews = 1 << 20

// States to resume from may take stateShare of a stream's bytes, or stateRate bytes a second where that is more: a
// stream of steps without previews is so thin that a share of it would hold no state at all, and a break would cost
// the whole request.
const (
	stateShare = 0.05
	stateRate  = 1 << 20
)

// Event is one thing that happened to a request: exactly one field is set.
type Event struct {
	Step    *StepDone
	Preview *Preview
	State   *State
	Result  *Result
}

// StepDone reports a denoising step of all pictures.
type StepDone struct {
	Step     int           // steps done, from 1
	Timestep float64       // training timestep at which it began
	Noise    float64       // sigma/alpha that is left
	Took     time.Duration // since the step before
}

// Preview shows all pictures after a step.
type Preview struct {
	Step int
	Pix  [][]byte // one per picture, H*W*C
}

func (p *Preview) bytes() int {
	n := 0
	for _, pix := range p.Pix {
		n += len(pix)
	}
	return n
}

// State is what another replica needs to go on.
type State struct {
	Step       int
	Evaluation int      // evaluations done
	Pictures   [][]byte // sampler.State of each, marshalled
}

// Result is the end of a request.
type Result struct {
	Pix         [][]byte // one per picture, H*W*C
	Queue       time.Duration
	Compute     time.Duration
	Total       time.Duration
	Steps       int // done here
	Evaluations int // done here
}

// Stream is the reading end of a request. The loop writes to it and never waits for the reader.
type Stream struct {
	cancel context.CancelFunc

	mu       sync.Mutex
	events   []Event
	previews int   // bytes of those that wait
	err      error // after the last event; io.EOF at the regular end
	ready    chan struct{}
	begun    time.Time
	sent     int64 // bytes of all messages so far, as the reader reports them
	states   int64 // those of states
}

func newStream(cancel context.CancelFunc) *Stream {
	return &Stream{cancel: cancel, ready: make(chan struct{}, 1), begun: time.Now()}
}

// Next waits for the next event. After the last one it returns io.EOF, or the error that ended the request.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	for {
		s.mu.Lock()
		if len(s.events) > 0 {
			e := s.events[0]
			s.events = slices.Delete(s.events, 0, 1)
			if e.Preview != nil {
				s.previews -= e.Preview.bytes()
			}
			s.mu.Unlock()
			return e, nil
		}
		err := s.err
		s.mu.Unlock()
		if err != nil {
			return Event{}, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// Sent tells the stream how many bytes a message took on the wire, and whether it was a state; the share of states
// is kept from it.
func (s *Stream) Sent(bytes int, state bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += int64(bytes)
	if state {
		s.states += int64(bytes)
	}
}

// Close gives the request up, if it still runs.
func (s *Stream) Close() { s.cancel() }

// push adds an event. The oldest previews make room for a new one, a new state replaces one that waits.
func (s *Stream) push(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.Preview != nil:
		s.previews += e.Preview.bytes()
		s.events = slices.DeleteFunc(s.events, func(old Event) bool {
			if old.Preview == nil || s.previews <= pendingPreviews {
				return false
			}
			s.previews -= old.Preview.bytes()
			return true
		})
	case e.State != nil:
		s.events = slices.DeleteFunc(s.events, func(e Event) bool { return e.State != nil })
	}
	s.events = append(s.events, e)
	s.signal()
}

// end closes the stream after the events that wait.
func (s *Stream) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.signal()
}

func (s *Stream) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// room says whether a state of that many bytes keeps the states within their bounds at the given time.
func (s *Stream) room(bytes int, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(bytes)
	return float64(s.states+n) <= max(stateShare*float64(s.sent+n), stateRate*now.Sub(s.begun).Seconds())
}
