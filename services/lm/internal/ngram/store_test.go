package ngram

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

var (
	_ model.Model     = (*Model)(nil)
	_ model.Scorer    = (*Model)(nil)
	_ model.Forgetter = (*Model)(nil)
	_ model.Tokens    = (*text.Tokens)(nil)
)

func saved(t testing.TB, m *Model) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func reopened(t testing.TB, b []byte, c Config) (*Model, error) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { f.Close() })
	return Open(f, c)
}

// TestForgettingGivesTheBytes: a model without some documents is, byte for byte, the one that never saw them; so is a
// model with them the one that saw all, after being stored as well as before.
func TestForgettingGivesTheBytes(t *testing.T) {
	var all, some, others []string
	for i, d := range small {
		all = append(all, string(d))
		if i%3 == 1 {
			others = append(others, string(d))
		} else {
			some = append(some, string(d))
		}
	}
	docs := func(l []string) [][]byte { return lines(strings.Join(l, "\n")) }
	for _, s := range Smoothings() {
		for _, c := range []Config{{}, {MinCount: 3}, {Prune: []int{0, 0, 1}}} {
			c.Order, c.Unit, c.Smoothing, c.Forgets = 4, "given", s, true
			m, without := train(t, docs(all), c), train(t, docs(some), c)
			stored, err := reopened(t, saved(t, m), c)
			if err != nil {
				t.Fatal(err)
			}
			for _, from := range []*Model{m, stored} {
				f, err := from.Forget(others)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(saved(t, f.(*Model)), saved(t, without)) {
					t.Errorf("%+v: the bytes differ", c)
				}
			}
			more, err := without.Add(others)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(saved(t, more), saved(t, m)) {
				t.Errorf("%+v: the bytes differ after adding", c)
			}
		}
	}
	m := train(t, small, Config{Order: 2, Unit: "given", Smoothing: Katz})
	if _, err := m.Forget(others); fault.ReasonOf(err) != "COUNTS_NOT_KEPT" {
		t.Error(err)
	}
}

func TestStoredModelsAreTheSame(t *testing.T) {
	for order := 1; order <= 4; order++ {
		c := Config{Order: order, Unit: "words", Smoothing: ModifiedKneserNey, Forgets: true}
		m := train(t, small, c)
		o, err := reopened(t, saved(t, m), c)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := scoreText(t, m, "the cat and a zebra ate")
		b, _ := scoreText(t, o, "the cat and a zebra ate")
		if !slices.Equal(a, b) {
			t.Errorf("order %d: %v and %v", order, a, b)
		}
	}
}

// FuzzOpen damages the bytes of a stored model: opening it fails or gives a model that can be asked.
func FuzzOpen(f *testing.F) {
	c := Config{Order: 3, Unit: "given", Smoothing: WittenBell, Forgets: true}
	good := saved(f, train(f, small[:3], c))
	for i := 0; i < len(good); i += 97 {
		f.Add(i, byte(i), byte(1))
	}
	f.Fuzz(func(t *testing.T, at int, a, b byte) {
		damaged := slices.Clone(good)
		if at < 0 || len(damaged) < 2 {
			return
		}
		damaged[at%len(damaged)] ^= a
		damaged[(at+int(b))%len(damaged)] ^= b
		m, err := reopened(t, damaged, c)
		if err != nil {
			return
		}
		row := make([]float64, m.tokens.Size())
		if err := m.Step([]model.Context{m.Open()}, [][]int32{{3, 4, 5, 3}}, [][]float64{row}); err != nil {
			t.Error(err)
		}
		every(m, func(at uint32) { m.table.row(at, row) })
		_, _ = m.Forget([]string{string(small[0])}) // an error or a model, no panic
	})
}
