package ngram

import (
	"crypto/sha256"
	"slices"

	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// level holds the n-grams of one length in the order of their tokens. The n-grams that follow n-gram i of this level by
// one token are those from first[i] to first[i+1] of the next.
type level struct {
	word   []uint32 // the last token
	first  []uint32 // one more than n-grams; nil in the last level
	count  []uint32
	suffix []uint32 // the n-gram without its first token, in the level below; nil where not known
}

// Fingerprint stands for a document: the first half of its SHA-256.
type Fingerprint [16]byte

// fingerprint of a document.
func fingerprint(doc []byte) Fingerprint {
	h := sha256.Sum256(doc)
	return Fingerprint(h[:16])
}

// Counts are how often every n-gram up to an order is in a set of documents, each with <s> before and </s> behind it:
// all that is ever known of the documents, whatever the smoothing. Equal sets of documents have equal Counts, in
// whatever order they were counted, merged or taken away. The unigrams are the whole vocabulary.
type Counts struct {
	kind      text.Kind
	vocab     *text.Vocab
	levels    []level
	documents []Fingerprint // sorted
}

// Order is the length of the longest n-grams.
func (c *Counts) Order() int { return len(c.levels) }

// Vocab is the vocabulary, special tokens included.
func (c *Counts) Vocab() *text.Vocab { return c.vocab }

// Documents is the number of documents.
func (c *Counts) Documents() int { return len(c.documents) }

// Sizes is the number of different n-grams of every length.
func (c *Counts) Sizes() []int {
	n := make([]int, len(c.levels))
	for i, l := range c.levels {
		n[i] = len(l.word)
	}
	return n
}

// Tokens is the number of tokens counted, </s> included and <s> not.
func (c *Counts) Tokens() int64 {
	var n int64
	for w, k := range c.levels[0].count {
		if w != text.Begin {
			n += int64(k)
		}
	}
	return n
}

// link finds the suffixes of levels that lack them: that of an n-gram is the child of its parent's suffix by the same
// token. The n-grams of Counts always have theirs.
func (c *Counts) link() {
	for k := 1; k < len(c.levels); k++ {
		if c.levels[k].suffix == nil {
			c.linkLevel(k)
		}
	}
}

// linkLevel finds the suffixes of the n-grams of k+1 tokens, once those of k have theirs; false where one is missing.
func (c *Counts) linkLevel(k int) bool {
	l, up := &c.levels[k], &c.levels[k-1]
	l.suffix = make([]uint32, len(l.word))
	if k == 1 {
		copy(l.suffix, l.word)
		return true
	}
	for p := range up.word {
		s := up.suffix[p]
		first := c.levels[k-2].first
		if !linkChildren(l, up, up.first[p], up.first[p+1], first[s], first[s+1]) {
			return false
		}
	}
	return true
}

// linkChildren finds the tokens of n-grams a to b of l among n-grams from to end of the level below; both ascend.
func linkChildren(l, below *level, a, b, from, end uint32) bool {
	for x := a; x < b; x++ {
		w := l.word[x]
		step := uint32(1)
		for from+step < end && below.word[from+step] < w {
			step *= 2
		}
		i, ok := slices.BinarySearch(below.word[from:max(min(from+step+1, end), from)], w)
		if !ok {
			return false
		}
		from += uint32(i)
		l.suffix[x] = from
	}
	return true
}
