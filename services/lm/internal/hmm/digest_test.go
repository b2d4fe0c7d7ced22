package hmm

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// digest is of posteriors, paths, fits and draws of every kind.
const digest = "2:7633df3475dae1cd6abcdc8720df6dc6"

// TestDigest: the same bits on every processor, under every compiler setting and with any number of threads.
func TestDigest(t *testing.T) {
	for _, threads := range []int{1, 4} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
		h := sha256.New()
		put := func(v any) { binary.Write(h, binary.LittleEndian, v) }
		all := kinds(t, 7)
		for _, name := range []string{"categorical", "gaussian", "full", "mixture", "mixture full", "poisson"} {
			m := some1(t, 7, all[name])
			var data []Sequence
			for i := range 20 {
				s, q, err := m.Sampler().Draw(rng.New(6), uint64(i), 25+i)
				if err != nil {
					t.Fatal(err)
				}
				put(s)
				put(q.Symbols)
				put(q.Values)
				data = append(data, q)
			}
			f, r, err := m.Fit(t.Context(), data, Config{Restarts: 1, Seed: 1, Iterations: 5})
			if err != nil {
				t.Fatal(err)
			}
			put(r.History)
			put([]float64{r.AIC, r.BIC})
			text, err := f.Encode()
			if err != nil {
				t.Fatal(err)
			}
			h.Write(text)
			g, ll, err := f.Posterior(data[0])
			if err != nil {
				t.Fatal(err)
			}
			put(g)
			put(ll)
			g, ll, err = f.expectLog(data[0], len(g)/7, nil)
			if err != nil {
				t.Fatal(err)
			}
			put(g)
			put(ll)
			p, v, err := f.Viterbi(data[1])
			if err != nil {
				t.Fatal(err)
			}
			put(p)
			put(v)
		}
		if got := fmt.Sprintf("%d:%x", tensor.NumericsVersion, h.Sum(nil)[:16]); got != digest {
			t.Errorf("%d threads: digest %s, want %s", threads, got, digest)
		}
	}
}
