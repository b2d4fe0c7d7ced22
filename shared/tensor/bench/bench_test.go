package bench

import (
	"slices"
	"testing"
)

func TestRun(t *testing.T) {
	names := Names()
	if len(names) == 0 || len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		t.Fatalf("names are missing or double: %v", names)
	}
	small := names[0]
	r, ok := Run(small, 1)
	if !ok || r.Flops <= 0 || r.Seconds <= 0 || r.GFs <= 0 {
		t.Errorf("%s: %+v", small, r)
	}
	if _, ok := Run("nope", 1); ok {
		t.Error("an unknown name was measured")
	}
}
