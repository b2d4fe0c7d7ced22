package models

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/serve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fake struct{ handedOver, closed *atomic.Int32 }

func (fake) Bytes() int64 { return 100 }
func (f fake) Close() error {
	f.closed.Add(1)
	return nil
}
func (f fake) HandOver() { f.handedOver.Add(1) }

// rig is a server in memory with the models a@1, a@2, b@1 and broken@1 of the family test, and x@1 of another.
type rig struct {
	*Service[fake]
	modelv1.ModelServiceClient
	m                  *serve.Memory
	handedOver, closed atomic.Int32
}

func newRig(t *testing.T, preload ...string) (*rig, error) {
	t.Helper()
	store, err := modelstore.Open(modelstore.Root{Name: "user", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "a", "b", "broken", "x"} {
		family := "test"
		if name == "x" {
			family = "other"
		}
		_, err := store.Publish(t.Context(), modelstore.Manifest{Family: family, Architecture: "none", Name: name,
			Config: []byte("{}"), Licence: "MIT"}, modelstore.Contents{
			Weights: func(path string) error { return os.WriteFile(path, []byte("weights"), 0o644) },
			Card:    func(*modelstore.Manifest) string { return "card" },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	r := new(rig)
	r.m, err = serve.InMemory(t.Context(), serve.Config{Name: "test", Logger: zap.NewNop()}, func(s *serve.Server) error {
		svc, err := Register(s, Config[fake]{
			Family: "test", Store: store, Preload: preload,
			Load: func(_ context.Context, e modelstore.Entry, dir string) (fake, error) {
				if e.Name == "broken" {
					return fake{}, fault.E(fault.Corrupt, "BAD_MODEL", "test", "broken in %s", filepath.Base(dir))
				}
				return fake{&r.handedOver, &r.closed}, nil
			},
			Describe: func(_ modelstore.Entry, m *modelv1.Model) { m.Samplers = []string{"one"} },
		})
		r.Service = svc
		return err
	})
	if err != nil {
		return nil, err
	}
	r.ModelServiceClient = modelv1.NewModelServiceClient(r.m.Conn())
	t.Cleanup(func() { _ = r.m.Close() })
	return r, nil
}

func (r *rig) list(t *testing.T, size int32) (refs []string, loaded int) {
	t.Helper()
	for token := ""; ; {
		l, err := r.ModelServiceClient.ListModels(t.Context(),
			&modelv1.ListModelsRequest{PageSize: size, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range l.GetModels() {
			refs = append(refs, m.GetName()+"@"+m.GetVersion())
			if m.GetLoaded() {
				loaded++
			}
		}
		if token = l.GetNextPageToken(); token == "" {
			return refs, loaded
		}
	}
}

func TestService(t *testing.T) {
	r, err := newRig(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int32{0, 1, 3} {
		if refs, loaded := r.list(t, size); len(refs) != 4 || refs[0] != "a@1" || refs[3] != "broken@1" || loaded != 0 {
			t.Errorf("the list is %q, %d loaded", refs, loaded)
		}
	}
	c := r.ModelServiceClient
	m, err := c.LoadModel(t.Context(), &modelv1.LoadModelRequest{Model: "a"})
	if err != nil || m.GetModel().GetVersion() != "2" || !m.GetModel().GetLoaded() || len(m.GetModel().GetSamplers()) != 1 {
		t.Fatalf("loaded %v, %v", m, err)
	}
	for _, ref := range []string{"x", "none"} {
		if _, err := c.GetModel(t.Context(), &modelv1.GetModelRequest{Model: ref}); fault.KindOf(serve.FromStatus("", err)) != fault.NotFound {
			t.Errorf("%s: %v", ref, err)
		}
		if _, err := c.UnloadModel(t.Context(), &modelv1.UnloadModelRequest{Model: ref}); fault.KindOf(serve.FromStatus("", err)) != fault.NotFound {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if _, err := c.LoadModel(t.Context(), &modelv1.LoadModelRequest{Model: "broken"}); fault.ReasonOf(serve.FromStatus("", err)) != "BAD_MODEL" {
		t.Error(err)
	}
	if u, err := c.UnloadModel(t.Context(), &modelv1.UnloadModelRequest{Model: "a"}); err != nil || u.GetModel().GetLoaded() {
		t.Errorf("unloaded %v, %v", u, err)
	}
	if r.closed.Load() != 1 {
		t.Errorf("%d models were closed", r.closed.Load())
	}
}

func TestPreload(t *testing.T) {
	r, err := newRig(t, Auto)
	if err != nil {
		t.Fatal(err)
	}
	if _, loaded := r.list(t, 0); loaded != 2 {
		t.Errorf("%d models are loaded, want a and b", loaded)
	}
	if _, err := newRig(t, "broken"); fault.ReasonOf(err) != "BAD_MODEL" {
		t.Errorf("a broken model that was named gives %v", err)
	}
}

func TestHandOver(t *testing.T) {
	r, err := newRig(t, "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	h, err := r.Acquire(t.Context(), "test", "a")
	if err != nil {
		t.Fatal(err)
	}
	h.Release()
	r.HandOver()
	if n := r.handedOver.Load(); n != 2 {
		t.Errorf("%d models were told", n)
	}
	if _, err := r.Acquire(t.Context(), "test", "a"); fault.ReasonOf(err) != "DRAINING" {
		t.Errorf("a draining server gives %v", err)
	}
	if err := r.m.Close(); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := r.closed.Load(); n != 2 {
		t.Errorf("%d models were closed", n)
	}
}
