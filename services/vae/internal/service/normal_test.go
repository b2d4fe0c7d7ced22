package service

import (
	"math"
	"testing"
)

func TestNormalFunctions(t *testing.T) {
	for x := 0.0; x <= 10; x += 1.0 / 64 {
		want := 0.5 * math.Erfc(x/math.Sqrt2)
		tail := normalTail(x)
		if math.Abs(tail-want) > 1e-12*want {
			t.Errorf("the tail beyond %v is %v, want %v", x, tail, want)
		}
		if got := normalQuantile(tail); math.Abs(got+x) > 1e-14*(1+x) {
			t.Errorf("the quantile of %v is %v, want %v", tail, got, -x)
		}
		if got := normalQuantile(1 - tail); x < 3 && math.Abs(got-x) > 1e-12 {
			t.Errorf("the quantile of %v is %v, want %v", 1-tail, got, x)
		}
	}
	for i := -1000; i <= 1000; i++ {
		c := float64(i) / 1000
		if got, want := arccos(c), math.Acos(c); math.Abs(got-want) > 2e-15 {
			t.Errorf("the angle of %v is %v, want %v", c, got, want)
		}
	}
	if arccos(1) != 0 || arccos(-1) != math.Pi {
		t.Error(arccos(1), arccos(-1))
	}
	for _, n := range []int{2, 3, 15, 16} { // the ends lie at the span, and the lower half mirrors the upper one
		v := spread(n, 2, 0, 1)
		if math.Abs(v[0]+2) > 1e-14 || v[0] != -v[n-1] || v[1] != -v[n-2] {
			t.Errorf("%d values: %v", n, v)
		}
	}
}
