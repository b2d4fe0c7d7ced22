package batch

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

// Event is what a Stream has to know of the events of a family.
type Event interface {
	// PreviewBytes is the size of the pictures of an event that may be dropped for a slow reader; 0 for others.
	PreviewBytes() int
	// IsState says that the event is a state to resume from, which a newer one replaces.
	IsState() bool
}

// Stream is the way of a request's events from the engine's loop, which never waits, to whoever reads them.
type Stream[E Event] struct {
	cancel context.CancelFunc

	mu       sync.Mutex
	events   []E
	previews int   // bytes of those that wait
	err      error // after the last event; io.EOF at the regular end
	ready    chan struct{}
	begun    time.Time
	sent     int64 // bytes of all messages so far, as the reader reports them
	states   int64 // those of states
}

// NewStream makes the stream of a request that cancel gives up.
func NewStream[E Event](cancel context.CancelFunc) *Stream[E] {
	return &Stream[E]{cancel: cancel, ready: make(chan struct{}, 1), begun: time.Now()}
}

// Next waits for the next event. After the last one it returns io.EOF, or the error that ended the request.
func (s *Stream[E]) Next(ctx context.Context) (E, error) {
	var none E
	for {
		s.mu.Lock()
		if len(s.events) > 0 {
			e := s.events[0]
			s.events = slices.Delete(s.events, 0, 1)
			s.previews -= e.PreviewBytes()
			s.mu.Unlock()
			return e, nil
		}
		err := s.err
		s.mu.Unlock()
		if err != nil {
			return none, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
}

// Pending is the number of events that wait for the reader.
func (s *Stream[E]) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}

// Leave gives the request up, if it still runs, and waits until it is out of the engine, which is at most one tick
// later.
func (s *Stream[E]) Leave() {
	s.Close()
	for {
		if _, err := s.Next(context.Background()); err != nil {
			return
		}
	}
}

// Close gives the request up, if it still runs.
func (s *Stream[E]) Close() { s.cancel() }

// Sent tells the stream how many bytes a message took on the wire, and whether it was a state; the share of states
// is kept from it.
func (s *Stream[E]) Sent(bytes int, state bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += int64(bytes)
	if state {
		s.states += int64(bytes)
	}
}

// Push adds an event. The oldest previews make room for a new one, a new state replaces one that waits.
func (s *Stream[E]) Push(e E) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.previews += e.PreviewBytes()
	s.events = slices.DeleteFunc(s.events, func(old E) bool {
		n := old.PreviewBytes()
		if n == 0 || s.previews <= pendingPreviews {
			return e.IsState() && old.IsState()
		}
		s.previews -= n
		return true
	})
	s.events = append(s.events, e)
	s.signal()
}

// End closes the stream after the events that wait; the first call counts.
func (s *Stream[E]) End(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.signal()
	s.cancel()
}

// Room says whether a state of that many bytes keeps the states within their bounds at the given time.
func (s *Stream[E]) Room(bytes int, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(bytes)
	return float64(s.states+n) <= max(stateShare*float64(s.sent+n), stateRate*now.Sub(s.begun).Seconds())
}

func (s *Stream[E]) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}
