package tensor

import (
	"math"
	"testing"
)

// TestArenaSteadyState checks that the same requests after a Reset get the same memory and allocate nothing.
func TestArenaSteadyState(t *testing.T) {
	a := NewArena()
	var first []*float32
	step := func(check bool) {
		a.Reset()
		for i := range 300 {
			x := a.New(Float32, i+1, 5000)
			y := a.View(x, -1)
			_ = a.New(Float64, 7)
			switch {
			case !check:
				first = append(first, &y.f32[0])
			case &y.f32[0] != first[i]:
				t.Fatalf("request %d got other memory", i)
			}
		}
	}
	step(false)
	held := a.Bytes()
	if n := testing.AllocsPerRun(20, func() { step(true) }); n != 0 {
		t.Errorf("%g allocations in steady state", n)
	}
	if a.Bytes() != held {
		t.Errorf("the arena grew from %d to %d bytes", held, a.Bytes())
	}
}

// TestArenaDisjoint checks that tensors do not share elements and begin on 64-byte boundaries of a slab.
func TestArenaDisjoint(t *testing.T) {
	a := NewArena()
	var ts []*Tensor
	for i := range 50 {
		x := a.New(Float32, (i*7919)%90001)
		x.Fill(float64(i))
		ts = append(ts, x)
	}
	for i, x := range ts {
		for _, v := range x.f32 {
			if v != float32(i) {
				t.Fatalf("tensor %d holds %g", i, v)
			}
		}
		if cap(x.f32) != len(x.f32) {
			t.Errorf("tensor %d can grow into its neighbour", i)
		}
	}
}

// TestArenaMarks checks that Release gives back what came after the mark and nothing before it.
func TestArenaMarks(t *testing.T) {
	a := NewArena()
	kept := a.New(Float32, 100)
	kept.Fill(1)
	m := a.Mark()
	x := a.New(Float32, 3<<20)
	a.Release(m)
	y := a.New(Float32, 100)
	y.Fill(2)
	if kept.f32[99] != 1 {
		t.Error("a kept tensor was handed out again")
	}
	_ = x
	later := a.Mark()
	a.Reset()
	defer func() {
		if _, ok := recover().(*Error); !ok {
			t.Error("a mark from before Reset was taken")
		}
	}()
	a.Release(later)
}

// TestNilArena checks that a nil arena is the heap.
func TestNilArena(t *testing.T) {
	var a *Arena
	x := a.New(Float64, 2, 3)
	if x.Len() != 6 || x.f64[5] != 0 || a.View(x, 6).Dim(0) != 6 {
		t.Error("a nil arena does not make zeroed tensors")
	}
}

// TestReshape checks shapes with -1 and the refusal of others.
func TestReshape(t *testing.T) {
	x := New(Float32, 2, 3, 4)
	if y := x.Reshape(-1, 4); y.Dim(0) != 6 || &y.f32[0] != &x.f32[0] {
		t.Errorf("got %v", y.Shape())
	}
	for _, bad := range [][]int{{5, 5}, {-1, 5}, {-1, -1}, {-2, -12}, {1, 1, 1, 1, 1, 1, 24}, {0, -1}} {
		if err := Catch(func() { x.Reshape(bad...) }); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	if y := New(Float32, 0, 3).Reshape(3, 0); y.Len() != 0 {
		t.Error("an empty tensor has elements")
	}
}

// TestConversion checks CopyFrom between types, NaN and overflow included.
func TestConversion(t *testing.T) {
	x := FromFloat64([]float64{1 + 1e-12, math.MaxFloat64, math.Copysign(0, -1), 0x1p-150 * 1.5}, 4)
	y := x.To(Float32)
	want := []float32{1, float32(math.Inf(1)), float32(math.Copysign(0, -1)), 0x1p-149}
	for i, v := range want {
		if math.Float32bits(y.f32[i]) != math.Float32bits(v) {
			t.Errorf("element %d is %g, want %g", i, y.f32[i], v)
		}
	}
}
