package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
)

// TestStreamsSurviveKill9: two replicas behind the gateway; in each of 50 streams the replica that serves it is killed
// with -9 at a random step between 10 and 90 %. Every stream finishes with the bytes of an undisturbed run, the resume
// counter rises by one each time, and no more is computed again than two intervals between resume states hold.
func TestStreamsSurviveKill9(t *testing.T) {
	const (
		streams  = 50
		steps    = int32(60)
		interval = 250 * time.Millisecond // between resume states
	)
	replicas := []*daemon{
		newDaemon(t, "diffusiond", "--preload", "mnist", "--log-level", "warn"),
		newDaemon(t, "diffusiond", "--preload", "mnist", "--log-level", "warn"),
	}
	for _, r := range replicas {
		r.start(t)
	}
	gate := newDaemon(t, "gatewayd", "--backend", "diffusion="+replicas[0].addr+","+replicas[1].addr, "--log-level", "warn",
		"--timeout", "2h") // on a busy machine a replica that was started just now thinks that a request takes long
	gate.start(t)
	c := dial(t, gate.addr)
	draw := rand.New(rand.NewPCG(1, 2))
	samplers := []string{"ddim", "ddpm", "euler", "heun", "dpmpp_2m"}
	worst := 0.0
	for i := range streams {
		seed, n, s := uint64(i), int32(12), steps
		q := &diffusionv1.GenerateRequest{
			Model: "mnist", Label: fmt.Sprint(i % 10), Steps: &s, Sampler: samplers[i%len(samplers)], Seed: &seed, N: &n,
			PreviewEvery: 10, Encoding: tensorv1.ImageEncoding_IMAGE_ENCODING_RAW,
		}
		guidance := 2.0
		q.GuidanceScale = &guidance
		want := generate(t.Context(), t, c, q, func(*diffusionv1.GenerateResponse) {})

		at := steps/10 + draw.Int32N(steps*8/10)
		resumed, recomputed := gate.metric(t, "manifold_resumed_streams_total"), gate.metric(t, "manifold_recomputed_steps_total")
		before := [2]float64{}
		for k, r := range replicas {
			before[k] = r.metric(t, "manifold_step_duration_seconds_count")
		}
		var killed *daemon
		var moment time.Time
		got := generate(t.Context(), t, c, q, func(ev *diffusionv1.GenerateResponse) {
			if killed != nil || ev.GetStep().GetStep() < at {
				return
			}
			k := 0
			if replicas[1].metric(t, "manifold_step_duration_seconds_count") > before[1] {
				k = 1
			}
			killed = replicas[k]
			killed.kill()
			moment = time.Now()
		})
		if killed == nil {
			t.Fatalf("stream %d ended before step %d", i, at)
		}
		equal(t, i, got, want)
		if n := gate.metric(t, "manifold_resumed_streams_total") - resumed; n != 1 {
			t.Errorf("stream %d, killed at step %d of %d: %v resumptions, want 1", i, at, steps, n)
		}
		// Steps that the client had in the two intervals before the kill, and the one under way. On a busy machine
		// events reach the client late, by no more than its longest pause between two of them.
		bound, pause := 1.0, time.Duration(0)
		for i, r := range got[:len(got)-1] {
			if got[i+1].at.Before(moment) {
				pause = max(pause, got[i+1].at.Sub(r.at))
			}
		}
		for _, r := range got {
			if r.ev.GetStep() != nil && r.at.Before(moment) && moment.Sub(r.at) <= 2*interval+pause {
				bound++
			}
		}
		again := gate.metric(t, "manifold_recomputed_steps_total") - recomputed
		if again > bound {
			t.Errorf("stream %d: %v steps computed again, at most %v fit into two intervals", i, again, bound)
		}
		worst = max(worst, again)
		killed.start(t)
		waitForBoth(t, c, replicas)
	}
	t.Logf("%d streams survived; at most %v of %d steps were computed again", streams, worst, steps)
}

// waitForBoth sends small requests until both replicas serve them again.
func waitForBoth(t *testing.T, c diffusionv1.DiffusionServiceClient, replicas []*daemon) {
	t.Helper()
	before := [2]float64{}
	for k, r := range replicas {
		before[k] = r.metric(t, "manifold_step_duration_seconds_count")
	}
	one := int32(1)
	deadline := time.Now().Add(2 * time.Minute)
	for time.Now().Before(deadline) {
		generate(t.Context(), t, c, &diffusionv1.GenerateRequest{Model: "mnist", Steps: &one}, func(*diffusionv1.GenerateResponse) {})
		served := 0
		for k, r := range replicas {
			if r.metric(t, "manifold_step_duration_seconds_count") > before[k] {
				served++
			}
		}
		if served == len(replicas) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("a restarted replica gets no requests")
}

func equal(t *testing.T, stream int, got, want []received) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("stream %d: %d events, undisturbed %d", stream, len(got), len(want))
	}
	for i := range got {
		if !proto.Equal(bare(got[i].ev), bare(want[i].ev)) {
			t.Fatalf("stream %d: event %d differs from the undisturbed run's (sequence %d and %d)",
				stream, i, got[i].ev.GetSequence(), want[i].ev.GetSequence())
		}
	}
}
