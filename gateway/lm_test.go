package gateway

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1/lmv1connect"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
)

// scribe is a language model that writes "0 1 2 ...", each number by its seed, continuation and place, so that a test
// knows every token beforehand. A prompt "end" ends after three tokens, a stop text after two.
type scribe struct {
	lmv1.UnimplementedLmServiceServer
	modelv1.UnimplementedModelServiceServer
	server  *grpc.Server
	address string
	dieAt   atomic.Int32 // stop the whole server before this position; 0: never
	tokens  atomic.Int32 // tokens computed
	resumed atomic.Pointer[lmv1.ResumeState]
	asked   atomic.Pointer[lmv1.GenerateRequest]
}

func startScribe(t *testing.T) *scribe {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scribe{server: grpc.NewServer(), address: l.Addr().String()}
	lmv1.RegisterLmServiceServer(s.server, s)
	modelv1.RegisterModelServiceServer(s.server, s)
	h := health.NewServer()
	h.SetServingStatus(lmv1.LmService_ServiceDesc.ServiceName, healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(s.server, h)
	go func() { _ = s.server.Serve(l) }()
	t.Cleanup(s.server.Stop)
	return s
}

func (s *scribe) GetModel(_ context.Context, q *modelv1.GetModelRequest) (*modelv1.GetModelResponse, error) {
	if q.GetModel() != "scribe" {
		return nil, status.Errorf(codes.NotFound, "model %q: known are scribe", q.GetModel())
	}
	return &modelv1.GetModelResponse{Model: &modelv1.Model{
		Name: "scribe", Version: "1", Family: "lm", Architecture: "ngram"}}, nil
}

func (s *scribe) ListModels(context.Context, *modelv1.ListModelsRequest) (*modelv1.ListModelsResponse, error) {
	m, err := s.GetModel(context.Background(), &modelv1.GetModelRequest{Model: "scribe"})
	return &modelv1.ListModelsResponse{Models: []*modelv1.Model{m.GetModel()}}, err
}

func (s *scribe) Score(_ context.Context, q *lmv1.ScoreRequest) (*lmv1.ScoreResponse, error) {
	d := &lmv1.Scored{}
	for i, w := range strings.Fields(q.GetTexts()[0]) {
		t := &lmv1.ScoredToken{Id: int32(i), Piece: w, Logprob: -1}
		for range q.GetTopLogprobs() {
			t.Alternatives = append(t.Alternatives, &lmv1.Alternative{Id: 99, Piece: "never", Logprob: math.Inf(-1)})
		}
		d.Details, d.Tokens = append(d.Details, t), d.Tokens+1
	}
	return &lmv1.ScoreResponse{Answered: &lmv1.Answered{ModelDigest: "0123456789abcdef0", NumericsVersion: 2},
		Texts: []*lmv1.Scored{d}}, nil
}

func (s *scribe) Generate(q *lmv1.GenerateRequest, out grpc.ServerStreamingServer[lmv1.GenerateResponse]) error {
	s.asked.Store(proto.CloneOf(q))
	n, most := int32(1), q.GetMaxTokens()
	if q.N != nil {
		n = q.GetN()
	}
	if q.GetSampling().GetTemperature() < 0 {
		return status.Error(codes.InvalidArgument, "sampling.temperature: negative")
	}
	send := func(position, index int32, e *lmv1.GenerateResponse) error {
		kind := e.ProtoReflect().WhichOneof(e.ProtoReflect().Descriptor().Oneofs().Get(0)).Number()
		e.Sequence = uint64(position*n+index)*8 + uint64(kind)
		return out.Send(e)
	}
	if err := send(0, 0, &lmv1.GenerateResponse{Event: &lmv1.GenerateResponse_Started{Started: &lmv1.Started{
		Model: q.GetModel(), ModelDigest: "0123456789abcdef0", NumericsVersion: 2, Seed: q.GetSeed(), N: n, MaxTokens: most,
	}}}); err != nil {
		return err
	}
	written := make([]*lmv1.Written, n)
	for i := range written {
		written[i] = &lmv1.Written{}
		if q.GetResume() != nil {
			written[i] = q.GetResume().GetContinuations()[i]
		}
	}
	if q.GetResume() != nil {
		s.resumed.Store(proto.CloneOf(q.GetResume()))
	}
	last := most
	done := &lmv1.Completed{}
	switch {
	case len(q.GetStop()) > 0:
		last = 2
	case q.GetPrompt() == "end":
		last = 3
	}
	for position := int32(1); position <= last; position++ {
		for i := range n {
			w := written[i]
			if int(position) <= len(w.Ids) {
				continue
			}
			if d := s.dieAt.Load(); d > 0 && position >= d && i == n-1 {
				time.Sleep(50 * time.Millisecond) // what was sent is under way
				go s.server.Stop()
				<-out.Context().Done()
				return status.Error(codes.Unavailable, "killed")
			}
			s.tokens.Add(1)
			id := int32(q.GetSeed()%7) + 10*i + position
			t := &lmv1.Token{Index: i, Position: position, Id: id, Piece: fmt.Sprint(id), Text: fmt.Sprint(" ", id),
				Logprob: -0.1 * float64(id)}
			for k := range q.GetTopLogprobs() {
				t.Alternatives = append(t.Alternatives, &lmv1.Alternative{Id: k, Piece: fmt.Sprint("a", k), Logprob: -float64(k)})
			}
			if position == last {
				t.Finish = "length"
				switch {
				case len(q.GetStop()) > 0:
					t.Finish = "stop"
				case last != most:
					t.Finish = "end"
				}
			}
			w.Ids, w.Logprob = append(w.Ids, id), w.Logprob+t.GetLogprob()
			if err := send(position, i, &lmv1.GenerateResponse{Event: &lmv1.GenerateResponse_Token{Token: t}}); err != nil {
				return err
			}
		}
	}
	for _, w := range written {
		done.Continuations = append(done.Continuations, &lmv1.Continuation{Logprob: w.GetLogprob(), Tokens: int32(len(w.Ids))})
		done.Tokens += int32(len(w.Ids))
	}
	done.PromptTokens = int32(len(strings.Fields(q.GetPrompt())))
	return send(most+1, 0, &lmv1.GenerateResponse{Event: &lmv1.GenerateResponse_Completed{Completed: done}})
}

// openScribes opens a gateway over replicas of one language model.
func openScribes(t *testing.T, l ...*scribe) (*Gateway, *httptest.Server) {
	t.Helper()
	var addresses []string
	for _, s := range l {
		addresses = append(addresses, s.address)
	}
	g, err := New(Config{FleetKey: []byte("k"), Backends: map[string]string{"lm": strings.Join(addresses, ",")}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	t.Cleanup(func() {
		s.Close()
		_ = g.Close()
	})
	for deadline := time.Now().Add(time.Minute); g.Ready(t.Context()) != nil && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	return g, s
}

func write(t *testing.T, s *httptest.Server, id string, q *lmv1.GenerateRequest) (events, ids []string, err error) {
	t.Helper()
	req := connect.NewRequest(q)
	if id != "" {
		req.Header().Set("Last-Event-Id", id)
	}
	stream, err := lmv1connect.NewLmServiceClient(s.Client(), s.URL).Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for stream.Receive() {
		events, ids = append(events, stream.Msg().String()), append(ids, stream.Msg().GetEventId())
	}
	return events, ids, stream.Err()
}

// TestTextSurvivesItsServer: the door hands the tokens that it sent to another replica, wherever the first one dies.
func TestTextSurvivesItsServer(t *testing.T) {
	for _, die := range []int32{1, 2, 5, 10} {
		a, b := startScribe(t), startScribe(t)
		g, s := openScribes(t, a, b)
		seed, most, n := uint64(3), int32(10), int32(3)
		q := &lmv1.GenerateRequest{Model: "scribe", Seed: &seed, MaxTokens: &most, N: &n}
		want, ids, err := write(t, s, "", q)
		if err != nil || len(want) != 32 {
			t.Fatalf("%d events, %v", len(want), err)
		}
		before := a.tokens.Load() + b.tokens.Load()
		a.dieAt.Store(die) // whichever stream lands there
		for range 2 {
			if got, _, err := write(t, s, "", q); err != nil || !slices.Equal(got, want) {
				t.Errorf("died at %d: %v, %d events: %q", die, err, len(got), got)
			}
		}
		if c := counter(t, g.metrics.resumed); c != 1 {
			t.Errorf("died at %d: %v streams resumed, want 1", die, c)
		}
		if extra := a.tokens.Load() + b.tokens.Load() - before - 60; extra != 0 {
			t.Errorf("died at %d: %d tokens computed again", die, extra)
		}
		r := b.resumed.Load()
		if w := r.GetContinuations(); len(w) != 3 || len(w[0].GetIds()) != int(die) || len(w[2].GetIds()) != int(die)-1 ||
			r.GetSeed() != seed || r.GetModelDigest() == "" || r.GetNumericsVersion() != 2 {
			t.Errorf("died at %d: resumed from %v", die, r)
		}
		again := proto.CloneOf(q)
		again.Seed = nil
		if got, _, err := write(t, s, ids[9], again); err != nil || !slices.Equal(got, want[10:]) {
			t.Errorf("taken up by the client: %v, %q", err, got)
		}
		again.Prompt = "other"
		if _, _, err := write(t, s, ids[9], again); connect.CodeOf(err) != connect.CodeFailedPrecondition {
			t.Errorf("an id of another request: %v", err)
		}
		again.Resume = r
		if _, _, err := write(t, s, "", again); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("a state of the client's own: %v", err)
		}
	}
}

// TestCallsOfLanguageModels: the other calls go through as they are.
func TestCallsOfLanguageModels(t *testing.T) {
	_, s := openScribes(t, startScribe(t))
	c := lmv1connect.NewLmServiceClient(s.Client(), s.URL)
	r, err := c.Score(t.Context(), connect.NewRequest(&lmv1.ScoreRequest{Texts: []string{"a b"}}))
	if err != nil || r.Msg.GetTexts()[0].GetTokens() != 2 {
		t.Errorf("Score: %v, %v", r, err)
	}
	_, describe := c.Describe(t.Context(), connect.NewRequest(&lmv1.DescribeRequest{}))
	_, tag := c.Tag(t.Context(), connect.NewRequest(&lmv1.TagRequest{}))
	_, chain := c.Chain(t.Context(), connect.NewRequest(&lmv1.ChainRequest{}))
	_, forget := c.Forget(t.Context(), connect.NewRequest(&lmv1.ForgetRequest{}))
	for i, err := range []error{describe, tag, chain, forget} {
		if connect.CodeOf(err) != connect.CodeUnimplemented {
			t.Errorf("call %d: %v", i, err)
		}
	}
	res := post(t, s, `{"model":"scribe","prompt":"1"}`)
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("a picture of a language model: %d", res.StatusCode)
	}
}
