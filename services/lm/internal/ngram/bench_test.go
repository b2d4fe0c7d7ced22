package ngram

import (
	"testing"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// BenchmarkStep gives the whole distribution after every token: what drawing one costs.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name, file string
		split      text.Split
		config     Config
	}{
		{"characters", "corpus/tinyshakespeare.txt", text.Whole,
			Config{Order: 7, Unit: "characters", Smoothing: ModifiedKneserNey}},
		{"words", "corpus/wikitext2-valid.txt", text.Lines, Config{Order: 5, Unit: "given", Smoothing: ModifiedKneserNey}},
	} {
		b.Run(c.name, func(b *testing.B) {
			kind, err := text.ParseKind(c.config.Unit)
			if err != nil {
				b.Fatal(err)
			}
			docs, err := text.Documents(data(b, c.file), c.split, kind)
			if err != nil {
				b.Fatal(err)
			}
			m := train(b, docs, c.config)
			tok, err := m.tokens.AppendEncoded(nil, docs[0][:min(len(docs[0]), 1<<16)])
			if err != nil {
				b.Fatal(err)
			}
			row := make([]float64, m.tokens.Size())
			context := []model.Context{m.Open()}
			i := 0
			for b.Loop() {
				if err := m.Step(context, [][]int32{tok[i : i+1]}, [][]float64{row}); err != nil {
					b.Fatal(err)
				}
				i = (i + 1) % len(tok)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
