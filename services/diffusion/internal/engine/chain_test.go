package engine

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
)

// The chain's marginals are those of the closed form: mean sqrt(abar) x0 and variance 1 - abar.
func TestAddNoiseEqualsTheClosedForm(t *testing.T) {
	sch := schedule.Linear(1000, 1e-4, 0.02)
	const n = 20_000
	for _, seed := range []uint64{1, 2} {
		x := make([]float32, n)
		for i := range x {
			x[i] = 0.8
		}
		count := 0
		err := AddNoise(t.Context(), sch, x, seed, 11, func(e Noised) error {
			count++
			sum, squares := 0.0, 0.0
			for _, v := range x {
				sum += float64(v)
				squares += float64(v) * float64(v)
			}
			mean, variance := sum/n, squares/n-sum/n*sum/n
			want, wantVariance := 0.8*math.Sqrt(e.AlphaBar), 1-e.AlphaBar
			// Five standard errors of mean and variance.
			if d := math.Abs(mean - want); d > 5*math.Sqrt(wantVariance/n)+1e-6 {
				t.Errorf("t=%d: mean %g, want %g", e.Timestep, mean, want)
			}
			if d := math.Abs(variance - wantVariance); d > 5*wantVariance*math.Sqrt(2.0/n)+1e-5 {
				t.Errorf("t=%d: variance %g, want %g", e.Timestep, variance, wantVariance)
			}
			return nil
		})
		if err != nil || count != 11 {
			t.Fatalf("%d events, %v", count, err)
		}
	}
}

func TestAddNoiseEvents(t *testing.T) {
	sch := schedule.Cosine(1000)
	for _, events := range []int{1, 2, 3, 7, 50, 999, 1000, 1001} {
		var at []int
		err := AddNoise(t.Context(), sch, make([]float32, 4), 3, events, func(e Noised) error {
			at = append(at, e.Timestep)
			return nil
		})
		if err != nil || len(at) != events || at[len(at)-1] != 1000 || events > 1 && at[0] != 0 {
			t.Errorf("%d events: %v, %v", events, at, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := AddNoise(ctx, sch, make([]float32, 4), 3, 50, func(Noised) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	stop := errors.New("stop")
	if err := AddNoise(t.Context(), sch, make([]float32, 4), 3, 5, func(Noised) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("emit's error: %v", err)
	}
}
