package modelstore

import (
	"container/list"
	"sync"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Budget is an amount of memory that loaded models share, across the managers of several families. It is safe
// for concurrent use.
type Budget struct {
	mu    sync.Mutex
	limit int64 // 0: none
	used  int64
	idle  list.List // of *lease with refs 0, least recently used first
}

// NewBudget returns a budget of limit bytes; 0 means no limit.
func NewBudget(limit int64) *Budget { return &Budget{limit: max(limit, 0)} }

// Limit is the budget in bytes; 0 means none.
func (b *Budget) Limit() int64 { return b.limit }

// Used is the number of bytes that loaded and loading models hold.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// lease is one model's share of the budget. All fields are guarded by Budget.mu.
type lease struct {
	bytes int64
	refs  int
	gone  bool          // unloaded, or about to be: nobody may acquire it again
	place *list.Element // in Budget.idle, nil while busy
	drop  func()        // removes the model from its manager; called with mu held
	close func()        // frees it; called without mu
}

// grow adds bytes to a lease, unloading idle models where that is needed. The lease itself must be busy. The
// caller runs the returned functions after it let go of mu. It fails without any change when busy models hold
// too much, or when the model alone is larger than the budget.
func (b *Budget) grow(l *lease, ref string, bytes int64) (closers []func(), err error) {
	const op = "modelstore.Acquire"
	if b.limit > 0 && l.bytes+bytes > b.limit {
		return nil, fault.E(fault.Precondition, "MODEL_TOO_LARGE", op, "model %s needs %d bytes, the memory budget is %d",
			ref, l.bytes+bytes, b.limit)
	}
	if b.limit > 0 && b.used+bytes > b.limit {
		var free int64
		for e := b.idle.Front(); e != nil; e = e.Next() {
			free += e.Value.(*lease).bytes
		}
		if b.used-free+bytes > b.limit {
			return nil, fault.E(fault.Overloaded, "MODEL_MEMORY_FULL", op,
				"model %s needs %d bytes; models in use hold %d of the memory budget of %d", ref, l.bytes+bytes,
				b.used-free-l.bytes, b.limit).After(time.Second)
		}
		for b.used+bytes > b.limit {
			victim := b.idle.Front().Value.(*lease)
			b.remove(victim)
			closers = append(closers, victim.close)
		}
	}
	l.bytes += bytes
	b.used += bytes
	return closers, nil
}

// hold marks a lease busy.
func (b *Budget) hold(l *lease) {
	l.refs++
	if l.place != nil {
		b.idle.Remove(l.place)
		l.place = nil
	}
}

// release gives one hold back and reports whether the model must be closed now.
func (b *Budget) release(l *lease) (last bool) {
	l.refs--
	if l.refs > 0 {
		return false
	}
	if l.gone {
		return true
	}
	l.place = b.idle.PushBack(l)
	return false
}

// remove takes a lease out of the budget and out of its manager.
func (b *Budget) remove(l *lease) {
	if l.gone {
		return
	}
	l.gone = true
	b.used -= l.bytes
	if l.place != nil {
		b.idle.Remove(l.place)
		l.place = nil
	}
	l.drop()
}
