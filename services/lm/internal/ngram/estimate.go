package ngram

import (
	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// estimate holds the probabilities of a smoothing in float64: by level and n-gram the probability of its last token
// after the others, and the weight by which probabilities of tokens that were not seen after the whole of it are the
// shorter context's. n-grams with keep false are not part of the model; keep is nil where all are.
type estimate struct {
	counts *Counts
	rules  []rule
	prob   [][]float64
	weight [][]float64 // of the levels but the last
	keep   [][]bool
}

// newEstimate smooths the counts. An n-gram is left out where its count is at most prune[its length - 1].
//
// For the interpolating smoothings p(w|h) = mass(c(hw)) scale(h) + weight(h) p(w|h'), h' being h without its first
// token, from the unigrams, whose h' gives every token but <s> the same, up. Sums run in the order of the n-grams.
func newEstimate(c *Counts, s Smoothing, k float64, prune []int) *estimate {
	c.link()
	order := c.Order()
	e := &estimate{counts: c, rules: make([]rule, order), prob: make([][]float64, order),
		weight: make([][]float64, order), keep: make([][]bool, order)}
	vocab := float64(c.vocab.Len() - 1)                // <s> is not predicted
	lo, hi := uint32(text.Begin), uint32(text.Begin+1) // n-grams of this level that begin with <s>
	var held []float64
	for n := range order {
		l := &c.levels[n]
		counts := l.count
		above := [2]uint32{lo, hi}
		if n > 0 {
			lo, hi = c.levels[n-1].first[lo], c.levels[n-1].first[hi]
		}
		if s.continuation() && n+1 < order {
			counts = continuations(l, &c.levels[n+1], lo, hi)
		}
		if n < len(prune) && prune[n] > 0 {
			e.keep[n] = make([]bool, len(l.count))
			for x, m := range l.count {
				e.keep[n][x] = m > uint32(prune[n])
			}
		}
		e.rules[n] = newRule(s, countsOfCounts(counts, n == 0), k*vocab)
		if s == JelinekMercer {
			held = e.rules[n].holdOut(c, n, held, vocab)
		}
		e.prob[n] = make([]float64, len(l.word))
		if n == 0 {
			e.unigrams(counts, vocab, s == Laplace && order > 1)
		} else {
			e.weight[n-1] = make([]float64, len(c.levels[n-1].word))
			e.level(n, counts, s == Laplace, n+1 < order, above[0], above[1], 1/vocab)
		}
	}
	return e
}

// continuations counts the different tokens before every n-gram; of those from lo to hi, which begin with <s> and have
// nothing before them, the occurrences.
func continuations(l, longer *level, lo, hi uint32) []uint32 {
	counts := make([]uint32, len(l.count))
	for _, s := range longer.suffix {
		counts[s]++
	}
	copy(counts[lo:hi], l.count[lo:hi])
	return counts
}

// countsOfCounts says how many n-grams have counts of 1 to 6. <s> is not among the unigrams.
func countsOfCounts(counts []uint32, unigrams bool) (n [katzLimit + 2]float64) {
	for x, c := range counts {
		if c > 0 && int(c) < len(n) && !(unigrams && x == text.Begin) {
			n[c]++
		}
	}
	return n
}

func (e *estimate) unigrams(counts []uint32, vocab float64, uniform bool) {
	p := e.prob[0]
	if uniform {
		for w := range p {
			p[w] = 1 / vocab
		}
		p[text.Begin] = 0
		return
	}
	var f followers
	r := &e.rules[0]
	for w, c := range counts {
		if w != text.Begin {
			f.add(r, c, true)
		}
	}
	scale, weight := r.weights(&f)
	for w, c := range counts {
		p[w] = float64(r.mass(c)*scale) + weight/vocab
	}
	p[text.Begin] = 0
}

func (f *followers) add(r *rule, count uint32, keep bool) {
	c := float64(count)
	f.total += c
	if !keep {
		f.pruned += c
		return
	}
	f.kept[min(count, 3)]++
	f.mass += r.mass(count)
}

// level estimates the n-grams of n+1 tokens. With uniform every token has the probability flat after a shorter context,
// and where deep holds only contexts that begin with <s>, lo to hi, are more than that.
func (e *estimate) level(n int, counts []uint32, uniform, deep bool, lo, hi uint32, flat float64) {
	up, l, r := &e.counts.levels[n-1], &e.counts.levels[n], &e.rules[n]
	lower, p, keep := e.prob[n-1], e.prob[n], e.keep[n]
	for h := range up.word {
		a, b := up.first[h], up.first[h+1]
		e.weight[n-1][h] = 1
		if a == b {
			continue
		}
		if uniform && deep && (uint32(h) < lo || uint32(h) >= hi) {
			for x := a; x < b; x++ {
				p[x] = flat
			}
			continue
		}
		var f followers
		for x := a; x < b; x++ {
			f.add(r, counts[x], keep == nil || keep[x])
		}
		scale, weight := r.weights(&f)
		if f.types() == 0 {
			continue
		}
		if r.smoothing == Katz {
			e.weight[n-1][h] = backOff(p, lower, l.suffix, counts, keep, r, a, b, scale, weight)
			continue
		}
		e.weight[n-1][h] = weight
		for x := a; x < b; x++ {
			q := flat
			if !uniform {
				q = lower[l.suffix[x]]
			}
			p[x] = float64(r.mass(counts[x])*scale) + float64(weight*q)
		}
	}
}

// backOff gives n-grams a to b their discounted frequencies, and what is left to the tokens that were not seen. Where
// all were seen nothing can be left, and the frequencies are scaled.
func backOff(
	p, lower []float64, suffix, counts []uint32, keep []bool, r *rule, a, b uint32, scale, left float64,
) float64 {
	unseen := 1.0
	for x := a; x < b; x++ {
		p[x] = r.mass(counts[x]) * scale
		if keep == nil || keep[x] {
			unseen -= lower[suffix[x]]
		}
	}
	if unseen > 1e-9 {
		return left / unseen
	}
	for x := a; x < b; x++ {
		p[x] /= 1 - left
	}
	return 0
}

// holdOut finds the weights of Jelinek and Mercer for the n-grams of n+1 tokens: by expectation maximisation of the
// likelihood of every occurrence under the counts without it. lower are such probabilities of the shorter n-grams, and
// those of these are returned.
func (r *rule) holdOut(c *Counts, n int, lower []float64, vocab float64) []float64 {
	const rounds = 40
	l := &c.levels[n]
	own, rest := make([]float64, len(l.word)), make([]float64, len(l.word))
	kind := make([]uint8, len(l.word))
	each := func(a, b uint32) {
		var total float64
		for x := a; x < b; x++ {
			if n > 0 || x != text.Begin {
				total += float64(l.count[x])
			}
		}
		for x := a; x < b; x++ {
			kind[x] = uint8(class(total))
			rest[x] = 1 / vocab
			if n > 0 {
				rest[x] = lower[l.suffix[x]]
			}
			if total > 1 && l.count[x] > 1 {
				own[x] = float64(l.count[x]-1) / (total - 1)
			}
		}
	}
	if n == 0 {
		each(0, uint32(len(l.word)))
	} else {
		first := c.levels[n-1].first
		for h := range len(first) - 1 {
			each(first[h], first[h+1])
		}
	}
	for i := range r.lambda {
		r.lambda[i] = 0.5
	}
	for range rounds {
		var sum, total [jmClasses]float64
		for x, m := range l.count {
			if n == 0 && x == text.Begin || m == 0 {
				continue
			}
			k := kind[x]
			a := float64(r.lambda[k] * own[x])
			sum[k] += float64(m) * a / (a + float64((1-r.lambda[k])*rest[x]))
			total[k] += float64(m)
		}
		for k := range sum {
			if total[k] > 0 {
				r.lambda[k] = min(max(sum[k]/total[k], 1e-3), 1-1e-3)
			}
		}
	}
	for x := range own {
		m := r.lambda[kind[x]]
		own[x] = float64(m*own[x]) + float64((1-m)*rest[x])
	}
	return own
}
