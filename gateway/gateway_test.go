package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	"github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1/diffusionv1connect"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/proto/gen/manifold/training/v1/trainingv1connect"
)

// replica is a diffusion service that "denoises" by counting, so that a test knows every byte beforehand.
type replica struct {
	diffusionv1.UnimplementedDiffusionServiceServer
	modelv1.UnimplementedModelServiceServer
	server  *grpc.Server
	address string
	dieAt   atomic.Int32 // stop the whole server before this step; 0: never
	steps   atomic.Int32 // steps computed
	streams atomic.Int32 // streams under way
}

func startReplica(t *testing.T) *replica {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{server: grpc.NewServer(), address: l.Addr().String()}
	diffusionv1.RegisterDiffusionServiceServer(r.server, r)
	modelv1.RegisterModelServiceServer(r.server, r)
	h := health.NewServer()
	h.SetServingStatus(diffusionv1.DiffusionService_ServiceDesc.ServiceName, healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(r.server, h)
	go func() { _ = r.server.Serve(l) }()
	t.Cleanup(r.server.Stop)
	return r
}

func (r *replica) GetModel(_ context.Context, q *modelv1.GetModelRequest) (*modelv1.GetModelResponse, error) {
	if q.GetModel() != "count" {
		return nil, status.Errorf(codes.NotFound, "model %q: known are count", q.GetModel())
	}
	return &modelv1.GetModelResponse{Model: &modelv1.Model{
		Name: "count", Version: "1", Family: "diffusion", Labels: []string{"0", "1", "cat"},
		Outputs: []*modelv1.Port{{Name: "image", Shape: []int64{-1, 28, 28, 1}}},
	}}, nil
}

func (r *replica) ListModels(context.Context, *modelv1.ListModelsRequest) (*modelv1.ListModelsResponse, error) {
	m, err := r.GetModel(context.Background(), &modelv1.GetModelRequest{Model: "count"})
	return &modelv1.ListModelsResponse{Models: []*modelv1.Model{m.GetModel()}}, err
}

func (r *replica) Generate(
	q *diffusionv1.GenerateRequest, out grpc.ServerStreamingServer[diffusionv1.GenerateResponse],
) error {
	r.streams.Add(1)
	defer r.streams.Add(-1)
	const steps = 20
	if q.GetSteps() < 0 {
		return status.Error(codes.InvalidArgument, "steps: negative")
	}
	seed := q.GetSeed()
	picture := func(step int32) []*tensorv1.Image {
		return []*tensorv1.Image{{Width: 1, Height: 1, Channels: 1, Data: fmt.Appendf(nil, "%d/%d", seed, step)}}
	}
	send := func(step int32, ev *diffusionv1.GenerateResponse) error {
		kind := uint64(ev.ProtoReflect().WhichOneof(ev.ProtoReflect().Descriptor().Oneofs().Get(0)).Number())
		ev.Sequence = uint64(step)*8 + kind
		return out.Send(ev)
	}
	if err := send(0, &diffusionv1.GenerateResponse{Event: &diffusionv1.GenerateResponse_Started{
		Started: &diffusionv1.Started{Seed: seed, Steps: steps}}}); err != nil {
		return err
	}
	for s := q.GetResume().GetStep() + 1; s <= steps; s++ {
		if d := r.dieAt.Load(); d > 0 && s >= d {
			go r.server.Stop()
			<-out.Context().Done()
			return status.Error(codes.Unavailable, "killed")
		}
		select {
		case <-out.Context().Done():
			return out.Context().Err()
		case <-time.After(time.Millisecond):
		}
		r.steps.Add(1)
		if err := send(s, &diffusionv1.GenerateResponse{Event: &diffusionv1.GenerateResponse_Step{
			Step: &diffusionv1.Step{Step: s, Steps: steps}}}); err != nil {
			return err
		}
		if q.GetPreviewEvery() > 0 && s%q.GetPreviewEvery() == 0 {
			if err := send(s, &diffusionv1.GenerateResponse{Event: &diffusionv1.GenerateResponse_Preview{
				Preview: &diffusionv1.Preview{Step: s, Images: picture(s)}}}); err != nil {
				return err
			}
		}
		if q.GetResumeStates() && s%3 == 0 {
			if err := send(s, &diffusionv1.GenerateResponse{Event: &diffusionv1.GenerateResponse_ResumeState{
				ResumeState: &diffusionv1.ResumeState{Step: s, Seed: seed}}}); err != nil {
				return err
			}
		}
	}
	return send(steps, &diffusionv1.GenerateResponse{Event: &diffusionv1.GenerateResponse_Completed{
		Completed: &diffusionv1.Completed{Images: picture(steps), Seed: seed, ModelDigest: "abc"}}})
}

func startGateway(t *testing.T, cfg Config, replicas ...*replica) (*Gateway, *httptest.Server) {
	t.Helper()
	var l []string
	for _, r := range replicas {
		l = append(l, r.address)
	}
	cfg.Backends = map[string]string{"diffusion": strings.Join(l, ",")}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(g)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(func() {
		s.Close()
		_ = g.Close()
	})
	deadline := time.Now().Add(time.Minute)
	for g.Ready(t.Context()) != nil && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	return g, s
}

// h2c is a client that speaks HTTP/2 without TLS, as gRPC does.
func h2c() *http.Client {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: p}}
}

func collect(t *testing.T, c diffusionv1connect.DiffusionServiceClient, id string, q *diffusionv1.GenerateRequest) []*diffusionv1.GenerateResponse {
	t.Helper()
	req := connect.NewRequest(q)
	if id != "" {
		req.Header().Set("Last-Event-Id", id)
	}
	stream, err := c.Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var l []*diffusionv1.GenerateResponse
	for stream.Receive() {
		l = append(l, proto.CloneOf(stream.Msg()))
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	return l
}

func equal(t *testing.T, got, want []*diffusionv1.GenerateResponse) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range got {
		if !proto.Equal(got[i], want[i]) {
			t.Fatalf("event %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestEveryProtocol(t *testing.T) {
	_, s := startGateway(t, Config{}, startReplica(t))
	seed := uint64(7)
	q := &diffusionv1.GenerateRequest{Model: "count", Seed: &seed, PreviewEvery: 5}
	want := collect(t, diffusionv1connect.NewDiffusionServiceClient(s.Client(), s.URL), "", q)
	if len(want) != 1+20+4+1 {
		t.Fatalf("%d events", len(want))
	}
	equal(t, collect(t, diffusionv1connect.NewDiffusionServiceClient(s.Client(), s.URL, connect.WithGRPCWeb()), "", q), want)
	equal(t, collect(t, diffusionv1connect.NewDiffusionServiceClient(h2c(), s.URL, connect.WithGRPC()), "", q), want)
	conn, err := grpc.NewClient(strings.TrimPrefix(s.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := diffusionv1.NewDiffusionServiceClient(conn).Generate(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var got []*diffusionv1.GenerateResponse
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	equal(t, got, want)
}

func TestStreamSurvivesItsServer(t *testing.T) {
	for _, die := range []int32{1, 2, 5, 10, 20} {
		t.Run(fmt.Sprint(die), func(t *testing.T) {
			a, b := startReplica(t), startReplica(t)
			g, s := startGateway(t, Config{FleetKey: []byte("k")}, a, b)
			c := diffusionv1connect.NewDiffusionServiceClient(s.Client(), s.URL)
			seed := uint64(3)
			q := &diffusionv1.GenerateRequest{Model: "count", Seed: &seed, PreviewEvery: 2}
			want := collect(t, c, "", q)
			before := a.steps.Load() + b.steps.Load()
			// Whichever replica the stream lands on dies; the other one must finish it.
			a.dieAt.Store(die)
			equal(t, collect(t, c, "", q), want)
			equal(t, collect(t, c, "", q), want)
			if n := counter(t, g.metrics.resumed); n != 1 {
				t.Errorf("%v streams resumed, want 1", n)
			}
			if extra := a.steps.Load() + b.steps.Load() - before - 40; extra > 3 {
				t.Errorf("%d steps computed again, at most 3 lie between two resume states", extra)
			}
		})
	}
}

func TestClientTakesTheStreamUpAgain(t *testing.T) {
	r := startReplica(t)
	_, s := startGateway(t, Config{FleetKey: []byte("k")}, r)
	// Another gateway of the fleet: it knows nothing but the key.
	_, s2 := startGateway(t, Config{FleetKey: []byte("k")}, r)
	seed := uint64(11)
	q := &diffusionv1.GenerateRequest{Model: "count", Seed: &seed}
	want := collect(t, diffusionv1connect.NewDiffusionServiceClient(s.Client(), s.URL), "", q)
	again := proto.CloneOf(q)
	again.Seed = nil // it is in the id
	got := collect(t, diffusionv1connect.NewDiffusionServiceClient(s2.Client(), s2.URL), want[7].GetEventId(), again)
	equal(t, got, want[8:])

	for name, change := range map[string]func(*diffusionv1.GenerateRequest) string{
		"another request": func(q *diffusionv1.GenerateRequest) string { q.Label = "1"; return want[7].GetEventId() },
		"a forged id":     func(*diffusionv1.GenerateRequest) string { return strings.Repeat("A", 64) },
		"garbage":         func(*diffusionv1.GenerateRequest) string { return "%%%" },
	} {
		q := proto.CloneOf(again)
		req := connect.NewRequest(q)
		req.Header().Set("Last-Event-Id", change(q))
		stream, err := diffusionv1connect.NewDiffusionServiceClient(s.Client(), s.URL).Generate(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for stream.Receive() {
		}
		if connect.CodeOf(stream.Err()) != connect.CodeFailedPrecondition {
			t.Errorf("%s: %v, want FAILED_PRECONDITION", name, stream.Err())
		}
	}
}

func TestResumeStatesStayInside(t *testing.T) {
	_, s := startGateway(t, Config{}, startReplica(t))
	c := diffusionv1connect.NewDiffusionServiceClient(s.Client(), s.URL)
	for _, ev := range collect(t, c, "", &diffusionv1.GenerateRequest{Model: "count"}) {
		if ev.GetResumeState() != nil {
			t.Fatal("a resume state reached the client")
		}
	}
	stream, err := c.Generate(t.Context(), connect.NewRequest(&diffusionv1.GenerateRequest{ResumeStates: true}))
	if err != nil {
		t.Fatal(err)
	}
	for stream.Receive() {
	}
	if connect.CodeOf(stream.Err()) != connect.CodeInvalidArgument {
		t.Errorf("asking for resume states: %v, want INVALID_ARGUMENT", stream.Err())
	}
}

func TestVanishedClientStopsTheService(t *testing.T) {
	r := startReplica(t)
	_, s := startGateway(t, Config{}, r)
	c := diffusionv1connect.NewDiffusionServiceClient(s.Client(), s.URL)
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := c.Generate(ctx, connect.NewRequest(&diffusionv1.GenerateRequest{Model: "count"}))
		if err != nil {
			t.Fatal(err)
		}
		stream.Receive()
		cancel()
	}
	deadline := time.Now().Add(time.Minute)
	for r.streams.Load() > 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := r.streams.Load(); n > 0 {
		t.Errorf("%d streams still run after their clients left", n)
	}
}

func post(t *testing.T, s *httptest.Server, body string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/images/generations", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func TestOpenAIImages(t *testing.T) {
	_, s := startGateway(t, Config{}, startReplica(t))
	res := post(t, s, `{"model":"count","prompt":"a CAT, please","seed":"5","quality":"high"}`)
	var body struct {
		Data []struct {
			B64 []byte `json:"b64_json"`
		}
		Seed string
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if len(body.Data) != 1 || string(body.Data[0].B64) != "5/20" || body.Seed != "5" {
		t.Errorf("%+v", body)
	}
	if w := res.Header.Get("Manifold-Warning"); !strings.Contains(w, "quality") {
		t.Errorf("no warning about quality: %q", w)
	}
}

type event struct{ name, id, data string }

func readSSE(t *testing.T, r io.Reader) []event {
	t.Helper()
	var l []event
	var e event
	in := bufio.NewScanner(r)
	for in.Scan() {
		name, value, _ := strings.Cut(in.Text(), ": ")
		switch name {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				l = append(l, e)
			}
			e = event{}
		}
	}
	return l
}

func TestOpenAIStream(t *testing.T) {
	_, s := startGateway(t, Config{}, startReplica(t))
	const body = `{"model":"count","prompt":"1","seed":9,"stream":true,"partial_images":3,"num_inference_steps":20}`
	l := readSSE(t, post(t, s, body).Body)
	if len(l) != 4 || l[0].name != "image_generation.partial_image" || l[3].name != "image_generation.completed" {
		t.Fatalf("%+v", l)
	}
	rest := readSSE(t, post(t, s, body, "Last-Event-ID", l[1].id).Body)
	if len(rest) != 2 {
		t.Fatalf("taken up after the second event: %d events, want 2", len(rest))
	}
	var a, b imageEvent
	for _, x := range []struct {
		s string
		e *imageEvent
	}{{l[3].data, &a}, {rest[1].data, &b}} {
		if err := json.Unmarshal([]byte(x.s), x.e); err != nil {
			t.Fatal(err)
		}
	}
	if a.B64JSON != b.B64JSON || a.Seed != "9" {
		t.Errorf("%+v and %+v", a, b)
	}
}

func TestOpenAIErrors(t *testing.T) {
	_, s := startGateway(t, Config{}, startReplica(t))
	for _, c := range []struct {
		body   string
		status int
		says   string
	}{
		{`{`, 400, "EOF"},
		{`{"model":"count","prompt":"dog"}`, 400, "0, 1, cat"},
		{`{"model":"count","prompt":"0 or 1"}`, 400, "several"},
		{`{"model":"nope","prompt":"1"}`, 404, "known are count"},
		{`{"model":"count","prompt":"1","size":"1024x1024"}`, 400, "28x28"},
		{`{"model":"count","prompt":"1","frobnicate":1}`, 400, "frobnicate"},
		{`{"model":"count","prompt":"1","response_format":"url"}`, 400, "b64_json"},
		{`{"model":"count","prompt":"1","seed":-1}`, 400, "seed"},
		{`{"model":"count","prompt":"1","seed":9007199254740992}`, 400, "seed"},
		{`{"model":"count","prompt":"1","partial_images":2}`, 400, "stream"},
		{`{"model":"count"}`, 400, "prompt"},
		{`{"prompt":"1"}`, 400, "model"},
		{`{"model":"count","prompt":"1"} {}`, 400, "one JSON value"},
		{`{"model":"count","prompt":"` + strings.Repeat("x", 2<<20) + `"}`, 400, "bytes"},
	} {
		res := post(t, s, c.body)
		b, _ := io.ReadAll(res.Body)
		var e openAIErrorBody
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatalf("%.60s: %s", c.body, b)
		}
		if res.StatusCode != c.status || !strings.Contains(e.Error.Message, c.says) || e.Error.Type == "" || e.Error.Code == "" {
			t.Errorf("%.60s: %d %+v, want %d and %q", c.body, res.StatusCode, e, c.status, c.says)
		}
	}
}

func TestKeys(t *testing.T) {
	// SHA-256 of "secret".
	k := Key{Name: "k", Hash: "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", RequestsPerSecond: 2, Concurrent: 1}
	_, s := startGateway(t, Config{Keys: []Key{k}}, startReplica(t))
	if res := post(t, s, `{}`); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a key: %d", res.StatusCode)
	}
	if res := post(t, s, `{}`, "Authorization", "Bearer wrong"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("with a wrong key: %d", res.StatusCode)
	}
	var codes []int
	for range 4 {
		codes = append(codes, post(t, s, `{}`, "Authorization", "Bearer secret").StatusCode)
	}
	if codes[0] != http.StatusBadRequest || codes[3] != http.StatusTooManyRequests {
		t.Errorf("with the key, four at once: %v", codes)
	}
	stream, err := diffusionv1connect.NewDiffusionServiceClient(s.Client(), s.URL).
		Generate(t.Context(), connect.NewRequest(&diffusionv1.GenerateRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	for stream.Receive() {
	}
	if connect.CodeOf(stream.Err()) != connect.CodeUnauthenticated {
		t.Errorf("Connect without a key: %v", stream.Err())
	}
	if _, err := newDoors([]Key{{Name: "x", Hash: "12"}}); err == nil {
		t.Error("a short hash was taken")
	}
}

func TestNoReplica(t *testing.T) {
	r := startReplica(t)
	g, s := startGateway(t, Config{}, r)
	r.server.Stop()
	if g.Ready(t.Context()) == nil {
		t.Error("ready without a replica")
	}
	res := post(t, s, `{"model":"count","prompt":"1"}`)
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

// A deadline that passes is an error with a reason and a word about it, whoever noticed it.
func TestDeadlineHasAReason(t *testing.T) {
	for _, err := range []error{
		context.DeadlineExceeded, status.FromContextError(context.DeadlineExceeded).Err(),
	} {
		code, body := openAIError(err)
		if code != http.StatusGatewayTimeout || body.Error.Code != "deadline_exceeded" ||
			connect.CodeOf(rpcError(err)) != connect.CodeDeadlineExceeded {
			t.Errorf("%v: %d %+v", err, code, body)
		}
	}
}

// jobless is a training service that knows no job.
type jobless struct {
	trainingv1.UnimplementedTrainingServiceServer
}

func (jobless) WatchTrainingJob(
	q *trainingv1.WatchTrainingJobRequest, _ grpc.ServerStreamingServer[trainingv1.WatchTrainingJobResponse],
) error {
	return status.Errorf(codes.NotFound, "no training job %q", q.GetId())
}

// What a service says about a job that it does not know reaches the client as it is.
func TestWatchingAnUnknownJob(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	trainingv1.RegisterTrainingServiceServer(srv, jobless{})
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	g, err := New(Config{Backends: map[string]string{"diffusion": l.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	t.Cleanup(func() {
		s.Close()
		_ = g.Close()
	})
	c := trainingv1connect.NewTrainingServiceClient(s.Client(), s.URL)
	w, err := c.WatchTrainingJob(t.Context(), connect.NewRequest(&trainingv1.WatchTrainingJobRequest{Id: "x"}))
	if err != nil {
		t.Fatal(err)
	}
	if w.Receive() || connect.CodeOf(w.Err()) != connect.CodeNotFound || !strings.Contains(w.Err().Error(), `job "x"`) {
		t.Errorf("%v, want that there is no such job", w.Err())
	}
}

func TestPageAndProbes(t *testing.T) {
	_, s := startGateway(t, Config{}, startReplica(t))
	for path, want := range map[string]string{"/": "<title>", "/healthz": "ok", "/readyz": "ok", "/v1/models": `"count"`} {
		res, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s: %d %.80s", path, res.StatusCode, b)
		}
	}
}

func FuzzEventID(f *testing.F) {
	key := []byte("k")
	f.Add(eventID{sequence: 9, seed: 7}.sign(key))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if e, err := parseEventID(key, s); err == nil && e.sign(key) != s {
			t.Errorf("%q verifies but is not what was signed", s)
		}
	})
}
