package evaluate

import (
	"math"
	"testing"

	"github.com/manifold-gen/manifold/services/lm/internal/markov"
)

func TestChains(t *testing.T) {
	l, err := Chains(t.Context(), []int{2, 10, 60}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range l {
		if r.Stationary > 1e-12 || r.Kemeny > 1e-12 || r.Visits > 1e-12 {
			t.Errorf("%+v", r)
		}
		t.Logf("%+v", r)
	}
	if _, err := Chains(t.Context(), []int{0}, 1); err == nil {
		t.Error("a chain of no states")
	}
}

func TestUmbrella(t *testing.T) {
	r, err := Umbrella()
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(r.LogLikelihood+3.3725) > 5e-5 || math.Abs(r.Viterbi+4.4590) > 5e-5 || r.Path[2] != "no rain" {
		t.Errorf("%+v", r)
	}
}

type bytes struct{}

func (bytes) Size() int { return 256 }
func (bytes) Encode(s string) (l []int32, err error) {
	for _, b := range []byte(s) {
		l = append(l, int32(b))
	}
	return l, nil
}
func (bytes) Append(dst []byte, x int32, _ bool) []byte { return append(dst, byte(x)) }
func (bytes) Piece(x int32) string                      { return string([]byte{byte(x)}) }
func (bytes) End() int32                                { return -1 }

func TestText(t *testing.T) {
	train, err := bytes{}.Encode("abababac")
	if err != nil {
		t.Fatal(err)
	}
	m, err := markov.NewLanguage(bytes{}, [][]int32{train}, 1, markov.Refuse)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Text(t.Context(), m, "abac")
	if err != nil {
		t.Fatal(err)
	}
	if want := -math.Log(3.0/4) - math.Log(1.0/4); math.Abs(r.Nats-want) > 1e-14 || r.Zero != 0 {
		t.Errorf("%+v, want %v nats", r, want)
	}
	if r, err = Text(t.Context(), m, "abca"); err != nil || r.Zero != 2 || r.PerChar != -1 {
		t.Errorf("%+v %v", r, err)
	}
}
