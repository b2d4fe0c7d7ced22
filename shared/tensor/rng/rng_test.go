package rng

import (
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// TestPhiloxKnownAnswers checks the vectors of Random123's kat_vectors for philox4x32 with 10 rounds.
func TestPhiloxKnownAnswers(t *testing.T) {
	rows := []struct {
		ctr  [4]uint32
		key  [2]uint32
		want [4]uint32
	}{
		{
			[4]uint32{}, [2]uint32{},
			[4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
		},
		{
			[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		},
		{
			[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	}
	for _, r := range rows {
		if got := Philox(r.ctr, r.key); got != r.want {
			t.Errorf("Philox(%08x, %08x) = %08x, want %08x", r.ctr, r.key, got, r.want)
		}
	}
}

// TestOwnFunctions compares with the library's, which are right to about one unit in the last place.
func TestOwnFunctions(t *testing.T) {
	var w [4096]uint32
	New(1).Uint32s(w[:], 0, 0, General)
	for i := 0; i < len(w); i += 2 {
		u := float64(join(w[i], w[i+1])>>11+1) * 0x1p-53
		if got, want := log(u), math.Log(u); math.Abs(got-want) > 4e-16*math.Abs(want) {
			t.Errorf("log(%g) = %g, want %g", u, got, want)
		}
		turn := join(w[i+1], w[i])
		sin, cos := sinCosTurn(turn)
		a := float64(turn) * (2 * math.Pi * 0x1p-64)
		// The angle itself is rounded by up to 2 pi 2^-53 in the library's argument.
		if math.Abs(sin-math.Sin(a)) > 2e-15 || math.Abs(cos-math.Cos(a)) > 2e-15 {
			t.Errorf("turn %d: got %g %g, want %g %g", turn, sin, cos, math.Sin(a), math.Cos(a))
		}
		if one := math.Hypot(sin, cos); math.Abs(one-1) > 4e-16 {
			t.Errorf("turn %d: sin and cos have length %g", turn, one)
		}
	}
	if got := log(1); got != 0 {
		t.Errorf("log(1) = %g", got)
	}
}

// TestMoments checks the first four moments within five standard errors.
func TestMoments(t *testing.T) {
	const n = 200000
	x := make([]float32, n)
	New(7).Normal(x, 3, 2, Latent)
	y := make([]float64, n)
	New(7).Normal64(y, 3, 2, Latent)
	for _, draw := range []func(i int) float64{
		func(i int) float64 { return float64(x[i]) },
		func(i int) float64 { return y[i] },
	} {
		var m [5]float64
		for i := range n {
			v := draw(i)
			p := 1.0
			for k := 1; k <= 4; k++ {
				p *= v
				m[k] += p / n
			}
		}
		for k, row := range [5][2]float64{1: {0, 1}, 2: {1, 2}, 3: {0, 15}, 4: {3, 96}} {
			if k > 0 && math.Abs(m[k]-row[0]) > 5*math.Sqrt(row[1]/n) {
				t.Errorf("moment %d is %g, want %g", k, m[k], row[0])
			}
		}
	}
}

// TestPrefix checks that a longer draw begins with the shorter one, at any length.
func TestPrefix(t *testing.T) {
	long := make([]float32, 37)
	New(5).Normal(long, 9, 4, Ancestor)
	for n := range long {
		short := make([]float32, n)
		New(5).Normal(short, 9, 4, Ancestor)
		if !slices.Equal(short, long[:n]) {
			t.Errorf("%d numbers differ from the first %d of %d", n, n, len(long))
		}
	}
}

// TestNormalThreads compares the normals of many threads with those drawn four at a time.
func TestNormalThreads(t *testing.T) {
	before := pool.Threads()
	defer pool.SetThreads(before)
	s := New(11)
	for _, n := range []int{1023, 1024, 1025, 2559, 50001} {
		want := make([]float32, n)
		for i := 0; i < n; i += 4 {
			s.normal(want[i:min(i+4, n)], i/4, 3, 2, Noise)
		}
		for _, threads := range []int{1, 2, 3, 5} {
			pool.SetThreads(threads)
			got := make([]float32, n)
			s.Normal(got, 3, 2, Noise)
			if !slices.Equal(got, want) {
				t.Errorf("%d normals by %d threads differ", n, threads)
			}
		}
	}
}

// TestKeys checks that every part of the key and of the counter matters.
func TestKeys(t *testing.T) {
	seen := map[uint32]bool{}
	var w [1]uint32
	for _, seed := range []uint64{0, 1, 1 << 32} {
		for _, sample := range []uint64{0, 1, 1 << 32, MaxSample} {
			for _, step := range []uint32{0, 1, math.MaxUint32} {
				for _, p := range []Purpose{General, Augment} {
					New(seed).Uint32s(w[:], sample, step, p)
					seen[w[0]] = true
				}
			}
		}
	}
	if len(seen) != 3*4*3*2 {
		t.Errorf("%d distinct words, want %d", len(seen), 3*4*3*2)
	}
}

// TestPerm checks that every epoch is a permutation, that epochs differ, and that all orders of three
// items come up equally often.
func TestPerm(t *testing.T) {
	a, b := New(1).Perm(100, 0), New(1).Perm(100, 1)
	if slices.Equal(a, b) {
		t.Error("two epochs have one order")
	}
	slices.Sort(a)
	for i, v := range a {
		if int(v) != i {
			t.Fatalf("not a permutation: %v", a)
		}
	}
	count := map[[3]int32]int{}
	for e := range 6000 {
		count[[3]int32(New(2).Perm(3, uint64(e)))]++
	}
	for order, n := range count {
		if math.Abs(float64(n)-1000) > 5*math.Sqrt(1000*5.0/6) {
			t.Errorf("order %v came up %d times of 6000", order, n)
		}
	}
	if len(count) != 6 {
		t.Errorf("%d orders of 6", len(count))
	}
}

// TestInts checks the range and the frequencies.
func TestInts(t *testing.T) {
	x := make([]int32, 7000)
	New(3).Ints(x, 7, 0, 0, Time)
	var count [7]int
	for _, v := range x {
		count[v]++
	}
	for v, n := range count {
		if math.Abs(float64(n)-1000) > 5*math.Sqrt(1000*6.0/7) {
			t.Errorf("%d came up %d times of 7000", v, n)
		}
	}
}

// TestNoAllocation checks that drawing into a slice allocates nothing.
func TestNoAllocation(t *testing.T) {
	for _, n := range []int{64, 4096} {
		x := make([]float32, n)
		if a := testing.AllocsPerRun(10, func() { New(1).Normal(x, 0, 0, Latent) }); a != 0 {
			t.Errorf("%d normals: %g allocations", n, a)
		}
	}
}

// TestMisuse checks the panics.
func TestMisuse(t *testing.T) {
	rows := map[string]func(){
		"sample": func() { New(0).Uint32s(make([]uint32, 1), MaxSample+1, 0, General) },
		"ints":   func() { New(0).Ints(make([]int32, 1), 0, 0, 0, General) },
	}
	for name, f := range rows {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func BenchmarkNormal(b *testing.B) {
	x := make([]float32, 4096)
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		New(1).Normal(x, 0, 0, Latent)
	}
}
