package rules

import (
	"math"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// MaxScore is the longest text in bytes that Score reads, MaxWork the most steps it takes.
const (
	MaxScore = 4096
	MaxWork  = 50_000_000
)

// Score is the natural logarithm of the probability that the grammar gives exactly this text, over all derivations:
// the inside algorithm, with the depth as Reply has it. It is -Inf for a text that the grammar cannot give. Rules with
// slots, with texts that stay the same or are changed have no such score.
func (r *Rules) Score(text string) (float64, error) {
	const op = "rules.Score"
	if r.kind != "grammar" {
		return 0, fault.E(fault.Invalid, "NO_SCORE", op, "%s rules give no probability of a text", r.kind)
	}
	for _, s := range r.grammar.symbols {
		for _, a := range s.alts {
			for _, p := range a.parts {
				if p.bind != "" || p.change != "" {
					return 0, fault.E(fault.Invalid, "NO_SCORE", op, "line %d: a text that is kept or changed has no "+
						"probability by the inside algorithm", a.line)
				}
			}
		}
	}
	if len(text) > MaxScore {
		return 0, fault.E(fault.Invalid, "PROMPT_TOO_LONG", op, "%d bytes, at most %d", len(text), MaxScore)
	}
	in := &inside{g: &r.grammar, text: text, known: map[place][]end{}}
	for _, e := range in.ends(place{r.grammar.start, r.grammar.depth, 0}) {
		if in.work <= MaxWork && e.at == len(text) {
			return tensor.LogF64(e.p), nil
		}
	}
	if in.work > MaxWork {
		return 0, fault.E(fault.Invalid, "TOO_MUCH_WORK", op, "scoring takes more than %d steps", MaxWork)
	}
	return math.Inf(-1), nil
}

// place is a symbol with so many levels left that begins at a byte.
type place struct{ symbol, depth, at int }

// end is where it may end, with which probability.
type end struct {
	at int
	p  float64
}

type inside struct {
	g     *grammar
	text  string
	known map[place][]end
	work  int
}

// ends are all ends of a symbol in ascending order.
func (in *inside) ends(s place) []end {
	if l, ok := in.known[s]; ok {
		return l
	}
	if in.work++; in.work > MaxWork {
		return nil
	}
	weights := in.g.weights(s.symbol, s.depth)
	total := 0.0
	for _, w := range weights {
		total += w
	}
	sums := map[int]float64{}
	for k, a := range in.g.symbols[s.symbol].alts {
		if weights[k] == 0 {
			continue
		}
		now := []end{{s.at, weights[k] / total}}
		for _, p := range a.parts {
			now = in.step(now, p, s.depth-1)
			if len(now) == 0 {
				break
			}
		}
		for _, e := range now {
			sums[e.at] += e.p
		}
	}
	l := in.ascending(sums)
	in.known[s] = l
	return l
}

// step goes on over one part.
func (in *inside) step(now []end, p part, depth int) []end {
	if p.symbol < 0 {
		next := now[:0:0]
		for _, e := range now {
			in.work++
			if len(in.text)-e.at >= len(p.text) && in.text[e.at:e.at+len(p.text)] == p.text {
				next = append(next, end{e.at + len(p.text), e.p})
			}
		}
		return next
	}
	sums := map[int]float64{}
	for _, e := range now {
		for _, f := range in.ends(place{p.symbol, depth, e.at}) {
			in.work++
			sums[f.at] += float64(e.p * f.p)
		}
	}
	return in.ascending(sums)
}

// ascending are the sums in the order of their ends.
func (in *inside) ascending(sums map[int]float64) []end {
	l := make([]end, 0, len(sums))
	if len(sums) == 0 {
		return l
	}
	for at := range len(in.text) + 1 {
		if p, ok := sums[at]; ok {
			l = append(l, end{at, p})
		}
	}
	return l
}
