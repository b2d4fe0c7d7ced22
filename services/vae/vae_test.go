package vae_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae"
	"github.com/manifold-gen/manifold/services/vae/internal/engine"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Describe lists the calls that a model answers, and no others: those it lacks say NOT_SUPPORTED and what there is.
func TestDescribeTellsTheTruth(t *testing.T) {
	c, m := connect(t)
	kinds := map[string]modelv1.ScoreKind{
		"vae": modelv1.ScoreKind_SCORE_KIND_LOWER_BOUND, "ae": modelv1.ScoreKind_SCORE_KIND_NONE,
		"rbm": modelv1.ScoreKind_SCORE_KIND_EXACT, "rbm-ais": modelv1.ScoreKind_SCORE_KIND_AIS_ESTIMATE,
		"dbn": modelv1.ScoreKind_SCORE_KIND_LOWER_BOUND,
	}
	for _, name := range names() {
		d := describe(t, c, name)
		stored, err := modelv1.NewModelServiceClient(m.Conn()).GetModel(t.Context(), &modelv1.GetModelRequest{Model: name})
		if err != nil || stored.GetModel().GetScoreKind() != d.GetScoreKind() {
			t.Errorf("%s: the store promises score kind %v, the model %v; %v", name, stored.GetModel().GetScoreKind(),
				d.GetScoreKind(), err)
		}
		if want, ok := kinds[name]; ok && d.GetScoreKind() != want {
			t.Errorf("%s scores as %v, want %v", name, d.GetScoreKind(), want)
		}
		if d.GetWidth() != 8 || d.GetHeight() != 8 || d.GetChannels() != 1 || d.GetCalls()[0] != "Describe" {
			t.Errorf("%s: %v", name, d)
		}
		for call, ask := range asked(d, name) {
			_, err := ask(t.Context(), c)
			if listed := slices.Contains(d.GetCalls(), call); listed && err != nil {
				t.Errorf("%s lists %s, which answers %v", name, call, err)
			} else if f := faultOf(err); !listed && (f.Reason != "NOT_SUPPORTED" || f.Kind != fault.Precondition ||
				!strings.Contains(f.Message(), strings.Join(d.GetCalls(), ", ")) || !strings.Contains(f.Message(), name)) {
				t.Errorf("%s does not list %s, which answers %v", name, call, err)
			}
		}
	}
}

// Calls agree with one another: what one makes in one step, others make in two.
func TestCallsAgree(t *testing.T) {
	c, _ := connect(t)
	ctx := t.Context()
	for _, name := range names() {
		d := describe(t, c, name)
		k := int(d.GetDimension())
		if k == 0 {
			continue
		}
		var label string
		var each []string
		if d.GetConditional() {
			label, each = d.GetLabels()[0], []string{d.GetLabels()[2], d.GetLabels()[0], d.GetLabels()[1]}
		}
		decode := func(z *vaev1.Codes, labels ...string) []*vaev1.DecodeResponse {
			r, err := c.Decode(ctx, &vaev1.DecodeRequest{Model: name, Codes: z, Labels: labels})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return []*vaev1.DecodeResponse{r}
		}
		one := []string{label}

		r, err := c.Reconstruct(ctx, &vaev1.ReconstructRequest{Model: name, Images: images(3), Labels: each})
		if err != nil {
			t.Fatal(name, err)
		}
		e, err := c.Encode(ctx, &vaev1.EncodeRequest{Model: name, Images: images(3), Labels: each, Seed: ptr(uint64(1))})
		if err != nil {
			t.Fatal(name, err)
		}
		if got := decode(e.GetMean(), each...)[0]; !sameImages(got.GetImages(), r.GetImages()) {
			t.Errorf("%s: decoding the mean code is not reconstructing", name)
		}
		for i, x := range r.GetErrors() {
			if !(x.GetMeanSquaredError() >= 0 && x.GetMeanSquaredError() <= 1) || x.CrossEntropy != nil && !(x.GetCrossEntropy() >= 0) {
				t.Errorf("%s: picture %d is %v off", name, i, x)
			}
		}
		posterior(t, name, d, e)

		a, b := some(1, k), some(2, k)
		b.Values.Shape[0], b.Values.Data = 1, b.GetValues().GetData()[4*k:]
		from, to := &vaev1.Term{Term: &vaev1.Term_Code{Code: a}}, &vaev1.Term{Term: &vaev1.Term_Code{Code: b}}
		for _, path := range []vaev1.Path{vaev1.Path_PATH_LINEAR, vaev1.Path_PATH_SPHERICAL} {
			w, err := c.Interpolate(ctx, &vaev1.InterpolateRequest{
				Model: name, From: from, To: to, Path: path, Label: label, Steps: ptr(int32(5)),
			})
			if err != nil || len(w.GetImages()) != 5 {
				t.Fatal(name, err)
			}
			z := values(w.GetCodes())
			if !slices.Equal(z[:k], values(a)) || !slices.Equal(z[4*k:], values(b)) {
				t.Errorf("%s: a walk along %v does not begin or end where it should", name, path)
			}
			if got := decode(w.GetCodes(), one...)[0]; !sameImages(got.GetImages(), w.GetImages()) {
				t.Errorf("%s: the pictures of a walk are not those of its codes", name)
			}
		}

		x, err := c.Arithmetic(ctx, &vaev1.ArithmeticRequest{Model: name, A: from, B: to, C: to, Label: label})
		if err != nil {
			t.Fatal(name, err)
		}
		z := values(x.GetCodes())
		for i := range k {
			if z[i] != z[k+i]-z[2*k+i]+z[3*k+i] {
				t.Errorf("%s: number %d of a - b + c is %v", name, i, z[i])
			}
		}
		if got := decode(x.GetCodes(), one...)[0].GetImages(); !sameImages(got[1:], x.GetTerms()) ||
			!sameImages(got[:1], append(got[:0:0], x.GetImage())) {
			t.Errorf("%s: the pictures of arithmetic are not those of its codes", name)
		}

		if !slices.Contains(d.GetCalls(), "LatentGrid") {
			continue
		}
		g, err := c.LatentGrid(ctx, &vaev1.LatentGridRequest{
			Model: name, Columns: ptr(int32(3)), Rows: ptr(int32(2)), Label: label, At: a,
		})
		if err != nil || len(g.GetImages()) != 6 || !slices.IsSorted(g.GetX()) || g.GetY()[0] < g.GetY()[1] {
			t.Fatalf("%s: %v, %v, %v", name, g.GetX(), g.GetY(), err)
		}
		var cells []float32
		for _, y := range g.GetY() {
			for _, x := range g.GetX() {
				cell := values(a)
				cell[g.GetXDimension()], cell[g.GetYDimension()] = float32(x), float32(y)
				cells = append(cells, cell...)
			}
		}
		if got := decode(codes(k, cells...), one...)[0]; !sameImages(got.GetImages(), g.GetImages()) {
			t.Errorf("%s: a cell of the grid is not the picture of its code", name)
		}
	}
}

// posterior checks that codes have variances where they are random, and that samples depend on seed and row alone.
func posterior(t *testing.T, name string, d *vaev1.DescribeResponse, e *vaev1.EncodeResponse) {
	t.Helper()
	if name == "ae" || name == "vq" || name == "vq-bare" {
		if e.GetVariance() != nil || e.GetSample() != nil || e.GetAnswered().GetSeed() != 0 {
			t.Errorf("%s: its codes are not random: %v", name, e.GetAnswered())
		}
		if (d.GetCodebook() > 0) != (e.GetIndices() != nil) {
			t.Errorf("%s: a codebook of %d and indices %v", name, d.GetCodebook(), e.GetIndices().GetShape())
		}
		return
	}
	mean, variance, z := values(e.GetMean()), values(e.GetVariance()), values(e.GetSample())
	if len(mean) != 3*int(d.GetDimension()) || len(z) != len(mean) || len(variance) != len(mean) {
		t.Fatalf("%s: %d means, %d variances, %d in samples", name, len(mean), len(variance), len(z))
	}
	for i, v := range variance {
		if v < 0 || d.GetSweeps() > 0 && (z[i] != 0 && z[i] != 1 || v != mean[i]*(1-mean[i])) {
			t.Errorf("%s: number %d has mean %v, variance %v and sample %v", name, i, mean[i], v, z[i])
		}
	}
}

// Picture i of a request depends on its seed and i alone.
func TestSample(t *testing.T) {
	c, _ := connect(t)
	for _, name := range names() {
		d := describe(t, c, name)
		if !slices.Contains(d.GetCalls(), "Sample") {
			continue
		}
		req := &vaev1.SampleRequest{Model: name, Seed: ptr(uint64(9)), N: ptr(int32(4)), Encoding: raw}
		if d.GetSweeps() > 0 {
			req.Sweeps, req.PreviewEvery = ptr(int32(10)), 4
		}
		e := mustSample(t, c, req)
		st := e.started
		if st.GetModel() != name+"@1" || st.GetSeed() != 9 || st.GetSweeps() != req.GetSweeps() || st.GetTemperature() != 1 ||
			st.GetNumericsVersion() != tensor.NumericsVersion || len(st.GetModelDigest()) != 64 || st.GetWidth() != 8 {
			t.Errorf("%s: started %v", name, st)
		}
		done := e.completed
		if len(done.GetImages()) != 4 || len(done.GetImages()[3].GetData()) != 64 || done.GetAnswered().GetSeed() != 9 {
			t.Errorf("%s: %d pictures", name, len(done.GetImages()))
		}
		one := proto.CloneOf(req)
		one.N = nil
		if o := mustSample(t, c, one); !sameImages(o.completed.GetImages(), done.GetImages()[:1]) {
			t.Errorf("%s: the first picture of four is not the one of a single request", name)
		}
		if !slices.IsSorted(e.sequences) || e.sequences[0] != 2 {
			t.Errorf("%s: sequences %v", name, e.sequences)
		}
		if d.GetSweeps() == 0 {
			// The codes are what was decoded.
			if r, err := c.Decode(t.Context(), &vaev1.DecodeRequest{Model: name, Codes: done.GetCodes(), Encoding: raw}); err != nil ||
				!d.GetConditional() && !sameImages(r.GetImages(), done.GetImages()) {
				t.Errorf("%s: the codes of samples have other pictures; %v", name, err)
			}
			continue
		}
		if n := len(e.sweeps); n != 3 || e.sweeps[0].GetSweep() != 4 || e.sweeps[2].GetSweep() != 10 ||
			!slices.Equal(e.sweeps[2].GetEnergies(), done.GetEnergies()) || len(done.GetEnergies()) != 4 {
			t.Errorf("%s: %d reports, %v", name, n, e.sweeps)
		}
		if slices.Contains(d.GetCalls(), "Fantasy") {
			label := d.GetLabels()[3]
			f := fantasy(t.Context(), c, &vaev1.FantasyRequest{
				Model: name, Seed: req.Seed, N: req.N, Sweeps: req.Sweeps, Label: label, Encoding: raw,
			})
			req.Label = label
			if s := mustSample(t, c, req); f.err != nil || !sameImages(f.completed.GetImages(), s.completed.GetImages()) {
				t.Errorf("%s: a fantasy of %s is not a sample with that label; %v", name, label, f.err)
			}
		}
	}
}

// Chains at a low temperature are found at lower energies.
func TestTemperature(t *testing.T) {
	c, _ := connect(t)
	for _, name := range []string{"rbm", "rbm-ais", "dbn", "boltzmann"} {
		mean := func(temperature float64) (sum float64) {
			e := mustSample(t, c, &vaev1.SampleRequest{
				Model: name, Seed: ptr(uint64(1)), N: ptr(int32(64)), Sweeps: ptr(int32(100)), Temperature: &temperature,
			})
			for _, v := range e.completed.GetEnergies() {
				sum += v / 64
			}
			return sum
		}
		if low, one, high := mean(0.1), mean(1), mean(20); !(low < one && one < high) {
			t.Errorf("%s: mean energies %g, %g and %g at temperatures 0.1, 1 and 20", name, low, one, high)
		}
	}
}

// Threads, kernels, the rows of a pass and whoever else asks do not change a bit of any answer.
func TestSameBytes(t *testing.T) {
	threads, kernels := tensor.Threads(), tensor.Kernels()
	defer func() {
		tensor.SetThreads(threads)
		if err := tensor.SetKernels(kernels); err != nil {
			t.Fatal(err)
		}
	}()
	type leg struct {
		kernels          string
		threads, maxRows int
		company          int
	}
	legs := []leg{{kernels, 1, 0, 1}, {kernels, 2, 1, 1}, {kernels, 8, 5, 4}, {kernels, 2, 0, 8}}
	for _, k := range tensor.AvailableKernels() {
		legs = append(legs, leg{k, 2, 3, 2})
	}
	want := map[string]string{}
	for _, l := range legs {
		if err := tensor.SetKernels(l.kernels); err != nil {
			t.Fatal(err)
		}
		tensor.SetThreads(l.threads)
		m, err := vae.Connect(t.Context(), vae.Config{Store: models(t), MaxRows: l.maxRows}, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := vaev1.NewVaeServiceClient(m.Conn())
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, name := range names() {
			d := describe(t, c, name)
			for call, ask := range asked(d, name) {
				if !slices.Contains(d.GetCalls(), call) {
					continue
				}
				for range l.company {
					wg.Go(func() {
						got, err := ask(t.Context(), c)
						mu.Lock()
						defer mu.Unlock()
						if err != nil {
							t.Errorf("%s %s: %v", name, call, err)
						}
						if w, ok := want[name+call]; ok && w != got {
							t.Errorf("%s %s: other bytes with %+v", name, call, l)
						}
						want[name+call] = got
					})
				}
			}
			wg.Wait()
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A chain that is taken up after any of its sweeps ends with the bytes of one that ran through.
func TestResumeFromEverySweep(t *testing.T) {
	store := models(t)
	for _, name := range []string{"rbm", "rbm-ais", "rbm-real", "dbn", "boltzmann"} {
		e, err := store.Resolve(name)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := store.Dir(e)
		if err != nil {
			t.Fatal(err)
		}
		l, err := engine.Load(t.Context(), e, dir, engine.Config{StateInterval: -1}, recipe.Open)
		if err != nil {
			t.Fatal(err)
		}
		run := func(r engine.ChainRequest) (states []*engine.State, end *engine.Result) {
			s, err := l.Chains(t.Context(), r)
			if err != nil {
				t.Fatal(name, err)
			}
			for {
				ev, err := s.Next(t.Context())
				switch {
				case err != nil:
					return states, end
				case ev.State != nil:
					states = append(states, ev.State)
				case ev.Result != nil:
					end = ev.Result
				}
				s.Sent(1, ev.State != nil)
			}
		}
		r := engine.ChainRequest{Seed: 4, N: 3, Sweeps: 12, Temperature: 0.9, Class: model.Unconditional, Every: 5, States: true}
		states, want := run(r)
		if len(states) == 0 {
			t.Errorf("%s: no states", name)
		}
		for _, st := range states {
			again := r
			again.Resume, again.States = st, false
			if _, got := run(again); got == nil || !slices.EqualFunc(got.Pix, want.Pix, slices.Equal) ||
				!slices.Equal(got.Energies, want.Energies) {
				t.Errorf("%s: other bytes when taken up after sweep %d", name, st.Sweep)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// long is a request that takes seconds.
func long(name string) *vaev1.SampleRequest {
	return &vaev1.SampleRequest{
		Model: name, Seed: ptr(uint64(2)), N: ptr(int32(64)), Sweeps: ptr(int32(10_000)), PreviewEvery: 50, ResumeStates: true,
	}
}

// At shutdown a chain is handed over, and another server goes on with it to the same bytes. States that are damaged or
// of something else are refused.
func TestHandOver(t *testing.T) {
	c, _ := connect(t)
	for _, name := range []string{"rbm", "dbn"} {
		req := long(name)
		want := mustSample(t, c, req)
		m, err := vae.Connect(t.Context(), vae.Config{Store: models(t)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := vaev1.NewVaeServiceClient(m.Conn()).Sample(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		var e events
		for len(e.sweeps) < 2 {
			ev, err := s.Recv()
			if err != nil {
				t.Fatal(err)
			}
			e.add(ev)
		}
		closed := make(chan error)
		go func() { closed <- m.Close() }()
		for e.err == nil {
			ev, err := s.Recv()
			if e.err = err; err == nil {
				e.add(ev)
			}
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if f := faultOf(e.err); f.Reason != "HANDED_OVER" || f.Kind != fault.Unavailable || len(e.states) == 0 {
			t.Fatalf("%s: %d states, %v", name, len(e.states), e.err)
		}
		again := proto.CloneOf(req)
		again.Resume = e.states[len(e.states)-1]
		again.Seed = nil // that of the state
		got := mustSample(t, c, again)
		if !sameImages(got.completed.GetImages(), want.completed.GetImages()) ||
			!slices.Equal(got.completed.GetEnergies(), want.completed.GetEnergies()) {
			t.Errorf("%s: other bytes after sweep %d", name, again.GetResume().GetSweep())
		}
		if first := got.sweeps[0].GetSweep(); first <= again.GetResume().GetSweep() {
			t.Errorf("%s: goes on with sweep %d after %d", name, first, again.GetResume().GetSweep())
		}
		again.Seed = req.Seed
		refused(t, c, again)
	}
}

// refused changes a request or its state in every way that must be noticed.
func refused(t *testing.T, c vaev1.VaeServiceClient, good *vaev1.SampleRequest) {
	t.Helper()
	inf := codes(1, float32(math.Inf(1))).GetValues().GetData()
	for i, row := range []struct {
		reason string
		change func(r *vaev1.SampleRequest, s *vaev1.ChainState)
	}{
		{"REQUEST_MISMATCH", func(r *vaev1.SampleRequest, _ *vaev1.ChainState) { r.Temperature = ptr(0.5) }},
		{"REQUEST_MISMATCH", func(r *vaev1.SampleRequest, _ *vaev1.ChainState) { r.Seed = ptr(uint64(77)) }},
		{"REQUEST_MISMATCH", func(r *vaev1.SampleRequest, _ *vaev1.ChainState) { r.N = ptr(int32(1)) }},
		{"REQUEST_MISMATCH", func(r *vaev1.SampleRequest, _ *vaev1.ChainState) { r.Start = image(1) }},
		{"REQUEST_MISMATCH", func(_ *vaev1.SampleRequest, s *vaev1.ChainState) { s.RequestDigest[0]++ }},
		{"REQUEST_MISMATCH", func(_ *vaev1.SampleRequest, s *vaev1.ChainState) { s.RequestDigest = nil }},
		{"REQUEST_MISMATCH", func(_ *vaev1.SampleRequest, s *vaev1.ChainState) { s.Seed++ }},
		{"MODEL_MISMATCH", func(_ *vaev1.SampleRequest, s *vaev1.ChainState) { s.ModelDigest = "x" }},
		{"MODEL_MISMATCH", func(r *vaev1.SampleRequest, _ *vaev1.ChainState) { r.Model = "boltzmann" }},
		{"NUMERICS_MISMATCH", func(_ *vaev1.SampleRequest, s *vaev1.ChainState) { s.NumericsVersion++ }},
		{"NUMERICS_MISMATCH", func(_ *vaev1.SampleRequest, s *vaev1.ChainState) { proto.Reset(s) }},
		{"RESUME_STATE_MISMATCH", func(_ *vaev1.SampleRequest, s *vaev1.ChainState) { s.Sweep = -1 }},
		{"RESUME_STATE_MISMATCH", func(_ *vaev1.SampleRequest, s *vaev1.ChainState) { s.Sweep = 10_000 }},
		{"RESUME_STATE_MISMATCH", func(_ *vaev1.SampleRequest, s *vaev1.ChainState) { s.Chains = s.Chains[1:] }},
		{"RESUME_STATE_MISMATCH", func(_ *vaev1.SampleRequest, s *vaev1.ChainState) { s.Chains[3] = []byte("short") }},
		{"RESUME_STATE_MISMATCH", func(_ *vaev1.SampleRequest, s *vaev1.ChainState) { copy(s.Chains[3][8:], inf) }},
	} {
		r := proto.CloneOf(good)
		if row.reason == "REQUEST_MISMATCH" && r.GetResume().Seed != *r.Seed {
			t.Fatal("the state has another seed")
		}
		row.change(r, r.Resume)
		if f := faultOf(sample(t.Context(), c, r).err); f.Reason != row.reason || f.Kind != fault.Precondition {
			t.Errorf("change %d of %s: %v %s %q, want %s", i, good.GetModel(), f.Kind, f.Reason, f.Message(), row.reason)
		}
	}
}

// Clients that leave leave nothing behind: the model can be unloaded afterwards.
func TestCancel(t *testing.T) {
	c, m := connect(t)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := c.Sample(ctx, long("rbm"))
			if err != nil {
				t.Error(err)
				return
			}
			for range i % 5 {
				if _, err := s.Recv(); err != nil && faultOf(err).Kind != fault.Overloaded {
					t.Error(err)
				}
			}
			cancel()
			for err == nil {
				_, err = s.Recv()
			}
		})
	}
	wg.Wait()
	for {
		_, err := modelv1.NewModelServiceClient(m.Conn()).UnloadModel(t.Context(), &modelv1.UnloadModelRequest{Model: "rbm"})
		if err == nil {
			break
		}
		if faultOf(err).Reason != "MODEL_IN_USE" {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	if e := sample(ctx, c, long("rbm")); faultOf(e.err).Kind != fault.Deadline {
		t.Errorf("a passed deadline: %v", e.err)
	}
	mustSample(t, c, &vaev1.SampleRequest{Model: "rbm", Sweeps: ptr(int32(2))})
}
