package markov

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// digest is of every figure of an analysis and of a walk.
const digest = "2:43366c1468ac027c28d36d3e403cc9a6"

// TestDigest: the same bits on every processor and under every compiler setting.
func TestDigest(t *testing.T) {
	h := sha256.New()
	put := func(l ...float64) {
		for _, v := range l {
			binary.Write(h, binary.LittleEndian, v)
		}
	}
	for _, c := range []*Chain{random(t, 30, 1), random(t, 4, 2), ruin(t, 12, 0.45)} {
		a, err := c.Analyse()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range a.Recurrent {
			put(r.Stationary...)
			put(r.EntropyRate, r.Imbalance, r.Kemeny, r.Second, r.Relaxation, float64(r.Mixing))
		}
		put(a.Limit...)
		if b := a.Absorption; b != nil {
			put(b.Visits...)
			put(b.Steps...)
			put(b.Variance...)
			put(b.Probability...)
		}
		hit, err := c.Hit([]int{1})
		if err != nil {
			t.Fatal(err)
		}
		put(hit.Probability...)
		put(hit.Steps...)
		far, err := c.After(nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		put(far...)
		w, err := c.Walker().Walk(rng.New(5), 3, -1, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		binary.Write(h, binary.LittleEndian, w)
		s, err := c.Score(w)
		if err != nil {
			t.Fatal(err)
		}
		put(s)
	}
	if got := fmt.Sprintf("%d:%x", tensor.NumericsVersion, h.Sum(nil)[:16]); got != digest {
		t.Errorf("digest %s, want %s", got, digest)
	}
}
