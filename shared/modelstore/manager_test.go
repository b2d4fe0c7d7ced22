package modelstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
)

// fake is a loaded model that knows whether it was closed.
type fake struct {
	bytes  int64
	closed *atomic.Int32
}

func (f *fake) Bytes() int64 { return f.bytes }

func (f *fake) Close() error {
	f.closed.Add(1)
	return nil
}

// rig is a manager over models whose weights are 100 bytes each.
type rig struct {
	*Manager[*fake]
	loads, closes atomic.Int32
	gate          chan struct{} // loads wait for it when it is not nil
	fail          error
	extra         int64 // memory beyond the files
}

func newRig(t *testing.T, limit int64, names ...string) *rig {
	t.Helper()
	s, _ := newStore(t)
	for _, n := range names {
		publish(t, s, example(n, "1"), contents(strings.Repeat("w", 100)))
	}
	r := new(rig)
	r.Manager = NewManager(s, "diffusion", NewBudget(limit), func(ctx context.Context, e Entry, dir string) (*fake, error) {
		r.loads.Add(1)
		if r.gate != nil {
			<-r.gate
		}
		if r.fail != nil {
			return nil, r.fail
		}
		text, err := os.ReadFile(filepath.Join(dir, WeightsFile))
		return &fake{bytes: int64(len(text)) + r.extra, closed: &r.closes}, err
	})
	return r
}

func (r *rig) acquire(t *testing.T, ref string) *Handle[*fake] {
	t.Helper()
	h, err := r.Acquire(context.Background(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (r *rig) loaded() []string {
	var refs []string
	for _, st := range r.Loaded() {
		refs = append(refs, st.Entry.Name)
	}
	return refs
}

func TestAcquireLoadsOnce(t *testing.T) {
	r := newRig(t, 0, "a")
	r.gate = make(chan struct{})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			h, err := r.Acquire(context.Background(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			defer h.Release()
			if h.Model().bytes != 100 {
				t.Errorf("the model has %d bytes", h.Model().bytes)
			}
		})
	}
	close(r.gate)
	wg.Wait()
	if n := r.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
	r.Close()
	if n := r.closes.Load(); n != 1 || r.budget.Used() != 0 {
		t.Errorf("%d closed and %d bytes used after Close", n, r.budget.Used())
	}
	_, err := r.Acquire(context.Background(), "a")
	wantFault(t, err, fault.Unavailable)
}

func TestLeastRecentlyUsedIdleGoesFirst(t *testing.T) {
	r := newRig(t, 250, "a", "b", "c")
	defer r.Close()
	r.acquire(t, "a").Release()
	r.acquire(t, "b").Release()
	r.acquire(t, "a").Release() // now b is the older one
	r.acquire(t, "c").Release()
	if got := r.loaded(); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("loaded %q, want a and c", got)
	}
	if r.budget.Used() != 200 || r.closes.Load() != 1 {
		t.Errorf("%d bytes used, %d closed", r.budget.Used(), r.closes.Load())
	}
}

func TestBusyModelsAreNeverUnloaded(t *testing.T) {
	r := newRig(t, 250, "a", "b", "c")
	defer r.Close()
	a, b := r.acquire(t, "a"), r.acquire(t, "b")
	_, err := r.Acquire(context.Background(), "c")
	wantFault(t, err, fault.Overloaded, "c@1", "100 bytes", "200 of the memory budget of 250")
	var f *fault.Error
	if !errors.As(err, &f) || f.RetryAfter <= 0 {
		t.Errorf("%v has no hint when to retry", err)
	}
	wantFault(t, r.Unload("a"), fault.Precondition, "1 requests")
	b.Release()
	b.Release() // a second release does nothing
	c := r.acquire(t, "c")
	if got := r.loaded(); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("loaded %q, want a and c", got)
	}
	a.Release()
	if err := r.Unload("a"); err != nil {
		t.Error(err)
	}
	c.Release()
}

func TestModelLargerThanTheBudget(t *testing.T) {
	r := newRig(t, 50, "a")
	_, err := r.Acquire(context.Background(), "a")
	wantFault(t, err, fault.Precondition, "100 bytes", "50")
	r = newRig(t, 150, "a")
	r.extra = 100 // turns out only after loading
	_, err = r.Acquire(context.Background(), "a")
	wantFault(t, err, fault.Precondition, "200 bytes", "150")
	r.Close()
	if r.closes.Load() != 1 || r.budget.Used() != 0 {
		t.Errorf("%d closed, %d bytes used: the refused model must be freed", r.closes.Load(), r.budget.Used())
	}
}

func TestBudgetIsSharedAcrossManagers(t *testing.T) {
	r := newRig(t, 150, "a")
	defer r.Close()
	m := example("v", "1")
	m.Family = "vae"
	publish(t, r.Store(), m, contents(strings.Repeat("w", 100)))
	var closes atomic.Int32
	other := NewManager(r.Store(), "vae", r.budget, func(context.Context, Entry, string) (*fake, error) {
		return &fake{bytes: 100, closed: &closes}, nil
	})
	defer other.Close()
	r.acquire(t, "a").Release()
	h, err := other.Acquire(context.Background(), "v")
	if err != nil {
		t.Fatal(err)
	}
	if r.closes.Load() != 1 || len(r.loaded()) != 0 {
		t.Error("the idle model of the other family was not unloaded")
	}
	h.Release()
	_, err = other.Acquire(context.Background(), "a")
	wantFault(t, err, fault.Precondition, "diffusion", "vae")
}

func TestFailedLoadIsForgotten(t *testing.T) {
	r := newRig(t, 0, "a")
	defer r.Close()
	r.fail = errors.New("tensor conv.weight is missing")
	_, err := r.Acquire(context.Background(), "a")
	if err == nil || !strings.Contains(err.Error(), "conv.weight is missing") || !strings.Contains(err.Error(), "a@1") {
		t.Fatalf("the error is %v", err)
	}
	if r.budget.Used() != 0 || len(r.loaded()) != 0 {
		t.Errorf("%d bytes and %q remain after a failed load", r.budget.Used(), r.loaded())
	}
	r.fail = nil
	r.acquire(t, "a").Release()
}

func TestPanickingLoaderFailsOneRequest(t *testing.T) {
	s, _ := newStore(t)
	publish(t, s, example("a", "1"), contents("w"))
	m := NewManager(s, "", nil, func(context.Context, Entry, string) (*fake, error) { panic("boom") })
	defer m.Close()
	_, err := m.Acquire(context.Background(), "a")
	wantFault(t, err, fault.Internal, "boom")
}

func TestWaiterMayLeave(t *testing.T) {
	r := newRig(t, 0, "a")
	r.gate = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := r.Acquire(ctx, "a")
	wantFault(t, err, fault.Cancelled)
	close(r.gate)
	r.acquire(t, "a").Release() // the load went on
	if n := r.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
	r.Close()
}

func TestCloseLeavesBusyModelsToTheirUsers(t *testing.T) {
	r := newRig(t, 0, "a")
	h := r.acquire(t, "a")
	r.Close()
	if r.closes.Load() != 0 {
		t.Fatal("a busy model was closed")
	}
	h.Release()
	if r.closes.Load() != 1 {
		t.Fatal("the last release did not close the model")
	}
}

// TestManyUsers lets goroutines take and leave models under a budget for two of four, and checks that nobody
// ever holds a closed one.
func TestManyUsers(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	s, _ := newStore(t)
	for _, n := range names {
		publish(t, s, example(n, "1"), contents(strings.Repeat("w", 100)))
	}
	m := NewManager(s, "", NewBudget(200), func(context.Context, Entry, string) (*fake, error) {
		return &fake{bytes: 100, closed: new(atomic.Int32)}, nil
	})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				h, err := m.Acquire(context.Background(), names[(i*7+j*3)%4])
				if fault.KindOf(err) == fault.Overloaded {
					runtime.Gosched()
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				runtime.Gosched()
				if h.Model().closed.Load() != 0 {
					t.Error("a held model was closed")
				}
				h.Release()
				if used := m.budget.Used(); used > 200 {
					t.Errorf("%d bytes used, the budget is 200", used)
				}
			}
		})
	}
	wg.Wait()
	m.Close()
	if m.budget.Used() != 0 || m.budget.idle.Len() != 0 {
		t.Errorf("%d bytes and %d idle models remain", m.budget.Used(), m.budget.idle.Len())
	}
}
