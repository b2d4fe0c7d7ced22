package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/services/lm"
	"github.com/manifold-gen/manifold/shared/metric"
	"github.com/manifold-gen/manifold/shared/serve"
)

type textCmd struct {
	Score  textScoreCmd  `cmd:"" help:"Log-probability and perplexity of texts."`
	Tag    textTagCmd    `cmd:"" help:"Parts of speech, or the hidden states behind observations."`
	Chain  textChainCmd  `cmd:"" help:"Where a Markov chain settles, and how long it takes to get somewhere."`
	Forget textForgetCmd `cmd:"" help:"A new version of a model that never saw some documents."`
}

type textScoreCmd struct {
	Text   []string `arg:"" optional:"" help:"Texts."`
	File   string   `help:"A file with the text, instead." type:"existingfile"`
	Model  []string `default:"shakespeare-characters" help:"Models, separated by commas."`
	Tokens bool     `help:"Print every token."`
}

// Help is shown below the flags.
func (textScoreCmd) Help() string {
	return `Examples:
  manifold text score "To be, or not to be" --model shakespeare-characters,shakespeare-words
  manifold text score --file chapter.txt --json`
}

// Run scores texts.
func (c textScoreCmd) Run(ctx context.Context, g *Globals) error {
	if (c.File == "") == (len(c.Text) == 0) {
		return errors.New("give either texts or --file")
	}
	texts := c.Text
	if c.File != "" {
		data, err := os.ReadFile(c.File)
		if err != nil {
			return fmt.Errorf("%s cannot be read: %w", c.File, bare(err))
		}
		texts = []string{string(data)}
	}
	client, done, err := g.lm(ctx)
	if err != nil {
		return err
	}
	defer done()
	w := tabwriter.NewWriter(g.out, 2, 0, 2, ' ', tabwriter.AlignRight)
	if !g.JSON {
		fmt.Fprintln(w, "model\tnats\tnats/character\tperplexity/token\t/word\ttokens\tunknown\t")
	}
	for _, m := range c.Model {
		r, err := client.Score(ctx, &lmv1.ScoreRequest{Model: m, Texts: texts, Tokens: c.Tokens})
		if err != nil {
			return serve.FromStatus("text", err)
		}
		if g.JSON {
			if err := g.printProto(r); err != nil {
				return err
			}
			continue
		}
		s := r.GetSum()
		fmt.Fprintf(w, "%s\t%.2f\t%.4f\t%.4g\t%.4g\t%d\t%d\t\n", r.GetAnswered().GetModel(), s.GetLogprob(),
			s.GetNatsPerCharacter(), s.GetPerplexity(), s.GetWordPerplexity(), s.GetTokens(), s.GetUnknown())
		for _, t := range r.GetTexts() {
			for _, d := range t.GetDetails() {
				fmt.Fprintf(w, "%q\t%.3f\t\t\t\t\t\t\n", d.GetPiece(), d.GetLogprob())
			}
		}
	}
	return w.Flush()
}

type textTagCmd struct {
	Text  string `arg:"" help:"A sentence; or observations, separated by blanks."`
	Model string `default:"umbrella" help:"name or name@version."`
}

// Help is shown below the flags.
func (textTagCmd) Help() string {
	return `Examples:
  manifold text tag "umbrella umbrella none umbrella umbrella"
  manifold text tag "The old man the boat." --model tagger        (after manifold train tagger)`
}

// Run labels words.
func (c textTagCmd) Run(ctx context.Context, g *Globals) error {
	client, done, err := g.lm(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, err := client.Tag(ctx, &lmv1.TagRequest{Model: c.Model, Text: c.Text})
	if err != nil {
		return serve.FromStatus("text", err)
	}
	if g.JSON {
		return g.printProto(r)
	}
	w := tabwriter.NewWriter(g.out, 2, 0, 2, ' ', 0)
	k := len(r.GetLabels())
	for i, word := range r.GetWords() {
		l := r.GetPath()[i]
		p := r.GetPosterior()[i*k+int(l)]
		fmt.Fprintf(w, "%s\t%s\t%5.1f %%\t%s\n", word, r.GetLabels()[l], 100*p, share(p, 12))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(g.out, "log-probability of this path with the words %.4f", r.GetPathLogprob())
	if r.GetLogprob() != 0 {
		fmt.Fprintf(g.out, ", of the words %.4f", r.GetLogprob())
	}
	fmt.Fprintln(g.out, " nats")
	return nil
}

type textChainCmd struct {
	Model   string   `default:"weather" help:"name or name@version."`
	Targets []string `help:"States: probability to reach them, and expected steps."`
	From    string   `help:"State to begin at."`
	Steps   int32    `help:"Print the distribution after 0, 1, ... so many steps."`
	Path    int32    `help:"Draw a path of so many steps."`
	Seed    *uint64  `help:"Seed of the path."`
}

// Help is shown below the flags.
func (textChainCmd) Help() string {
	return `Examples:
  manifold text chain
  manifold text chain --targets rainy --from sunny --steps 5 --path 20 --seed 1`
}

// Run answers about a chain.
func (c textChainCmd) Run(ctx context.Context, g *Globals) error {
	client, done, err := g.lm(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, err := client.Chain(ctx, &lmv1.ChainRequest{Model: c.Model, Targets: c.Targets, From: c.From, Steps: c.Steps,
		Path: c.Path, Seed: c.Seed})
	if err != nil {
		return serve.FromStatus("text", err)
	}
	if g.JSON {
		return g.printProto(r)
	}
	states := r.GetMatrix().GetStates()
	n := len(states)
	w := tabwriter.NewWriter(g.out, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "from \\ to\t%s\tin the long run\t\t", strings.Join(states, "\t"))
	if len(c.Targets) > 0 {
		fmt.Fprintf(w, "reaches %s\tin steps\t", strings.Join(c.Targets, ","))
	}
	fmt.Fprintln(w)
	for i, s := range states {
		fmt.Fprintf(w, "%s\t", s)
		for _, p := range r.GetMatrix().GetTransitions()[i*n : (i+1)*n] {
			fmt.Fprintf(w, "%.3f\t", p)
		}
		fmt.Fprintf(w, "%.4f\t%s\t", r.GetStationary()[i], share(r.GetStationary()[i], 10))
		if len(c.Targets) > 0 {
			fmt.Fprintf(w, "%.4f\t%.3f\t", r.GetHittingProbability()[i], r.GetHittingTime()[i])
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(g.out, "entropy rate %.4f nats a step, second eigenvalue %.4f, %s, %s\n", r.GetEntropyRate(),
		r.GetSecondEigenvalue(), either(r.GetConverges(), "forgets its start", "does not forget its start"),
		either(r.GetReversible(), "reversible", "not reversible"))
	for k := 0; k*n < len(r.GetDistributions()); k++ {
		fmt.Fprintf(g.out, "after %3d steps", k)
		for i, p := range r.GetDistributions()[k*n : (k+1)*n] {
			fmt.Fprintf(g.out, "  %s %.4f", states[i], p)
		}
		fmt.Fprintln(g.out)
	}
	if len(r.GetPath()) > 0 {
		var names []string
		for _, i := range r.GetPath() {
			names = append(names, states[i])
		}
		fmt.Fprintf(g.out, "%s (seed %d)\n", strings.Join(names, " "), r.GetAnswered().GetSeed())
	}
	return nil
}

func either(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

type textForgetCmd struct {
	Documents []string `arg:"" help:"Documents, exactly as they were trained on."`
	Model     string   `default:"names" help:"A model whose recipe says forgets: true."`
}

// Help is shown below the flags.
func (textForgetCmd) Help() string {
	return `Examples:
  manifold text forget emma olivia --model names

Publishes the next version, whose bytes are those of a training that never saw the documents.`
}

// Run publishes a model without some documents.
func (c textForgetCmd) Run(ctx context.Context, g *Globals) error {
	client, done, err := g.lm(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, err := client.Forget(ctx, &lmv1.ForgetRequest{Model: c.Model, Documents: c.Documents})
	if err != nil {
		return serve.FromStatus("text", err)
	}
	if g.JSON {
		return g.printProto(r)
	}
	fmt.Fprintf(g.out, "%s: %d documents and %d tokens less than %s\n", r.GetModel(), r.GetDocuments(), r.GetTokens(),
		r.GetAnswered().GetModel())
	return nil
}

type evalLmCmd struct {
	What []string `default:"characters,words,tagging,hidden,chains" help:"characters (tiny-shakespeare by every smoothing), words (the same by words), tagging (UD-EWT), hidden (the umbrella world), chains (identities)."`
	Out  string   `help:"JSON file that the figures go into; what it has of the same model and settings is replaced." type:"path"`
}

// Help is shown below the flags.
func (evalLmCmd) Help() string {
	return `The texts are looked for below --data and can be downloaded.

  manifold eval lm --what hidden,chains
  manifold eval lm --out docs/results/lm.json`
}

// Run measures and prints the figures.
func (c evalLmCmd) Run(ctx context.Context, g *Globals) error {
	data, err := g.locator()
	if err != nil {
		return err
	}
	return g.evaluate(c.What, c.Out, func(what string) ([]metric.Figure, error) {
		return lm.Evaluate(ctx, lm.Eval{Data: data, What: what})
	})
}
