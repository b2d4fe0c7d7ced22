package ngram

import (
	"math"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// inner is an n-gram that may be followed by others. Logarithms are to base 10, as ARPA files have them.
type inner struct {
	prob  float32 // of the last token after the others
	back  float32 // weight of the shorter context where this n-gram is the context
	first uint32  // of the n-grams that follow it by one token
	next  uint32  // its longest suffix that tells anything as a context; none for the empty one
}

// leaf is an n-gram of the greatest length.
type leaf struct {
	prob float32
	next uint32
}

// none is the empty context.
const none = ^uint32(0)

// table holds all n-grams: level by level, each level in the order of the tokens, so that n-grams with one context are
// neighbours in the order of their last token. Unigrams stand at the number of their token. Leaves are numbered behind
// inner n-grams; the list of n-gram i ends where that of i+1 begins, and the last element of inner is there for that.
type table struct {
	words  []uint32 // the last tokens of all n-grams, leaves included
	inner  []inner
	leaf   []leaf
	starts []uint32 // of the levels; the last one is that of the leaves
	index  []uint32 // n-grams with many neighbours by context and token, see find; 0 is free
}

// leaves is the number of the first n-gram whose followers are leaves.
func (t *table) leaves() uint32 {
	if len(t.leaf) == 0 {
		return none
	}
	return t.starts[len(t.starts)-2]
}

// length of n-gram i of inner.
func (t *table) length(i uint32) int {
	k := 1
	for t.starts[k] <= i {
		k++
	}
	return k
}

// live says whether an n-gram tells anything as a context.
func (t *table) live(i uint32) bool {
	return t.inner[i].back != 0 || t.inner[i].first != t.inner[i+1].first
}

// after is the context after n-gram i was matched.
func (t *table) after(i uint32) uint32 {
	if t.live(i) {
		return i
	}
	return t.inner[i].next
}

var log10e = 1 / tensor.LogF64(10)

// log10 rounds a logarithm to base 10.
func log10(p float64) float32 {
	if p <= 0 {
		return float32(math.Inf(-1))
	}
	return float32(tensor.LogF64(p) * log10e)
}

// table rounds the estimate and leaves out what is pruned.
func (e *estimate) table() *table {
	return newTable(e.counts.levels, e.keep, func(k, x int) (prob, back float32) {
		prob = log10(min(e.prob[k][x], 1)) // where rounding took it beyond
		if k+1 < len(e.prob) && e.weight[k][x] != 1 {
			back = max(log10(e.weight[k][x]), -99)
		}
		return prob, back
	})
}

// newTable makes a table of the n-grams of levels, with their suffixes, that keep has; nil for all of a level. value
// gives the logarithms of an n-gram.
func newTable(levels []level, keep [][]bool, value func(k, x int) (prob, back float32)) *table {
	order := len(levels)
	t := &table{starts: []uint32{0}}
	number := make([][]uint32, order) // of the kept n-grams, and behind them of the next level's first
	at := uint32(0)
	for k := range levels {
		n := make([]uint32, len(levels[k].word)+1)
		for x := range levels[k].word {
			n[x] = at
			if keep[k] == nil || keep[k][x] {
				at++
			}
		}
		n[len(levels[k].word)] = at
		number[k] = n
		if k+1 < max(order, 2) {
			t.starts = append(t.starts, at)
		}
	}
	t.words = make([]uint32, at)
	t.inner = make([]inner, t.leafBase()+1)
	t.leaf = make([]leaf, at-t.leafBase())
	var after []uint32
	for k := range levels {
		t.fill(k, &levels[k], keep[k], number, after, value)
		after = after[:0]
		for x := range levels[k].word {
			if k+1 == order {
				break
			}
			if after = append(after, none); keep[k] == nil || keep[k][x] {
				after[x] = t.after(number[k][x])
			}
		}
	}
	if order == 1 {
		for i := range t.inner {
			t.inner[i].first = at
		}
	}
	t.makeIndex()
	return t
}

// fill writes the n-grams of k+1 tokens; after are the contexts after those of k, as table.after gives them.
func (t *table) fill(
	k int, l *level, keep []bool, number [][]uint32, after []uint32, value func(k, x int) (prob, back float32),
) {
	inside, base := k+1 < len(number), t.leafBase()
	for x, w := range l.word {
		if keep != nil && !keep[x] {
			continue
		}
		next := none
		if k > 0 {
			next = after[l.suffix[x]]
		}
		prob, back := value(k, x)
		t.words[number[k][x]] = w
		if k > 0 && !inside {
			t.leaf[number[k][x]-base] = leaf{prob: prob, next: next}
			continue
		}
		i := inner{prob: prob, back: back, next: next}
		if inside {
			i.first = number[k+1][l.first[x]]
		}
		t.inner[number[k][x]] = i
	}
	if inside { // the last list ends where that of the next level's first n-gram begins
		next := number[k+1]
		t.inner[t.starts[k+1]].first = next[len(next)-1]
	}
}

// check says what makes a table that was read unusable.
func (t *table) check(vocab int) error {
	const op = "ngram.Open"
	bad := func(format string, args ...any) error {
		return fault.E(fault.Corrupt, "TABLE_DAMAGED", op, format, args...)
	}
	last := len(t.starts) - 1
	if last < 1 || last >= MaxOrder+1 || len(t.inner) < 1 || int(t.starts[last]) != len(t.inner)-1 || t.starts[0] != 0 ||
		int(t.starts[1]) != vocab || int64(len(t.inner))+int64(len(t.leaf)) > MaxTokens ||
		len(t.words) != len(t.inner)-1+len(t.leaf) {
		return bad("the levels of the table do not fit it: %v, %d tokens", t.starts, vocab)
	}
	for k := range last {
		if t.starts[k] > t.starts[k+1] {
			return bad("the levels of the table do not ascend: %v", t.starts)
		}
		end := t.end()
		if k+2 <= last {
			end = t.starts[k+2]
		}
		if t.inner[t.starts[k]].first != t.starts[k+1] || t.inner[t.starts[k+1]].first != end {
			return bad("the n-grams of %d tokens do not follow those of %d", k+2, k+1)
		}
		for i := t.starts[k]; i < t.starts[k+1]; i++ {
			x := &t.inner[i]
			if x.first > t.inner[i+1].first || t.inner[i+1].first > end || !t.fits(x.next, k) || !isLog(x.prob) ||
				math.IsNaN(float64(x.back)) || math.IsInf(float64(x.back), 0) || k == 0 && t.words[i] != i {
				return bad("n-gram %d of %d tokens is damaged", i-t.starts[k], k+1)
			}
			least := uint32(0)
			for c := x.first; c < t.inner[i+1].first; c++ {
				w := t.words[c]
				if w < least || int(w) >= vocab {
					return bad("n-grams of %d tokens are out of order", k+2)
				}
				least = w + 1
			}
		}
	}
	for i := range t.leaf {
		if x := &t.leaf[i]; !t.fits(x.next, last) || !isLog(x.prob) {
			return bad("n-gram %d of %d tokens is damaged", i, last+1)
		}
	}
	return nil
}

// leafBase is the number of the first leaf: n-grams are numbered through.
func (t *table) leafBase() uint32 { return t.starts[len(t.starts)-1] }

// end is one more than the number of the last n-gram.
func (t *table) end() uint32 { return t.leafBase() + uint32(len(t.leaf)) }

// fits says whether next can be the suffix of an n-gram of level k: one of the levels below it.
func (t *table) fits(next uint32, k int) bool {
	return next == none || next < t.starts[min(k, len(t.starts)-1)]
}

func isLog(p float32) bool { return p <= 0 }
