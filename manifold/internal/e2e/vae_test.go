package e2e

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
)

// dream runs a chain to its end; seen is told of every event when it arrives. What comes back is bare of times.
func dream(
	ctx context.Context, t *testing.T, c vaev1.VaeServiceClient, q *vaev1.SampleRequest, seen func(*vaev1.SampleResponse),
) (l []*vaev1.SampleResponse) {
	t.Helper()
	stream, err := c.Sample(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	for {
		ev, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return l
		}
		if err != nil {
			t.Fatalf("after %d events: %v", len(l), err)
		}
		seen(ev)
		if a := ev.GetCompleted().GetAnswered(); a != nil {
			a.Queue, a.Compute, a.Total = nil, nil, nil
		}
		l = append(l, ev)
	}
}

// TestDreamsSurviveKill9: two replicas of vaed behind the gateway; the one that runs a Gibbs chain is killed with -9 at
// a sweep in its middle. The client sees the events of an undisturbed run, each once, and no error.
func TestDreamsSurviveKill9(t *testing.T) {
	var replicas []*daemon
	for range 2 {
		r := newDaemon(t, "vaed", "--preload", "rbm-mnist", "--log-level", "warn")
		r.start(t)
		replicas = append(replicas, r)
	}
	gate := newDaemon(t, "gatewayd", "--backend", "vae="+replicas[0].addr+","+replicas[1].addr, "--log-level", "warn",
		"--timeout", "2h")
	gate.start(t)
	conn, err := grpc.NewClient(gate.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := vaev1.NewVaeServiceClient(conn)
	for i, at := range []int32{700, 2000} {
		const sweeps = int32(3000)
		q := &vaev1.SampleRequest{
			Model: "rbm-mnist", Seed: proto.Uint64(uint64(i)), N: proto.Int32(4), Sweeps: proto.Int32(sweeps), PreviewEvery: 50,
			Encoding: tensorv1.ImageEncoding_IMAGE_ENCODING_RAW,
		}
		want := dream(t.Context(), t, c, q, func(*vaev1.SampleResponse) {})
		resumed := gate.metric(t, "manifold_resumed_streams_total")
		const ticks = "manifold_step_duration_seconds_count"
		before := replicas[1].metric(t, ticks)
		var killed *daemon
		got := dream(t.Context(), t, c, q, func(ev *vaev1.SampleResponse) {
			if killed != nil || ev.GetSweep().GetSweep() < at {
				return
			}
			killed = replicas[0]
			if replicas[1].metric(t, ticks) > before {
				killed = replicas[1]
			}
			killed.kill()
		})
		if killed == nil || len(got) != len(want) {
			t.Fatalf("%d events, undisturbed %d; killed: %v", len(got), len(want), killed != nil)
		}
		for k := range got {
			got[k].EventId, want[k].EventId = "", ""
			if !proto.Equal(got[k], want[k]) {
				t.Fatalf("event %d differs (sequence %d and %d)", k, got[k].GetSequence(), want[k].GetSequence())
			}
		}
		if n := gate.metric(t, "manifold_resumed_streams_total") - resumed; n != 1 {
			t.Errorf("killed at sweep %d: %v resumptions, want 1", at, n)
		}
		killed.start(t)
	}
}

// TestTrainingSurvivesKill9 kills manifold train with -9 in the second layer of a deep belief network; given again, the
// command ends with the model of a run that was not disturbed.
func TestTrainingSurvivesKill9(t *testing.T) {
	const layers = "name: layers\nfamily: vae\narchitecture: dbn\nseed: 3\ndata: {name: glyphs, size: 8, train: 600, select: 20}\n" +
		"model: {hidden: [24, 24, 30], ais: {off: true}}\n" +
		"train: {steps: 6000, batch: 20, checkpoint_every: 500, eval_every: 6000, preview_every: 6000}\npreview: {count: 1}\n"
	recipe := filepath.Join(t.TempDir(), "layers.yaml")
	if err := os.WriteFile(recipe, []byte(layers), 0o600); err != nil {
		t.Fatal(err)
	}
	native := []string{binary(t, "manifold")}
	want := command(t, t.TempDir(), native, "--json", "train", recipe)
	home := t.TempDir()
	cmd := exec.Command(native[0], "train", recipe)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"),
		"XDG_DATA_HOME="+filepath.Join(home, "data"))
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	var said strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(said.String(), "layer 2 of 3") {
		n, err := read.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			t.Fatalf("it ended before the second layer: %s", said.String())
		}
	}
	time.Sleep(100 * time.Millisecond)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	_ = read.Close()
	if strings.Contains(said.String(), "layer 3 of 3") {
		t.Fatal("it was killed too late")
	}
	digest := func(out string) string {
		_, rest, _ := strings.Cut(out, `"digest": "`)
		d, _, _ := strings.Cut(rest, `"`)
		return d
	}
	if got := command(t, home, native, "--json", "train", recipe); digest(got) != digest(want) || digest(want) == "" {
		t.Errorf("taken up again it gives %q, undisturbed %q", digest(got), digest(want))
	}
}
