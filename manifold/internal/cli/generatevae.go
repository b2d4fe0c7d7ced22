package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"go.uber.org/zap"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae"
	"github.com/manifold-gen/manifold/shared/picture"
	"github.com/manifold-gen/manifold/shared/serve"
)

type generateVaeCmd struct {
	Model       string   `default:"vae-mnist" help:"name or name@version; manifold models lists them."`
	Class       string   `help:"Label to draw: clamped in a deep belief network, the condition of a conditional autoencoder."`
	Sweeps      *int32   `help:"Gibbs sweeps of a Boltzmann machine or deep belief network, 1 to 10000. Default: the model's own number."`
	Temperature *float64 `help:"0.01 to 100; below 1 likelier pictures and less variety."`
	Start       string   `help:"Picture that every Gibbs chain begins at, instead of noise." type:"existingfile"`
	Seed        *uint64  `help:"Seed, 0 to 2^53-1. Picture i depends on (seed, i) alone. Default: a random one, which is printed."`
	N           int32    `default:"16" help:"Pictures, 1 to 64."`
	pictureFiles
}

// Help is shown below the flags.
func (generateVaeCmd) Help() string {
	return `Examples:
  manifold generate vae --n 36 --seed 1 --out new.png
  manifold generate vae --model rbm-mnist --sweeps 500 --frames dream.gif
  manifold generate vae --model dbn-mnist --class 4 --n 9 --temperature 0.9

A Boltzmann machine draws by a Gibbs chain; the bar shows the mean energy of the chains, in nats: lower is more likely.`
}

// Run draws through the same service that servers run, in this process.
func (c generateVaeCmd) Run(ctx context.Context, g *Globals) error {
	if err := c.writable(); err != nil {
		return err
	}
	client, done, err := g.vae(ctx)
	if err != nil {
		return err
	}
	defer done()
	recv, err := c.open(ctx, client)
	if err != nil {
		return serve.FromStatus("generate", err)
	}
	film := &film{scale: c.Scale}
	var b *bar
	var energy float64
	for {
		ev, err := recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the service ended without pictures")
		}
		if err != nil {
			return serve.FromStatus("generate", err)
		}
		switch {
		case ev.GetStarted() != nil:
			s := ev.GetStarted()
			b = newBar(g.err, int(s.GetSweeps()), fmt.Sprintf("%s, seed %d", s.GetModel(), s.GetSeed()))
			defer b.close()
		case ev.GetSweep() != nil:
			energy = mean(ev.GetSweep().GetEnergies())
			b.set(int(ev.GetSweep().GetSweep()), fmt.Sprintf("energy %.1f", energy))
		case ev.GetPreview() != nil:
			if err := film.add(ev.GetPreview().GetImages()); err != nil {
				return err
			}
		case ev.GetCompleted() != nil:
			return c.write(g, ev.GetCompleted(), film)
		}
	}
}

// open begins a Fantasy where a class is to be clamped in a model that can, and a Sample otherwise.
func (c generateVaeCmd) open(ctx context.Context, client vaev1.VaeServiceClient) (func() (*vaev1.SampleResponse, error),
	error) {
	every := int32(0)
	if c.Frames != "" && c.Sweeps != nil {
		every = max(1, *c.Sweeps/60)
	}
	if c.Class != "" {
		about, err := client.Describe(ctx, &vaev1.DescribeRequest{Model: c.Model})
		if err != nil {
			return nil, err
		}
		if slices.Contains(about.GetCalls(), "Fantasy") && c.Start == "" {
			stream, err := client.Fantasy(ctx, &vaev1.FantasyRequest{
				Model: c.Model, Label: c.Class, N: &c.N, Seed: c.Seed, Sweeps: c.Sweeps, Temperature: c.Temperature,
				PreviewEvery: every,
			})
			if err != nil {
				return nil, err
			}
			return func() (*vaev1.SampleResponse, error) {
				r, err := stream.Recv()
				return r.GetSample(), err
			}, nil
		}
	}
	req := &vaev1.SampleRequest{
		Model: c.Model, Label: c.Class, N: &c.N, Seed: c.Seed, Sweeps: c.Sweeps, Temperature: c.Temperature,
		PreviewEvery: every,
	}
	if c.Start != "" {
		im, err := readPicture(c.Start)
		if err != nil {
			return nil, err
		}
		req.Start = im
	}
	stream, err := client.Sample(ctx, req)
	if err != nil {
		return nil, err
	}
	return stream.Recv, nil
}

func (c generateVaeCmd) write(g *Globals, done *vaev1.SampleCompleted, film *film) error {
	a := done.GetAnswered()
	files, err := c.save(done.GetImages(), film, texts(g, a)...)
	if err != nil {
		return err
	}
	seconds := a.GetTotal().AsDuration().Seconds()
	if g.JSON {
		out := map[string]any{
			"files": files, "seed": strconv.FormatUint(a.GetSeed(), 10), "model": a.GetModel(),
			"model_digest": a.GetModelDigest(), "numerics_version": a.GetNumericsVersion(), "seconds": seconds,
		}
		if e := done.GetEnergies(); len(e) > 0 {
			out["energies"] = e
		}
		return g.printJSON(out)
	}
	fmt.Fprintf(g.out, "%s: %d pictures in %.2f s, seed %d, model %.12s", c.Out, len(done.GetImages()), seconds,
		a.GetSeed(), a.GetModelDigest())
	if e := done.GetEnergies(); len(e) > 0 {
		fmt.Fprintf(g.out, ", mean energy %.1f nats", mean(e))
	}
	fmt.Fprintln(g.out)
	return nil
}

// vae connects to the family's service in this process.
func (g *Globals) vae(ctx context.Context) (vaev1.VaeServiceClient, func(), error) {
	store, err := g.store()
	if err != nil {
		return nil, nil, err
	}
	local, err := vae.Connect(ctx, vae.Config{Store: store}, zap.NewNop())
	if err != nil {
		return nil, nil, err
	}
	return vaev1.NewVaeServiceClient(local.Conn()), func() { _ = local.Close() }, nil
}

// texts say in a grid's file how it was made.
func texts(g *Globals, a *vaev1.Answered) []picture.Text {
	return []picture.Text{
		{Keyword: picture.KeySoftware, Value: "manifold " + g.version},
		{Keyword: picture.KeyModel, Value: a.GetModel()},
		{Keyword: picture.KeyDigest, Value: a.GetModelDigest()},
		{Keyword: picture.KeySeed, Value: strconv.FormatUint(a.GetSeed(), 10)},
	}
}

// printProto writes a message to standard output, in protobuf's JSON.
func (g *Globals) printProto(m proto.Message) error {
	text, err := protojson.MarshalOptions{Indent: "  "}.Marshal(m)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(g.out, "%s\n", text)
	return err
}

// readPicture reads a PNG or JPEG as the service wants it.
func readPicture(name string) (*tensorv1.Image, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, bare(err))
	}
	return &tensorv1.Image{Encoding: tensorv1.ImageEncoding_IMAGE_ENCODING_PNG, Data: data}, nil
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(max(1, len(v)))
}
