package modelstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Model is what a family's loader returns.
type Model interface {
	// Bytes is the memory that the model holds, mapped weights included. It must not change.
	Bytes() int64
	// Close frees it; nobody uses it any more.
	Close() error
}

// Loader makes a model from the files in dir. It must bind the weights strictly, with all that is missing,
// unused or mis-shaped in one error, and run nothing that outlives a failure. The context ends when the manager
// is closed.
type Loader[T Model] func(ctx context.Context, e Entry, dir string) (T, error)

// Manager keeps the loaded models of one family. It is safe for concurrent use.
type Manager[T Model] struct {
	store  *Store
	family string
	budget *Budget
	load   Loader[T]

	ctx    context.Context // of the loads
	cancel context.CancelFunc
	loads  sync.WaitGroup
	closed bool                // guarded by budget.mu
	slots  map[string]*slot[T] // by name@version and digest, guarded by budget.mu
}

// slot is one loaded or loading model.
type slot[T Model] struct {
	lease
	entry Entry
	ready chan struct{} // closed when loading ended
	model T             // valid after ready when err is nil
	err   error
}

// NewManager returns a manager for the models of one family; "" stands for any. A nil budget has no limit.
func NewManager[T Model](store *Store, family string, budget *Budget, load Loader[T]) *Manager[T] {
	if budget == nil {
		budget = NewBudget(0)
	}
	m := &Manager[T]{store: store, family: family, budget: budget, load: load, slots: make(map[string]*slot[T])}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Handle is one user's hold on a loaded model, which stays in memory until Release.
type Handle[T Model] struct {
	manager *Manager[T]
	slot    *slot[T]
	done    atomic.Bool
}

// Model is the loaded model; it must not be used after Release.
func (h *Handle[T]) Model() T { return h.slot.model }

// Entry says which model it is.
func (h *Handle[T]) Entry() Entry { return h.slot.entry }

// Release ends the hold. Further calls do nothing.
func (h *Handle[T]) Release() {
	if h.done.CompareAndSwap(false, true) {
		h.manager.release(h.slot)
	}
}

// Acquire returns a hold on the model that ref names, loading it when it is not in memory. Any number of callers
// wait for one load; a caller whose context ends leaves, and the load goes on for the others. Besides the errors
// of Store.Resolve, Store.Dir and the loader: Precondition when the model is of another family or larger than
// the budget, Overloaded when models in use hold the budget, Unavailable after Close.
func (m *Manager[T]) Acquire(ctx context.Context, ref string) (*Handle[T], error) {
	const op = "modelstore.Acquire"
	e, err := m.resolve(ref)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	s, closers, err := m.hold(e)
	run(closers)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	select {
	case <-s.ready:
	case <-ctx.Done():
		m.release(s)
		return nil, fault.Wrap(op, ctx.Err())
	}
	if s.err != nil {
		m.release(s)
		return nil, fault.Wrap(op, s.err)
	}
	return &Handle[T]{manager: m, slot: s}, nil
}

func (m *Manager[T]) resolve(ref string) (Entry, error) {
	e, err := m.store.Resolve(ref)
	if err != nil {
		return Entry{}, err
	}
	if m.family != "" && e.Manifest.Family != m.family {
		return Entry{}, fault.E(fault.Precondition, "WRONG_FAMILY", "", "model %s is of family %s, not %s", e.Ref(),
			e.Manifest.Family, m.family)
	}
	return e, nil
}

// hold finds or starts the slot of an entry and counts the caller in.
func (m *Manager[T]) hold(e Entry) (*slot[T], []func(), error) {
	b := m.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.closed {
		return nil, nil, fault.E(fault.Unavailable, "CLOSED", "", "the server is shutting down")
	}
	key := e.Ref() + "#" + e.Manifest.Digest
	if s, ok := m.slots[key]; ok {
		b.hold(&s.lease)
		return s, nil, nil
	}
	s := &slot[T]{entry: e, ready: make(chan struct{})}
	s.drop = func() { delete(m.slots, key) }
	s.close = func() { m.free(s) }
	// The files' size stands for the memory until the loader knows better.
	closers, err := b.grow(&s.lease, e.Ref(), e.size)
	if err != nil {
		return nil, nil, err
	}
	m.slots[key] = s
	b.hold(&s.lease) // the load's own hold
	b.hold(&s.lease) // the caller's
	m.loads.Add(1)
	go m.fill(s)
	return s, closers, nil
}

// fill loads a slot's model and settles its share of the budget.
func (m *Manager[T]) fill(s *slot[T]) {
	defer m.loads.Done()
	model, err := m.open(s.entry)
	b := m.budget
	b.mu.Lock()
	var closers []func()
	if err == nil {
		s.model = model
		closers, err = b.grow(&s.lease, s.entry.Ref(), model.Bytes()-s.bytes)
		if err != nil {
			closers = append(closers, func() { _ = model.Close() })
		}
	}
	if err != nil {
		s.err = err
		b.remove(&s.lease)
	}
	close(s.ready)
	last := b.release(&s.lease)
	b.mu.Unlock()
	run(closers)
	if last {
		m.free(s)
	}
}

// open calls the loader; a panic in it fails this load alone.
func (m *Manager[T]) open(e Entry) (model T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.E(fault.Internal, "LOADER_PANIC", "", "loading model %s failed: %v", e.Ref(), p)
		}
	}()
	dir, err := m.store.Dir(e)
	if err != nil {
		return model, err
	}
	model, err = m.load(m.ctx, e, dir)
	if err != nil {
		return model, fmt.Errorf("model %s cannot be loaded: %w", e.Ref(), err)
	}
	return model, nil
}

func (m *Manager[T]) release(s *slot[T]) {
	m.budget.mu.Lock()
	last := m.budget.release(&s.lease)
	m.budget.mu.Unlock()
	if last {
		m.free(s)
	}
}

// free closes a model that was removed from the budget and that nobody holds.
func (m *Manager[T]) free(s *slot[T]) {
	if s.err == nil {
		_ = s.model.Close() // nothing can be done about it, and no caller is left to be told
	}
}

func run(closers []func()) {
	for _, f := range closers {
		f()
	}
}

// Unload frees an idle model. The error is of kind Precondition while requests use it; a model that is not
// loaded is no error.
func (m *Manager[T]) Unload(ref string) error {
	const op = "modelstore.Unload"
	e, err := m.resolve(ref)
	if err != nil {
		return fault.Wrap(op, err)
	}
	b := m.budget
	b.mu.Lock()
	s, ok := m.slots[e.Ref()+"#"+e.Manifest.Digest]
	if ok && s.refs > 0 {
		n := s.refs
		b.mu.Unlock()
		return fault.E(fault.Precondition, "MODEL_IN_USE", op, "model %s is in use by %d requests", e.Ref(), n)
	}
	if ok {
		b.remove(&s.lease)
	}
	b.mu.Unlock()
	if ok {
		m.free(s)
	}
	return nil
}

// Status is one loaded or loading model.
type Status struct {
	Entry Entry
	Bytes int64 // of memory
	Users int   // holds on it now
	Ready bool  // false while it is loading
}

// Loaded lists the models in memory, by reference.
func (m *Manager[T]) Loaded() []Status {
	m.budget.mu.Lock()
	defer m.budget.mu.Unlock()
	all := make([]Status, 0, len(m.slots))
	for _, s := range m.slots {
		st := Status{Entry: s.entry, Bytes: s.bytes, Users: s.refs}
		select {
		case <-s.ready:
			st.Ready = true
		default:
			st.Users-- // the load's own
		}
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Entry.Ref(), b.Entry.Ref()) })
	return all
}

// Store is where the manager's models lie.
func (m *Manager[T]) Store() *Store { return m.store }

// Close refuses new holds, waits for loads to end and frees all idle models; a busy one is freed by its last
// Release.
func (m *Manager[T]) Close() {
	b := m.budget
	b.mu.Lock()
	m.closed = true
	b.mu.Unlock()
	m.cancel()
	m.loads.Wait()
	b.mu.Lock()
	var idle []*slot[T]
	for _, s := range m.slots {
		busy := s.refs > 0
		b.remove(&s.lease)
		if !busy {
			idle = append(idle, s)
		}
	}
	b.mu.Unlock()
	for _, s := range idle {
		m.free(s)
	}
}
