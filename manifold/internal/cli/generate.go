package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"go.uber.org/zap"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/shared/picture"
	"github.com/manifold-gen/manifold/shared/serve"
)

type generateCmd struct {
	Diffusion generateDiffusionCmd `cmd:"" help:"Draw pictures with a diffusion model."`
	Vae       generateVaeCmd       `cmd:"" help:"Draw pictures with a Boltzmann machine, a deep belief network or an autoencoder."`
	Text      generateTextCmd      `cmd:"" help:"Go on with a text: rules, n-grams, Markov chains."`
	Molecules generateMoleculesCmd `cmd:"" help:"Write molecules as SMILES with a variational autoencoder."`
}

type generateDiffusionCmd struct {
	Model    string   `default:"mnist" help:"name or name@version; manifold models lists them."`
	Class    []string `help:"Label to draw; several, separated by commas, are dealt out in turn. Without one any is drawn."`
	Steps    int32    `default:"50" help:"Denoising steps, 1 to 1000."`
	Sampler  string   `default:"ddim" help:"ddim, dpmpp_2m (good in 10 to 20 steps), euler, heun (two evaluations a step) or ddpm (many steps)."`
	Eta      *float64 `help:"Share of fresh noise in ddim, 0 to 1."`
	Guidance *float64 `help:"How strongly the class pulls, 0 to 50; 1 switches guidance off. Default: 2 with a class."`
	Seed     *uint64  `help:"Seed, 0 to 2^53-1. Picture i depends on (seed, i) alone. Default: a random one, which is printed."`
	N        int32    `default:"16" help:"Pictures, 1 to 64."`
	pictureFiles
}

// Help is shown below the flags.
func (generateDiffusionCmd) Help() string {
	return `Examples:
  manifold generate diffusion --class 7 --seed 1 --out sevens.png
  manifold generate diffusion --class 0,1,2,3,4,5,6,7,8,9 --n 20 --frames steps.gif
  manifold generate diffusion --sampler dpmpp_2m --steps 12 --class 3 --guidance 3

The same model, flags and seed make the same bytes on every machine. Every PNG carries the model's digest and the seed
in its text chunks.`
}

// Run draws through the same service that servers run, in this process.
func (c generateDiffusionCmd) Run(ctx context.Context, g *Globals) error {
	req, err := c.request()
	if err != nil {
		return err
	}
	if err := c.writable(); err != nil {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	local, err := diffusion.Connect(ctx, diffusion.Config{Store: store}, zap.NewNop())
	if err != nil {
		return err
	}
	defer local.Close()
	stream, err := diffusionv1.NewDiffusionServiceClient(local.Conn()).Generate(ctx, req)
	if err != nil {
		return serve.FromStatus("generate", err)
	}
	film := &film{scale: c.Scale}
	var b *bar
	for {
		ev, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the service ended without pictures")
		}
		if err != nil {
			return serve.FromStatus("generate", err)
		}
		switch {
		case ev.GetStarted() != nil:
			s := ev.GetStarted()
			b = newBar(g.err, int(s.GetSteps()), fmt.Sprintf("%s, %s, seed %d", s.GetModel(), s.GetSampler(), s.GetSeed()))
			defer b.close()
		case ev.GetStep() != nil:
			b.set(int(ev.GetStep().GetStep()), fmt.Sprintf("noise %.3g", ev.GetStep().GetNoiseLevel()))
		case ev.GetPreview() != nil:
			if err := film.add(ev.GetPreview().GetImages()); err != nil {
				return err
			}
		case ev.GetCompleted() != nil:
			return c.write(g, ev.GetCompleted(), film)
		}
	}
}

func (c generateDiffusionCmd) request() (*diffusionv1.GenerateRequest, error) {
	req := &diffusionv1.GenerateRequest{
		Model: c.Model, Steps: &c.Steps, Sampler: c.Sampler, Eta: c.Eta, GuidanceScale: c.Guidance, Seed: c.Seed, N: &c.N,
		Encoding: tensorv1.ImageEncoding_IMAGE_ENCODING_PNG,
	}
	switch {
	case len(c.Class) == 1:
		req.Label = c.Class[0]
	case len(c.Class) > 1 && c.N > 0 && c.N <= 64:
		for i := range int(c.N) {
			req.Labels = append(req.Labels, c.Class[i%len(c.Class)])
		}
	}
	if c.Guidance == nil && len(c.Class) > 0 {
		two := 2.0
		req.GuidanceScale = &two
	}
	if c.Frames != "" {
		req.PreviewEvery = max(1, c.Steps/60)
		req.PreviewContent = diffusionv1.PreviewContent_PREVIEW_CONTENT_SAMPLE
	}
	return req, nil
}

// write saves whatever was asked for and says where.
func (c generateDiffusionCmd) write(g *Globals, done *diffusionv1.Completed, film *film) error {
	files, err := c.save(done.GetImages(), film,
		picture.Text{Keyword: picture.KeySoftware, Value: "manifold " + g.version},
		picture.Text{Keyword: picture.KeyModel, Value: c.Model},
		picture.Text{Keyword: picture.KeyDigest, Value: done.GetModelDigest()},
		picture.Text{Keyword: picture.KeySeed, Value: strconv.FormatUint(done.GetSeed(), 10)},
		picture.Text{Keyword: picture.KeySampler, Value: c.Sampler},
		picture.Text{Keyword: picture.KeySteps, Value: strconv.Itoa(int(c.Steps))})
	if err != nil {
		return err
	}
	t := done.GetTimings()
	if g.JSON {
		return g.printJSON(map[string]any{
			"files": files, "seed": strconv.FormatUint(done.GetSeed(), 10), "model_digest": done.GetModelDigest(),
			"numerics_version": done.GetNumericsVersion(), "steps": t.GetSteps(), "evaluations": t.GetEvaluations(),
			"seconds": t.GetTotal().AsDuration().Seconds(),
		})
	}
	fmt.Fprintf(g.out, "%s: %d pictures in %.2f s, seed %d, model %.12s\n",
		c.Out, len(done.GetImages()), t.GetTotal().AsDuration().Seconds(), done.GetSeed(), done.GetModelDigest())
	return nil
}
