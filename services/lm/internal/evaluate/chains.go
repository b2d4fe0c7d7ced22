package evaluate

import (
	"context"
	"math"
	"time"

	"github.com/manifold-gen/manifold/services/lm/internal/hmm"
	"github.com/manifold-gen/manifold/services/lm/internal/linear"
	"github.com/manifold-gen/manifold/services/lm/internal/markov"
	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// ChainReport is how far the identities of a Markov chain are from holding: greatest differences.
type ChainReport struct {
	States     int     `json:"states"`
	Stationary float64 `json:"stationary"` // |pi P - pi|
	Kemeny     float64 `json:"kemeny"`     // of Kemeny's constant from any start, relative
	Visits     float64 `json:"visits"`     // |(I-Q) N - I|, for the chain with a way out of every state
	Seconds    float64 `json:"seconds"`    // of the whole analysis
}

// Chains measures the identities on random chains of these sizes.
func Chains(ctx context.Context, sizes []int, seed uint64) ([]ChainReport, error) {
	var l []ChainReport
	for _, n := range sizes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if n < 1 || n > markov.MaxStates/2 {
			return nil, fault.InvalidField("evaluate.Chains", "sizes", "%d states, want 1 to %d", n, markov.MaxStates/2)
		}
		r, err := chain(n, seed)
		if err != nil {
			return nil, fault.Wrap("evaluate.Chains", err)
		}
		l = append(l, *r)
	}
	return l, nil
}

// randomChain has n states of positive transitions and, where leave is above 0, one more that absorbs.
func randomChain(n int, seed uint64, leave float64) (*markov.Chain, error) {
	u := make([]float64, n*n)
	rng.New(seed).Uniform64(u, uint64(n), 0, rng.General)
	m := n
	if leave > 0 {
		m++
	}
	names, p := make([]string, m), make([]float64, m*m)
	for i := range names {
		names[i] = string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
		if i == n {
			p[i*m+i] = 1
			continue
		}
		sum := 0.0
		for j := range n {
			sum += u[i*n+j]
		}
		for j := range n {
			p[i*m+j] = u[i*n+j] / sum * (1 - leave)
		}
		if leave > 0 {
			p[i*m+n] = leave
		}
	}
	return markov.New(names, nil, p)
}

func chain(n int, seed uint64) (*ChainReport, error) {
	c, err := randomChain(n, seed, 0)
	if err != nil {
		return nil, err
	}
	r := &ChainReport{States: n}
	start := time.Now()
	a, err := c.Analyse()
	if err != nil {
		return nil, err
	}
	r.Seconds = time.Since(start).Seconds()
	pi := a.Recurrent[0].Stationary
	for j, v := range linear.Multiply(pi, c.Matrix(), 1, n, n) {
		r.Stationary = max(r.Stationary, math.Abs(v-pi[j]))
	}
	times, err := c.Passage(a.Classes[0])
	if err != nil {
		return nil, err
	}
	for i := range n {
		k := 0.0
		for j := range n {
			if i != j {
				k += times[i*n+j] * pi[j]
			}
		}
		r.Kemeny = max(r.Kemeny, math.Abs(k-a.Recurrent[0].Kemeny)/max(1, k))
	}
	if c, err = randomChain(n, seed, 0.01); err != nil {
		return nil, err
	}
	b, err := c.Absorb()
	if err != nil {
		return nil, err
	}
	q := make([]float64, n*n)
	for i := range n {
		for j := range n {
			q[i*n+j] = -c.Matrix()[i*(n+1)+j]
		}
		q[i*n+i]++
	}
	for i, v := range linear.Multiply(q, b.Visits, n, n, n) {
		if i/n == i%n {
			v--
		}
		r.Visits = max(r.Visits, math.Abs(v))
	}
	return r, nil
}

// UmbrellaReport is the worked example of hidden Markov models: weather behind umbrellas.
type UmbrellaReport struct {
	LogLikelihood float64   `json:"log_likelihood"` // -3.3725
	Viterbi       float64   `json:"viterbi"`        // -4.4590
	Path          []string  `json:"path"`
	Rain          []float64 `json:"rain"` // the posterior of rain, by day
}

// UmbrellaWorld is the model of Russell and Norvig's umbrella world as Wikipedia's article on the forward-backward
// algorithm has it, with symbol 0 for an umbrella, and its five days of observations.
func UmbrellaWorld() (*hmm.Model, hmm.Sequence, error) {
	b, err := hmm.NewCategorical(2, []float64{0.9, 0.1, 0.2, 0.8})
	if err != nil {
		return nil, hmm.Sequence{}, err
	}
	m, err := hmm.New([]string{"rain", "no rain"}, []float64{0.5, 0.5}, []float64{0.7, 0.3, 0.3, 0.7}, b)
	return m, hmm.Sequence{Symbols: []int32{0, 0, 1, 0, 0}}, err
}

// Umbrella computes the worked example.
func Umbrella() (*UmbrellaReport, error) {
	m, q, err := UmbrellaWorld()
	if err != nil {
		return nil, err
	}
	gamma, ll, err := m.Posterior(q)
	if err != nil {
		return nil, err
	}
	path, best, err := m.Viterbi(q)
	if err != nil {
		return nil, err
	}
	r := &UmbrellaReport{LogLikelihood: ll, Viterbi: best}
	for t, s := range path {
		r.Path, r.Rain = append(r.Path, m.States()[s]), append(r.Rain, gamma[2*t])
	}
	return r, nil
}

// TextReport is what a language model makes of a text that it has not seen.
type TextReport struct {
	Tokens     int     `json:"tokens"`
	Characters int     `json:"characters"`
	Nats       float64 `json:"nats"`           // the text's, without tokens of probability zero
	Zero       int     `json:"zero"`           // tokens of probability zero, or after a context that was never seen
	PerToken   float64 `json:"nats_per_token"` // infinite where Zero is not 0, and then -1 in its place
	PerChar    float64 `json:"nats_per_character"`
}

// chunk is how many tokens are asked about before the context is told.
const chunk = 4096

// Text scores a text token by token; tokens of probability zero are counted, and the text goes on after them where the
// model can.
func Text(ctx context.Context, m model.Model, text string) (*TextReport, error) {
	tokens, err := m.Tokens().Encode(text)
	if err != nil {
		return nil, fault.Wrap("evaluate.Text", err)
	}
	r := &TextReport{Tokens: len(tokens), Characters: len([]rune(text))}
	if len(tokens) == 0 {
		return nil, fault.E(fault.Invalid, "EMPTY_TEXT", "evaluate.Text", "a text of no tokens")
	}
	c, row := m.Open(), make([]float64, m.Tokens().Size())
	var next []int32
	for i, x := range tokens {
		if i%chunk == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		err := m.Step([]model.Context{c}, [][]int32{next}, [][]float64{row})
		next = tokens[i : i+1]
		switch {
		case fault.KindOf(err) == fault.Invalid:
			r.Zero++
		case err != nil:
			return nil, fault.Wrap("evaluate.Text", err)
		case math.IsInf(row[x], -1):
			r.Zero++
		default:
			r.Nats -= row[x]
		}
	}
	r.PerToken, r.PerChar = r.Nats/float64(r.Tokens), r.Nats/float64(r.Characters)
	if r.Zero > 0 {
		r.PerToken, r.PerChar = -1, -1
	}
	return r, nil
}
