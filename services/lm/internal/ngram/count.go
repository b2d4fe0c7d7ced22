package ngram

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/manifold-gen/manifold/shared/fault"

	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// MaxOrder is the greatest length of n-grams, MaxTokens the greatest number of tokens of one count.
const (
	MaxOrder  = 16
	MaxTokens = 1<<31 - 2
)

// Count counts the documents.
//
// Every level is sorted by two counting sorts: the positions of the text in the order of their token are dealt to the
// n-grams of the level above that end before them, whose numbers of places are known. So the time is linear in the text
// and the order, whatever the vocabulary.
func Count(docs [][]byte, kind text.Kind, order int) (*Counts, error) {
	const op = "ngram.Count"
	if order < 1 || order > MaxOrder {
		return nil, fault.InvalidField(op, "order", "%d: 1 to %d is needed", order, MaxOrder)
	}
	tok, vocab, err := number(docs, kind)
	if err != nil {
		return nil, err
	}
	c := &Counts{kind: kind, vocab: vocab, levels: make([]level, order), documents: make([]Fingerprint, len(docs))}
	for i, d := range docs {
		c.documents[i] = fingerprint(d)
	}
	sortFingerprints(c.documents)
	newCounter(tok, vocab.Len()).run(c.levels)
	return c, nil
}

func sortFingerprints(f []Fingerprint) {
	slices.SortFunc(f, func(a, b Fingerprint) int { return bytes.Compare(a[:], b[:]) })
}

// number gives the tokens of all documents, each between <s> and </s>, and their vocabulary.
func number(docs [][]byte, kind text.Kind) ([]uint32, *text.Vocab, error) {
	const op = "ngram.Count"
	size := 0
	for _, d := range docs {
		size += len(d)/4 + 2
	}
	tok := make([]uint32, 0, size)
	v := text.NewVocab()
	for i, d := range docs {
		if kind != text.Bytes && !utf8.Valid(d) {
			return nil, nil, fault.E(fault.Invalid, "INVALID_UTF8", op, "document %d is not UTF-8", i+1)
		}
		tok = append(tok, text.Begin)
		s := text.Splitter{Kind: kind, Text: d}
		for w := s.Next(); w != nil; w = s.Next() {
			id := uint32(v.Add(w))
			if id == text.Begin || id == text.Finish {
				return nil, nil, fault.E(fault.Invalid, "RESERVED_TOKEN", op,
					"document %d has the token %s, which is the model's own", i+1, w)
			}
			tok = append(tok, id)
		}
		tok = append(tok, text.Finish)
		if len(tok) > MaxTokens || v.Len() > text.MaxVocabulary {
			return nil, nil, fault.E(fault.Invalid, "CORPUS_TOO_LARGE", op,
				"more than %d tokens or %d different ones", MaxTokens, text.MaxVocabulary)
		}
	}
	if len(docs) == 0 {
		return nil, nil, fault.E(fault.Invalid, "EMPTY_CORPUS", op, "there are no documents")
	}
	sorted, to := v.Sorted()
	for i, id := range tok {
		tok[i] = to[id]
	}
	return tok, sorted, nil
}

// counter holds the text while it is counted.
type counter struct {
	tok   []uint32
	vocab int
	byTok []uint32 // the positions in the order of their tokens, without those of <s>
	prev  []uint32 // the n-gram of the level above that begins at a position; ended where none can follow it
	next  []uint32 // the same of this level
	group []uint64 // position above, last token below, by n-gram of the level above
}

// ended marks an n-gram that ends in </s>.
const ended = 1 << 31

func newCounter(tok []uint32, vocab int) *counter {
	return &counter{tok: tok, vocab: vocab}
}

func (c *counter) run(levels []level) {
	n := len(c.tok)
	levels[0] = c.unigrams()
	if len(levels) == 1 {
		return
	}
	c.prev, c.next, c.group = make([]uint32, n), make([]uint32, n), make([]uint64, n)
	for i, w := range c.tok {
		c.prev[i] = w
		if w == text.Finish {
			c.prev[i] |= ended
		}
	}
	for k := 1; k < len(levels); k++ {
		levels[k] = c.extend(&levels[k-1], k)
		c.prev, c.next = c.next, c.prev
	}
}

// unigrams counts tokens and sorts their positions.
func (c *counter) unigrams() level {
	l := level{word: make([]uint32, c.vocab), count: make([]uint32, c.vocab)}
	for _, w := range c.tok {
		l.count[w]++
	}
	at := make([]uint32, c.vocab)
	sum := uint32(0)
	for w := range at {
		l.word[w] = uint32(w)
		at[w] = sum
		if w != text.Begin {
			sum += l.count[w]
		}
	}
	c.byTok = make([]uint32, sum)
	for i, w := range c.tok {
		if w != text.Begin {
			c.byTok[at[w]] = uint32(i)
			at[w]++
		}
	}
	return l
}

// extend counts the n-grams of k+1 tokens from those of k.
func (c *counter) extend(up *level, k int) level {
	start := make([]uint32, len(up.count)+1)
	for i, n := range up.count {
		start[i+1] = start[i] + n
	}
	end := slices.Clone(start[:len(up.count)])
	for _, p := range c.byTok {
		i := int(p) - k
		if i < 0 || c.prev[i] >= ended {
			continue
		}
		at := end[c.prev[i]]
		c.group[at] = uint64(i)<<32 | uint64(c.tok[p])
		end[c.prev[i]] = at + 1
	}
	for i := range c.next {
		c.next[i] = ended
	}
	l := level{}
	l.grow(c.size(start, end))
	up.first = make([]uint32, len(up.count)+1)
	x := -1
	for g := range end {
		up.first[g] = uint32(x + 1)
		last := ^uint32(0)
		for _, e := range c.group[start[g]:end[g]] {
			w, i := uint32(e), uint32(e>>32)
			if w != last {
				x++
				l.word[x] = w
				l.suffix[x] = c.prev[i+1] &^ ended
				last = w
			}
			l.count[x]++
			c.next[i] = uint32(x)
			if w == text.Finish {
				c.next[i] |= ended
			}
		}
	}
	up.first[len(end)] = uint32(x + 1)
	return l
}

// size is the number of n-grams in the groups.
func (c *counter) size(start, end []uint32) int {
	n := 0
	for g := range end {
		last := ^uint32(0)
		for _, e := range c.group[start[g]:end[g]] {
			if w := uint32(e); w != last {
				last = w
				n++
			}
		}
	}
	return n
}

func (l *level) grow(n int) {
	l.word, l.count, l.suffix = make([]uint32, n), make([]uint32, n), make([]uint32, n)
}
