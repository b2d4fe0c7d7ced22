package lm

import (
	"context"
	"fmt"
	"math"
	"os"

	"github.com/manifold-gen/manifold/services/lm/internal/evaluate"
	"github.com/manifold-gen/manifold/services/lm/internal/ngram"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/metric"
)

// Eval says what to measure.
type Eval struct {
	Data *dataset.Locator // finds the texts; nil finds none
	What string           // one of Evals
}

// Evals are the values of Eval.What: n-grams of characters and of words by every smoothing, parts of speech, the
// umbrella world, and identities of Markov chains.
func Evals() []string { return []string{"characters", "words", "tagging", "hidden", "chains"} }

// Evaluate measures.
func Evaluate(ctx context.Context, e Eval) ([]metric.Figure, error) {
	const op = "lm.Evaluate"
	if e.Data == nil {
		e.Data = new(dataset.Locator)
	}
	measure, ok := map[string]func(context.Context) ([]metric.Figure, error){
		"characters": e.characters, "words": e.words, "tagging": e.tagging, "hidden": hidden, "chains": chains,
	}[e.What]
	if !ok {
		return nil, fault.InvalidField(op, "what", "%.40q, want one of %q", e.What, Evals())
	}
	figures, err := measure(ctx)
	return figures, fault.Wrap(op, err)
}

func (e Eval) text(ctx context.Context, name string) ([]byte, error) {
	path, _, err := e.Data.FindText(ctx, name)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// highest is the greatest order that is tried: of characters, and of words.
const (
	highest      = 9
	highestWords = 5
)

func (e Eval) characters(ctx context.Context) ([]metric.Figure, error) {
	const name = "tiny-shakespeare"
	data, err := e.text(ctx, name)
	if err != nil {
		return nil, err
	}
	all, err := ngram.Characters(ctx, name, data, highest)
	if err != nil {
		return nil, err
	}
	var figures []metric.Figure
	var uniform float64
	for _, f := range all {
		if f.Part != "report" {
			continue
		}
		m := metric.Figure{
			Model: f.Model, Data: name, Settings: fmt.Sprintf("characters, order %d", f.Order), What: "held-out text",
			Unit: "nats a character", Value: f.Character,
		}
		if f.Model == "uniform" {
			uniform = f.Character
		} else if uniform > 0 {
			m.Baseline, m.Against = &uniform, "uniform"
		}
		figures = append(figures, m)
	}
	return figures, nil
}

func (e Eval) words(ctx context.Context) ([]metric.Figure, error) {
	const name = "tiny-shakespeare"
	data, err := e.text(ctx, name)
	if err != nil {
		return nil, err
	}
	all, err := ngram.Words(ctx, name, data, highestWords)
	if err != nil {
		return nil, err
	}
	var figures []metric.Figure
	for _, f := range all {
		figures = append(figures, metric.Figure{
			Model: f.Model, Data: name, Settings: fmt.Sprintf("given tokens, order %d", f.Order), What: "held-out lines",
			Unit: "perplexity a token", Value: f.Perplexity,
		})
	}
	return figures, nil
}

func (e Eval) tagging(ctx context.Context) ([]metric.Figure, error) {
	const name, sentences = "ewt-dev", 1600
	data, err := e.text(ctx, name)
	if err != nil {
		return nil, err
	}
	r, err := evaluate.Tagging{Data: data, Name: name, Train: sentences}.Run(ctx)
	if err != nil {
		return nil, err
	}
	settings := fmt.Sprintf("%d sentences to learn from, %d to report on", r.TrainSentences, r.TestSentences)
	baseline := 100 * r.MostFrequent.Rate
	figure := func(model string, x evaluate.Rate) metric.Figure {
		return metric.Figure{Model: model, Data: name, Settings: settings, What: "right labels", Unit: "% of words",
			Value: 100 * x.Rate, Half: 50 * (x.High - x.Low), Baseline: &baseline, Against: "the word's most frequent tag"}
	}
	return []metric.Figure{
		figure("hidden Markov model, second order", r.Accuracy), figure("hidden Markov model, first order", r.FirstOrder),
		figure("second order, words not in training", r.Unknown),
	}, nil
}

func hidden(context.Context) ([]metric.Figure, error) {
	r, err := evaluate.Umbrella()
	if err != nil {
		return nil, err
	}
	published := []float64{-3.3725, -4.4590}
	return []metric.Figure{
		{Model: "umbrella", Data: "five days", What: "log-likelihood", Unit: "nats", Value: r.LogLikelihood,
			Baseline: &published[0], Against: "as published"},
		{Model: "umbrella", Data: "five days", What: "log-probability of the Viterbi path", Unit: "nats",
			Value: r.Viterbi, Baseline: &published[1], Against: "as published"},
	}, nil
}

func chains(ctx context.Context) ([]metric.Figure, error) {
	rows, err := evaluate.Chains(ctx, []int{2, 10, 60}, 1)
	if err != nil {
		return nil, err
	}
	var figures []metric.Figure
	for _, r := range rows {
		figures = append(figures, metric.Figure{
			Model: "Markov chain", Data: fmt.Sprintf("a random chain of %d states", r.States),
			What: "greatest error of pi P = pi, (I - Q) N = I and Kemeny's constant", Unit: "",
			Value: math.Max(r.Stationary, math.Max(r.Visits, r.Kemeny)),
		})
	}
	return figures, nil
}
