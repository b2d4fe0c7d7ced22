package vae_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/serve"
)

// The tensor pool's workers belong to the process.
func TestMain(m *testing.M) {
	const worker = "github.com/manifold-gen/manifold/shared/tensor/internal/pool.(*workers)."
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(worker+"worker"), goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(home)
		os.Exit(code)
	}))
}

// kinds are one recipe of each kind of model, for pictures of 8x8, each made in a fraction of a second.
var kinds = map[string]string{
	"vae":  "architecture: vae\nmodel: {hidden: [16], latent: 3}\n",
	"cond": "architecture: vae\nmodel: {network: conv, hidden: [4, 8], latent: 3, likelihood: logistic, conditional: true}\n",
	"two-stages": "architecture: vae\nmodel: {hidden: [16], latent: 3, conditional: true, " +
		"second: {hidden: [8], train: {steps: 6, batch: 12}}}\n",
	"ae": "architecture: autoencoder\nmodel: {hidden: [16], code: 4}\n",
	"vq": "architecture: vq\nmodel: {hidden: [8], codebook: 9, size: 4, conditional: true, " +
		"prior: {channels: 8, blocks: 1, train: {steps: 6, batch: 12}}}\n",
	"vq-bare":   "architecture: vq\nmodel: {hidden: [8], codebook: 9, size: 4}\n",
	"rbm":       "architecture: rbm\nmodel: {hidden: 7}\n",
	"rbm-ais":   "architecture: rbm\nmodel: {hidden: 25, labels: true, ais: {temperatures: 20, chains: 3}}\n",
	"rbm-real":  "architecture: rbm\nmodel: {hidden: 7, units: gaussian}\n",
	"dbn":       "architecture: dbn\nmodel: {hidden: [9, 8, 25], ais: {temperatures: 20}}\n",
	"boltzmann": "architecture: boltzmann\nmodel: {hidden: 3, chains: 4, sweeps: 2}\n",
}

// text is a recipe of a few steps.
func text(name, kind string) string {
	return "name: " + name + "\nfamily: vae\nseed: 3\ndata: {name: glyphs, size: 8, train: 60, select: 20}\n" + kind +
		"train: {steps: 8, batch: 12, eval_every: 4, preview_every: 4}\n"
}

var (
	home  string
	zoo   *modelstore.Store
	broke error
	once  sync.Once
)

// models is a store with one model of each kind, trained once for all tests.
func models(t testing.TB) *modelstore.Store {
	t.Helper()
	once.Do(func() {
		if home, broke = os.MkdirTemp("", "vae-test-*"); broke != nil { //nolint:usetesting // outlives the test
			return
		}
		zoo, broke = modelstore.Open(modelstore.Root{Name: "test", Dir: home + "/models", Writable: true})
		for name, kind := range kinds {
			if broke == nil {
				_, broke = vae.Train(context.Background(), []byte(text(name, kind)),
					recipe.Deps{Store: zoo, Runs: home + "/runs"}, nil)
			}
		}
	})
	if broke != nil {
		t.Fatal(broke)
	}
	return zoo
}

func names() []string {
	var l []string
	for name := range kinds {
		l = append(l, name)
	}
	slices.Sort(l)
	return l
}

// open serves a store.
func open(t testing.TB, cfg vae.Config) *serve.Memory {
	t.Helper()
	m, err := vae.Connect(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// connect serves one model of each kind.
func connect(t testing.TB) (vaev1.VaeServiceClient, *serve.Memory) {
	t.Helper()
	m := open(t, vae.Config{Store: models(t)})
	return vaev1.NewVaeServiceClient(m.Conn()), m
}

// events is all that a stream gave.
type events struct {
	started   *vaev1.SampleStarted
	sweeps    []*vaev1.Sweep
	previews  []*vaev1.ChainPreview
	states    []*vaev1.ChainState
	completed *vaev1.SampleCompleted
	sequences []uint64
	err       error
}

func (e *events) add(m *vaev1.SampleResponse) {
	e.sequences = append(e.sequences, m.GetSequence())
	switch ev := m.GetEvent().(type) {
	case *vaev1.SampleResponse_Started:
		e.started = ev.Started
	case *vaev1.SampleResponse_Sweep:
		e.sweeps = append(e.sweeps, ev.Sweep)
	case *vaev1.SampleResponse_Preview:
		e.previews = append(e.previews, ev.Preview)
	case *vaev1.SampleResponse_State:
		e.states = append(e.states, ev.State)
	case *vaev1.SampleResponse_Completed:
		e.completed = ev.Completed
	}
}

func sample(ctx context.Context, c vaev1.VaeServiceClient, req *vaev1.SampleRequest) (e events) {
	s, err := c.Sample(ctx, req)
	if err != nil {
		return events{err: err}
	}
	for {
		m, err := s.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				e.err = err
			}
			return e
		}
		e.add(m)
	}
}

func mustSample(t testing.TB, c vaev1.VaeServiceClient, req *vaev1.SampleRequest) events {
	t.Helper()
	e := sample(t.Context(), c, req)
	if e.err != nil || e.completed == nil {
		t.Fatalf("%v: %v", req, e.err)
	}
	return e
}

func fantasy(ctx context.Context, c vaev1.VaeServiceClient, req *vaev1.FantasyRequest) (e events) {
	s, err := c.Fantasy(ctx, req)
	if err != nil {
		return events{err: err}
	}
	for {
		m, err := s.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				e.err = err
			}
			return e
		}
		e.add(m.GetSample())
	}
}

func faultOf(err error) *fault.Error {
	var f *fault.Error
	if !errors.As(serve.FromStatus("", err), &f) {
		return &fault.Error{}
	}
	return f
}

func ptr[T any](v T) *T { return &v }

const raw = tensorv1.ImageEncoding_IMAGE_ENCODING_RAW

// image is a picture of 8x8 with a bar at k.
func image(k int) *tensorv1.Image {
	pix := make([]byte, 64)
	for i := range pix {
		if i%8 == k%8 || i/8 == k/8%8 {
			pix[i] = byte(255 - 20*(k%5))
		}
	}
	return &tensorv1.Image{Encoding: raw, Width: 8, Height: 8, Channels: 1, Data: pix}
}

func images(n int) []*tensorv1.Image {
	var l []*tensorv1.Image
	for i := range n {
		l = append(l, image(3*i))
	}
	return l
}

// codes is the message of rows of k numbers.
func codes(k int, v ...float32) *vaev1.Codes {
	m := &tensorv1.Tensor{Dtype: tensorv1.DataType_DATA_TYPE_F32, Shape: []int64{int64(len(v) / max(k, 1)), int64(k)}}
	for _, x := range v {
		m.Data = binary.LittleEndian.AppendUint32(m.Data, math.Float32bits(x))
	}
	return &vaev1.Codes{Values: m}
}

// values are the numbers of codes.
func values(c *vaev1.Codes) []float32 {
	b := c.GetValues().GetData()
	x := make([]float32, len(b)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return x
}

// some are n codes near the origin.
func some(n, k int) *vaev1.Codes {
	v := make([]float32, n*k)
	for i := range v {
		v[i] = float32(i%7)/5 - 0.5
	}
	return codes(k, v...)
}

func sameImages(a, b []*tensorv1.Image) bool {
	return slices.EqualFunc(a, b, func(x, y *tensorv1.Image) bool { return slices.Equal(x.GetData(), y.GetData()) })
}

// bare is a digest of a message without what stands outside the promise of identical bytes: times.
func bare(m proto.Message) string {
	c := proto.Clone(m)
	strip(c.ProtoReflect())
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(c)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

func strip(m protoreflect.Message) {
	if a, ok := m.Interface().(*vaev1.Answered); ok {
		a.Queue, a.Compute, a.Total = nil, nil, nil
		return
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Message() != nil && !f.IsList() && !f.IsMap() {
			strip(v.Message())
		}
		return true
	})
}

// asked is every call that there is, as a request that the model answers if it answers such calls at all. Its answers
// are digests.
func asked(d *vaev1.DescribeResponse, model string) map[string]func(context.Context, vaev1.VaeServiceClient) (string, error) {
	k := max(int(d.GetDimension()), 1)
	var one string
	var each []string
	if l := d.GetLabels(); len(l) > 1 && d.GetConditional() {
		one, each = l[1], []string{l[0], l[1], l[0]}
	}
	clamped := "0"
	if len(d.GetLabels()) > 0 {
		clamped = d.GetLabels()[0]
	}
	var sweeps *int32
	if d.GetSweeps() > 0 {
		sweeps = ptr(int32(12))
	}
	point := func(i int) *vaev1.Term {
		v := make([]float32, k)
		v[i%k] = 0.5
		return &vaev1.Term{Term: &vaev1.Term_Code{Code: codes(k, v...)}}
	}
	seed := ptr(uint64(5))
	return map[string]func(context.Context, vaev1.VaeServiceClient) (string, error){
		"Encode": func(ctx context.Context, c vaev1.VaeServiceClient) (string, error) {
			r, err := c.Encode(ctx, &vaev1.EncodeRequest{Model: model, Images: images(3), Labels: each, Seed: seed})
			return bare(r), err
		},
		"Decode": func(ctx context.Context, c vaev1.VaeServiceClient) (string, error) {
			r, err := c.Decode(ctx, &vaev1.DecodeRequest{Model: model, Codes: some(3, k), Labels: each})
			return bare(r), err
		},
		"Reconstruct": func(ctx context.Context, c vaev1.VaeServiceClient) (string, error) {
			r, err := c.Reconstruct(ctx, &vaev1.ReconstructRequest{Model: model, Images: images(3), Labels: each})
			return bare(r), err
		},
		"Sample": func(ctx context.Context, c vaev1.VaeServiceClient) (string, error) {
			e := sample(ctx, c, &vaev1.SampleRequest{Model: model, N: ptr(int32(3)), Seed: seed, Sweeps: sweeps})
			return e.digest(), e.err
		},
		"Fantasy": func(ctx context.Context, c vaev1.VaeServiceClient) (string, error) {
			e := fantasy(ctx, c, &vaev1.FantasyRequest{Model: model, N: ptr(int32(3)), Seed: seed, Sweeps: sweeps, Label: clamped})
			return e.digest(), e.err
		},
		"Interpolate": func(ctx context.Context, c vaev1.VaeServiceClient) (string, error) {
			r, err := c.Interpolate(ctx, &vaev1.InterpolateRequest{Model: model, From: point(0), To: point(1), Label: one})
			return bare(r), err
		},
		"LatentGrid": func(ctx context.Context, c vaev1.VaeServiceClient) (string, error) {
			r, err := c.LatentGrid(ctx, &vaev1.LatentGridRequest{Model: model, Columns: ptr(int32(4)), Rows: ptr(int32(3)), Label: one})
			return bare(r), err
		},
		"Arithmetic": func(ctx context.Context, c vaev1.VaeServiceClient) (string, error) {
			r, err := c.Arithmetic(ctx, &vaev1.ArithmeticRequest{Model: model, A: point(0), B: point(1), C: point(2), Label: one})
			return bare(r), err
		},
		"Score": func(ctx context.Context, c vaev1.VaeServiceClient) (string, error) {
			r, err := c.Score(ctx, &vaev1.ScoreRequest{Model: model, Images: images(3), Labels: each, Seed: seed})
			return bare(r), err
		},
	}
}

// digest is of all events but previews and states, of which there may be more or fewer.
func (e *events) digest() string {
	var b strings.Builder
	if e.completed != nil {
		b.WriteString(bare(e.completed))
	}
	for _, s := range e.sweeps {
		b.WriteString(bare(s))
	}
	return b.String()
}

func describe(t testing.TB, c vaev1.VaeServiceClient, model string) *vaev1.DescribeResponse {
	t.Helper()
	d, err := c.Describe(t.Context(), &vaev1.DescribeRequest{Model: model})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
