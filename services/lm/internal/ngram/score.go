package ngram

import (
	"github.com/manifold-gen/manifold/shared/fault"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// stretch is how many tokens are looked up together.
const stretch = 32

// Score implements model.Scorer.
func (m *Model) Score(c model.Context, further []int32, nats []float64, lengths []int32) error {
	s, err := m.state("ngram.Score", c)
	if err != nil {
		return err
	}
	size := m.tokens.Size()
	for _, w := range further {
		if w < 0 || int(w) >= size {
			return fault.E(fault.Invalid, "NO_SUCH_TOKEN", "ngram.Score", "token %d: 0 to %d are known", w, size-1)
		}
	}
	s.len += len(further)
	for len(further) > 0 {
		n := min(len(further), stretch)
		var of []int32
		if lengths != nil {
			of, lengths = lengths[:n], lengths[n:]
		}
		s.at = m.table.score(s.at, further[:n], nats[:n], of)
		further, nats = further[n:], nats[n:]
	}
	return nil
}

// score is step of many tokens: what it gives are the numbers of step, bit for bit. All pairs are looked up first, then
// all triples whose first and last two tokens are known pairs, and so on. Nothing that is looked up waits for the token
// before it, so the processor waits for several places of memory at a time.
func (t *table) score(at uint32, tok []int32, nats []float64, lengths []int32) uint32 {
	var grams [MaxOrder + 1][stretch + 1]uint32 // [k][i+1]: the n-gram of k tokens that ends with token i
	order, base := len(t.starts), t.leafBase()
	for k := 1; k <= order; k++ {
		grams[k][0] = none
	}
	for ; at != none; at = t.inner[at].next {
		grams[t.length(at)][0] = at
	}
	for i, w := range tok {
		grams[1][i+1] = uint32(w)
	}
	for k := 2; k <= order; k++ {
		shorter, these := grams[k-1][:len(tok)+1], grams[k][:len(tok)+1]
		for i, w := range tok {
			g := none
			if c := shorter[i]; c != none && shorter[i+1] != none {
				g = t.find(c, t.inner[c].first, t.inner[c+1].first, uint32(w))
			}
			these[i+1] = g
		}
	}
	for i, w := range tok {
		k := 1
		for k < order && grams[k+1][i+1] != none {
			k++
		}
		back := 0.0
		for j := order - 1; j >= k; j-- {
			if c := grams[j][i]; c != none {
				back += float64(t.inner[c].back)
			}
		}
		if g := grams[k][i+1]; g >= base {
			nats[i] = (back + float64(t.leaf[g-base].prob)) * ln10
		} else {
			nats[i] = (back + float64(t.inner[g].prob)) * ln10
		}
		if lengths != nil {
			lengths[i] = int32(k)
			if w == text.Unknown {
				lengths[i] = 0
			}
		}
	}
	for k := order - 1; k > 0; k-- {
		if g := grams[k][len(tok)]; g != none && t.live(g) {
			return g
		}
	}
	return none
}
