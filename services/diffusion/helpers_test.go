package diffusion_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/services/diffusion/internal/unet"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/serve"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// The tensor pool's workers belong to the process.
func TestMain(m *testing.M) {
	const worker = "github.com/manifold-gen/manifold/shared/tensor/internal/pool.(*workers)."
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(worker+"worker"))
}

// publish puts a tiny network of random weights into a store. Without labels it is unconditional.
func publish(t testing.TB, store *modelstore.Store, name string, labels ...string) modelstore.Entry {
	t.Helper()
	c := unet.Config{
		ImageSize: 8, InChannels: 1, PatchSize: 2, Channels: []int{8, 16}, Blocks: 1, Heads: 2, TimeDim: 16, Groups: 4,
		Classes: len(labels), Prediction: "v", Schedule: "cosine", Steps: 1000,
	}
	u, err := unet.New(c)
	if err != nil {
		t.Fatal(err)
	}
	nn.Init(u, 3)
	tensors := map[string]*tensor.Tensor{}
	for i, p := range nn.Params(u) {
		// A new network ends in zeros and would answer nothing.
		if x := p.F32(); slices.Max(x) == 0 && slices.Min(x) == 0 {
			rng.New(4).Normal(x, uint64(i), 0, rng.General)
			for k := range x {
				x[k] *= 0.1
			}
		}
		tensors[p.Name] = p.Tensor
	}
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	e, err := store.Publish(t.Context(), modelstore.Manifest{
		Family: "diffusion", Architecture: "unet", Config: config, Labels: labels, Name: name, Licence: "Apache-2.0",
		Parameters: int64(nn.Count(u)),
	}, modelstore.Contents{
		Weights: func(path string) error { return weights.Write(path, tensors, nil) },
		Card:    func(m *modelstore.Manifest) string { return "# " + m.Name + "\n" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newStore(t testing.TB) *modelstore.Store {
	t.Helper()
	s, err := modelstore.Open(modelstore.Root{Name: "test", Dir: filepath.Join(t.TempDir(), "models"), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// connect serves a store with the models "tiny" (labels zero, one, two) and "free" (no labels).
func connect(t testing.TB, cfg diffusion.Config) *serve.Memory {
	t.Helper()
	if cfg.Store == nil {
		cfg.Store = newStore(t)
	}
	publish(t, cfg.Store, "tiny", "zero", "one", "two")
	publish(t, cfg.Store, "free")
	return open(t, cfg)
}

// open serves a store as it is.
func open(t testing.TB, cfg diffusion.Config) *serve.Memory {
	t.Helper()
	m, err := diffusion.Connect(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// events is all that a stream gave.
type events struct {
	started   *diffusionv1.Started
	steps     []*diffusionv1.Step
	previews  []*diffusionv1.Preview
	states    []*diffusionv1.ResumeState
	completed *diffusionv1.Completed
	sequences []uint64
	err       error
}

func generate(ctx context.Context, conn grpc.ClientConnInterface, req *diffusionv1.GenerateRequest) events {
	var e events
	s, err := diffusionv1.NewDiffusionServiceClient(conn).Generate(ctx, req)
	if err != nil {
		e.err = err
		return e
	}
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return e
		}
		if err != nil {
			e.err = err
			return e
		}
		e.add(m)
	}
}

func (e *events) add(m *diffusionv1.GenerateResponse) {
	e.sequences = append(e.sequences, m.GetSequence())
	switch ev := m.GetEvent().(type) {
	case *diffusionv1.GenerateResponse_Started:
		e.started = ev.Started
	case *diffusionv1.GenerateResponse_Step:
		e.steps = append(e.steps, ev.Step)
	case *diffusionv1.GenerateResponse_Preview:
		e.previews = append(e.previews, ev.Preview)
	case *diffusionv1.GenerateResponse_ResumeState:
		e.states = append(e.states, ev.ResumeState)
	case *diffusionv1.GenerateResponse_Completed:
		e.completed = ev.Completed
	}
}

func mustGenerate(t testing.TB, conn grpc.ClientConnInterface, req *diffusionv1.GenerateRequest) events {
	t.Helper()
	e := generate(t.Context(), conn, req)
	if e.err != nil || e.completed == nil {
		t.Fatalf("%v: %v", req, e.err)
	}
	return e
}

// samePictures compares the files of the results.
func samePictures(a, b events) bool {
	return sameImages(a.completed.GetImages(), b.completed.GetImages())
}

func sameImages(a, b []*tensorv1.Image) bool {
	return slices.EqualFunc(a, b, func(x, y *tensorv1.Image) bool { return bytes.Equal(x.GetData(), y.GetData()) })
}

func faultOf(err error) *fault.Error {
	var f *fault.Error
	if !errors.As(serve.FromStatus("", err), &f) {
		return &fault.Error{}
	}
	return f
}

func ptr[T any](v T) *T { return &v }
