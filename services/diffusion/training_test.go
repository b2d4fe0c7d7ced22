package diffusion_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/picture"
)

// recipeText trains a network of a few thousand parameters on pictures of 8x8.
func recipeText(name, data string, steps int) string {
	return fmt.Sprintf(`name: %s
data:
  name: %s
  size: 8
  channels: 1
  select: 4
model:
  patch_size: 2
  channels: [8]
  blocks: 1
  heads: 2
  time_dim: 16
  groups: 4
train:
  steps: %d
  batch: 4
  log_every: 1
preview:
  steps: 2
`, name, data, steps)
}

// zipOfPictures holds n pictures in two folders.
func zipOfPictures(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range n {
		p := picture.New(8, 8, 1)
		for k := range p.Pix {
			p.Pix[k] = byte(k * (i + 1))
		}
		data, err := picture.EncodePNG(p)
		if err != nil {
			t.Fatal(err)
		}
		w, err := z.Create(fmt.Sprintf("%c/%d.png", 'a'+i%2, i))
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func upload(t *testing.T, c trainingv1.TrainingServiceClient, name string, data []byte) (int64, error) {
	t.Helper()
	return uploadAs(t, c, name, "zip", data)
}

func uploadAs(t *testing.T, c trainingv1.TrainingServiceClient, name, format string, data []byte) (int64, error) {
	t.Helper()
	s, err := c.UploadDataset(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	h := &trainingv1.DatasetHeader{
		Name: name, Size: int64(len(data)), Sha256: hex.EncodeToString(sum[:]), Format: format,
	}
	_ = s.Send(&trainingv1.UploadDatasetRequest{Part: &trainingv1.UploadDatasetRequest_Header{Header: h}})
	_ = s.Send(&trainingv1.UploadDatasetRequest{Part: &trainingv1.UploadDatasetRequest_Chunk{Chunk: data}})
	r, err := s.CloseAndRecv()
	return r.GetItems(), err
}

// A data set comes in, a job trains on it, and the model that it made draws pictures.
func TestTrainByRPC(t *testing.T) {
	m := open(t, diffusion.Config{Store: newStore(t), Jobs: t.TempDir()})
	c := trainingv1.NewTrainingServiceClient(m.Conn())
	if n, err := upload(t, c, "mine", zipOfPictures(t, 20)); err != nil || n != 20 {
		t.Fatalf("%d items, %v", n, err)
	}
	for name, data := range map[string][]byte{"mnist": zipOfPictures(t, 2), "rubbish": []byte("PK no zip")} {
		if _, err := upload(t, c, name, data); faultOf(err).Reason == "" || faultOf(err).Kind == fault.Internal {
			t.Errorf("%s: %v", name, err)
		}
	}
	job, err := c.CreateTrainingJob(t.Context(), &trainingv1.CreateTrainingJobRequest{
		Recipe: recipeText("made", "mine", 6), RequestId: "a",
	})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.WatchTrainingJob(t.Context(), &trainingv1.WatchTrainingJobRequest{Id: job.GetJob().GetId()})
	if err != nil {
		t.Fatal(err)
	}
	losses, last := 0, trainingv1.JobState_JOB_STATE_UNSPECIFIED
	for {
		e, err := w.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := e.GetEvent().GetLosses()["loss"]; ok {
			losses++
		}
		last = e.GetEvent().GetState()
	}
	done, err := c.GetTrainingJob(t.Context(), &trainingv1.GetTrainingJobRequest{Id: job.GetJob().GetId()})
	if err != nil || last != trainingv1.JobState_JOB_STATE_SUCCEEDED || losses == 0 || done.GetJob().GetModel() != "made@1" {
		t.Fatalf("ended as %v with %d losses: %v %v", last, losses, done, err)
	}
	r, err := modelv1.NewModelServiceClient(m.Conn()).GetModel(t.Context(), &modelv1.GetModelRequest{Model: "made"})
	if err != nil || strings.Join(r.GetModel().GetLabels(), "") != "ab" {
		t.Errorf("%v %v", r, err)
	}
	mustGenerate(t, m.Conn(), &diffusionv1.GenerateRequest{Model: "made", Label: "b", Steps: ptr(int32(3))})

	t.Run("cancelled within a step", func(t *testing.T) {
		long, err := c.CreateTrainingJob(t.Context(), &trainingv1.CreateTrainingJobRequest{
			Recipe: recipeText("long", "mine", 1_000_000),
		})
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.WatchTrainingJob(t.Context(), &trainingv1.WatchTrainingJobRequest{Id: long.GetJob().GetId()})
		if err != nil {
			t.Fatal(err)
		}
		for step := int64(0); step == 0; {
			e, err := w.Recv()
			if err != nil {
				t.Fatal(err)
			}
			step = e.GetEvent().GetStep()
		}
		r, err := c.CancelTrainingJob(t.Context(), &trainingv1.CancelTrainingJobRequest{Id: long.GetJob().GetId()})
		if err != nil || r.GetJob().GetState() != trainingv1.JobState_JOB_STATE_CANCELLED {
			t.Errorf("%v %v", r, err)
		}
	})
	t.Run("recipes that make no sense", func(t *testing.T) {
		for name, text := range map[string]string{
			"not YAML":         "{",
			"unknown field":    recipeText("x", "mine", 5) + "colour: red\n",
			"unknown data set": recipeText("x", "nope", 5),
			"a path":           strings.Replace(recipeText("x", "mine", 5), "name: mine", "images: /etc", 1),
			"no steps":         recipeText("x", "mine", -1),
			"a huge network":   strings.Replace(recipeText("x", "mine", 5), "channels: [", "channels: [1000000, ", 1),
		} {
			_, err := c.CreateTrainingJob(t.Context(), &trainingv1.CreateTrainingJobRequest{Recipe: text})
			if k := faultOf(err).Kind; k != fault.Invalid && k != fault.NotFound {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Uploads in every format are opened at the size that they have.
func TestUploadFormats(t *testing.T) {
	m := open(t, diffusion.Config{Store: newStore(t), Jobs: t.TempDir()})
	c := trainingv1.NewTrainingServiceClient(m.Conn())
	columns := make([]string, 784)
	for i := range columns {
		columns[i] = fmt.Sprint(i)
	}
	row := strings.Repeat("0,", 783) + "255\n"
	idx := append([]byte{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 48, 0, 0, 0, 48}, make([]byte, 2*48*48)...)
	for _, r := range []struct {
		name, format string
		data         []byte
		items        int64
		kind         fault.Kind
	}{
		{"grey", "csv", []byte(strings.Join(columns, ",") + "\n" + row + row), 2, 0},
		{"large", "idx", idx, 2, 0},
		{"odd", "csv", []byte("a,b\n1,2\n"), 0, fault.Invalid},
		{"outside", "csv", []byte("a\n256\n"), 0, fault.Corrupt},
		{"short", "idx", idx[:200], 0, fault.Corrupt},
	} {
		n, err := uploadAs(t, c, r.name, r.format, r.data)
		if n != r.items || (r.items == 0) == (err == nil) || err != nil && faultOf(err).Kind != r.kind {
			t.Errorf("%s: %d items, %v, want %d", r.name, n, err, r.items)
		}
	}
}

// Without a directory for jobs there is no training service, and the others are there.
func TestNoTraining(t *testing.T) {
	m := connect(t, diffusion.Config{})
	_, err := trainingv1.NewTrainingServiceClient(m.Conn()).
		ListTrainingJobs(t.Context(), &trainingv1.ListTrainingJobsRequest{})
	if err == nil || !strings.Contains(err.Error(), "unknown service") {
		t.Error(err)
	}
}

func TestBench(t *testing.T) {
	store := newStore(t)
	publish(t, store, "tiny", "zero")
	b, err := diffusion.BenchModel(t.Context(), store, "tiny", []int{1, 3}, 2)
	if err != nil || len(b) != 2 || b[1].Batch != 3 || !(b[1].GFs > 0) || b[0].FLOPs <= 0 {
		t.Errorf("%+v %v", b, err)
	}
	if _, err := diffusion.BenchModel(t.Context(), store, "tiny", []int{0}, 2); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	deps := diffusion.TrainDeps{Runs: t.TempDir()}
	r, err := diffusion.BenchTrain(t.Context(), []byte(recipeText("bench", "glyphs", 100)), deps, 3)
	if err != nil || !(r.SamplesPerSecond > 0) || !(r.GFs > 0) || r.Steps != 3 || r.Batch != 4 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestRecipes(t *testing.T) {
	names := diffusion.Recipes()
	if len(names) == 0 {
		t.Fatal("no recipes")
	}
	for _, n := range names {
		if text, err := diffusion.Recipe(n); err != nil || len(text) == 0 {
			t.Errorf("%s: %v", n, err)
		}
	}
	if _, err := diffusion.Recipe("nope"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
}
