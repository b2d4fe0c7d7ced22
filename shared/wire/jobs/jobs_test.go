package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/serve"
	"github.com/manifold-gen/manifold/shared/train"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake trains by counting: a recipe "steps=N" has N steps; "block" waits for a token before every step, "fail" fails,
// "panic" panics at the first one.
type fake struct {
	mu     sync.Mutex
	starts []string // directories
	tokens chan struct{}
}

func (f *fake) Plan(_ context.Context, recipe string) (int64, error) {
	if strings.Contains(recipe, "bad") {
		return 0, fault.InvalidField("fake", "recipe", "%q", recipe)
	}
	return 5, nil
}

func (f *fake) Train(ctx context.Context, recipe, dir string, events func(train.Event)) (string, error) {
	f.mu.Lock()
	f.starts = append(f.starts, filepath.Base(dir))
	f.mu.Unlock()
	for i := range 5 {
		if strings.Contains(recipe, "block") {
			select {
			case <-f.tokens:
			case <-ctx.Done():
				return "", fmt.Errorf("stopped: %w", ctx.Err())
			}
		}
		switch {
		case strings.Contains(recipe, "panic"):
			panic("boom")
		case strings.Contains(recipe, "fail"):
			return "", fault.E(fault.Internal, "NOT_FINITE", "fake", "loss is NaN at step 1")
		}
		events(train.Event{Kind: train.Checkpoint, Step: i + 1, Steps: 5, Losses: map[string]float64{"loss": 1}})
	}
	return "made@1", nil
}

func (f *fake) Inspect(_ context.Context, d Dataset) (int64, error) {
	b, err := os.ReadFile(d.Path)
	if strings.Contains(string(b), "rotten") {
		return 0, fault.E(fault.Invalid, "BAD_DATASET", "fake", "rotten")
	}
	return int64(len(b)), err
}

// client opens a service in dir behind a server in memory.
func client(t *testing.T, f *fake, cfg Config) (trainingv1.TrainingServiceClient, func()) {
	t.Helper()
	s, err := Open(f, cfg)
	if err != nil {
		t.Fatal(err)
	}
	m, err := serve.InMemory(t.Context(), serve.Config{Name: "test", Logger: zap.NewNop()}, func(srv *serve.Server) error {
		trainingv1.RegisterTrainingServiceServer(srv, s)
		srv.OnHandOver(s.HandOver)
		srv.OnClose(s.Close)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stop := func() {
		once.Do(func() {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return trainingv1.NewTrainingServiceClient(m.Conn()), stop
}

func create(t *testing.T, c trainingv1.TrainingServiceClient, recipe, requestID string) *trainingv1.TrainingJob {
	t.Helper()
	r, err := c.CreateTrainingJob(t.Context(), &trainingv1.CreateTrainingJobRequest{Recipe: recipe, RequestId: requestID})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetJob()
}

func watch(t *testing.T, c trainingv1.TrainingServiceClient, id string, after int64) []*trainingv1.TrainingEvent {
	t.Helper()
	s, err := c.WatchTrainingJob(t.Context(), &trainingv1.WatchTrainingJobRequest{Id: id, AfterSequence: after})
	if err != nil {
		t.Fatal(err)
	}
	var all []*trainingv1.TrainingEvent
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m.GetEvent())
	}
}

func reason(err error) string { return fault.ReasonOf(serve.FromStatus("", err)) }

func TestJobs(t *testing.T) {
	f := &fake{tokens: make(chan struct{})}
	c, _ := client(t, f, Config{Dir: t.TempDir(), Queue: 2})

	job := create(t, c, "steps", "once")
	if job.GetState() != trainingv1.JobState_JOB_STATE_QUEUED || job.GetTotalSteps() != 5 {
		t.Errorf("created as %v", job)
	}
	all := watch(t, c, job.GetId(), 0)
	for i, e := range all {
		if e.GetSequence() != int64(i+1) {
			t.Errorf("event %d has number %d", i, e.GetSequence())
		}
	}
	if last := all[len(all)-1]; last.GetState() != trainingv1.JobState_JOB_STATE_SUCCEEDED || last.GetStep() != 5 {
		t.Errorf("last event %v", last)
	}
	if rest := watch(t, c, job.GetId(), 3); len(rest) != len(all)-3 || rest[0].GetSequence() != 4 {
		t.Errorf("replay after 3 gave %d of %d", len(rest), len(all))
	}
	got, err := c.GetTrainingJob(t.Context(), &trainingv1.GetTrainingJobRequest{Id: job.GetId()})
	if err != nil || got.GetJob().GetModel() != "made@1" || got.GetJob().GetEndTime() == nil {
		t.Errorf("%v %v", got, err)
	}
	if again := create(t, c, "steps", "once"); again.GetId() != job.GetId() {
		t.Error("the same request_id made another job")
	}
	_, err = c.CreateTrainingJob(t.Context(), &trainingv1.CreateTrainingJobRequest{Recipe: "other", RequestId: "once"})
	if reason(err) != "REQUEST_ID_REUSED" {
		t.Errorf("another recipe under the same request_id: %v", err)
	}
	for recipe, want := range map[string]string{"fail": "loss is NaN at step 1", "panic": "training failed"} {
		j := create(t, c, recipe, "")
		watch(t, c, j.GetId(), 0)
		got, err := c.GetTrainingJob(t.Context(), &trainingv1.GetTrainingJobRequest{Id: j.GetId()})
		if err != nil || got.GetJob().GetState() != trainingv1.JobState_JOB_STATE_FAILED ||
			!strings.HasPrefix(got.GetJob().GetError(), want) {
			t.Errorf("%s: %v %v", recipe, got.GetJob(), err)
		}
	}
	for name, err := range map[string]error{
		"INVALID_ARGUMENT": second(c.CreateTrainingJob(t.Context(), &trainingv1.CreateTrainingJobRequest{Recipe: "bad"})),
		"JOB_NOT_FOUND":    second(c.GetTrainingJob(t.Context(), &trainingv1.GetTrainingJobRequest{Id: "job-x"})),
		"JOB_ENDED":        second(c.CancelTrainingJob(t.Context(), &trainingv1.CancelTrainingJobRequest{Id: job.GetId()})),
	} {
		if reason(err) != name {
			t.Errorf("want %s: %v", name, err)
		}
	}
	var ids []string
	token := ""
	for {
		p, err := c.ListTrainingJobs(t.Context(), &trainingv1.ListTrainingJobsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range p.GetJobs() {
			ids = append(ids, j.GetId())
		}
		if token = p.GetNextPageToken(); token == "" {
			break
		}
	}
	if len(ids) != 3 || ids[2] != job.GetId() {
		t.Errorf("listed %v", ids)
	}
}

func second[T any](_ T, err error) error { return err }

func TestCancelAndQueue(t *testing.T) {
	f := &fake{tokens: make(chan struct{})}
	c, _ := client(t, f, Config{Dir: t.TempDir(), Queue: 1})
	a := create(t, c, "block", "")
	f.tokens <- struct{}{} // a runs
	b := create(t, c, "block", "")
	_, err := c.CreateTrainingJob(t.Context(), &trainingv1.CreateTrainingJobRequest{Recipe: "block"})
	if reason(err) != "TRAINING_QUEUE_FULL" {
		t.Errorf("a second waiting job of one: %v", err)
	}
	for _, j := range []*trainingv1.TrainingJob{b, a, a} {
		r, err := c.CancelTrainingJob(t.Context(), &trainingv1.CancelTrainingJobRequest{Id: j.GetId()})
		if err != nil || r.GetJob().GetState() != trainingv1.JobState_JOB_STATE_CANCELLED {
			t.Fatalf("%v %v", r.GetJob(), err)
		}
	}
	d := create(t, c, "steps", "")
	watch(t, c, d.GetId(), 0)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.starts) != 2 {
		t.Errorf("runs of %v: the cancelled waiting job ran", f.starts)
	}
}

// A job that was running when the process ended goes on in the same directory; one that waited still waits.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	f := &fake{tokens: make(chan struct{})}
	c, stop := client(t, f, Config{Dir: dir})
	a := create(t, c, "block", "once")
	b := create(t, c, "steps", "")
	f.tokens <- struct{}{}
	f.tokens <- struct{}{}
	w, err := c.WatchTrainingJob(t.Context(), &trainingv1.WatchTrainingJobRequest{Id: a.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	seen := int64(0)
	for range 2 {
		e, err := w.Recv()
		if err != nil {
			t.Fatal(err)
		}
		seen = e.GetEvent().GetSequence()
	}
	stop()
	for err = error(nil); err == nil; {
		var e *trainingv1.WatchTrainingJobResponse
		if e, err = w.Recv(); err == nil {
			seen = e.GetEvent().GetSequence()
		}
	}
	if reason(err) != "DRAINING" {
		t.Errorf("the watch ended with %v", err)
	}
	c, _ = client(t, f, Config{Dir: dir})
	if _, err := Open(f, Config{Dir: dir}); fault.ReasonOf(err) != "DATA_DIR_IN_USE" {
		t.Errorf("two services in one directory: %v", err)
	}
	if again := create(t, c, "block", "once"); again.GetId() != a.GetId() {
		t.Error("the restart forgot a request_id")
	}
	go func() {
		for range 5 {
			f.tokens <- struct{}{}
		}
	}()
	rest := watch(t, c, a.GetId(), seen)
	if rest[0].GetSequence() != seen+1 || rest[len(rest)-1].GetState() != trainingv1.JobState_JOB_STATE_SUCCEEDED {
		t.Errorf("after the restart: %v", rest)
	}
	watch(t, c, b.GetId(), 0)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.starts) != 3 || f.starts[0] != f.starts[1] || f.starts[2] != b.GetId() {
		t.Errorf("runs in %v", f.starts)
	}
}

func TestUpload(t *testing.T) {
	dir := t.TempDir()
	f := &fake{}
	c, _ := client(t, f, Config{Dir: dir, MaxUpload: 1000, MaxStorage: 3000})
	sum := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return hex.EncodeToString(h[:])
	}
	upload := func(h *trainingv1.DatasetHeader, chunks ...string) (*trainingv1.UploadDatasetResponse, error) {
		s, err := c.UploadDataset(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if h != nil {
			_ = s.Send(&trainingv1.UploadDatasetRequest{Part: &trainingv1.UploadDatasetRequest_Header{Header: h}})
		}
		for _, k := range chunks {
			// A refused stream fails here with EOF; CloseAndRecv has the reason.
			_ = s.Send(&trainingv1.UploadDatasetRequest{
				Part: &trainingv1.UploadDatasetRequest_Chunk{Chunk: []byte(k)},
			})
		}
		return s.CloseAndRecv()
	}
	header := func(name, body string) *trainingv1.DatasetHeader {
		return &trainingv1.DatasetHeader{Name: name, Size: int64(len(body)), Sha256: sum(body), Format: "zip"}
	}
	for range 2 { // the second time it is there already
		r, err := upload(header("digits", "hello"), "he", "llo")
		if err != nil || r.GetItems() != 5 || r.GetName() != "digits" {
			t.Fatalf("%v %v", r, err)
		}
	}
	d, ok, err := FindDataset(dir, "digits")
	if err != nil || !ok || d.Size != 5 || d.Items != 5 {
		t.Errorf("%+v %v %v", d, ok, err)
	}
	if b, err := os.ReadFile(d.Path); err != nil || string(b) != "hello" {
		t.Errorf("%q %v", b, err)
	}
	for _, name := range []string{"other", "../digits", ""} {
		if _, ok, err := FindDataset(dir, name); ok || err != nil {
			t.Errorf("found %q: %v", name, err)
		}
	}
	big := strings.Repeat("x", 1000)
	rows := []struct {
		name   string
		header *trainingv1.DatasetHeader
		chunks []string
		reason string
	}{
		{"nothing", nil, nil, "INVALID_ARGUMENT"},
		{"no header", nil, []string{"x"}, "INVALID_ARGUMENT"},
		{"bad name", header("../x", "a"), []string{"a"}, "INVALID_ARGUMENT"},
		{"too large", header("a", big+"x"), nil, "INVALID_ARGUMENT"},
		{"more than stated", header("a", "ab"), []string{"abc"}, "INVALID_ARGUMENT"},
		{"less than stated", header("a", "ab"), []string{"a"}, "INVALID_ARGUMENT"},
		{"other bytes", header("a", "ab"), []string{"ac"}, "INVALID_ARGUMENT"},
		{"chunk too large", header("a", "ab"), []string{strings.Repeat("x", maxChunk+1)}, "INVALID_ARGUMENT"},
		{"name taken", header("digits", "other"), []string{"other"}, "DATASET_EXISTS"},
		{"does not open", header("a", "rotten"), []string{"rotten"}, "BAD_DATASET"},
	}
	for _, r := range rows {
		if _, err := upload(r.header, r.chunks...); reason(err) != r.reason {
			t.Errorf("%s: %v, want %s", r.name, err, r.reason)
		}
	}
	for i := range 3 {
		_, err := upload(header(fmt.Sprintf("big-%d", i), big), big)
		if (err != nil) != (i == 2) || err != nil && reason(err) != "STORAGE_FULL" {
			t.Errorf("upload %d of 1000 bytes into 3000: %v", i, err)
		}
	}
	t.Run("a client that falls silent", func(t *testing.T) {
		quiet, _ := client(t, f, Config{Dir: t.TempDir(), UploadIdle: 10 * time.Millisecond})
		s, err := quiet.UploadDataset(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h := header("slow", "abc")
		if err := s.Send(&trainingv1.UploadDatasetRequest{
			Part: &trainingv1.UploadDatasetRequest_Header{Header: h},
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.RecvMsg(new(trainingv1.UploadDatasetResponse)); reason(err) != "UPLOAD_STALLED" {
			t.Error(err)
		}
	})
	left, err := filepath.Glob(filepath.Join(dir, datasetsDir, uploadPrefix+"*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
