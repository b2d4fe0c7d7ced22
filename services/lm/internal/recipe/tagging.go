package recipe

import (
	"context"

	"github.com/manifold-gen/manifold/services/lm/internal/conllu"
	"github.com/manifold-gen/manifold/services/lm/internal/evaluate"
	"github.com/manifold-gen/manifold/services/lm/internal/tagger"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// taggerModel is the model part of a recipe for a tagger of parts of speech, learnt from a treebank in CoNLL-U.
type taggerModel struct {
	Sentences int `yaml:"sentences" json:"sentences"` // the first so many teach, the others report; 0: all teach
	Order     int `yaml:"order" json:"order"`         // tags that the next one depends on; 2
}

func (*taggerModel) needsData() bool { return true }

func (t *taggerModel) check(r *Recipe) []fault.Violation {
	or(&t.Order, 2)
	var wrong []fault.Violation
	if t.Order != 1 && t.Order != 2 {
		wrong = append(wrong, fault.Violation{Field: "model.order", Description: "want 1 or 2"})
	}
	if t.Sentences < 0 {
		wrong = append(wrong, fault.Violation{Field: "model.sentences", Description: "want at least 0"})
	}
	if r.Data.Report != 0 {
		wrong = append(wrong, fault.Violation{Field: "data.report", Description: "model.sentences divides a treebank"})
	}
	return wrong
}

func (t *taggerModel) fit(
	ctx context.Context, _ *Recipe, c *corpus, _ func(int, map[string]float64),
) (*fitted, error) {
	bank, err := conllu.Read(c.train)
	if err != nil {
		return nil, err
	}
	tags := conllu.Tags()
	number := map[string]int32{}
	for i, n := range tags {
		number[n] = int32(i)
	}
	n := len(bank)
	if t.Sentences > 0 {
		n = min(n, t.Sentences)
	}
	var words [][]string
	var labels [][]int32
	for _, s := range bank[:n] {
		var w []string
		var l []int32
		for _, word := range s.Words {
			w, l = append(w, word.Form), append(l, number[word.UPOS])
		}
		words, labels = append(words, w), append(labels, l)
	}
	cfg := tagger.Default()
	cfg.Order = t.Order
	m, err := tagger.Train(tags, words, labels, cfg)
	if err != nil {
		return nil, err
	}
	b, err := m.Encode()
	if err != nil {
		return nil, err
	}
	f := &fitted{model: m, config: t, tensors: blob(b), labels: tags, parameters: int64(len(b)),
		metrics: map[string]float64{}, about: []string{"Parts of speech by a hidden Markov model of tags."}}
	if n < len(bank) {
		r, err := evaluate.Tagging{Data: c.train, Name: c.name, Train: n, Tags: m}.Run(ctx)
		if err != nil {
			return nil, err
		}
		f.metrics["accuracy"] = r.Accuracy.Rate
	}
	return f, nil
}

func openTagger(_ *modelstore.Manifest, f *weights.File) (any, error) {
	b, err := contents(f, modelTensor)
	if err != nil {
		return nil, err
	}
	return tagger.Decode(b)
}
