package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake answers two services, as its functions say.
type fake struct {
	modelv1.UnimplementedModelServiceServer
	trainingv1.UnimplementedTrainingServiceServer
	get   func(context.Context) error
	watch func(grpc.ServerStreamingServer[trainingv1.WatchTrainingJobResponse]) error
}

func (f *fake) GetModel(ctx context.Context, _ *modelv1.GetModelRequest) (*modelv1.GetModelResponse, error) {
	return &modelv1.GetModelResponse{}, f.get(ctx)
}

func (f *fake) WatchTrainingJob(_ *trainingv1.WatchTrainingJobRequest,
	out grpc.ServerStreamingServer[trainingv1.WatchTrainingJobResponse]) error {
	return f.watch(out)
}

func (f *fake) register(s *Server) error {
	modelv1.RegisterModelServiceServer(s, f)
	trainingv1.RegisterTrainingServiceServer(s, f)
	return nil
}

func quiet() Config {
	return Config{Name: "test", Logger: zap.NewNop(), Listen: "127.0.0.1:0", Side: "127.0.0.1:0", PreStop: -1}
}

func start(t *testing.T, cfg Config, register func(*Server) error) *Memory {
	t.Helper()
	m, err := InMemory(t.Context(), cfg, register)
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

func body(t *testing.T, url string) (int, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func TestCalls(t *testing.T) {
	f := &fake{}
	m := start(t, quiet(), f.register)
	models := modelv1.NewModelServiceClient(m.Conn())

	t.Run("a panic ends its call alone", func(t *testing.T) {
		f.get = func(context.Context) error { panic("boom at /home/x") }
		_, err := models.GetModel(t.Context(), &modelv1.GetModelRequest{})
		if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "boom") {
			t.Fatal(err)
		}
		f.get = func(context.Context) error { return nil }
		if _, err := models.GetModel(t.Context(), &modelv1.GetModelRequest{}); err != nil {
			t.Fatal(err)
		}
		training := trainingv1.NewTrainingServiceClient(m.Conn())
		f.watch = func(grpc.ServerStreamingServer[trainingv1.WatchTrainingJobResponse]) error { panic(1) }
		w, err := training.WatchTrainingJob(t.Context(), &trainingv1.WatchTrainingJobRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Recv(); status.Code(err) != codes.Internal {
			t.Fatal(err)
		}
	})

	t.Run("request ids", func(t *testing.T) {
		seen := ""
		f.get = func(ctx context.Context) error {
			seen = RequestID(ctx)
			return nil
		}
		for _, want := range []string{"abc-123", ""} {
			ctx := metadata.AppendToOutgoingContext(t.Context(), RequestIDKey, want)
			var head metadata.MD
			if _, err := models.GetModel(ctx, &modelv1.GetModelRequest{}, grpc.Header(&head)); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(head.Get(RequestIDKey), ",")
			if got != seen || got == "" || want != "" && got != want {
				t.Errorf("sent %q, handler saw %q, got back %q", want, seen, got)
			}
		}
	})

	t.Run("messages too large or not protobuf", func(t *testing.T) {
		big := strings.Repeat("x", 65<<20)
		_, err := models.GetModel(t.Context(), &modelv1.GetModelRequest{Model: big})
		var e *fault.Error
		if !errors.As(FromStatus("", err), &e) || e.Reason != "MESSAGE_TOO_LARGE" || e.Kind != fault.Invalid {
			t.Errorf("unary: %v", err)
		}
		stream, err := trainingv1.NewTrainingServiceClient(m.Conn()).
			WatchTrainingJob(t.Context(), &trainingv1.WatchTrainingJobRequest{Id: big})
		if err == nil {
			_, err = stream.Recv()
		}
		if !errors.As(FromStatus("", err), &e) || e.Reason != "MESSAGE_TOO_LARGE" {
			t.Errorf("stream: %v", err)
		}
		// A wrong wire type: field 1 of GetModelRequest is a string, here it is not valid UTF-8 of that length.
		err = m.Conn().Invoke(t.Context(), modelv1.ModelService_GetModel_FullMethodName, []byte{0x0a, 0x7f},
			&modelv1.GetModelResponse{}, grpc.ForceCodec(rawCodec{}))
		if !errors.As(FromStatus("", err), &e) || e.Reason != "MALFORMED_MESSAGE" {
			t.Errorf("malformed: %v", err)
		}
	})

	t.Run("metrics and side port", func(t *testing.T) {
		f.get = func(ctx context.Context) error {
			SetModel(ctx, "mnist")
			return fault.E(fault.NotFound, "X", "op", "no")
		}
		_, _ = models.GetModel(t.Context(), &modelv1.GetModelRequest{})
		_, text := body(t, "http://"+m.SideAddr()+"/metrics")
		want := `manifold_requests_total{code="NotFound",family="test",` +
			`method="/manifold.model.v1.ModelService/GetModel",model="mnist"} 1`
		if !strings.Contains(text, want) || !strings.Contains(text, "rpc_server_") {
			t.Errorf("no %s and no rpc_server_ in\n%s", want, text)
		}
		for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/debug/pprof/": 200, "/nope": 404} {
			if code, _ := body(t, "http://"+m.SideAddr()+path); code != want {
				t.Errorf("%s: %d, want %d", path, code, want)
			}
		}
	})
}

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)   { return v.([]byte), nil }
func (rawCodec) Unmarshal(_ []byte, _ any) error { return nil }
func (rawCodec) Name() string                    { return "proto" }

// Shutdown keeps the order of drain.go: NOT_SERVING first while calls are still served, then refusal while running
// calls go on, then the end, with a health watch open all the time.
func TestShutdownOrder(t *testing.T) {
	inside := make(chan struct{})
	finish := make(chan struct{})
	handed := make(chan struct{})
	f := &fake{get: func(context.Context) error { return nil }}
	f.watch = func(out grpc.ServerStreamingServer[trainingv1.WatchTrainingJobResponse]) error {
		close(inside)
		<-finish
		return out.Send(&trainingv1.WatchTrainingJobResponse{})
	}
	cfg := quiet()
	cfg.PreStop = 300 * time.Millisecond
	cfg.Drain = time.Minute
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.register(s); err != nil {
		t.Fatal(err)
	}
	var closed bool
	s.OnHandOver(func() { close(handed) })
	s.OnClose(func() error {
		closed = true
		return nil
	})
	warm := make(chan struct{})
	s.OnWarm(func(context.Context) error {
		<-warm
		return nil
	})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()

	health := healthpb.NewHealthClient(conn)
	watch, err := health.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "manifold.model.v1.ModelService"})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		r, err := watch.Recv()
		if err != nil || r.GetStatus() != want {
			t.Fatalf("health %v, %v, want %v", r.GetStatus(), err, want)
		}
	}
	expect(healthpb.HealthCheckResponse_NOT_SERVING)
	if code, _ := body(t, "http://"+s.SideAddr()+"/readyz"); code != http.StatusServiceUnavailable {
		t.Fatalf("ready before the warm-up: %d", code)
	}
	close(warm)
	expect(healthpb.HealthCheckResponse_SERVING)

	models := modelv1.NewModelServiceClient(conn)
	stream, err := trainingv1.NewTrainingServiceClient(conn).
		WatchTrainingJob(t.Context(), &trainingv1.WatchTrainingJobRequest{})
	if err != nil {
		t.Fatal(err)
	}
	<-inside
	stop()
	expect(healthpb.HealthCheckResponse_NOT_SERVING)
	if _, err := models.GetModel(t.Context(), &modelv1.GetModelRequest{}); err != nil {
		t.Fatalf("refused while endpoints drain: %v", err)
	}
	<-handed
	if _, err := models.GetModel(t.Context(), &modelv1.GetModelRequest{}); status.Code(err) != codes.Unavailable {
		t.Fatalf("served after refusal began: %v", err)
	}
	close(finish)
	if _, err := stream.Recv(); err != nil {
		t.Fatalf("a running stream was cut: %v", err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !closed {
		t.Error("OnClose did not run")
	}
	if _, err := watch.Recv(); err == nil {
		t.Error("the health watch is still open")
	}
}

// A call that never ends delays shutdown by Drain and Stop, and no longer.
func TestShutdownIsBounded(t *testing.T) {
	inside := make(chan struct{})
	f := &fake{watch: func(out grpc.ServerStreamingServer[trainingv1.WatchTrainingJobResponse]) error {
		close(inside)
		<-out.Context().Done()
		return out.Context().Err()
	}}
	cfg := quiet()
	cfg.Drain = 50 * time.Millisecond
	cfg.Stop = 50 * time.Millisecond
	m := start(t, cfg, f.register)
	if m.Config().ShutdownBudget() != 100*time.Millisecond {
		t.Fatal(m.Config().ShutdownBudget())
	}
	stream, err := trainingv1.NewTrainingServiceClient(m.Conn()).
		WatchTrainingJob(t.Context(), &trainingv1.WatchTrainingJobRequest{})
	if err != nil {
		t.Fatal(err)
	}
	<-inside
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("a cut stream ended with %v", err)
	}
}

func TestFailuresAtStart(t *testing.T) {
	cfg := quiet()
	boom := fault.E(fault.Corrupt, "BAD_MODEL", "load", "weights are short")
	_, err := InMemory(t.Context(), cfg, func(s *Server) error {
		s.OnWarm(func(context.Context) error { return boom })
		return nil
	})
	if !errors.Is(err, boom) {
		t.Errorf("warm-up: %v", err)
	}
	_, err = InMemory(t.Context(), cfg, func(*Server) error { return boom })
	if !errors.Is(err, boom) {
		t.Errorf("register: %v", err)
	}
	first := start(t, cfg, func(*Server) error { return nil })
	cfg.Side = first.SideAddr()
	_, err = InMemory(t.Context(), cfg, func(*Server) error { return nil })
	if fault.ReasonOf(err) != "PORT_TAKEN" {
		t.Errorf("taken port: %v", err)
	}
	if _, err := New(Config{TraceRatio: 2}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("bad config: %v", err)
	}
	if _, err := NewLogger("loud"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("bad level: %v", err)
	}
}

// One side port shows the instruments of several servers in a process.
func TestExpose(t *testing.T) {
	f := &fake{get: func(context.Context) error { return nil }}
	var all []*Metrics
	for _, name := range []string{"diffusion", "vae"} {
		family := quiet()
		family.Family = name
		m := start(t, family, f.register)
		_, err := modelv1.NewModelServiceClient(m.Conn()).GetModel(t.Context(), &modelv1.GetModelRequest{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m.Metrics())
	}
	front := running(t, quiet(), func(s *Server) error {
		for _, m := range all {
			s.Expose(m)
		}
		return nil
	})
	code, text := body(t, "http://"+front.SideAddr()+"/metrics")
	if code != 200 || strings.Count(text, "\ngo_goroutines ") != 1 ||
		!strings.Contains(text, `manifold_samples_total{family="diffusion"} 0`) ||
		!strings.Contains(text, `manifold_samples_total{family="vae"} 0`) ||
		!strings.Contains(text, `manifold_samples_total{family="test"} 0`) ||
		!strings.Contains(text, `rpc_server_call_duration_seconds_count{family="vae",`) {
		t.Errorf("%d\n%s", code, text)
	}
}

func TestHTTP(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ok/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(RequestID(r.Context())))
	})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
	cfg := quiet()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Handle(mux)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.served
	if code, id := body(t, "http://"+s.Addr()+"/ok/7"); code != 200 || len(id) != 24 {
		t.Errorf("%d %q", code, id)
	}
	if code, text := body(t, "http://"+s.Addr()+"/panic"); code != 500 || strings.Contains(text, "boom") {
		t.Errorf("%d %q", code, text)
	}
	_, text := body(t, "http://"+s.SideAddr()+"/metrics")
	if !strings.Contains(text, `method="GET /ok/{id}"`) {
		t.Error("no metric by pattern")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A message whose header says two gigabytes is refused by its header alone: nothing of it is read or allocated.
func TestTwoGigabyteMessage(t *testing.T) {
	f := &fake{get: func(context.Context) error { return nil }}
	s, err := New(quiet())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.register(s); err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.served
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	for _, method := range []string{
		modelv1.ModelService_GetModel_FullMethodName, trainingv1.TrainingService_WatchTrainingJob_FullMethodName,
	} {
		body := strings.NewReader("\x00\x7f\xff\xff\xff\x0a\x01x") // not compressed, 2^31-1 bytes, of which 3 follow
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr()+method, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("Te", "trailers")
		r, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
		code := r.Trailer.Get("Grpc-Status") + r.Header.Get("Grpc-Status")
		text := r.Trailer.Get("Grpc-Message") + r.Header.Get("Grpc-Message")
		if code != "8" || !strings.Contains(text, "2147483647 vs. 67108864") {
			t.Errorf("%s: status %s, %q", method, code, text)
		}
	}
	transport.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
