package markov

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
)

// stored is a chain as JSON: numbers are written so that they come back to the bit.
type stored struct {
	States []string  `json:"states"`
	Start  []float64 `json:"start"`
	Matrix []float64 `json:"matrix"`
	Unseen []int     `json:"unseen,omitempty"`
}

// Encode writes the chain as JSON.
func (c *Chain) Encode() ([]byte, error) {
	return json.Marshal(stored{c.names, c.start, c.p, c.Unseen})
}

// MaxFile is the largest file of a chain or of a table in bytes.
const MaxFile = 256 << 20

func corrupt(format string, args ...any) error {
	return fault.E(fault.Corrupt, "BAD_MODEL", "markov.Decode", format, args...)
}

// strict reads one JSON value whose fields are all known.
func strict(data []byte, out any) error {
	if len(data) > MaxFile {
		return corrupt("%d bytes, at most %d", len(data), MaxFile)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		return corrupt("%w", err)
	}
	if d.More() {
		return corrupt("more than one value")
	}
	return nil
}

// Decode reads what Encode wrote. Errors are of kind Corrupt.
func Decode(data []byte) (*Chain, error) {
	var s stored
	if err := strict(data, &s); err != nil {
		return nil, err
	}
	c, err := New(s.States, s.Start, s.Matrix)
	if err != nil {
		return nil, corrupt("%s", err.Error())
	}
	for _, i := range s.Unseen {
		if i < 0 || i >= c.n() {
			return nil, corrupt("state %d, want 0 to %d", i, c.n()-1)
		}
	}
	// The bits as they were: dividing by the sums once more might move them.
	if s.Start != nil {
		copy(c.start, s.Start)
	}
	copy(c.p, s.Matrix)
	c.Unseen = s.Unseen
	return c, nil
}

// Table is a language model's counts in flat arrays: contexts in the order of their lengths, then of their tokens.
type Table struct {
	Order   int    `json:"order"`
	Shorten bool   `json:"shorten"`
	Keys    []byte `json:"keys"` // a byte of length, then four bytes a token, big-endian; the next context follows
	// First has one more entry than there are contexts: where each one's tokens begin in Next.
	First  []int32  `json:"first"`
	Next   []int32  `json:"next"`
	Counts []uint32 `json:"counts"`
}

// Table gives the counts.
func (m *Language) Table() Table {
	t := Table{Order: m.order, Shorten: m.unseen == Shorten, First: m.first, Next: m.next, Counts: m.counts}
	keys := make([]string, len(m.first)-1)
	for k, c := range m.at {
		keys[c] = k
	}
	for _, k := range keys {
		t.Keys = append(append(t.Keys, byte(len(k)/4)), k...)
	}
	return t
}

// Encode writes the table as JSON.
func (t Table) Encode() ([]byte, error) { return json.Marshal(t) }

// DecodeLanguage reads a table for these tokens. Errors are of kind Corrupt.
func DecodeLanguage(tokens model.Tokens, data []byte) (*Language, error) {
	var t Table
	if err := strict(data, &t); err != nil {
		return nil, err
	}
	if t.Order < 0 || t.Order > MaxOrder || len(t.First) < 2 || t.First[0] != 0 ||
		int(t.First[len(t.First)-1]) != len(t.Next) || len(t.Next) != len(t.Counts) {
		return nil, corrupt("order %d, %d contexts, %d tokens and %d counts do not fit", t.Order, len(t.First)-1,
			len(t.Next), len(t.Counts))
	}
	m := &Language{tokens: tokens, order: t.Order, first: t.First, next: t.Next, counts: t.Counts, at: map[string]int32{}}
	if t.Shorten {
		m.unseen = Shorten
	}
	last := ""
	rest := t.Keys
	for c := range len(t.First) - 1 {
		if len(rest) == 0 || len(rest) < 1+4*int(rest[0]) {
			return nil, corrupt("context %d is cut off", c)
		}
		k := string(rest[1 : 1+4*int(rest[0])])
		rest = rest[1+4*int(rest[0]):]
		if len(k) > 4*t.Order || !t.Shorten && len(k) != 4*t.Order || c > 0 && !after(k, last) ||
			t.First[c+1] <= t.First[c] {
			return nil, corrupt("context %d is out of order", c)
		}
		for i := 0; i < len(k); i += 4 {
			if x := int32(binary.BigEndian.Uint32([]byte(k[i : i+4]))); x < begin || int(x) >= tokens.Size() {
				return nil, corrupt("context %d has token %d, want up to %d", c, x, tokens.Size()-1)
			}
		}
		m.at[k], last = int32(c), k
		if int(t.First[c+1]) > len(t.Next) {
			return nil, corrupt("context %d ends behind the table", c)
		}
		l := t.Next[t.First[c]:t.First[c+1]]
		if l[0] < 0 || int(l[len(l)-1]) >= tokens.Size() || !slices.IsSortedFunc(l, func(a, b int32) int {
			if a < b {
				return -1
			}
			return 1
		}) {
			return nil, corrupt("the tokens of context %d are not ascending from 0 to %d", c, tokens.Size()-1)
		}
	}
	if len(rest) > 0 || t.Shorten && len(t.Keys) > 0 && t.Keys[0] != 0 {
		return nil, corrupt("the contexts are not those of the table")
	}
	for i, n := range t.Counts {
		if n == 0 || n == math.MaxUint32 {
			return nil, corrupt("count %d at %d", n, i)
		}
	}
	m.logs()
	return m, nil
}

// after reports whether context a comes after b.
func after(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }
