package recipe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/services/lm/internal/hmm"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// hmmModel is the model part of a recipe for a hidden Markov model of symbols: written down, or learnt from sequences
// of symbols, one a line, by Baum and Welch's algorithm.
type hmmModel struct {
	States  []string `yaml:"states" json:"states"`
	Symbols []string `yaml:"symbols" json:"symbols"`

	Start       []float64   `yaml:"start,omitempty" json:"-"`
	Transitions [][]float64 `yaml:"transitions,omitempty" json:"-"` // rows that add up to 1; drawn by the seed and learnt
	Emissions   [][]float64 `yaml:"emissions,omitempty" json:"-"`   // of every state, over the symbols

	Iterations int `yaml:"iterations,omitempty" json:"-"` // the most; 100
	Restarts   int `yaml:"restarts,omitempty" json:"-"`   // further attempts from other starts
}

func (h *hmmModel) needsData() bool { return h.Transitions == nil }

func (h *hmmModel) check(*Recipe) []fault.Violation {
	var wrong []fault.Violation
	bad := func(field, what string) { wrong = append(wrong, fault.Violation{Field: field, Description: what}) }
	if len(h.States) < 1 || len(h.States) > 256 {
		bad("model.states", "want 1 to 256 names")
	}
	if len(h.Symbols) < 2 || len(h.Symbols) > 65_536 {
		bad("model.symbols", "want 2 to 65536 names")
	}
	for _, s := range h.Symbols {
		if s == "" || len(s) > 256 || strings.ContainsAny(s, " \t\r\n") {
			bad("model.symbols", "names are 1 to 256 bytes without white space")
			break
		}
	}
	sorted := slices.Sorted(slices.Values(h.Symbols))
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			bad("model.symbols", fmt.Sprintf("%.80q occurs twice", sorted[i]))
			break
		}
	}
	if (h.Transitions == nil) != (h.Emissions == nil) {
		bad("model.emissions", "are given together with transitions, or neither is")
	}
	if h.Iterations < 0 || h.Iterations > 10_000 || h.Restarts < 0 || h.Restarts > 100 {
		bad("model.iterations", "want at most 10000, and at most 100 restarts")
	}
	wrong = append(wrong, ragged("model.transitions", h.Transitions, len(h.States))...)
	wrong = append(wrong, ragged("model.emissions", h.Emissions, len(h.Symbols))...)
	if len(wrong) == 0 && h.Transitions != nil {
		if _, err := h.make(); err != nil {
			wrong = violations("model", err)
		}
	}
	return wrong
}

// ragged says which row of a matrix has another length.
func ragged(field string, rows [][]float64, n int) []fault.Violation {
	for i, r := range rows {
		if len(r) != n {
			what := fmt.Sprintf("row %d has %d numbers, want %d", i+1, len(r), n)
			return []fault.Violation{{Field: field, Description: what}}
		}
	}
	return nil
}

func flat(rows [][]float64) []float64 {
	var all []float64
	for _, r := range rows {
		all = append(all, r...)
	}
	return all
}

func (h *hmmModel) make() (*hmm.Model, error) {
	emit, err := hmm.NewCategorical(len(h.States), flat(h.Emissions))
	if err != nil {
		return nil, err
	}
	if emit.Symbols() != len(h.Symbols) {
		return nil, fault.InvalidField("recipe.hmm", "emissions", "rows of %d, want one number for each of %d symbols",
			emit.Symbols(), len(h.Symbols))
	}
	start := h.Start
	if start == nil {
		start = even(len(h.States), 1)
	}
	return hmm.New(h.States, start, flat(h.Transitions), emit)
}

// even is rows of equal probabilities.
func even(n, rows int) []float64 {
	p := make([]float64, n*rows)
	for i := range p {
		p[i] = 1 / float64(n)
	}
	return p
}

func (h *hmmModel) fit(
	ctx context.Context, r *Recipe, c *corpus, tell func(int, map[string]float64),
) (*fitted, error) {
	f := &fitted{config: h, labels: h.States, metrics: map[string]float64{},
		about: []string{"A chain of states that are not seen, behind symbols that are."}}
	m, err := h.learn(ctx, r, c, tell, f.metrics)
	if err != nil {
		return nil, err
	}
	b, err := m.Encode()
	if err != nil {
		return nil, err
	}
	f.tensors, f.parameters = blob(b), int64(m.Parameters())
	f.model, err = newHidden(m, h.Symbols)
	return f, err
}

func (h *hmmModel) learn(ctx context.Context, r *Recipe, c *corpus, tell func(int, map[string]float64),
	metrics map[string]float64) (*hmm.Model, error) {
	if !h.needsData() {
		return h.make()
	}
	tokens := names(h.Symbols)
	var data []hmm.Sequence
	for _, line := range strings.Split(string(c.train), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		ids, err := tokens.Encode(line)
		if err != nil {
			return nil, err
		}
		data = append(data, hmm.Sequence{Symbols: ids})
	}
	n := len(h.States)
	emit, err := hmm.NewCategorical(n, even(len(h.Symbols), n))
	if err != nil {
		return nil, err
	}
	first, err := hmm.New(h.States, even(n, 1), even(n, n), emit)
	if err != nil {
		return nil, err
	}
	m, fit, err := first.Fit(ctx, data, hmm.Config{
		Iterations: h.Iterations, Restarts: h.Restarts, Seed: r.Seed, Fresh: true,
		Prior:  hmm.Prior{Start: 0.01, Transition: 0.01, Emission: 0.01},
		Report: func(_, i int, v float64) { tell(i, map[string]float64{"log_posterior": v}) },
	})
	if err != nil {
		return nil, err
	}
	metrics["log_likelihood"], metrics["aic"], metrics["bic"] = fit.LogLikelihood, fit.AIC, fit.BIC
	return m, nil
}

func openHMM(m *modelstore.Manifest, f *weights.File) (any, error) {
	var c hmmModel
	if err := configOf(m, &c); err != nil {
		return nil, err
	}
	b, err := contents(f, modelTensor)
	if err != nil {
		return nil, err
	}
	h, err := hmm.Decode(b)
	if err != nil {
		return nil, err
	}
	return newHidden(h, c.Symbols)
}

// hidden is a hidden Markov model of named symbols: a language model, a chain of states, and a tagger.
type hidden struct {
	*hmm.Predictor
	m      *hmm.Model
	tokens names
}

func newHidden(m *hmm.Model, symbols []string) (*hidden, error) {
	p, err := hmm.NewPredictor(m, names(symbols))
	if err != nil {
		return nil, err
	}
	return &hidden{p, m, names(symbols)}, nil
}

// States implements model.Transitions.
func (h *hidden) States() []string { return h.m.States() }

// Matrix implements model.Transitions.
func (h *hidden) Matrix() []float64 { return h.m.Matrix() }

// Start implements model.Transitions.
func (h *hidden) Start() []float64 { return h.m.Start() }

// Tags implements model.Tagger.
func (h *hidden) Tags() []string { return h.m.States() }

// sequence finds the symbols of words.
func (h *hidden) sequence(words []string) (hmm.Sequence, error) {
	ids := make([]int32, len(words))
	for i, w := range words {
		id, err := h.tokens.find(w)
		if err != nil {
			return hmm.Sequence{}, err
		}
		ids[i] = id
	}
	return hmm.Sequence{Symbols: ids}, nil
}

// Tag implements model.Tagger.
func (h *hidden) Tag(words []string) (path []int32, joint float64, posterior []float64, err error) {
	q, err := h.sequence(words)
	if err != nil {
		return nil, 0, nil, err
	}
	if path, joint, err = h.m.Viterbi(q); err == nil {
		posterior, _, err = h.m.Posterior(q)
	}
	return path, joint, posterior, err
}

// Filter implements model.Filterer.
func (h *hidden) Filter(words []string) ([]float64, float64, error) {
	q, err := h.sequence(words)
	if err != nil {
		return nil, 0, err
	}
	return h.m.Filter(q)
}

// names are symbols, separated by white space in a text. They implement model.Tokens.
type names []string

// Size implements model.Tokens.
func (n names) Size() int { return len(n) }

// End implements model.Tokens: there is none.
func (names) End() int32 { return -1 }

// Piece implements model.Tokens.
func (n names) Piece(token int32) string { return n[token] }

// Append implements model.Tokens.
func (n names) Append(dst []byte, token int32, first bool) []byte {
	if !first {
		dst = append(dst, ' ')
	}
	return append(dst, n[token]...)
}

func (n names) find(word string) (int32, error) {
	if i := slices.Index(n, word); i >= 0 {
		return int32(i), nil
	}
	return 0, fault.E(fault.Invalid, "UNKNOWN_TOKEN", "recipe.hmm", "%.80q is none of the symbols; there are %s", word,
		strings.Join(n[:min(len(n), 20)], ", "))
}

// Encode implements model.Tokens.
func (n names) Encode(text string) ([]int32, error) {
	var ids []int32
	for _, w := range strings.Fields(text) {
		id, err := n.find(w)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
