package ngram

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"

	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// Figure is one line of the tables of quality: how well a model that was trained on one part of a corpus foresees
// another.
type Figure struct {
	Corpus     string  `json:"corpus"`
	Model      string  `json:"model"` // a smoothing, "uniform" or "unigram"
	Unit       string  `json:"unit"`
	Order      int     `json:"order"`
	Prune      []int   `json:"prune,omitempty"`
	Nats       float64 `json:"nats_per_token"`
	Character  float64 `json:"nats_per_character"`
	Perplexity float64 `json:"perplexity"` // e to the nats a token
	Tokens     int64   `json:"tokens"`     // scored
	Unknown    int64   `json:"unknown"`    // of them
	Grams      int64   `json:"ngrams"`     // of the model
	Part       string  `json:"part"`       // which text was scored: "select" or "report"
}

// Total is what a text costs under a model.
type Total struct {
	Nats                        float64
	Tokens, Unknown, Characters int64
}

// Documents scores texts, each from <s> to </s>; </s> counts as a token and as a character, the line break.
func (m *Model) Documents(ctx context.Context, docs [][]byte) (Total, error) {
	var t Total
	var tok []int32
	var nats []float64
	for i, d := range docs {
		if i%64 == 0 && ctx.Err() != nil {
			return t, fault.Wrap("ngram.Documents", ctx.Err())
		}
		var err error
		if tok, err = m.tokens.AppendEncoded(tok[:0], d); err != nil {
			return t, err
		}
		tok = append(tok, text.Finish)
		nats = append(nats[:0], make([]float64, len(tok))...)
		if err := m.Score(m.Open(), tok, nats, nil); err != nil {
			return t, err
		}
		t.add(tok, nats, utf8.RuneCount(d)+1)
	}
	return t, nil
}

// Passage scores a text from the middle of another: nothing is known of what went before, and no end is foreseen.
func (m *Model) Passage(passage []byte) (Total, error) {
	var t Total
	tok, err := m.tokens.AppendEncoded(nil, passage)
	if err != nil {
		return t, err
	}
	nats := make([]float64, len(tok))
	if err := m.Score(m.Inside(), tok, nats, nil); err != nil {
		return t, err
	}
	t.add(tok, nats, utf8.RuneCount(passage))
	return t, nil
}

func (t *Total) add(tok []int32, nats []float64, characters int) {
	for i, w := range tok {
		t.Nats -= nats[i]
		if w == text.Unknown {
			t.Unknown++
		}
	}
	t.Tokens += int64(len(tok))
	t.Characters += int64(characters)
}

func (m *Model) figure(corpus, part, name string, t Total) Figure {
	f := Figure{Corpus: corpus, Model: name, Unit: m.config.Unit, Order: m.config.Order, Prune: m.config.Prune,
		Tokens: t.Tokens, Unknown: t.Unknown, Part: part}
	for _, n := range m.Sizes() {
		f.Grams += int64(n)
	}
	f.fill(t)
	return f
}

func (f *Figure) fill(t Total) {
	f.Nats, f.Character = t.Nats/float64(t.Tokens), t.Nats/float64(t.Characters)
	f.Perplexity = tensor.ExpF64(f.Nats)
}

// Characters measures models of characters on a corpus that is one text, split as nanoGPT does: the first 90 % of it is
// to learn from, the rest is reported. The order, from 2 to most, is chosen for every smoothing on the last tenth of
// the first part by a model of the other nine; what is reported is learnt from all of the first part.
func Characters(ctx context.Context, corpus string, data []byte, most int) ([]Figure, error) {
	cut := len(data) * 9 / 10
	learn, report := data[:cut], data[cut:]
	inner := len(learn) * 9 / 10
	measure := func(learn, scored []byte, part string, c Config) (Figure, error) {
		if ctx.Err() != nil {
			return Figure{}, fault.Wrap("ngram.Characters", ctx.Err())
		}
		c.Unit = text.Characters.String()
		m, err := Train([][]byte{learn}, c)
		if err != nil {
			return Figure{}, err
		}
		t, err := m.Passage(scored)
		return m.figure(corpus, part, string(c.Smoothing), t), err
	}
	uniform, err := measure(learn, report, "report", Config{Order: 1, Smoothing: Laplace})
	if err != nil {
		return nil, err
	}
	unigram := uniform
	unigram.Model = "unigram"
	letters := map[rune]bool{}
	for _, r := range string(data) {
		letters[r] = true
	}
	ln := tensor.LogF64(float64(len(letters)))
	uniform.Model, uniform.Order, uniform.Grams = "uniform", 0, 0
	uniform.fill(Total{Nats: ln * float64(uniform.Tokens), Tokens: uniform.Tokens, Characters: uniform.Tokens})
	figures := []Figure{uniform, unigram}
	for _, s := range Smoothings() {
		best := Figure{}
		for order := 2; order <= most; order++ {
			f, err := measure(learn[:inner], learn[inner:], "select", Config{Order: order, Smoothing: s})
			if err != nil {
				return nil, err
			}
			figures = append(figures, f)
			if best.Order == 0 || f.Nats < best.Nats {
				best = f
			}
		}
		f, err := measure(learn, report, "report", Config{Order: best.Order, Smoothing: s})
		if err != nil {
			return nil, err
		}
		figures = append(figures, f)
	}
	return figures, nil
}

// Words measures models of given tokens on a corpus whose lines are documents: the first 90 % of the lines are to learn
// from, the others are reported. Tokens that occur once are <unk>, so that <unk> is learnt. Every smoothing is measured
// at orders 2 to most.
func Words(ctx context.Context, corpus string, data []byte, most int) ([]Figure, error) {
	docs, err := text.Documents(data, text.Lines, text.Given)
	if err != nil {
		return nil, err
	}
	cut := len(docs) * 9 / 10
	if cut == 0 {
		return nil, fault.E(fault.Invalid, "CORPUS_TOO_SMALL", "ngram.Words", "%d lines cannot be split", len(docs))
	}
	var figures []Figure
	for _, s := range Smoothings() {
		for order := 2; order <= most; order++ {
			c := Config{Order: order, Unit: text.Given.String(), Smoothing: s, MinCount: 2}
			m, err := Train(docs[:cut], c)
			if err != nil {
				return nil, fmt.Errorf("%s of order %d: %w", s, order, err)
			}
			t, err := m.Documents(ctx, docs[cut:])
			if err != nil {
				return nil, err
			}
			figures = append(figures, m.figure(corpus, "report", string(s), t))
		}
	}
	return figures, nil
}
