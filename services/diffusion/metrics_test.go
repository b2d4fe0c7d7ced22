package diffusion_test

import (
	"context"
	"sync"
	"testing"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/shared/serve"
)

// value is a counter, a gauge or the count of a histogram, summed over the series with the given labels.
func value(t *testing.T, m *serve.Memory, name string, labels ...string) float64 {
	t.Helper()
	families, err := m.Metrics().Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found, sum := false, 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	series:
		for _, s := range f.GetMetric() {
			for i := 0; i < len(labels); i += 2 {
				ok := false
				for _, l := range s.GetLabel() {
					ok = ok || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				}
				if !ok {
					continue series
				}
			}
			found = true
			sum += s.GetCounter().GetValue() + s.GetGauge().GetValue() + float64(s.GetHistogram().GetSampleCount())
		}
	}
	if !found {
		t.Errorf("no series %s with %v", name, labels)
	}
	return sum
}

func TestMetrics(t *testing.T) {
	m := connect(t, diffusion.Config{})
	// The first call loads the model, so that the eight meet in the engine.
	mustGenerate(t, m.Conn(), &diffusionv1.GenerateRequest{Model: "tiny", Steps: ptr(int32(1))})
	passes := value(t, m, "manifold_step_duration_seconds")
	if passes != 1 {
		t.Errorf("%g passes for one step", passes)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			mustGenerate(t, m.Conn(), &diffusionv1.GenerateRequest{
				Model: "tiny", Label: "one", Steps: ptr(int32(100 + 10*i)), N: ptr(int32(2)),
			})
		})
	}
	wg.Wait()
	// How many share a pass depends on when they arrive; the engine's own test has them there at one time.
	if n := value(t, m, "manifold_step_duration_seconds") - passes; n < 170 || n > 8*135 ||
		n+passes != value(t, m, "manifold_batch_size") {
		t.Errorf("%g passes for eight requests of 100 to 170 steps at a time", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := diffusionv1.NewDiffusionServiceClient(m.Conn()).
		Generate(ctx, &diffusionv1.GenerateRequest{Model: "tiny", Steps: ptr(int32(1000)), N: ptr(int32(64))})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	generate(t.Context(), m.Conn(), &diffusionv1.GenerateRequest{Model: "nope"})
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	const method = "/manifold.diffusion.v1.DiffusionService/Generate"
	for _, r := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"manifold_requests_total", []string{"code", "OK", "model", "tiny@1", "method", method}, 9},
		{"manifold_requests_total", []string{"code", "Canceled", "model", "tiny@1"}, 1},
		{"manifold_requests_total", []string{"code", "NotFound", "model", ""}, 1},
		{"manifold_request_duration_seconds", []string{"family", "diffusion"}, 11},
		{"manifold_time_to_first_event_seconds", nil, 10},
		{"manifold_samples_total", nil, 17},
		{"manifold_queue_wait_seconds", nil, 10},
		{"manifold_queue_depth", nil, 0},
		{"manifold_cancelled_total", []string{"at", "step"}, 1},
		{"manifold_resumed_streams_total", nil, 0},
	} {
		if got := value(t, m, r.name, r.labels...); got != r.want {
			t.Errorf("%s %v is %g, want %g", r.name, r.labels, got, r.want)
		}
	}
	if value(t, m, "manifold_wasted_compute_seconds_total") <= 0 {
		t.Error("nothing was wasted by a request that was cancelled")
	}
}

func TestModelMemoryMetric(t *testing.T) {
	m := connect(t, diffusion.Config{Preload: []string{"tiny"}})
	if value(t, m, "manifold_model_memory_bytes", "model", "tiny@1") <= 0 {
		t.Error("a loaded model holds no memory")
	}
}
