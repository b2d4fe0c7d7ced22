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

// Every pass works on arrays of the sizes that it is said to move.
func TestPasses(t *testing.T) {
	for _, p := range passes() {
		const bytes = 1 << 18
		n := p.elements(bytes)
		if n%(p.width*pixels) != 0 || p.moved(n) > 8*bytes {
			t.Errorf("%s: %d elements, %g bytes", p.name, n, p.moved(n))
		}
		p.prepare(bytes)()
		if f := p.floor(n, &speeds{read: 10, fill: 5, update: 5}); f <= 0 || f > p.moved(n)/4e9 {
			t.Errorf("%s: floor of %g s for %g bytes", p.name, f, p.moved(n))
		}
	}
	r, ok := Run("pass/sum/cache", 1)
	if !ok || r.Flops != 0 || r.GBs <= 0 || r.Floor <= 0 || r.Near <= 0 {
		t.Errorf("%+v", r)
	}
}
