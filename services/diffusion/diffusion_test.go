package diffusion_test

import (
	"bytes"
	"context"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/picture"
	"github.com/manifold-gen/manifold/shared/tensor"
)

func TestGenerate(t *testing.T) {
	m := connect(t, diffusion.Config{})
	req := &diffusionv1.GenerateRequest{
		Model: "tiny", Label: "one", Steps: ptr(int32(10)), GuidanceScale: ptr(2.0), Seed: ptr(uint64(7)), N: ptr(int32(2)),
		PreviewEvery: 3,
	}
	e := mustGenerate(t, m.Conn(), req)
	st := e.started
	if st.GetSeed() != 7 || st.GetSteps() != 10 || st.GetEvaluations() != 10 || st.GetSampler() != "ddim" ||
		st.GetModel() != "tiny@1" || len(st.GetModelDigest()) != 64 || len(st.GetNoiseLevels()) != 11 ||
		st.GetWidth() != 8 || st.GetNumericsVersion() != tensor.NumericsVersion {
		t.Errorf("started %v", st)
	}
	if len(e.steps) != 10 || e.steps[9].GetStep() != 10 || e.steps[9].GetNoiseLevel() != 0 || e.steps[0].GetTimestep() != 999 {
		t.Errorf("%d steps, %v", len(e.steps), e.steps)
	}
	for i, s := range e.steps {
		if s.GetNoiseLevel() != st.GetNoiseLevels()[i+1] {
			t.Errorf("step %d leaves %g, started says %g", i+1, s.GetNoiseLevel(), st.GetNoiseLevels()[i+1])
		}
	}
	want := []uint64{2, 11, 19, 27, 28, 35, 43, 51, 52, 59, 67, 75, 76, 83, 86}
	if !equalSequences(e.sequences, want) {
		t.Errorf("sequences %v, want %v", e.sequences, want)
	}
	img := e.completed.GetImages()[1]
	p, err := png.Decode(bytes.NewReader(img.GetData()))
	if err != nil || p.Bounds().Dx() != 8 {
		t.Fatal(err)
	}
	text, err := picture.ReadText(img.GetData())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, x := range text {
		got[x.Keyword] = x.Value
	}
	for k, v := range map[string]string{
		picture.KeySeed: "7", picture.KeyIndex: "1", picture.KeyLabel: "one", picture.KeyModel: "tiny@1",
		picture.KeyDigest: st.GetModelDigest(), picture.KeySampler: "ddim", picture.KeySteps: "10",
		picture.KeyGuidance: "2", picture.KeySoftware: "Manifold",
	} {
		if got[k] != v {
			t.Errorf("text %s is %q, want %q", k, got[k], v)
		}
	}
	if again := mustGenerate(t, m.Conn(), req); !samePictures(e, again) {
		t.Error("the same request gave other files")
	}
	if tm := e.completed.GetTimings(); tm.GetSteps() != 10 || tm.GetTotal().AsDuration() <= 0 ||
		tm.GetCompute().AsDuration() > tm.GetTotal().AsDuration() {
		t.Errorf("timings %v", tm)
	}

	t.Run("the server draws a seed and repeats it", func(t *testing.T) {
		r := proto.CloneOf(req)
		r.Seed = nil
		a, b := mustGenerate(t, m.Conn(), r), mustGenerate(t, m.Conn(), r)
		if a.started.GetSeed() == b.started.GetSeed() || a.started.GetSeed() >= 1<<53 {
			t.Errorf("seeds %d and %d", a.started.GetSeed(), b.started.GetSeed())
		}
		r.Seed = ptr(a.started.GetSeed())
		if c := mustGenerate(t, m.Conn(), r); !samePictures(a, c) {
			t.Error("the drawn seed gave other pictures")
		}
	})
	t.Run("raw pictures", func(t *testing.T) {
		r := proto.CloneOf(req)
		r.Encoding = tensorv1.ImageEncoding_IMAGE_ENCODING_RAW
		a := mustGenerate(t, m.Conn(), r)
		raw, err := picture.Decode(img.GetData(), 1, 64)
		if err != nil || !bytes.Equal(a.completed.GetImages()[1].GetData(), raw.Pix) {
			t.Errorf("raw and PNG differ: %v", err)
		}
	})
	t.Run("every sampler, with labels of its own for every picture", func(t *testing.T) {
		for _, name := range sampler.Names() {
			r := &diffusionv1.GenerateRequest{
				Model: "tiny@1", Labels: []string{"two", "", "zero"}, N: ptr(int32(3)), Sampler: name, Steps: ptr(int32(5)),
				Seed: ptr(uint64(0)),
			}
			e := mustGenerate(t, m.Conn(), r)
			r.Labels, r.N = []string{"two"}, nil
			if one := mustGenerate(t, m.Conn(), r); !sameImages(e.completed.GetImages()[:1], one.completed.GetImages()) {
				t.Errorf("%s: the first picture of three differs from a single one", name)
			}
		}
	})
	t.Run("previews of the estimate", func(t *testing.T) {
		r := proto.CloneOf(req)
		r.PreviewContent = diffusionv1.PreviewContent_PREVIEW_CONTENT_ESTIMATE
		a := mustGenerate(t, m.Conn(), r)
		if len(a.previews) == 0 || a.previews[0].GetContent() != r.GetPreviewContent() ||
			sameImages(a.previews[0].GetImages(), e.previews[0].GetImages()) {
			t.Error("estimate and sample look the same")
		}
	})
	t.Run("an unconditional model", func(t *testing.T) {
		mustGenerate(t, m.Conn(), &diffusionv1.GenerateRequest{Model: "free", Steps: ptr(int32(3)), Eta: ptr(1.0)})
	})
}

func equalSequences(a, b []uint64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Every request that makes no sense is refused with the field, the value and what is allowed, and costs nothing.
func TestBadRequests(t *testing.T) {
	m := connect(t, diffusion.Config{})
	rows := []struct {
		name  string
		req   *diffusionv1.GenerateRequest
		kind  fault.Kind
		field string
		says  string
	}{
		{"no model", &diffusionv1.GenerateRequest{}, fault.Invalid, "model", ""},
		{"unknown model", &diffusionv1.GenerateRequest{Model: "nope"}, fault.NotFound, "", "free, tiny"},
		{"unknown version", &diffusionv1.GenerateRequest{Model: "tiny@9"}, fault.NotFound, "", "1"},
		{"a path for a model", &diffusionv1.GenerateRequest{Model: "../../etc/passwd"}, fault.Invalid, "model", ""},
		{"unknown label", &diffusionv1.GenerateRequest{Label: "nine"}, fault.Invalid, "label", "zero, one, two"},
		{"unknown label of several", &diffusionv1.GenerateRequest{Labels: []string{"one", "ten"}, N: ptr(int32(2))},
			fault.Invalid, "labels[1]", "zero, one, two"},
		{"label of an unconditional model", &diffusionv1.GenerateRequest{Model: "free", Label: "one"}, fault.Invalid,
			"label", "unconditional"},
		{"both labels", &diffusionv1.GenerateRequest{Label: "one", Labels: []string{"one"}}, fault.Invalid, "label", ""},
		{"too few labels", &diffusionv1.GenerateRequest{Labels: []string{"one"}, N: ptr(int32(2))}, fault.Invalid,
			"labels", "n = 2"},
		{"unknown sampler", &diffusionv1.GenerateRequest{Sampler: "magic"}, fault.Invalid, "sampler",
			"ddim, ddpm, dpmpp_2m, euler, heun"},
		{"0 steps", &diffusionv1.GenerateRequest{Steps: ptr(int32(0))}, fault.Invalid, "steps", "1 to 1000"},
		{"10^9 steps", &diffusionv1.GenerateRequest{Steps: ptr(int32(1e9))}, fault.Invalid, "steps", "1 to 1000"},
		{"-1 steps", &diffusionv1.GenerateRequest{Steps: ptr(int32(-1))}, fault.Invalid, "steps", "1 to 1000"},
		{"NaN guidance", &diffusionv1.GenerateRequest{Label: "one", GuidanceScale: ptr(math.NaN())}, fault.Invalid,
			"guidance_scale", "0 to 50"},
		{"infinite guidance", &diffusionv1.GenerateRequest{Label: "one", GuidanceScale: ptr(math.Inf(1))}, fault.Invalid,
			"guidance_scale", "0 to 50"},
		{"guidance without a label", &diffusionv1.GenerateRequest{GuidanceScale: ptr(2.0)}, fault.Invalid,
			"guidance_scale", "label"},
		{"eta for heun", &diffusionv1.GenerateRequest{Sampler: "heun", Eta: ptr(0.5)}, fault.Invalid, "eta", "ddim"},
		{"eta 2", &diffusionv1.GenerateRequest{Eta: ptr(2.0)}, fault.Invalid, "eta", "0 to 1"},
		{"NaN eta", &diffusionv1.GenerateRequest{Eta: ptr(math.NaN())}, fault.Invalid, "eta", "0 to 1"},
		{"seed 2^53", &diffusionv1.GenerateRequest{Seed: ptr(uint64(1 << 53))}, fault.Invalid, "seed", "9007199254740991"},
		{"n 0", &diffusionv1.GenerateRequest{N: ptr(int32(0))}, fault.Invalid, "n", "1 to 64"},
		{"n 65", &diffusionv1.GenerateRequest{N: ptr(int32(65))}, fault.Invalid, "n", "1 to 64"},
		{"previews", &diffusionv1.GenerateRequest{PreviewEvery: -1}, fault.Invalid, "preview_every", "at least 0"},
		{"preview content", &diffusionv1.GenerateRequest{PreviewContent: 9}, fault.Invalid, "preview_content", ""},
		{"JPEG", &diffusionv1.GenerateRequest{Encoding: tensorv1.ImageEncoding_IMAGE_ENCODING_JPEG}, fault.Invalid,
			"encoding", "PNG or RAW"},
		{"long request id", &diffusionv1.GenerateRequest{RequestId: strings.Repeat("x", 129)}, fault.Invalid,
			"request_id", "128"},
		{"a damaged resume state", &diffusionv1.GenerateRequest{Resume: &diffusionv1.ResumeState{}}, fault.Precondition,
			"", "numerics"},
	}
	for _, r := range rows {
		if r.req.Model == "" && r.name != "no model" {
			r.req.Model = "tiny"
		}
		e := generate(t.Context(), m.Conn(), r.req)
		f := faultOf(e.err)
		if f.Kind != r.kind || !strings.Contains(f.Message(), r.says) || f.Reason == "" {
			t.Errorf("%s: %v %s %q", r.name, f.Kind, f.Reason, f.Message())
		}
		if r.field != "" && (len(f.Fields) == 0 || f.Fields[0].Field != r.field) {
			t.Errorf("%s: fields %v, want %s", r.name, f.Fields, r.field)
		}
		if strings.Contains(f.Message(), os.TempDir()) {
			t.Errorf("%s: the message shows a path: %s", r.name, f.Message())
		}
	}
	several := generate(t.Context(), m.Conn(), &diffusionv1.GenerateRequest{
		Model: "tiny", Steps: ptr(int32(0)), N: ptr(int32(0)), Sampler: "x",
	})
	if f := faultOf(several.err); len(f.Fields) != 3 {
		t.Errorf("three wrong fields are reported as %v", f.Fields)
	}
	mustGenerate(t, m.Conn(), &diffusionv1.GenerateRequest{Model: "tiny", Steps: ptr(int32(2))})
}

// A stream handed over at shutdown goes on elsewhere with the same bytes; states for anything else are refused.
func TestResumeElsewhere(t *testing.T) {
	store := newStore(t)
	first := connect(t, diffusion.Config{Store: store})
	second := open(t, diffusion.Config{Store: store})
	for _, name := range sampler.Names() {
		req := &diffusionv1.GenerateRequest{
			Model: "tiny", Label: "two", Steps: ptr(int32(1000)), Sampler: name, Seed: ptr(uint64(3)), N: ptr(int32(2)),
			GuidanceScale: ptr(1.5), PreviewEvery: 250, ResumeStates: true,
		}
		whole := mustGenerate(t, second.Conn(), req)
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := diffusionv1.NewDiffusionServiceClient(first.Conn()).Generate(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		var e events
		for len(e.steps) < 20 {
			m, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			e.add(m)
		}
		go func() {
			if err := first.Close(); err != nil {
				t.Error(err)
			}
		}()
		for {
			m, err := stream.Recv()
			if err != nil {
				e.err = err
				break
			}
			e.add(m)
		}
		cancel()
		if f := faultOf(e.err); f.Reason != "HANDED_OVER" || f.Kind != fault.Unavailable || len(e.states) == 0 {
			t.Fatalf("%s: %d states, %v", name, len(e.states), e.err)
		}
		again := proto.CloneOf(req)
		again.Resume = e.states[len(e.states)-1]
		rest := mustGenerate(t, second.Conn(), again)
		if !samePictures(whole, rest) {
			t.Errorf("%s: other pictures after step %d", name, again.GetResume().GetStep())
		}
		if got := rest.steps[0].GetStep(); got != again.GetResume().GetStep()+1 {
			t.Errorf("%s: goes on at step %d", name, got)
		}
		for _, p := range rest.previews {
			if !sameImages(p.GetImages(), whole.previews[p.GetStep()/250-1].GetImages()) {
				t.Errorf("%s: preview %d differs", name, p.GetStep())
			}
		}
		refused(t, second.Conn(), again)
		first = open(t, diffusion.Config{Store: store})
	}
}

// refused changes a request or its state in every way that must be noticed.
func refused(t *testing.T, conn grpc.ClientConnInterface, good *diffusionv1.GenerateRequest) {
	t.Helper()
	rows := []struct {
		reason string
		change func(*diffusionv1.GenerateRequest)
	}{
		{"REQUEST_MISMATCH", func(r *diffusionv1.GenerateRequest) { r.Label = "one" }},
		{"REQUEST_MISMATCH", func(r *diffusionv1.GenerateRequest) { r.GuidanceScale = ptr(3.0) }},
		{"REQUEST_MISMATCH", func(r *diffusionv1.GenerateRequest) { r.Seed = ptr(uint64(4)) }},
		{"REQUEST_MISMATCH", func(r *diffusionv1.GenerateRequest) { r.N = ptr(int32(3)) }},
		{"REQUEST_MISMATCH", func(r *diffusionv1.GenerateRequest) { r.Resume.RequestDigest[0]++ }},
		{"MODEL_MISMATCH", func(r *diffusionv1.GenerateRequest) { r.Resume.ModelDigest = "x" }},
		{"NUMERICS_MISMATCH", func(r *diffusionv1.GenerateRequest) { r.Resume.NumericsVersion++ }},
		{"RESUME_STATE_DAMAGED", func(r *diffusionv1.GenerateRequest) { r.Resume.States[1] = []byte("short") }},
		{"RESUME_STATE_MISMATCH", func(r *diffusionv1.GenerateRequest) { r.Resume.States = r.Resume.States[:1] }},
		{"RESUME_STATE_MISMATCH", func(r *diffusionv1.GenerateRequest) {
			r.Resume.States = append(r.Resume.States, r.Resume.States[0])
		}},
	}
	for i, row := range rows {
		r := proto.CloneOf(good)
		row.change(r)
		if f := faultOf(generate(t.Context(), conn, r).err); f.Reason != row.reason || f.Kind != fault.Precondition {
			t.Errorf("change %d: %v %s, want %s", i, f.Kind, f.Message(), row.reason)
		}
	}
}

// Clients that leave at any moment leave nothing behind.
func TestVanishedClients(t *testing.T) {
	m := connect(t, diffusion.Config{})
	mustGenerate(t, m.Conn(), &diffusionv1.GenerateRequest{Model: "tiny", Steps: ptr(int32(1))})
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%20)*time.Millisecond)
			defer cancel()
			e := generate(ctx, m.Conn(), &diffusionv1.GenerateRequest{
				Model: "tiny", Label: "one", Steps: ptr(int32(1000)), N: ptr(int32(4)), ResumeStates: i%2 == 0,
			})
			if k := faultOf(e.err).Kind; e.err != nil && k != fault.Deadline && k != fault.Overloaded {
				t.Error(e.err)
			}
		})
	}
	wg.Wait()
	models := modelv1.NewModelServiceClient(m.Conn())
	for end := time.Now().Add(time.Minute); ; {
		// The model can be unloaded as soon as no request is in the engine.
		_, err := models.UnloadModel(t.Context(), &modelv1.UnloadModelRequest{Model: "tiny"})
		if err == nil {
			break
		}
		if faultOf(err).Reason != "MODEL_IN_USE" || time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before+2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestAddNoise(t *testing.T) {
	m := connect(t, diffusion.Config{})
	c := diffusionv1.NewDiffusionServiceClient(m.Conn())
	run := func(req *diffusionv1.AddNoiseRequest) ([]*diffusionv1.AddNoiseResponse, error) {
		s, err := c.AddNoise(t.Context(), req)
		if err != nil {
			return nil, err
		}
		var all []*diffusionv1.AddNoiseResponse
		for {
			r, err := s.Recv()
			if err != nil {
				if err.Error() == "EOF" {
					err = nil
				}
				return all, err
			}
			all = append(all, r)
		}
	}
	white := bytes.Repeat([]byte{255}, 16*16)
	data, err := picture.EncodePNG(&picture.Picture{Width: 16, Height: 16, Channels: 1, Pix: white})
	if err != nil {
		t.Fatal(err)
	}
	req := &diffusionv1.AddNoiseRequest{
		Model: "tiny", Image: &tensorv1.Image{Data: data}, Seed: ptr(uint64(5)), Events: ptr(int32(11)),
		Encoding: tensorv1.ImageEncoding_IMAGE_ENCODING_RAW,
	}
	a, err := run(req)
	if err != nil || len(a) != 11 {
		t.Fatalf("%d events, %v", len(a), err)
	}
	if a[0].GetTimestep() != 0 || a[0].GetSignal() != 1 || !bytes.Equal(a[0].GetImage().GetData(), white[:64]) {
		t.Errorf("first event %v", a[0])
	}
	if last := a[10]; last.GetTimestep() != 1000 || last.GetSignal() > 0.01 || last.GetNoise() < 0.99 {
		t.Errorf("last event at %d: %g and %g", last.GetTimestep(), last.GetSignal(), last.GetNoise())
	}
	b, err := run(req)
	if err != nil || !bytes.Equal(a[5].GetImage().GetData(), b[5].GetImage().GetData()) {
		t.Errorf("the same request gave other noise: %v", err)
	}
	bad := map[string]func(*diffusionv1.AddNoiseRequest){
		"image":  func(r *diffusionv1.AddNoiseRequest) { r.Image = nil },
		"events": func(r *diffusionv1.AddNoiseRequest) { r.Events = ptr(int32(1001)) },
		"seed":   func(r *diffusionv1.AddNoiseRequest) { r.Seed = ptr(uint64(1 << 60)) },
	}
	for field, change := range bad {
		r := proto.CloneOf(req)
		change(r)
		if _, err := run(r); len(faultOf(err).Fields) != 1 || faultOf(err).Fields[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	raw := proto.CloneOf(req)
	raw.Image = &tensorv1.Image{
		Encoding: tensorv1.ImageEncoding_IMAGE_ENCODING_RAW, Width: 1 << 31, Height: 1 << 31, Channels: 4, Data: white,
	}
	if _, err := run(raw); faultOf(err).Kind != fault.Invalid {
		t.Errorf("a picture of 2^62 pixels: %v", err)
	}
}

func TestModels(t *testing.T) {
	store := newStore(t)
	m := connect(t, diffusion.Config{Store: store, Preload: []string{"tiny"}})
	publish(t, store, "tiny", "a", "b")
	c := modelv1.NewModelServiceClient(m.Conn())
	var refs []string
	token := ""
	for {
		r, err := c.ListModels(t.Context(), &modelv1.ListModelsRequest{PageSize: 1, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range r.GetModels() {
			refs = append(refs, x.GetName()+"@"+x.GetVersion())
		}
		if token = r.GetNextPageToken(); token == "" {
			break
		}
	}
	if strings.Join(refs, " ") != "free@1 tiny@1 tiny@2" {
		t.Errorf("listed %v", refs)
	}
	get := func(ref string) *modelv1.Model {
		r, err := c.GetModel(t.Context(), &modelv1.GetModelRequest{Model: ref})
		if err != nil {
			t.Fatal(err)
		}
		return r.GetModel()
	}
	one, two := get("tiny@1"), get("tiny")
	if !one.GetLoaded() || one.GetMemoryBytes() <= 0 || two.GetLoaded() || two.GetVersion() != "2" {
		t.Errorf("%v\n%v", one, two)
	}
	if len(one.GetSamplers()) != 5 || len(one.GetLabels()) != 3 || one.GetParameters() == 0 {
		t.Errorf("%v", one)
	}
	if _, err := c.LoadModel(t.Context(), &modelv1.LoadModelRequest{Model: "tiny"}); err != nil || !get("tiny").GetLoaded() {
		t.Errorf("load: %v", err)
	}
	u, err := c.UnloadModel(t.Context(), &modelv1.UnloadModelRequest{Model: "tiny@1"})
	if err != nil || u.GetModel().GetLoaded() || get("tiny@1").GetLoaded() {
		t.Errorf("unload: %v %v", u, err)
	}
	for name, err := range map[string]error{
		"page size": second(c.ListModels(t.Context(), &modelv1.ListModelsRequest{PageSize: 1001})),
		"token":     second(c.ListModels(t.Context(), &modelv1.ListModelsRequest{PageToken: "x"})),
	} {
		if faultOf(err).Kind != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.GetModel(t.Context(), &modelv1.GetModelRequest{Model: "x"}); faultOf(err).Kind != fault.NotFound {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

// Damaged weights are refused at load with a word about what is wrong, and the server lives on.
func TestDamagedModel(t *testing.T) {
	dir := t.TempDir()
	store, err := diffusion.OpenStore(t.TempDir(), dir)
	if err != nil {
		t.Fatal(err)
	}
	m := connect(t, diffusion.Config{Store: store})
	file := filepath.Join(dir, "tiny", "1", "model.safetensors")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	bad[0] ^= 0xff
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"header": bad, "short": good[:len(good)/2]} {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
		e := generate(t.Context(), m.Conn(), &diffusionv1.GenerateRequest{Model: "tiny"})
		if f := faultOf(e.err); f.Kind != fault.Corrupt || strings.Contains(f.Message(), dir) {
			t.Errorf("%s: %v %s", name, f.Kind, f.Message())
		}
	}
	mustGenerate(t, m.Conn(), &diffusionv1.GenerateRequest{Model: "free", Steps: ptr(int32(2))})
	if err := os.WriteFile(file, good, 0o644); err != nil {
		t.Fatal(err)
	}
	mustGenerate(t, m.Conn(), &diffusionv1.GenerateRequest{Model: "tiny", Steps: ptr(int32(2))})
}

// A file that is cut short under a loaded model costs the requests that touch it, not the process.
func TestFileCutUnderModel(t *testing.T) {
	dir := t.TempDir()
	store, err := diffusion.OpenStore(t.TempDir(), dir)
	if err != nil {
		t.Fatal(err)
	}
	m := connect(t, diffusion.Config{Store: store, Preload: []string{"tiny"}})
	file := filepath.Join(dir, "tiny", "1", "model.safetensors")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	e := generate(t.Context(), m.Conn(), &diffusionv1.GenerateRequest{Model: "tiny", Steps: ptr(int32(2))})
	if f := faultOf(e.err); f.Kind != fault.Corrupt {
		t.Errorf("%v %s", f.Kind, f.Message())
	}
	mustGenerate(t, m.Conn(), &diffusionv1.GenerateRequest{Model: "free", Steps: ptr(int32(2))})
}
