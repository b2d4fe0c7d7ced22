package tagger

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
)

var _ model.Tagger = (*Model)(nil)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

// small is a tagger of six sentences.
func small(t testing.TB, cfg Config) *Model {
	t.Helper()
	words := [][]string{{"The", "dog", "barks"}, {"the", "cats", "sleep"}, {"A", "dog", "sleeps", "."},
		{"Dogs", "and", "cats", "run"}, {"She", "walks", "the", "dog", "."}, {"He", "runs", "2", "miles"}}
	// 0 DET, 1 NOUN, 2 VERB, 3 other
	labels := [][]int32{{0, 1, 2}, {0, 1, 2}, {0, 1, 2, 3}, {1, 3, 1, 2}, {3, 2, 0, 1, 3}, {3, 2, 3, 1}}
	m, err := Train([]string{"DET", "NOUN", "VERB", "X"}, words, labels, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestEnumeration: every sequence of tags, one by one, of first and of second order.
func TestEnumeration(t *testing.T) {
	for _, order := range []int{1, 2} {
		cfg := Default()
		cfg.Order = order
		m := small(t, cfg)
		for _, words := range [][]string{{"the"}, {"the", "dog"}, {"The", "hyphen-ed", "dogs", "walks", "3rd"}} {
			n := len(words)
			e, err := m.emissions(words)
			if err != nil {
				t.Fatal(err)
			}
			const k = 4
			total, best, first := 0.0, math.Inf(-1), []int32(nil)
			post := make([]float64, n*k)
			for code := range 1 << (2 * n) {
				path := make([]int32, n)
				l, a, b := 0.0, k, k
				for i := range path {
					c := code >> (2 * (n - 1 - i)) & 3
					path[i] = int32(c)
					l += math.Log(m.trans[(a*5+b)*5+c]) + math.Log(e[i*k+c])
					a, b = b, c
				}
				l += math.Log(m.trans[(a*5+b)*5+k])
				p := math.Exp(l)
				total += p
				if l > best {
					best, first = l, path
				}
				for i, c := range path {
					post[i*k+int(c)] += p
				}
			}
			path, joint, posterior, err := m.Tag(words)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(path, first) || math.Abs(joint-best) > 1e-12 {
				t.Errorf("%v: %v with %v, want %v with %v", words, path, joint, first, best)
			}
			for i := range post {
				if math.Abs(posterior[i]-post[i]/total) > 1e-12 {
					t.Errorf("%v: posterior %v at %d, want %v", words, posterior[i], i, post[i]/total)
				}
			}
			p, j, err := m.Best(words)
			if err != nil || !slices.Equal(p, path) || j != joint {
				t.Errorf("Best gives %v with %v: %v", p, j, err)
			}
		}
	}
}

// TestSums: after every context that occurs the probabilities of tags and boundary add up to 1, and so do p(t | w) and
// the weights.
func TestSums(t *testing.T) {
	m := small(t, Default())
	const k = 5
	for ctx := range k * k {
		sum := 0.0
		for _, p := range m.trans[ctx*k : ctx*k+k] {
			sum += p
		}
		if math.Abs(sum-1) > 1e-14 {
			t.Errorf("context %d adds up to %v", ctx, sum)
		}
	}
	l := m.Lambda()
	if math.Abs(l[0]+l[1]+l[2]-1) > 1e-15 {
		t.Errorf("%v", l)
	}
	for _, w := range []string{"dog", "Dogs", "zebra", "X-9", ".", "日本", "\xff"} {
		e := make([]float64, 4)
		m.emission(e, w, true)
		p := m.unseen
		if own := m.words[w]; own != nil {
			p = (1 - m.unseen) * sum(own) / m.total
		}
		s := 0.0
		for i, v := range e {
			s += v * m.prior[i] / p
		}
		if math.Abs(s-1) > 1e-14 {
			t.Errorf("tags of %q add up to %v", w, s)
		}
	}
}

func TestUnknownWords(t *testing.T) {
	m := small(t, Default())
	p, _, _, err := m.Tag([]string{"The", "frogs", "jump"})
	if err != nil || !slices.Equal(p, []int32{0, 1, 2}) {
		t.Errorf("%v %v", p, err)
	}
	if m.Known("frogs") || !m.Known("dog") {
		t.Error("known words")
	}
	for w, want := range map[string]string{"Bush": "I ", "USA": "C ", "15-year": "b-", "1,000": "0 ", "...": ". ",
		"a": "a ", "I": "I ", "e-mail": "a-", "a@b": "@ ", "-": ". ", "iPod": "M "} {
		if got := shape(w, false); got != want {
			t.Errorf("shape of %s is %q, want %q", w, got, want)
		}
	}
}

func TestBadInput(t *testing.T) {
	m := small(t, Default())
	if p, _, _, err := m.Tag(nil); err != nil || p != nil {
		t.Errorf("%v %v", p, err)
	}
	for _, w := range [][]string{{""}, {string(make([]byte, MaxBytes+1))}, make([]string, MaxWords+1)} {
		if _, _, _, err := m.Tag(w); fault.KindOf(err) != fault.Invalid {
			t.Error(err)
		}
	}
	cfg := Default()
	cfg.Word = 0
	for _, c := range []struct {
		w [][]string
		l [][]int32
		c Config
	}{
		{nil, nil, Default()}, {[][]string{{"a"}}, [][]int32{{0, 0}}, Default()}, {[][]string{{"a"}}, [][]int32{{1}}, Default()},
		{[][]string{{""}}, [][]int32{{0}}, Default()}, {[][]string{{}}, [][]int32{{}}, Default()},
		{[][]string{{"a"}}, [][]int32{{0}}, cfg},
	} {
		if _, err := Train([]string{"T"}, c.w, c.l, c.c); fault.KindOf(err) != fault.Invalid {
			t.Error(err)
		}
	}
}

func TestStore(t *testing.T) {
	m := small(t, Default())
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	d, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := d.Encode()
	if err != nil || string(again) != string(data) {
		t.Error("a tagger comes back as another", err)
	}
}

func FuzzDecode(f *testing.F) {
	data, err := small(f, Default()).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			if fault.KindOf(err) != fault.Corrupt {
				t.Error(err)
			}
			return
		}
		path, joint, post, err := m.Tag([]string{"The", "dog"})
		if err != nil || len(path) != 2 || math.IsNaN(joint) || len(post) != 2*len(m.tags) {
			t.Error(path, joint, post, err)
		}
	})
}

// digest is of tags, joint probabilities and posteriors.
const digest = "2:c6a180fc009e38ebfc6e03c66852bd67"

// TestDigest: the same bits on every processor and under every compiler setting.
func TestDigest(t *testing.T) {
	h := sha256.New()
	for _, order := range []int{1, 2} {
		cfg := Default()
		cfg.Order = order
		m := small(t, cfg)
		binary.Write(h, binary.LittleEndian, m.lambda)
		binary.Write(h, binary.LittleEndian, m.logs)
		for _, w := range [][]string{{"The", "frogs", "jump", "."}, {"Zebras", "run", "2-mile", "walks", "and", "sleep"}} {
			p, joint, post, err := m.Tag(w)
			if err != nil {
				t.Fatal(err)
			}
			binary.Write(h, binary.LittleEndian, p)
			binary.Write(h, binary.LittleEndian, joint)
			binary.Write(h, binary.LittleEndian, post)
		}
	}
	if got := fmt.Sprintf("%d:%x", tensor.NumericsVersion, h.Sum(nil)[:16]); got != digest {
		t.Errorf("digest %s, want %s", got, digest)
	}
}
