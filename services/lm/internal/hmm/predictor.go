package hmm

import (
	"math"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
)

func sqrt(x float64) float64 { return math.Sqrt(x) }

// Predictor is a model with categorical emissions as a language model: what it has read so far tells where the hidden
// chain is, and that tells what comes next. It implements model.Model.
type Predictor struct {
	m      *Model
	b      *Categorical
	tokens model.Tokens
}

// NewPredictor makes a Predictor of a model whose symbols are these tokens.
func NewPredictor(m *Model, tokens model.Tokens) (*Predictor, error) {
	b, ok := m.emit.(*Categorical)
	if !ok {
		return nil, bad("NOT_TOKENS", "the model shows values (%s), not tokens", m.emit.Kind())
	}
	if b.m != tokens.Size() {
		return nil, bad("NOT_TOKENS", "the model has %d symbols, want the %d tokens", b.m, tokens.Size())
	}
	return &Predictor{m, b, tokens}, nil
}

// Tokens implements model.Model.
func (p *Predictor) Tokens() model.Tokens { return p.tokens }

// Limit implements model.Model: there is none.
func (p *Predictor) Limit() int { return 0 }

// belief is the distribution of the next state given what was read.
type belief struct {
	state, work []float64
	n           int
}

// Len implements model.Context.
func (b *belief) Len() int { return b.n }

// Open implements model.Model.
func (p *Predictor) Open() model.Context {
	b := &belief{state: make([]float64, p.m.n), work: make([]float64, p.m.n)}
	copy(b.state, p.m.start)
	return b
}

// Step implements model.Model. After a text that the model cannot have written every token has -Inf: an error would end
// the other texts of the pass, too.
func (p *Predictor) Step(contexts []model.Context, further [][]int32, rows [][]float64) error {
	for i, c := range contexts {
		b, ok := c.(*belief)
		if !ok || len(b.state) != p.m.n {
			return fault.E(fault.Internal, "FOREIGN_CONTEXT", "hmm.Step", "a context of another model")
		}
		for _, x := range further[i] {
			if x < 0 || int(x) >= p.b.m {
				return bad("UNKNOWN_TOKEN", "token %d, want 0 to %d", x, p.b.m-1)
			}
			p.read(b, x)
		}
		if rows[i] != nil {
			product(rows[i], b.state, p.b.b)
			for j, v := range rows[i] {
				rows[i][j] = log(min(v, 1))
			}
		}
	}
	return nil
}

// read takes one more token. No state is left of one that is impossible.
func (p *Predictor) read(b *belief, x int32) {
	sum := 0.0
	for j, v := range p.b.bySy[int(x)*p.m.n : (int(x)+1)*p.m.n] {
		b.work[j] = float64(b.state[j] * v)
		sum += b.work[j]
	}
	b.n++
	if !(sum > 0) {
		clear(b.state)
		return
	}
	for j := range b.work {
		b.work[j] /= sum
	}
	product(b.state, b.work, p.m.trans)
}
