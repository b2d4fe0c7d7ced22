package batch

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Bounds of the retry hint.
const (
	minRetry = 100 * time.Millisecond
	maxRetry = time.Minute
)

// Need is what a request asks of the queue's owner.
type Need struct {
	Deadline time.Time     // when the answer is of no use any more; zero means never
	Alone    time.Duration // estimate of its compute on an idle server; 0 when nothing was measured yet
	Finish   time.Duration // estimate until it is finished behind and beside everything admitted; 0 when unknown
}

// Queue is a bounded first-in-first-out queue, safe for concurrent use. The zero value is not usable.
type Queue[T comparable] struct {
	capacity int

	mu     sync.Mutex
	items  []T
	closed error
	ready  chan struct{} // holds a token when there may be something to pop
}

// NewQueue makes a queue of at most capacity waiting items, at least 1.
func NewQueue[T comparable](capacity int) *Queue[T] {
	return &Queue[T]{capacity: max(capacity, 1), ready: make(chan struct{}, 1)}
}

// Push admits an item or says why not: kind Overloaded with a retry hint and reason QUEUE_FULL when the queue is full
// or DEADLINE_UNREACHABLE when the estimated finish lies past the deadline; kind Deadline and reason
// DEADLINE_TOO_SHORT when it would do so on an idle server too; the error given to Close after that.
func (q *Queue[T]) Push(item T, need Need) error {
	const op = "batch.Push"
	if !need.Deadline.IsZero() {
		left := time.Until(need.Deadline)
		switch {
		case left <= 0:
			return fault.E(fault.Deadline, "DEADLINE_EXCEEDED", op, "the deadline of the call has passed")
		case need.Alone > left:
			return fault.E(fault.Deadline, "DEADLINE_TOO_SHORT", op,
				"the call leaves %s, its work alone takes about %s", round(left), round(need.Alone))
		case need.Finish > left:
			return fault.E(fault.Overloaded, "DEADLINE_UNREACHABLE", op,
				"the call leaves %s, the server would finish it in about %s", round(left), round(need.Finish)).
				After(retry(need.Finish - left))
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return q.closed
	}
	if len(q.items) >= q.capacity {
		return fault.E(fault.Overloaded, "QUEUE_FULL", op, "all %d places in the queue are taken", q.capacity).
			After(retry((need.Finish - need.Alone) / time.Duration(q.capacity)))
	}
	q.items = append(q.items, item)
	q.signal()
	return nil
}

// Pop takes the first item for which fits says yes, if that is the first of all: what is behind never overtakes. A
// nil fits takes any.
func (q *Queue[T]) Pop(fits func(T) bool) (item T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 || fits != nil && !fits(q.items[0]) {
		return item, false
	}
	item = q.items[0]
	q.items = slices.Delete(q.items, 0, 1)
	return item, true
}

// Remove takes an item out, wherever it waits, and says whether it was there.
func (q *Queue[T]) Remove(item T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.items, item)
	if i < 0 {
		return false
	}
	q.items = slices.Delete(q.items, i, i+1)
	return true
}

// Len is the number of waiting items.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// Items is a copy of what waits, first in first.
func (q *Queue[T]) Items() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.items)
}

// Ready receives after a Push; the owner then pops until there is nothing, since one token may stand for many items.
func (q *Queue[T]) Ready() <-chan struct{} { return q.ready }

// Close refuses everything from now on with err and returns what was waiting.
func (q *Queue[T]) Close(err error) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed == nil {
		q.closed = err
	}
	left := q.items
	q.items = nil
	q.signal()
	return left
}

func (q *Queue[T]) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func retry(d time.Duration) time.Duration {
	return min(max(d, minRetry), maxRetry)
}

// round leaves three digits, so that messages stay readable.
func round(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	unit := time.Duration(math.Pow10(max(0, int(math.Log10(float64(d)))-2)))
	return d.Round(unit)
}
