package engine

import (
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/services/diffusion/internal/unet"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// tiny is a U-Net of random weights that has every part of a real one.
func tiny(t *testing.T) Model {
	t.Helper()
	u, err := unet.New(unet.Config{
		ImageSize: 8, InChannels: 1, PatchSize: 2, Channels: []int{8, 16}, Blocks: 1, AttentionLevels: []int{1}, Heads: 2,
		TimeDim: 16, Groups: 4, Classes: 3, Prediction: "v", Schedule: "cosine", Steps: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	nn.Init(u, 7)
	// A new network ends in zeros and would answer nothing.
	for i, p := range nn.Params(u) {
		x := p.F32()
		if slices.Max(x) == 0 && slices.Min(x) == 0 {
			rng.New(8).Normal(x, uint64(i), 0, rng.General)
			for k := range x {
				x[k] *= 0.1
			}
		}
		p.Changed()
	}
	m, err := NewModel("tiny@1", u)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A request's bytes are the same whatever else is in the pass and however many threads compute it.
func TestSameRequestSameBytes(t *testing.T) {
	defer tensor.SetThreads(0)
	var want [][][]byte
	for _, threads := range []int{1, 2, 8} {
		tensor.SetThreads(threads)
		for _, batch := range []int{1, 2, 7, 32} {
			e, err := New(tiny(t), Config{MaxRows: batch, MaxActiveRows: 1000})
			if err != nil {
				t.Fatal(err)
			}
			var streams []*Stream
			for i := range 8 {
				s, err := e.Submit(t.Context(), Request{
					Seed: uint64(i), Sampler: mustSampler(t, sampler.Names()[i%5], 2+i%3), Guidance: []float64{1, 2}[i%2],
					Classes: []int32{0, 1, 2, Unconditional}[:1+i%4],
				})
				if err != nil {
					t.Fatal(err)
				}
				streams = append(streams, s)
			}
			for i, s := range streams {
				o := read(t.Context(), s)
				if o.err != nil {
					t.Fatal(o.err)
				}
				if len(want) <= i {
					want = append(want, o.result.Pix)
				}
				if !samePix(o.result.Pix, want[i]) {
					t.Errorf("request %d differs with %d threads and passes of %d rows", i, threads, batch)
				}
			}
			e.Close()
		}
	}
}

// In steady state a pass takes no memory from the heap.
func TestPassesDoNotAllocate(t *testing.T) {
	m := tiny(t)
	x, out := make([]float32, 4*64), make([]float32, 4*64)
	times, class := make([]float32, 4), []int32{0, 1, 2, 3}
	pass := func() { m.Denoiser.Denoise(out, x, times, class) }
	pass()
	pass()
	if n := testing.AllocsPerRun(20, pass); n > 0 {
		t.Errorf("%v allocations in a pass", n)
	}
}
