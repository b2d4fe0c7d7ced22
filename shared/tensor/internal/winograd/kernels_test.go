package winograd

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

// TestKernelsAgree compares every transform of every kernel set with the portable one, bit for bit.
func TestKernelsAgree(t *testing.T) {
	defer func() { _ = cpu.Set("auto") }()
	const channels = 3 * Lanes
	for _, f := range []Form{F2, F4} {
		for _, isa := range cpu.Available() {
			if err := cpu.Set(isa.String()); err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, uint64(f)))
			draw := func(n int) []float32 {
				x := make([]float32, n)
				for i := range x {
					x[i] = float32(r.NormFloat64())
				}
				return x
			}
			pixels, points := draw(f.Points()*channels), draw(f.Points()*channels)
			taps := draw(9 * channels)
			for name, run := range map[string]func(native bool) []float32{
				"input": func(native bool) []float32 {
					y := make([]float32, len(points))
					table := addresses(pixels, f.Points(), channels)
					a := &Args{Table: &table[0], Data: unsafe.Pointer(&y[0]), Stride: 4 * channels, N: 4 * channels}
					if native {
						Input(f, a)
					} else {
						inputPortable(f, a)
					}
					return y
				},
				"output": func(native bool) []float32 {
					y := make([]float32, f.Tile()*f.Tile()*channels)
					table := addresses(y, f.Tile()*f.Tile(), channels)
					a := &Args{Table: &table[0], Data: unsafe.Pointer(&points[0]), Stride: 4 * channels, N: 4 * channels}
					if native {
						Output(f, a)
					} else {
						outputPortable(f, a)
					}
					return y
				},
				"weights": func(native bool) []float32 {
					y := make([]float32, f.Points()*channels)
					a := &Args{
						Data: unsafe.Pointer(&y[0]), Stride: 4 * channels, N: channels / Lanes,
						Src: unsafe.Pointer(&taps[0]), Tap: 4 * channels, Line: 4 * Lanes,
					}
					if native {
						Weights(f, a)
					} else {
						weightsPortable(f, a)
					}
					return y
				},
				"spread": func(native bool) []float32 {
					y := make([]float32, 36*channels)
					table := addresses(points, 16, channels)
					a := &Args{Table: &table[0], Data: unsafe.Pointer(&y[0]), Stride: 4 * channels, N: 4 * channels}
					if native {
						Spread(a)
					} else {
						spreadPortable(a)
					}
					return y
				},
				"collect": func(native bool) []float32 {
					y, in := make([]float32, 9*channels), slices.Concat(points, points, points)
					table := addresses(y, 9, channels)
					a := &Args{Table: &table[0], Data: unsafe.Pointer(&in[0]), Stride: 4 * channels, N: 4 * channels}
					if native {
						Collect(a)
					} else {
						collectPortable(a)
					}
					return y
				},
			} {
				got, want := run(true), run(false)
				for i := range want {
					if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
						t.Fatalf("F%d %s, %s: element %d is %x, want %x", f.Tile(), name, isa, i, got[i], want[i])
					}
				}
			}
		}
	}
}

// addresses are those of n runs of size elements.
func addresses(x []float32, n, size int) []unsafe.Pointer {
	var l []unsafe.Pointer
	for i := range n {
		l = append(l, unsafe.Pointer(&x[i*size]))
	}
	return l
}
