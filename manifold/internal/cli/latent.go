package cli

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/shared/picture"
	"github.com/manifold-gen/manifold/shared/serve"
)

type latentCmd struct {
	Show        latentShowCmd        `cmd:"" help:"What a model can do, and what its codes look like."`
	Encode      latentEncodeCmd      `cmd:"" help:"Codes of pictures, as JSON."`
	Decode      latentDecodeCmd      `cmd:"" help:"Pictures of codes."`
	Reconstruct latentReconstructCmd `cmd:"" help:"Pictures through the bottleneck, beside the originals."`
	Walk        latentWalkCmd        `cmd:"" help:"Pictures between two codes."`
	Grid        latentGridCmd        `cmd:"" help:"A plane of the latent space."`
	Arithmetic  latentArithmeticCmd  `cmd:"" help:"a - b + c on codes."`
	Score       latentScoreCmd       `cmd:"" help:"How likely pictures are."`
}

// latentModel is the flag of all latent commands.
type latentModel struct {
	Model string `default:"vae-mnist" help:"name or name@version; manifold models lists them."`
}

type latentShowCmd struct{ latentModel }

// Run describes a model.
func (c latentShowCmd) Run(ctx context.Context, g *Globals) error {
	client, done, err := g.vae(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, err := client.Describe(ctx, &vaev1.DescribeRequest{Model: c.Model})
	if err != nil {
		return serve.FromStatus("latent", err)
	}
	if g.JSON {
		return g.printProto(r)
	}
	fmt.Fprintf(g.out, "%s: pictures of %dx%dx%d, codes of %d numbers\nit answers %s\n", r.GetAnswered().GetModel(),
		r.GetWidth(), r.GetHeight(), r.GetChannels(), r.GetDimension(), strings.Join(r.GetCalls(), ", "))
	if r.GetAssumed() {
		fmt.Fprintln(g.out, "no statistics of the training data were kept: codes are taken to have mean 0 and deviation 1")
	}
	if len(r.GetKl()) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(g.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "dimension\tKL, nats\tmean\tdeviation\t")
	for i, kl := range r.GetKl() {
		note := ""
		if kl < 0.01 {
			note = " collapsed"
		}
		fmt.Fprintf(w, "%d\t%.3f\t%.3f\t%.3f\t%s\n", i, kl, r.GetMean()[i], r.GetDeviation()[i], note)
	}
	return w.Flush()
}

// inputPictures are pictures given as files, with their labels for conditional models.
type inputPictures struct {
	Pictures []string `arg:"" help:"Pictures, PNG or JPEG; they are fitted to the model's size." type:"existingfile"`
	Class    []string `help:"Class of the pictures, for a conditional model: one for all, or one each."`
}

func (p inputPictures) read() ([]*tensorv1.Image, error) {
	var all []*tensorv1.Image
	for _, name := range p.Pictures {
		m, err := readPicture(name)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

type latentEncodeCmd struct {
	latentModel
	inputPictures
	Seed *uint64 `help:"Seed of the sample. Default: a random one."`
}

// Help is shown below the flags.
func (latentEncodeCmd) Help() string {
	return `The JSON has mean, variance and sample, one row a picture; manifold latent decode reads it.`
}

// Run prints codes.
func (c latentEncodeCmd) Run(ctx context.Context, g *Globals) error {
	images, err := c.read()
	if err != nil {
		return err
	}
	client, done, err := g.vae(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, err := client.Encode(ctx, &vaev1.EncodeRequest{Model: c.Model, Images: images, Labels: c.Class, Seed: c.Seed})
	if err != nil {
		return serve.FromStatus("latent", err)
	}
	out := map[string]any{"model": r.GetAnswered().GetModel(), "model_digest": r.GetAnswered().GetModelDigest(),
		"mean": rows(r.GetMean())}
	if r.GetVariance() != nil {
		out["variance"], out["sample"] = rows(r.GetVariance()), rows(r.GetSample())
		out["seed"] = strconv.FormatUint(r.GetAnswered().GetSeed(), 10)
	}
	return g.printJSON(out)
}

// rows are the codes of a message.
func rows(c *vaev1.Codes) [][]float32 {
	t := c.GetValues()
	n, k := int(t.GetShape()[0]), int(t.GetShape()[1])
	all := make([][]float32, n)
	for i := range all {
		all[i] = make([]float32, k)
		for j := range all[i] {
			all[i][j] = math.Float32frombits(binary.LittleEndian.Uint32(t.GetData()[4*(i*k+j):]))
		}
	}
	return all
}

type latentDecodeCmd struct {
	latentModel
	Codes string   `arg:"" help:"JSON with codes: a list of rows, or what manifold latent encode prints; - for standard input." type:"existingfile"`
	Class []string `help:"Class of the pictures, for a conditional model: one for all, or one each."`
	pictureFiles
}

// Run decodes.
func (c latentDecodeCmd) Run(ctx context.Context, g *Globals) error {
	if err := c.writable(); err != nil {
		return err
	}
	codes, err := readCodes(c.Codes)
	if err != nil {
		return err
	}
	client, done, err := g.vae(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, err := client.Decode(ctx, &vaev1.DecodeRequest{Model: c.Model, Codes: codes, Labels: c.Class})
	if err != nil {
		return serve.FromStatus("latent", err)
	}
	return c.finish(g, r.GetImages(), r.GetAnswered())
}

// finish saves the pictures of an answer and says where.
func (f *pictureFiles) finish(g *Globals, images []*tensorv1.Image, a *vaev1.Answered) error {
	if f.Frames != "" {
		return errors.New("--frames: this command makes no animation")
	}
	files, err := f.save(images, nil, texts(g, a)...)
	if err != nil {
		return err
	}
	if g.JSON {
		return g.printJSON(map[string]any{"files": files, "model": a.GetModel(), "model_digest": a.GetModelDigest()})
	}
	fmt.Fprintf(g.out, "%s: %d pictures, model %.12s\n", f.Out, len(images), a.GetModelDigest())
	return nil
}

func readCodes(name string) (*vaev1.Codes, error) {
	data, err := os.ReadFile(name)
	if name == "-" {
		data, err = io.ReadAll(os.Stdin)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, bare(err))
	}
	var list [][]float32
	if err := json.Unmarshal(data, &list); err != nil {
		var object struct {
			Mean [][]float32 `json:"mean"`
		}
		if err := json.Unmarshal(data, &object); err != nil || object.Mean == nil {
			return nil, fmt.Errorf("%s: want JSON with a list of codes, such as [[0.5, -1.2]], or an object with mean", name)
		}
		list = object.Mean
	}
	t := &tensorv1.Tensor{Dtype: tensorv1.DataType_DATA_TYPE_F32, Shape: []int64{int64(len(list)), 0}}
	for i, row := range list {
		if i > 0 && len(row) != len(list[0]) {
			return nil, fmt.Errorf("%s: row %d has %d numbers, row 0 has %d", name, i, len(row), len(list[0]))
		}
		t.Shape[1] = int64(len(row))
		for _, v := range row {
			t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
		}
	}
	return &vaev1.Codes{Values: t}, nil
}

type latentReconstructCmd struct {
	latentModel
	inputPictures
	pictureFiles
}

// Run writes the originals above the reconstructions and prints the errors.
func (c latentReconstructCmd) Run(ctx context.Context, g *Globals) error {
	if err := c.writable(); err != nil {
		return err
	}
	images, err := c.read()
	if err != nil {
		return err
	}
	client, done, err := g.vae(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, err := client.Reconstruct(ctx, &vaev1.ReconstructRequest{Model: c.Model, Images: images, Labels: c.Class})
	if err != nil {
		return serve.FromStatus("latent", err)
	}
	after, err := decodeAll(r.GetImages())
	if err != nil {
		return err
	}
	var both []*picture.Picture
	for i, im := range images {
		p, err := picture.Decode(im.GetData(), after[i].Channels, picture.MaxPixels)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Pictures[i], err)
		}
		both = append(both, picture.Fit(p, after[i].Width, after[i].Height))
	}
	if err := c.grid(writeFile, append(both, after...), len(images), texts(g, r.GetAnswered())...); err != nil {
		return err
	}
	if g.JSON {
		squares := make([]float64, len(r.GetErrors()))
		for i, e := range r.GetErrors() {
			squares[i] = e.GetMeanSquaredError()
		}
		return g.printJSON(map[string]any{"file": c.Out, "model": r.GetAnswered().GetModel(), "squared_errors": squares})
	}
	for i, e := range r.GetErrors() {
		fmt.Fprintf(g.out, "%s: mean squared error %.5f\n", c.Pictures[i], e.GetMeanSquaredError())
	}
	fmt.Fprintf(g.out, "%s: originals above, reconstructions below\n", c.Out)
	return nil
}

// latentTerm reads a point of the latent space: a label, seed:N, or pictures.
func latentTerm(s string) (*vaev1.Term, error) {
	if n, ok := strings.CutPrefix(s, "seed:"); ok {
		seed, err := strconv.ParseUint(n, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: want seed:N with a whole number", s)
		}
		return &vaev1.Term{Term: &vaev1.Term_Seed{Seed: seed}}, nil
	}
	if _, err := os.Stat(s); err == nil && strings.Contains(s, ".") {
		var all vaev1.Pictures
		for name := range strings.SplitSeq(s, ",") {
			m, err := readPicture(name)
			if err != nil {
				return nil, err
			}
			all.Images = append(all.Images, m)
		}
		return &vaev1.Term{Term: &vaev1.Term_Pictures{Pictures: &all}}, nil
	}
	return &vaev1.Term{Term: &vaev1.Term_Label{Label: s}}, nil
}

type latentWalkCmd struct {
	latentModel
	From     string `arg:"" help:"Where it begins: a label (the mean code of its class), seed:N (a draw from the prior), or a picture's file."`
	To       string `arg:"" help:"Where it ends."`
	Steps    int32  `default:"9" help:"Pictures, 2 to 256."`
	Straight bool   `help:"Walk along the straight line, not the great circle."`
	Class    string `help:"Class of the pictures, for a conditional model."`
	pictureFiles
}

// Run walks.
func (c latentWalkCmd) Run(ctx context.Context, g *Globals) error {
	if err := c.writable(); err != nil {
		return err
	}
	from, err := latentTerm(c.From)
	if err != nil {
		return err
	}
	to, err := latentTerm(c.To)
	if err != nil {
		return err
	}
	client, done, err := g.vae(ctx)
	if err != nil {
		return err
	}
	defer done()
	path := vaev1.Path_PATH_SPHERICAL
	if c.Straight {
		path = vaev1.Path_PATH_LINEAR
	}
	r, err := client.Interpolate(ctx, &vaev1.InterpolateRequest{
		Model: c.Model, From: from, To: to, Steps: &c.Steps, Path: path, Label: c.Class,
	})
	if err != nil {
		return serve.FromStatus("latent", err)
	}
	return c.finish(g, r.GetImages(), r.GetAnswered())
}

type latentGridCmd struct {
	latentModel
	X       *int32   `help:"Dimension along x. Default: the one with the highest KL divergence."`
	Y       *int32   `help:"Dimension along y. Default: the second highest."`
	Columns int32    `default:"15" help:"Cells across, 1 to 64."`
	Rows    int32    `default:"15" help:"Cells down, 1 to 64."`
	Span    *float64 `help:"Half the width in standard deviations; 2."`
	Class   string   `help:"Class of the pictures, for a conditional model."`
	pictureFiles
}

// Run draws the plane.
func (c latentGridCmd) Run(ctx context.Context, g *Globals) error {
	if err := c.writable(); err != nil {
		return err
	}
	client, done, err := g.vae(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, err := client.LatentGrid(ctx, &vaev1.LatentGridRequest{
		Model: c.Model, XDimension: c.X, YDimension: c.Y, Columns: &c.Columns, Rows: &c.Rows, Span: c.Span, Label: c.Class,
	})
	if err != nil {
		return serve.FromStatus("latent", err)
	}
	pictures, err := decodeAll(r.GetImages())
	if err != nil {
		return err
	}
	if err := c.grid(writeFile, pictures, int(c.Columns), texts(g, r.GetAnswered())...); err != nil {
		return err
	}
	if g.JSON {
		return g.printJSON(map[string]any{"file": c.Out, "x_dimension": r.GetXDimension(), "y_dimension": r.GetYDimension(),
			"x": r.GetX(), "y": r.GetY()})
	}
	fmt.Fprintf(g.out, "%s: dimension %d across, %d up\n", c.Out, r.GetXDimension(), r.GetYDimension())
	return nil
}

type latentArithmeticCmd struct {
	latentModel
	A     string `arg:"" help:"Added: a label, seed:N, or a picture's file."`
	B     string `arg:"" help:"Taken away."`
	C     string `arg:"" help:"Added."`
	Class string `help:"Class of the picture, for a conditional model."`
	pictureFiles
}

// Run adds and takes away.
func (c latentArithmeticCmd) Run(ctx context.Context, g *Globals) error {
	if err := c.writable(); err != nil {
		return err
	}
	req := &vaev1.ArithmeticRequest{Model: c.Model, Label: c.Class}
	for i, to := range []**vaev1.Term{&req.A, &req.B, &req.C} {
		t, err := latentTerm([]string{c.A, c.B, c.C}[i])
		if err != nil {
			return err
		}
		*to = t
	}
	client, done, err := g.vae(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, err := client.Arithmetic(ctx, req)
	if err != nil {
		return serve.FromStatus("latent", err)
	}
	return c.finish(g, append(r.GetTerms(), r.GetImage()), r.GetAnswered())
}

type latentScoreCmd struct {
	latentModel
	inputPictures
	Samples  *int32  `help:"Importance samples of a lower bound, 1 to 5000; 50."`
	Binarise bool    `help:"Draw binary pictures from grey values first."`
	Seed     *uint64 `help:"Seed. Default: a random one."`
}

// Run prints scores.
func (c latentScoreCmd) Run(ctx context.Context, g *Globals) error {
	images, err := c.read()
	if err != nil {
		return err
	}
	client, done, err := g.vae(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, err := client.Score(ctx, &vaev1.ScoreRequest{
		Model: c.Model, Images: images, Labels: c.Class, Samples: c.Samples, Seed: c.Seed, Binarise: c.Binarise,
	})
	if err != nil {
		return serve.FromStatus("latent", err)
	}
	if g.JSON {
		return g.printProto(r)
	}
	kind := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(r.GetKind().String(), "SCORE_KIND_"), "_", " "))
	for i, v := range r.GetLogLikelihoods() {
		fmt.Fprintf(g.out, "%s: %.2f nats, %.4f bits a number\n", c.Pictures[i], v, r.GetBitsPerDimension()[i])
	}
	fmt.Fprintf(g.out, "These are of the kind: %s", kind)
	switch {
	case r.GetThreeSigma() > 0:
		fmt.Fprintf(g.out, ", with three standard errors of %.3f nats", r.GetThreeSigma())
	case r.GetSamples() > 0:
		fmt.Fprintf(g.out, ", of %d importance samples", r.GetSamples())
	}
	fmt.Fprintln(g.out, ".")
	return nil
}
