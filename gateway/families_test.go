package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	"github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1/diffusionv1connect"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/proto/gen/manifold/model/v1/modelv1connect"
	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/proto/gen/manifold/training/v1/trainingv1connect"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1/vaev1connect"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/serve"
)

// kin is the service of one family as far as the door's table needs it: models, jobs, and a chain that counts.
type kin struct {
	modelv1.UnimplementedModelServiceServer
	trainingv1.UnimplementedTrainingServiceServer
	vaev1.UnimplementedVaeServiceServer
	family  string
	models  []string
	server  *grpc.Server
	address string

	mu       sync.Mutex
	jobs     []*trainingv1.TrainingJob // newest first
	uploads  []string
	onList   func() // called once in the next listing of jobs
	breakAt  int32  // sweep before which a chain breaks off; 0: never
	reopened int
}

func startKin(t *testing.T, name string, models ...string) *kin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &kin{family: name, models: models, server: grpc.NewServer(), address: l.Addr().String()}
	modelv1.RegisterModelServiceServer(k.server, k)
	trainingv1.RegisterTrainingServiceServer(k.server, k)
	vaev1.RegisterVaeServiceServer(k.server, k)
	f, _ := findFamily(name)
	h := health.NewServer()
	h.SetServingStatus(f.service, healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(k.server, h)
	go func() { _ = k.server.Serve(l) }()
	t.Cleanup(k.server.Stop)
	return k
}

func (k *kin) model(name string) *modelv1.Model {
	return &modelv1.Model{Name: name, Version: "1", Family: k.family, Architecture: "rbm"}
}

func (k *kin) GetModel(_ context.Context, q *modelv1.GetModelRequest) (*modelv1.GetModelResponse, error) {
	if !slices.Contains(k.models, q.GetModel()) {
		return nil, status.Errorf(codes.NotFound, "no model %q", q.GetModel())
	}
	return &modelv1.GetModelResponse{Model: k.model(q.GetModel())}, nil
}

func (k *kin) ListModels(_ context.Context, q *modelv1.ListModelsRequest) (*modelv1.ListModelsResponse, error) {
	from := 0
	if _, err := fmt.Sscan(q.GetPageToken(), &from); q.GetPageToken() != "" && err != nil {
		return nil, status.Error(codes.InvalidArgument, "page_token")
	}
	res := &modelv1.ListModelsResponse{}
	to := min(len(k.models), from+int(q.GetPageSize()))
	for _, m := range k.models[from:to] {
		res.Models = append(res.Models, k.model(m))
	}
	if to < len(k.models) {
		res.NextPageToken = fmt.Sprint(to)
	}
	return res, nil
}

func (k *kin) add(at int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	j := &trainingv1.TrainingJob{Id: fmt.Sprintf("job-%03d-%s", at, k.family),
		CreateTime: timestamppb.New(time.Unix(int64(at), 0))}
	k.jobs = append([]*trainingv1.TrainingJob{j}, k.jobs...)
}

func (k *kin) ListTrainingJobs(
	_ context.Context, q *trainingv1.ListTrainingJobsRequest,
) (*trainingv1.ListTrainingJobsResponse, error) {
	k.mu.Lock()
	f := k.onList
	k.onList = nil
	from := 0
	if q.GetPageToken() != "" {
		from = 1 + slices.IndexFunc(k.jobs, func(j *trainingv1.TrainingJob) bool { return j.GetId() == q.GetPageToken() })
	}
	to := min(len(k.jobs), from+int(q.GetPageSize()))
	res := &trainingv1.ListTrainingJobsResponse{Jobs: slices.Clone(k.jobs[from:to])}
	if to < len(k.jobs) {
		res.NextPageToken = k.jobs[to-1].GetId()
	}
	k.mu.Unlock()
	if f != nil {
		f()
	}
	return res, nil
}

func (k *kin) CreateTrainingJob(
	_ context.Context, q *trainingv1.CreateTrainingJobRequest,
) (*trainingv1.CreateTrainingJobResponse, error) {
	r := q.GetRecipe()
	switch {
	case strings.Contains(r, "family") && !strings.Contains(r, k.family):
		return nil, serve.Status(fault.E(fault.Invalid, "WRONG_FAMILY", "kin", "this service trains %s", k.family)).Err()
	case strings.Contains(r, "upload") && len(k.uploads) == 0:
		return nil, status.Error(codes.NotFound, k.family+" has no such data set")
	case strings.Contains(r, "bad"):
		return nil, status.Error(codes.InvalidArgument, k.family+" cannot read it")
	}
	return &trainingv1.CreateTrainingJobResponse{Job: &trainingv1.TrainingJob{Id: "of " + k.family}}, nil
}

func (k *kin) GetTrainingJob(
	_ context.Context, q *trainingv1.GetTrainingJobRequest,
) (*trainingv1.GetTrainingJobResponse, error) {
	for _, j := range k.jobs {
		if j.GetId() == q.GetId() {
			return &trainingv1.GetTrainingJobResponse{Job: j}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "no job %q", q.GetId())
}

func (k *kin) WatchTrainingJob(
	q *trainingv1.WatchTrainingJobRequest, out grpc.ServerStreamingServer[trainingv1.WatchTrainingJobResponse],
) error {
	if _, err := k.GetTrainingJob(out.Context(), &trainingv1.GetTrainingJobRequest{Id: q.GetId()}); err != nil {
		return err
	}
	return out.Send(&trainingv1.WatchTrainingJobResponse{Event: &trainingv1.TrainingEvent{Stage: k.family}})
}

func (k *kin) UploadDataset(
	in grpc.ClientStreamingServer[trainingv1.UploadDatasetRequest, trainingv1.UploadDatasetResponse],
) error {
	var size int64
	for {
		m, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return in.SendAndClose(&trainingv1.UploadDatasetResponse{Name: k.family, Size: size})
		}
		if err != nil {
			return err
		}
		if h := m.GetHeader(); h != nil {
			k.uploads = append(k.uploads, h.GetName())
		}
		size += int64(len(m.GetChunk()))
	}
}

func (k *kin) Describe(context.Context, *vaev1.DescribeRequest) (*vaev1.DescribeResponse, error) {
	return &vaev1.DescribeResponse{Calls: []string{"Sample"}}, nil
}

// Sample counts ten sweeps; every third leaves a state.
func (k *kin) Sample(q *vaev1.SampleRequest, out grpc.ServerStreamingServer[vaev1.SampleResponse]) error {
	send := func(sequence uint64, e *vaev1.SampleResponse) error {
		e.Sequence = sequence
		return out.Send(e)
	}
	if q.GetResume() == nil {
		if err := send(1, &vaev1.SampleResponse{Event: &vaev1.SampleResponse_Started{
			Started: &vaev1.SampleStarted{Seed: q.GetSeed()}}}); err != nil {
			return err
		}
	} else {
		k.reopened++
	}
	for s := q.GetResume().GetSweep() + 1; s <= 10; s++ {
		if s == k.breakAt {
			k.breakAt = 0
			return status.Error(codes.Unavailable, "gone")
		}
		if err := send(uint64(2*s), &vaev1.SampleResponse{Event: &vaev1.SampleResponse_Sweep{
			Sweep: &vaev1.Sweep{Sweep: s, Energies: []float64{float64(q.GetSeed()) + float64(s)}}}}); err != nil {
			return err
		}
		if q.GetResumeStates() && s%3 == 0 {
			if err := send(uint64(2*s+1), &vaev1.SampleResponse{Event: &vaev1.SampleResponse_State{
				State: &vaev1.ChainState{Sweep: s}}}); err != nil {
				return err
			}
		}
	}
	return send(100, &vaev1.SampleResponse{Event: &vaev1.SampleResponse_Completed{Completed: &vaev1.SampleCompleted{}}})
}

// openDoor opens a gateway over some families and waits until all of them answer.
func openDoor(t *testing.T, families ...*kin) *httptest.Server {
	t.Helper()
	cfg := Config{Backends: map[string]string{}}
	for _, k := range families {
		cfg.Backends[k.family] = k.address
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	t.Cleanup(func() {
		s.Close()
		_ = g.Close()
	})
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if silent, err := g.silent(t.Context()); err == nil && len(silent) == 0 {
			return s
		}
	}
	t.Fatal("not all families answer")
	return nil
}

func TestModelsOfAllFamilies(t *testing.T) {
	a, b := startKin(t, "diffusion", "d1", "d2", "d3"), startKin(t, "vae", "v1", "v2")
	s := openDoor(t, a, b)
	c := modelv1connect.NewModelServiceClient(s.Client(), s.URL)
	list := func(size int32) (names []string, header http.Header) {
		for token := ""; ; {
			r, err := c.ListModels(t.Context(), connect.NewRequest(&modelv1.ListModelsRequest{PageSize: size, PageToken: token}))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Msg.GetModels()) > int(size) && size > 0 {
				t.Errorf("%d models on a page of %d", len(r.Msg.GetModels()), size)
			}
			for _, m := range r.Msg.GetModels() {
				names = append(names, m.GetName())
			}
			if token = r.Msg.GetNextPageToken(); token == "" {
				return names, r.Header()
			}
		}
	}
	all := []string{"d1", "d2", "d3", "v1", "v2"}
	for size := range int32(7) {
		if names, _ := list(size); !slices.Equal(names, all) {
			t.Errorf("in pages of %d: %q", size, names)
		}
	}
	for _, bad := range []*modelv1.ListModelsRequest{{PageSize: -1}, {PageToken: "x"}, {PageToken: pageToken(&backend{family: "gan"}, "")}} {
		if _, err := c.ListModels(t.Context(), connect.NewRequest(bad)); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%v: %v", bad, err)
		}
	}
	r, err := c.GetModel(t.Context(), connect.NewRequest(&modelv1.GetModelRequest{Model: "v2"}))
	if err != nil || r.Msg.GetModel().GetFamily() != "vae" {
		t.Errorf("%v, %v", r, err)
	}
	if _, err := c.GetModel(t.Context(), connect.NewRequest(&modelv1.GetModelRequest{Model: "x"})); connect.CodeOf(err) != connect.CodeNotFound {
		t.Error(err)
	}
	// The route of OpenAI's clients lists all, and draws with those that it can.
	get := func(path string) (int, string) {
		res, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b) + res.Header.Get("Manifold-Warning")
	}
	if _, body := get("/v1/models"); !strings.Contains(body, "d3") || !strings.Contains(body, "manifold/vae") {
		t.Errorf("/v1/models: %s", body)
	}
	res := post(t, s, `{"model":"v1","prompt":"1"}`)
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "family vae (rbm)") {
		t.Errorf("%d %s", res.StatusCode, body)
	}

	// A family that is gone hides nothing of the other.
	a.server.Stop()
	if names, header := list(0); !slices.Equal(names, all[3:]) || !strings.Contains(header.Get("Manifold-Warning"), "diffusion") {
		t.Errorf("without diffusion: %q, %v", names, header)
	}
	if _, err := c.GetModel(t.Context(), connect.NewRequest(&modelv1.GetModelRequest{Model: "v1"})); err != nil {
		t.Error(err)
	}
	if _, err := c.GetModel(t.Context(), connect.NewRequest(&modelv1.GetModelRequest{Model: "d1"})); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("a model of the family that is gone: %v", err)
	}
	if code, body := get("/v1/models"); code != http.StatusOK || !strings.Contains(body, "no answer from: diffusion") {
		t.Errorf("/v1/models: %d %s", code, body)
	}
	if code, body := get("/readyz"); code != http.StatusOK || !strings.Contains(body, "diffusion") {
		t.Errorf("/readyz: %d %s", code, body)
	}
}

func TestWithoutDiffusion(t *testing.T) {
	s := openDoor(t, startKin(t, "vae", "v1"))
	for name, opt := range map[string]connect.ClientOption{"grpc-web": connect.WithGRPCWeb(), "connect": connect.WithProtoJSON()} {
		stream, err := diffusionv1connect.NewDiffusionServiceClient(s.Client(), s.URL, opt).
			Generate(t.Context(), connect.NewRequest(&diffusionv1.GenerateRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		for stream.Receive() {
		}
		if err := stream.Err(); connect.CodeOf(err) != connect.CodeNotFound || !strings.Contains(err.Error(), "there are: vae") {
			t.Errorf("%s: %v", name, err)
		}
	}
	res := post(t, s, `{"model":"v1","prompt":"1"}`)
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "family vae") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	d, err := vaev1connect.NewVaeServiceClient(s.Client(), s.URL).
		Describe(t.Context(), connect.NewRequest(&vaev1.DescribeRequest{}))
	if err != nil || len(d.Msg.GetCalls()) != 1 {
		t.Errorf("%v, %v", d, err)
	}
	if _, err := New(Config{Backends: map[string]string{"gun": "x:1"}}); err == nil || !strings.Contains(err.Error(), "diffusion, vae") {
		t.Errorf("an unknown family: %v", err)
	}
}

// TestChainSurvivesItsServer: a Gibbs chain that breaks goes on from its last state, and the client sees no gap.
func TestChainSurvivesItsServer(t *testing.T) {
	k := startKin(t, "vae")
	s := openDoor(t, k)
	c := vaev1connect.NewVaeServiceClient(s.Client(), s.URL)
	collect := func(id string) (got []string, ids []string) {
		seed := uint64(5)
		req := connect.NewRequest(&vaev1.SampleRequest{Seed: &seed})
		if id != "" {
			req.Header().Set("Last-Event-Id", id)
		}
		stream, err := c.Sample(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for stream.Receive() {
			if stream.Msg().GetState() != nil {
				t.Error("a state reached the client")
			}
			got, ids = append(got, stream.Msg().String()), append(ids, stream.Msg().GetEventId())
		}
		if stream.Err() != nil {
			t.Fatal(stream.Err())
		}
		return got, ids
	}
	want, ids := collect("")
	if len(want) != 12 || ids[0] == "" {
		t.Fatalf("%d events: %q", len(want), want)
	}
	k.breakAt = 8
	if got, _ := collect(""); !slices.Equal(got, want) || k.reopened != 1 {
		t.Errorf("after a break, with %d reopened: %q", k.reopened, got)
	}
	if got, _ := collect(ids[4]); !slices.Equal(got, want[5:]) {
		t.Errorf("taken up again: %q", got)
	}
	// What one method signed is nothing to another.
	req := connect.NewRequest(&vaev1.FantasyRequest{})
	req.Header().Set("Last-Event-Id", ids[4])
	f, err := c.Fantasy(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for f.Receive() {
	}
	if connect.CodeOf(f.Err()) != connect.CodeFailedPrecondition {
		t.Errorf("an id of another method: %v", f.Err())
	}
}

func TestJobsOfAllFamilies(t *testing.T) {
	a, b := startKin(t, "diffusion"), startKin(t, "vae")
	s := openDoor(t, a, b)
	c := trainingv1connect.NewTrainingServiceClient(s.Client(), s.URL)
	var want []string
	for i := range 23 {
		k := a
		if i%3 == 0 || i > 15 {
			k = b
		}
		k.add(i)
		want = append([]string{fmt.Sprintf("job-%03d-%s", i, k.family)}, want...)
	}
	list := func(size int32, between func()) (ids []string) {
		for token := ""; ; {
			r, err := c.ListTrainingJobs(t.Context(),
				connect.NewRequest(&trainingv1.ListTrainingJobsRequest{PageSize: size, PageToken: token}))
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range r.Msg.GetJobs() {
				ids = append(ids, j.GetId())
			}
			if between != nil {
				between()
			}
			if token = r.Msg.GetNextPageToken(); token == "" {
				return ids
			}
		}
	}
	for _, size := range []int32{0, 1, 2, 3, 7, 22, 23, 24} {
		if ids := list(size, nil); !slices.Equal(ids, want) {
			t.Errorf("in pages of %d: %q", size, ids)
		}
	}
	// Jobs that are created while somebody turns pages, even in the midst of one, neither hide nor repeat others.
	n := 100
	grow := func() { n++; a.add(n) }
	a.mu.Lock()
	a.onList = grow
	a.mu.Unlock()
	ids := slices.DeleteFunc(list(4, grow), func(id string) bool { return id >= "job-100" })
	if !slices.Equal(ids, want) {
		t.Errorf("while jobs are created: %q", ids)
	}
	for _, bad := range []string{"x", "e30", "eyJnYW4iOiIifQ"} {
		_, err := c.ListTrainingJobs(t.Context(), connect.NewRequest(&trainingv1.ListTrainingJobsRequest{PageToken: bad}))
		if connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("token %s: %v", bad, err)
		}
	}
	const id = "job-021-vae"
	if r, err := c.GetTrainingJob(t.Context(), connect.NewRequest(&trainingv1.GetTrainingJobRequest{Id: id})); err != nil || r.Msg.GetJob().GetId() != id {
		t.Errorf("%v, %v", r, err)
	}
	w, err := c.WatchTrainingJob(t.Context(), connect.NewRequest(&trainingv1.WatchTrainingJobRequest{Id: id}))
	if err != nil {
		t.Fatal(err)
	}
	if !w.Receive() || w.Msg().GetEvent().GetStage() != "vae" || w.Receive() || w.Err() != nil {
		t.Errorf("watched %v, %v", w.Msg(), w.Err())
	}
}

func TestRecipesFindTheirFamily(t *testing.T) {
	a, b := startKin(t, "diffusion"), startKin(t, "vae")
	s := openDoor(t, a, b)
	c := trainingv1connect.NewTrainingServiceClient(s.Client(), s.URL)
	for _, row := range []struct{ recipe, want string }{
		{"name: x\nfamily: vae\n", "of vae"},
		{"name: x\nfamily: \"vae\" # by hand\r\n", "of vae"},
		{"name: x\n", "of diffusion"},
		{"name: x\nfamily: diffusion", "of diffusion"},
		{"{name: x, family: vae}", "of vae"},
		{"name: x\nfamily: gan\n", "there are: diffusion, vae"},
		{"{family: gan}", "this service trains vae"},
		{"data: {name: upload}", "diffusion has no such data set"},
		{"name: bad", "diffusion cannot read it"},
	} {
		r, err := c.CreateTrainingJob(t.Context(), connect.NewRequest(&trainingv1.CreateTrainingJobRequest{Recipe: row.recipe}))
		got := fmt.Sprint(err)
		if err == nil {
			got = r.Msg.GetJob().GetId()
		}
		if !strings.Contains(got, row.want) {
			t.Errorf("%q: %s, want %s", row.recipe, got, row.want)
		}
	}
	if f := familyOf("description: >-\n  family: vae\nname: a"); f != "" {
		t.Errorf("the family in a text is taken for %q", f)
	}
}

func TestUploadsFindTheirFamily(t *testing.T) {
	a, b := startKin(t, "diffusion"), startKin(t, "vae")
	s := openDoor(t, a, b)
	c := trainingv1connect.NewTrainingServiceClient(s.Client(), s.URL)
	upload := func(family *string) (string, error) {
		data := []byte("pictures")
		sum := sha256.Sum256(data)
		stream := c.UploadDataset(t.Context())
		_ = stream.Send(&trainingv1.UploadDatasetRequest{Part: &trainingv1.UploadDatasetRequest_Header{
			Header: &trainingv1.DatasetHeader{Name: "mine", Size: 8, Sha256: hex.EncodeToString(sum[:]), Family: family}}})
		_ = stream.Send(&trainingv1.UploadDatasetRequest{Part: &trainingv1.UploadDatasetRequest_Chunk{Chunk: data}})
		r, err := stream.CloseAndReceive()
		if err != nil {
			return "", err
		}
		return fmt.Sprint(r.Msg.GetName(), r.Msg.GetSize()), nil
	}
	vae, gan := "vae", "gan"
	if got, err := upload(&vae); got != "vae8" {
		t.Errorf("to vae: %s, %v", got, err)
	}
	if got, err := upload(nil); got != "diffusion8" {
		t.Errorf("to nobody: %s, %v", got, err)
	}
	if _, err := upload(&gan); connect.CodeOf(err) != connect.CodeNotFound || !strings.Contains(err.Error(), "diffusion, vae") {
		t.Errorf("to a family that is not there: %v", err)
	}
}
