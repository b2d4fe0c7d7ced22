package ngram

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"

	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// Merge gives the counts of the documents of a and b together: those that counting all of them would have given.
func Merge(a, b *Counts) (*Counts, error) {
	return join("ngram.Merge", a, b, 1)
}

// Delete gives the counts of the documents of a without those of b: those that counting the others would have given.
// An error where a document of b is not one of a's, as often as it is in b, or none would be left.
func Delete(a, b *Counts) (*Counts, error) {
	return join("ngram.Delete", a, b, -1)
}

func join(op string, a, b *Counts, sign int64) (*Counts, error) {
	if a.kind != b.kind || a.Order() != b.Order() {
		return nil, fault.E(fault.Invalid, "COUNTS_DIFFER", op, "counts of %s to order %d and of %s to order %d do not "+
			"go together", a.kind, a.Order(), b.kind, b.Order())
	}
	var docs []Fingerprint
	if sign > 0 {
		docs = slices.Concat(a.documents, b.documents)
		sortFingerprints(docs)
		if a.Tokens()+b.Tokens()+int64(len(docs)) > MaxTokens {
			return nil, fault.E(fault.Invalid, "CORPUS_TOO_LARGE", op, "more than %d tokens together", MaxTokens)
		}
	} else {
		var missing int
		docs, missing = without(a.documents, b.documents)
		if missing > 0 {
			return nil, fault.E(fault.Invalid, "NOT_TRAINED_ON", op,
				"%d of %d documents are not among the %d that were counted", missing, len(b.documents), len(a.documents))
		}
		if len(docs) == 0 {
			return nil, fault.E(fault.Invalid, "EMPTY_CORPUS", op, "no document would be left")
		}
	}
	parts := []part{{counts: a, sign: 1}, {counts: b, sign: sign}}
	vocab := text.NewVocab()
	union := text.NewVocab()
	var total []int64
	for _, p := range parts {
		for w, n := range p.counts.levels[0].count {
			id := int(union.Add(p.counts.vocab.Bytes(int32(w))))
			for len(total) <= id {
				total = append(total, 0)
			}
			total[id] += p.sign * int64(n)
		}
	}
	for id, n := range total {
		if n > 0 {
			vocab.Add(union.Bytes(int32(id)))
		}
	}
	vocab, _ = vocab.Sorted()
	for i := range parts {
		parts[i].to = translation(parts[i].counts.vocab, vocab)
	}
	c := &Counts{kind: a.kind, vocab: vocab, documents: docs, levels: make([]level, a.Order())}
	return c, combine(op, c, parts)
}

// translation numbers the tokens of one vocabulary as another does; what the other lacks is <unk>.
func translation(from, to *text.Vocab) []uint32 {
	t := make([]uint32, from.Len())
	for w := range t {
		t[w] = uint32(max(to.Find(from.Bytes(int32(w))), text.Unknown))
	}
	return t
}

// without takes the elements of b from a, both sorted, and counts those that a lacks.
func without(a, b []Fingerprint) (rest []Fingerprint, missing int) {
	rest = make([]Fingerprint, 0, max(len(a)-len(b), 0))
	for len(b) > 0 {
		order := 1
		if len(a) > 0 {
			order = bytes.Compare(a[0][:], b[0][:])
		}
		switch {
		case order == 0:
			a, b = a[1:], b[1:]
		case order < 0:
			rest, a = append(rest, a[0]), a[1:]
		default:
			missing, b = missing+1, b[1:]
		}
	}
	return append(rest, a...), missing
}

// Limit gives the counts with every token that occurs less than least times taken for <unk>.
func (c *Counts) Limit(least int) (*Counts, error) {
	if least <= 1 {
		return c, nil
	}
	vocab := text.NewVocab()
	for w, n := range c.levels[0].count {
		if w < text.Specials || n >= uint32(least) {
			vocab.Add(c.vocab.Bytes(int32(w)))
		}
	}
	l := &Counts{kind: c.kind, vocab: vocab, documents: c.documents, levels: make([]level, c.Order())}
	return l, combine("ngram.Limit", l, []part{{counts: c, to: translation(c.vocab, vocab), sign: 1}})
}

// part is what goes into a combination: counts, the new numbers of their tokens, and whether they are added or taken.
type part struct {
	counts *Counts
	to     []uint32
	sign   int64
}

// source is an n-gram of a part that goes into an n-gram of the combination, the last token in its new number.
type source struct {
	word, part, node uint32
}

// combine fills the levels of c. Sources of one n-gram are neighbours; their children, sorted by the new number, are
// the sources of its children.
func combine(op string, c *Counts, parts []part) error {
	sources := make([]source, 0, c.vocab.Len())
	for i, p := range parts {
		for w := range p.counts.levels[0].word {
			sources = append(sources, source{p.to[w], uint32(i), uint32(w)})
		}
	}
	byWord := func(a, b source) int { return cmp.Compare(a.word, b.word) }
	slices.SortStableFunc(sources, byWord)
	bounds := []int{0, len(sources)} // of the sources that share a parent
	for k := range c.levels {
		l := &c.levels[k]
		var nextBounds []int
		var next []source
		for g := 1; g < len(bounds); g++ {
			if k > 0 {
				c.levels[k-1].first = append(c.levels[k-1].first, uint32(len(l.word)))
			}
			group := sources[bounds[g-1]:bounds[g]]
			for len(group) > 0 {
				w, n, total := group[0].word, 0, int64(0)
				for n < len(group) && group[n].word == w {
					p := parts[group[n].part]
					total += p.sign * int64(p.counts.levels[k].count[group[n].node])
					n++
				}
				same := group[:n]
				group = group[n:]
				if total < 0 {
					return fault.E(fault.Corrupt, "COUNTS_DAMAGED", op, "an n-gram would occur %d times", total)
				}
				if total == 0 && (k > 0 || w >= text.Specials) {
					continue
				}
				l.word, l.count = append(l.word, w), append(l.count, uint32(total))
				if k+1 == len(c.levels) {
					continue
				}
				from := len(next)
				nextBounds = append(nextBounds, from)
				for _, s := range same {
					p := &parts[s.part]
					up := &p.counts.levels[k]
					for x := up.first[s.node]; x < up.first[s.node+1]; x++ {
						next = append(next, source{p.to[p.counts.levels[k+1].word[x]], s.part, x})
					}
				}
				if !slices.IsSortedFunc(next[from:], byWord) {
					slices.SortStableFunc(next[from:], byWord)
				}
			}
		}
		if k > 0 {
			c.levels[k-1].first = append(c.levels[k-1].first, uint32(len(l.word)))
		}
		sources, bounds = next, append(nextBounds, len(next))
	}
	return nil
}
