package ngram

import (
	"github.com/manifold-gen/manifold/shared/tensor"

	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// thin leaves out every n-gram of more than one token without which the model's perplexity, as the model itself sees
// it, grows by a share less than least, from the longest on, as in Stolcke, "Entropy-based pruning of backoff language
// models", 1998. What a kept n-gram needs, the n-grams without its last and its first token, stays. The weights of the
// contexts are made new, so that sums stay 1.
func (e *estimate) thin(least float64) {
	order := e.counts.Order()
	if least <= 0 || order == 1 {
		return
	}
	reach := e.reach()
	needed := make([]bool, len(e.prob[order-1]))
	for n := order - 1; n > 0; n-- {
		up, l := &e.counts.levels[n-1], &e.counts.levels[n]
		if e.keep[n] == nil {
			e.keep[n] = make([]bool, len(l.word))
			for x := range e.keep[n] {
				e.keep[n][x] = true
			}
		}
		next := make([]bool, len(up.word))
		for h := range up.word {
			a, b := up.first[h], up.first[h+1]
			e.thinContext(n, h, a, b, reach[n-1][h], least, needed)
			for x := a; x < b; x++ {
				if e.keep[n][x] {
					next[h], next[l.suffix[x]] = true, true
				}
			}
		}
		needed = next
	}
}

// reach is the probability of every n-gram that can be a context: the product of its tokens'; <s> has that of </s>.
func (e *estimate) reach() [][]float64 {
	r := make([][]float64, len(e.prob)-1)
	for n := range r {
		r[n] = make([]float64, len(e.prob[n]))
		if n == 0 {
			copy(r[0], e.prob[0])
			r[0][text.Begin] = e.prob[0][text.Finish]
			continue
		}
		first := e.counts.levels[n-1].first
		for h := range len(first) - 1 {
			for x := first[h]; x < first[h+1]; x++ {
				r[n][x] = r[n-1][h] * e.prob[n][x]
			}
		}
	}
	return r
}

func (e *estimate) thinContext(n, h int, a, b uint32, reach, least float64, needed []bool) {
	keep, p, suffix, lower := e.keep[n], e.prob[n], e.counts.levels[n].suffix, e.prob[n-1]
	left := func() (seen, short float64) {
		seen, short = 1, 1
		for x := a; x < b; x++ {
			if keep[x] {
				seen -= p[x]
				short -= lower[suffix[x]]
			}
		}
		return seen, short
	}
	seen, short := left()
	if a == b || !(seen > 1e-9 && short > 1e-9) {
		return
	}
	weight := tensor.LogF64(seen / short)
	for x := a; x < b; x++ {
		if !keep[x] || needed[x] {
			continue
		}
		q := lower[suffix[x]]
		without := tensor.LogF64((seen + p[x]) / (short + q))
		grows := float64(p[x]*(tensor.LogF64(q)+without-tensor.LogF64(p[x]))) + float64(seen*(without-weight))
		if tensor.ExpF64(-reach*grows)-1 < least {
			keep[x] = false
		}
	}
	seen, short = left()
	e.weight[n-1][h] = seen / short
	for x := a; x < b; x++ {
		if keep[x] {
			return
		}
	}
	e.weight[n-1][h] = 1
}
