package vae_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

// bad is a request that must be refused.
type bad struct {
	name  string
	ask   func(context.Context, vaev1.VaeServiceClient) error
	kind  fault.Kind
	field string
	says  string
}

func (b bad) check(t *testing.T, c vaev1.VaeServiceClient) {
	t.Helper()
	f := faultOf(b.ask(t.Context(), c))
	if f.Kind != b.kind || f.Reason == "" || !strings.Contains(f.Message(), b.says) {
		t.Errorf("%s: %v %s %q, want %v and %q", b.name, f.Kind, f.Reason, f.Message(), b.kind, b.says)
	}
	if b.field != "" && (len(f.Fields) == 0 || f.Fields[0].Field != b.field) {
		t.Errorf("%s: fields %v, want %s", b.name, f.Fields, b.field)
	}
	if strings.Contains(f.Message(), os.TempDir()) || len(f.Message()) > 2000 {
		t.Errorf("%s: the message shows a path, or too much: %.3000s", b.name, f.Message())
	}
}

func encode(r *vaev1.EncodeRequest) func(context.Context, vaev1.VaeServiceClient) error {
	return func(ctx context.Context, c vaev1.VaeServiceClient) error {
		_, err := c.Encode(ctx, r)
		return err
	}
}

func decode(r *vaev1.DecodeRequest) func(context.Context, vaev1.VaeServiceClient) error {
	return func(ctx context.Context, c vaev1.VaeServiceClient) error {
		_, err := c.Decode(ctx, r)
		return err
	}
}

func draw(r *vaev1.SampleRequest) func(context.Context, vaev1.VaeServiceClient) error {
	return func(ctx context.Context, c vaev1.VaeServiceClient) error { return sample(ctx, c, r).err }
}

func dream(r *vaev1.FantasyRequest) func(context.Context, vaev1.VaeServiceClient) error {
	return func(ctx context.Context, c vaev1.VaeServiceClient) error { return fantasy(ctx, c, r).err }
}

func interpolate(r *vaev1.InterpolateRequest) func(context.Context, vaev1.VaeServiceClient) error {
	return func(ctx context.Context, c vaev1.VaeServiceClient) error {
		_, err := c.Interpolate(ctx, r)
		return err
	}
}

func plane(r *vaev1.LatentGridRequest) func(context.Context, vaev1.VaeServiceClient) error {
	return func(ctx context.Context, c vaev1.VaeServiceClient) error {
		_, err := c.LatentGrid(ctx, r)
		return err
	}
}

func arithmetic(r *vaev1.ArithmeticRequest) func(context.Context, vaev1.VaeServiceClient) error {
	return func(ctx context.Context, c vaev1.VaeServiceClient) error {
		_, err := c.Arithmetic(ctx, r)
		return err
	}
}

func score(r *vaev1.ScoreRequest) func(context.Context, vaev1.VaeServiceClient) error {
	return func(ctx context.Context, c vaev1.VaeServiceClient) error {
		_, err := c.Score(ctx, r)
		return err
	}
}

// Every request that makes no sense is refused with the field, the value and what is allowed.
func TestBadRequests(t *testing.T) {
	c, _ := connect(t)
	pictures := func(l ...*tensorv1.Image) *vaev1.EncodeRequest { return &vaev1.EncodeRequest{Model: "vae", Images: l} }
	rawOf := func(w, h, ch uint32, n int) *tensorv1.Image {
		return &tensorv1.Image{Encoding: raw, Width: w, Height: h, Channels: ch, Data: make([]byte, n)}
	}
	shaped := func(data int, shape ...int64) *vaev1.DecodeRequest {
		return &vaev1.DecodeRequest{Model: "vae", Codes: &vaev1.Codes{Values: &tensorv1.Tensor{
			Dtype: tensorv1.DataType_DATA_TYPE_F32, Shape: shape, Data: make([]byte, data),
		}}}
	}
	at := func(v ...float32) *vaev1.Term { return &vaev1.Term{Term: &vaev1.Term_Code{Code: codes(len(v), v...)}} }
	named := func(l string) *vaev1.Term { return &vaev1.Term{Term: &vaev1.Term_Label{Label: l}} }
	drawn := func(s uint64) *vaev1.Term { return &vaev1.Term{Term: &vaev1.Term_Seed{Seed: s}} }
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	whole := func(r *vaev1.SampleRequest) *vaev1.SampleRequest {
		if r.Model == "" {
			r.Model = "rbm"
		}
		return r
	}
	const invalid, cannot = fault.Invalid, fault.Precondition
	type S = vaev1.SampleRequest
	for _, b := range []bad{
		{"no model", encode(&vaev1.EncodeRequest{}), invalid, "model", ""},
		{"unknown model", draw(&S{Model: "nope"}), fault.NotFound, "", "rbm-ais"},
		{"a path for a model", draw(&S{Model: "../../etc/passwd"}), invalid, "model", ""},

		{"no pictures", encode(pictures()), invalid, "images", "1 to 1024"},
		{"1025 pictures", encode(pictures(slices.Repeat(images(1), 1025)...)), invalid, "images", "1025 pictures"},
		{"a picture of 0 bytes", encode(pictures(image(0), rawOf(8, 8, 1, 0))), invalid, "images[1]", "no picture"},
		{"an empty picture", encode(pictures(&tensorv1.Image{})), invalid, "images[0]", "no picture"},
		{"too few bytes", encode(pictures(rawOf(8, 8, 1, 63))), invalid, "images[0]", "63 bytes"},
		{"too many bytes", encode(pictures(rawOf(8, 8, 1, 65))), invalid, "images[0]", "65 bytes"},
		{"two channels", encode(pictures(rawOf(8, 8, 2, 128))), invalid, "images[0]", ""},
		{"sizes that overflow", encode(pictures(rawOf(1<<31, 1<<31, 4, 64))), invalid, "images[0]", ""},
		{"width 0", encode(pictures(rawOf(0, 8, 1, 64))), invalid, "images[0]", ""},
		{"no PNG", encode(pictures(&tensorv1.Image{Data: []byte("no picture at all")})), invalid, "images[0]", ""},
		{"PNG of 2^62 pixels", encode(pictures(&tensorv1.Image{Data: hugePNG()})), invalid, "images[0]", ""},
		{"a seed of 2^53", encode(&vaev1.EncodeRequest{Model: "vae", Images: images(1), Seed: ptr(uint64(1 << 53))}), invalid,
			"seed", "9007199254740991"},
		{"a long request id", encode(&vaev1.EncodeRequest{Model: "vae", Images: images(1), RequestId: strings.Repeat("x", 129)}),
			invalid, "request_id", "128"},

		{"a label for a model without classes", encode(&vaev1.EncodeRequest{Model: "vae", Images: images(1), Labels: []string{"A"}}),
			invalid, "label", "does not depend on a class"},
		{"an unknown label", encode(&vaev1.EncodeRequest{Model: "cond", Images: images(1), Labels: []string{"?!"}}), invalid,
			"label", "cond@1 has "},
		{"an unknown label of several", encode(&vaev1.EncodeRequest{Model: "cond", Images: images(2), Labels: []string{"", "?!"}}),
			invalid, "labels[1]", "cond@1 has "},
		{"two labels for three pictures", encode(&vaev1.EncodeRequest{Model: "cond", Images: images(3), Labels: []string{"", ""}}),
			invalid, "labels", "3 rows"},
		{"a label of a megabyte", encode(&vaev1.EncodeRequest{Model: "cond", Images: images(1),
			Labels: []string{strings.Repeat("x", 1<<20)}}), invalid, "label", "200"},

		{"no codes", decode(&vaev1.DecodeRequest{Model: "vae"}), invalid, "codes", "[1 to 1024, 3]"},
		{"codes of another width", decode(&vaev1.DecodeRequest{Model: "vae", Codes: some(2, 4)}), invalid, "codes.values.shape",
			"[2 4]"},
		{"no rows", decode(shaped(0, 0, 3)), invalid, "codes.values.shape", ""},
		{"1025 rows", decode(shaped(4*3*1025, 1025, 3)), invalid, "codes.values.shape", ""},
		{"three axes", decode(shaped(12, 1, 1, 3)), invalid, "codes.values.shape", ""},
		{"no axes", decode(shaped(4)), invalid, "codes.values.shape", ""},
		{"a hundred axes", decode(shaped(4, slices.Repeat([]int64{1}, 100)...)), invalid, "codes.values.shape", "100 axes"},
		{"2^62 rows", decode(shaped(12, 1<<62, 3)), invalid, "codes.values.shape", ""},
		{"-1 rows", decode(shaped(12, -1, 3)), invalid, "codes.values.shape", ""},
		{"bytes that do not fit", decode(shaped(11, 1, 3)), invalid, "codes.values.data", "11 bytes"},
		{"NaN", decode(&vaev1.DecodeRequest{Model: "vae", Codes: codes(3, 0, 0, 0, 0, nan, 0)}), invalid, "codes", "code 1 has NaN"},
		{"infinity", decode(&vaev1.DecodeRequest{Model: "vae", Codes: codes(3, inf, 0, 0)}), invalid, "codes", "+Inf"},
		{"codes of a model without", decode(&vaev1.DecodeRequest{Model: "boltzmann", Codes: some(1, 1)}), cannot, "", "Sample"},
		{"JPEG", decode(&vaev1.DecodeRequest{Model: "vae", Codes: some(1, 3),
			Encoding: tensorv1.ImageEncoding_IMAGE_ENCODING_JPEG}), invalid, "encoding", "PNG or RAW"},
		{"an encoding of 77", decode(&vaev1.DecodeRequest{Model: "vae", Codes: some(1, 3), Encoding: 77}), invalid, "encoding", ""},

		{"n 0", draw(whole(&S{N: ptr(int32(0))})), invalid, "n", "1 to 64"},
		{"n 65", draw(whole(&S{N: ptr(int32(65))})), invalid, "n", "1 to 64"},
		{"0 sweeps", draw(whole(&S{Sweeps: ptr(int32(0))})), invalid, "sweeps", "1 to 10000"},
		{"10001 sweeps", draw(whole(&S{Sweeps: ptr(int32(10001))})), invalid, "sweeps", "1 to 10000"},
		{"sweeps of a model in one step", draw(&S{Model: "vae", Sweeps: ptr(int32(3))}), invalid, "sweeps", "one step"},
		{"a start without a chain", draw(&S{Model: "vae", Start: image(1)}), invalid, "start", "no chain"},
		{"an empty start", draw(whole(&S{Start: &tensorv1.Image{}})), invalid, "start[0]", "no picture"},
		{"temperature NaN", draw(whole(&S{Temperature: ptr(math.NaN())})), invalid, "temperature", "0.01 to 100"},
		{"temperature 0", draw(whole(&S{Temperature: ptr(0.0)})), invalid, "temperature", "0.01 to 100"},
		{"temperature -1", draw(whole(&S{Temperature: ptr(-1.0)})), invalid, "temperature", "0.01 to 100"},
		{"infinite temperature", draw(&S{Model: "vae", Temperature: ptr(math.Inf(1))}), invalid, "temperature", ""},
		{"previews", draw(whole(&S{PreviewEvery: -1})), invalid, "preview_every", "at least 0"},
		{"an unknown label to draw", draw(&S{Model: "dbn", Label: "?!"}), invalid, "label", "dbn@1 has "},
		{"a label that cannot be clamped", draw(&S{Model: "rbm", Label: "A"}), cannot, "", "cannot clamp a class"},
		{"a chain's state for a VAE", draw(&S{Model: "vae", Resume: &vaev1.ChainState{}}), cannot, "", "no"},
		{"an autoencoder without a prior", draw(&S{Model: "ae"}), cannot, "", "no prior"},

		{"a fantasy of nothing", dream(&vaev1.FantasyRequest{Model: "dbn"}), invalid, "label", "which class"},
		{"an unknown fantasy", dream(&vaev1.FantasyRequest{Model: "dbn", Label: "?!"}), invalid, "label", "dbn@1 has "},
		{"a fantasy without classes", dream(&vaev1.FantasyRequest{Model: "rbm", Label: "A"}), cannot, "", "it answers"},
		{"a fantasy of a VAE", dream(&vaev1.FantasyRequest{Model: "cond", Label: "A"}), cannot, "", "dream"},

		{"no ends", interpolate(&vaev1.InterpolateRequest{Model: "vae"}), invalid, "from", "label, pictures, a code or a seed"},
		{"one end", interpolate(&vaev1.InterpolateRequest{Model: "vae", From: drawn(1)}), invalid, "to", ""},
		{"an empty term", interpolate(&vaev1.InterpolateRequest{Model: "vae", From: &vaev1.Term{}, To: drawn(1)}), invalid, "from", ""},
		{"one step", interpolate(&vaev1.InterpolateRequest{Model: "vae", From: drawn(1), To: drawn(2), Steps: ptr(int32(1))}),
			invalid, "steps", "2 to 256"},
		{"257 steps", interpolate(&vaev1.InterpolateRequest{Model: "vae", From: drawn(1), To: drawn(2), Steps: ptr(int32(257))}),
			invalid, "steps", "2 to 256"},
		{"an unknown path", interpolate(&vaev1.InterpolateRequest{Model: "vae", From: drawn(1), To: drawn(2), Path: 9}), invalid,
			"path", "LINEAR or SPHERICAL"},
		{"an end of NaN", interpolate(&vaev1.InterpolateRequest{Model: "vae", From: at(0, 0, nan), To: drawn(2)}), invalid,
			"from.code", "NaN"},
		{"an end of two rows", interpolate(&vaev1.InterpolateRequest{Model: "vae", To: drawn(1),
			From: &vaev1.Term{Term: &vaev1.Term_Code{Code: some(2, 3)}}}), invalid, "from.code.values.shape", ""},
		{"an end without a label", interpolate(&vaev1.InterpolateRequest{Model: "vae", From: named(""), To: drawn(1)}), invalid,
			"from", "empty"},
		{"an end of an unknown label", interpolate(&vaev1.InterpolateRequest{Model: "vae", From: named("?!"), To: drawn(1)}),
			invalid, "from", "?!"},
		{"an end of no pictures", interpolate(&vaev1.InterpolateRequest{Model: "vae", To: drawn(1),
			From: &vaev1.Term{Term: &vaev1.Term_Pictures{}}}), invalid, "from.pictures.images", ""},
		{"an end of a seed of 2^53", interpolate(&vaev1.InterpolateRequest{Model: "vae", From: drawn(1), To: drawn(1 << 53)}),
			invalid, "to.seed", "9007199254740991"},
		{"a draw without a prior", interpolate(&vaev1.InterpolateRequest{Model: "ae", From: drawn(1), To: drawn(2)}), cannot, "",
			"no prior"},

		{"0 columns", plane(&vaev1.LatentGridRequest{Model: "vae", Columns: ptr(int32(0))}), invalid, "columns", "1 to 64"},
		{"65 rows", plane(&vaev1.LatentGridRequest{Model: "vae", Rows: ptr(int32(65))}), invalid, "rows", "1 to 64"},
		{"one dimension", plane(&vaev1.LatentGridRequest{Model: "vae", XDimension: ptr(int32(1)), YDimension: ptr(int32(1))}),
			invalid, "y_dimension", "same"},
		{"dimension 3 of 3", plane(&vaev1.LatentGridRequest{Model: "vae", XDimension: ptr(int32(3))}), invalid, "x_dimension",
			"0 to 2"},
		{"dimension -1", plane(&vaev1.LatentGridRequest{Model: "vae", YDimension: ptr(int32(-1))}), invalid, "y_dimension", "0 to 2"},
		{"span NaN", plane(&vaev1.LatentGridRequest{Model: "vae", Span: ptr(math.NaN())}), invalid, "span", ""},
		{"span 0", plane(&vaev1.LatentGridRequest{Model: "vae", Span: ptr(0.0)}), invalid, "span", ""},
		{"a point of another width", plane(&vaev1.LatentGridRequest{Model: "vae", At: some(1, 2)}), invalid, "at.values.shape", ""},
		{"a plane of a Boltzmann machine", plane(&vaev1.LatentGridRequest{Model: "boltzmann"}), cannot, "", "it answers"},

		{"two terms", arithmetic(&vaev1.ArithmeticRequest{Model: "vae", A: at(0, 0, 0), B: at(0, 0, 0)}), invalid, "c", "missing"},
		{"terms that overflow", arithmetic(&vaev1.ArithmeticRequest{Model: "vae", A: at(3e38, 0, 0), B: at(-3e38, 0, 0),
			C: at(0, 0, 0)}), invalid, "", "finite"},

		{"no pictures to score", score(&vaev1.ScoreRequest{Model: "vae"}), invalid, "images", "1 to 256"},
		{"257 pictures to score", score(&vaev1.ScoreRequest{Model: "vae", Images: images(257)}), invalid, "images", "1 to 256"},
		{"0 samples", score(&vaev1.ScoreRequest{Model: "vae", Images: images(1), Samples: ptr(int32(0))}), invalid, "samples",
			"1 to 5000"},
		{"5001 samples", score(&vaev1.ScoreRequest{Model: "vae", Images: images(1), Samples: ptr(int32(5001))}), invalid,
			"samples", "1 to 5000"},
		{"samples of an exact score", score(&vaev1.ScoreRequest{Model: "rbm", Images: images(1), Samples: ptr(int32(5))}), invalid,
			"samples", "importance"},
		{"a score without a likelihood", score(&vaev1.ScoreRequest{Model: "ae", Images: images(1)}), cannot, "", "it answers"},
	} {
		b.check(t, c)
	}
	several := faultOf(sample(t.Context(), c, &S{Model: "rbm", N: ptr(int32(0)), Sweeps: ptr(int32(0)), Temperature: ptr(0.0)}).err)
	if len(several.Fields) != 3 {
		t.Errorf("three wrong fields are reported as %v", several.Fields)
	}
}

// hugePNG is the beginning of a PNG of 2^31-1 by 2^31-1 pixels.
func hugePNG() []byte {
	return []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x06\x00\x00\x00\xd5\xa4\xd1\x89")
}

// Pictures of other sizes are fitted, labels may be left out, and codes far away give pictures or an error in words:
// nothing of that crashes, and other requests are answered meanwhile.
func TestOddRequests(t *testing.T) {
	c, _ := connect(t)
	for _, size := range []int{1, 3, 300} {
		p := &tensorv1.Image{Encoding: raw, Width: uint32(size), Height: 1, Channels: 3, Data: make([]byte, 3*size)}
		if r, err := c.Encode(t.Context(), &vaev1.EncodeRequest{Model: "vae", Images: []*tensorv1.Image{p}}); err != nil ||
			len(values(r.GetMean())) != 3 {
			t.Errorf("%d x 1 pixels: %v", size, err)
		}
	}
	if _, err := c.Reconstruct(t.Context(), &vaev1.ReconstructRequest{Model: "cond", Images: images(2)}); err != nil {
		t.Errorf("a conditional model without labels: %v", err)
	}
	for _, name := range names() {
		k := int(describe(t, c, name).GetDimension())
		if k == 0 {
			continue
		}
		for _, v := range []float32{1e6, -1e20, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32} {
			r, err := c.Decode(t.Context(), &vaev1.DecodeRequest{
				Model: name, Codes: codes(k, slices.Repeat([]float32{v}, k)...), Encoding: raw,
			})
			if f := faultOf(err); err != nil && (f.Kind != fault.Invalid || f.Reason != "NOT_FINITE") ||
				err == nil && len(r.GetImages()) != 1 {
				t.Errorf("%s at %g: %v", name, v, err)
			}
		}
	}
}

// What does not fit is refused before room is made for it.
func TestBoundedMemory(t *testing.T) {
	c, _ := connect(t)
	huge := []*tensorv1.Image{
		{Encoding: raw, Width: 1 << 20, Height: 1 << 20, Channels: 3, Data: make([]byte, 10)},
		{Data: hugePNG()},
	}
	ask := func() {
		for i, p := range huge {
			err := encode(&vaev1.EncodeRequest{Model: "vae", Images: []*tensorv1.Image{p}})(t.Context(), c)
			if faultOf(err).Kind != fault.Invalid {
				t.Error(fmt.Sprint(i), err)
			}
		}
		z := &tensorv1.Tensor{Dtype: tensorv1.DataType_DATA_TYPE_F32, Shape: []int64{1 << 40, 1 << 20}, Data: make([]byte, 10)}
		err := decode(&vaev1.DecodeRequest{Model: "vae", Codes: &vaev1.Codes{Values: z}})(t.Context(), c)
		if faultOf(err).Kind != fault.Invalid {
			t.Error(err)
		}
	}
	ask() // loads the model
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		ask()
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 64 {
		t.Errorf("%d MiB were allocated for requests that were refused", n)
	}
}
