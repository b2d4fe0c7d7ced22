package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.uber.org/zap"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/services/lm"
	"github.com/manifold-gen/manifold/shared/serve"
)

type generateTextCmd struct {
	Prompt      string   `arg:"" optional:"" help:"Text to go on with."`
	Model       string   `default:"shakespeare-words" help:"name or name@version; manifold models lists them."`
	Tokens      int32    `default:"200" help:"Most tokens, 1 to 65536."`
	N           int32    `default:"1" help:"Continuations, 1 to 16. Number i depends on (seed, i) alone."`
	Seed        *uint64  `help:"Seed, 0 to 2^53-1. Default: a random one, which is printed."`
	Temperature *float64 `help:"Below 1 more careful, above 1 bolder; 0 always takes the most probable token."`
	TopK        int32    `help:"Draw from the most probable so many; 0: all."`
	TopP        *float64 `help:"Draw from the most probable ones that reach this probability together."`
	MinP        *float64 `help:"Draw from those at least this probable beside the most probable one."`
	Repetition  *float64 `help:"Multiplies the log-probability of what the text holds already; above 1 repeats less."`
	Stop        []string `help:"Text to stop before; may be given several times." sep:"none"`
	Why         int32    `help:"Print every token with its probability and so many alternatives, 1 to 20."`
}

// Help is shown below the flags.
func (generateTextCmd) Help() string {
	return `Examples:
  manifold generate text "ROMEO:" --seed 1
  manifold generate text "To be" --model shakespeare-characters --temperature 0.7
  manifold generate text "It was" --model shakespeare-chain --why 3
  manifold generate text --model fable --n 3
  manifold generate text "I feel sad about my mother" --model listener

The same model, flags and seed write the same bytes on every machine.`
}

// lm connects to the family's service in this process.
func (g *Globals) lm(ctx context.Context) (lmv1.LmServiceClient, func(), error) {
	store, err := g.store()
	if err != nil {
		return nil, nil, err
	}
	local, err := lm.Connect(ctx, lm.Config{Store: store}, zap.NewNop())
	if err != nil {
		return nil, nil, err
	}
	return lmv1.NewLmServiceClient(local.Conn()), func() { _ = local.Close() }, nil
}

func (c generateTextCmd) request() *lmv1.GenerateRequest {
	r := &lmv1.GenerateRequest{
		Model: c.Model, Prompt: c.Prompt, MaxTokens: &c.Tokens, N: &c.N, Seed: c.Seed, Stop: c.Stop, TopLogprobs: c.Why,
	}
	if c.Temperature != nil || c.TopK != 0 || c.TopP != nil || c.MinP != nil || c.Repetition != nil {
		r.Sampling = &lmv1.Sampling{Temperature: c.Temperature, TopK: c.TopK, TopP: c.TopP, MinP: c.MinP,
			RepetitionPenalty: c.Repetition}
	}
	return r
}

// Run writes in this process, through the same service that servers run.
func (c generateTextCmd) Run(ctx context.Context, g *Globals) error {
	client, done, err := g.lm(ctx)
	if err != nil {
		return err
	}
	defer done()
	stream, err := client.Generate(ctx, c.request())
	if err != nil {
		return serve.FromStatus("text", err)
	}
	live := c.N == 1 && c.Why == 0 && !g.JSON
	var seed uint64
	for {
		e, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return serve.FromStatus("text", err)
		}
		switch {
		case e.GetStarted() != nil:
			seed = e.GetStarted().GetSeed()
			if e.GetStarted().GetPromptTokens() == 0 {
				c.Prompt = "" // rules answer a prompt; they do not go on with it
			}
			if live {
				fmt.Fprint(g.out, c.Prompt)
			}
		case e.GetToken() != nil && live:
			fmt.Fprint(g.out, e.GetToken().GetText())
		case e.GetToken() != nil && c.Why > 0 && !g.JSON:
			printToken(g.out, e.GetToken())
		case e.GetCompleted() != nil && g.JSON:
			return g.printProto(e.GetCompleted())
		case e.GetCompleted() != nil:
			c.end(g, e.GetCompleted(), seed, live)
		}
	}
}

// end prints what was not printed while it came.
func (c generateTextCmd) end(g *Globals, d *lmv1.Completed, seed uint64, live bool) {
	for i, x := range d.GetContinuations() {
		switch {
		case live:
			fmt.Fprintln(g.out)
		case c.Why == 0:
			if i > 0 {
				fmt.Fprintln(g.out, "---")
			}
			fmt.Fprintln(g.out, c.Prompt+x.GetText())
		}
	}
	a := d.GetAnswered()
	fmt.Fprintf(g.err, "%s, seed %d, %d tokens", a.GetModel(), seed, d.GetTokens())
	if t := a.GetTotal().AsDuration().Seconds(); t > 0 {
		fmt.Fprintf(g.err, ", %.0f tokens/s", float64(d.GetTokens())/t)
	}
	fmt.Fprintln(g.err)
}

// printToken shows a token with what might have come.
func printToken(w io.Writer, t *lmv1.Token) {
	fmt.Fprintf(w, "%-14q %8.3f nats  ", t.GetPiece(), t.GetLogprob())
	for _, a := range t.GetAlternatives() {
		fmt.Fprintf(w, "  %q %.3f", a.GetPiece(), a.GetLogprob())
	}
	fmt.Fprintln(w)
}
