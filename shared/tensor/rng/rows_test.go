package rng_test

import (
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// testRows are rows of several streams.
func testRows(n int) []rng.Row {
	rows := make([]rng.Row, n)
	for i := range rows {
		rows[i] = rng.Row{Stream: rng.New(uint64(i % 3)), Sample: uint64(1)<<40 + uint64(i), Step: uint32(5 * i)}
	}
	return rows
}

// TestRows compares rows with the single streams, for lengths that end within a block and numbers of threads.
func TestRows(t *testing.T) {
	defer tensor.SetThreads(0)
	for _, cols := range []int{1, 3, 4, 7, 8, 9, 500, 784} {
		rows := testRows(37)
		want, prob := make([]float32, 37*cols), make([]float32, 37*cols)
		bits, normals := make([]float32, 37*cols), make([]float32, 37*cols)
		rng.New(8).Uniform(prob, 0, 0, rng.General)
		prob[0], prob[37*cols-1] = float32(math.NaN()), 1
		for i, r := range rows {
			r.Stream.Uniform(want[i*cols:(i+1)*cols], r.Sample, r.Step, rng.Visible)
			r.Stream.Normal(normals[i*cols:(i+1)*cols], r.Sample, r.Step, rng.Visible)
		}
		for i, u := range want {
			if u < prob[i] {
				bits[i] = 1
			}
		}
		for _, threads := range []int{1, 2, 5} {
			tensor.SetThreads(threads)
			got := make([]float32, 37*cols)
			if rng.UniformRows(got, rows, rng.Visible); !slices.Equal(got, want) {
				t.Errorf("uniform numbers of %d columns by %d threads differ", cols, threads)
			}
			if rng.NormalRows(got, rows, rng.Visible); !slices.Equal(got, normals) {
				t.Errorf("normals of %d columns by %d threads differ", cols, threads)
			}
			if rng.BernoulliRows(got, prob, rows, rng.Visible); !slices.Equal(got, bits) {
				t.Errorf("bits of %d columns by %d threads differ", cols, threads)
			}
		}
	}
	if a := testing.AllocsPerRun(20, func() {
		x := scratch[:37*64]
		rng.BernoulliRows(x, x, scratchRows, rng.Hidden)
	}); a != 0 {
		t.Errorf("%g allocations", a)
	}
}

var (
	scratch     = make([]float32, 37*64)
	scratchRows = testRows(37)
)

func BenchmarkBernoulliRows(b *testing.B) {
	x, p := make([]float32, 100*500), make([]float32, 100*500)
	rows := testRows(100)
	rng.New(1).Uniform(p, 0, 0, rng.General)
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		rng.BernoulliRows(x, p, rows, rng.Hidden)
	}
}
