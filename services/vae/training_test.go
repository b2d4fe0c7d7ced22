package vae_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
)

// Jobs tell stages, divergences by dimension and previews while they run, and their models answer.
func TestTrainByRPC(t *testing.T) {
	store, err := modelstore.Open(modelstore.Root{Name: "test", Dir: t.TempDir(), Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, vae.Config{Store: store, Jobs: t.TempDir()})
	c := trainingv1.NewTrainingServiceClient(m.Conn())
	for _, row := range []struct {
		kind, series string
		stages       int
	}{{"vae", "kl", 1}, {"dbn", "weights", 3}} {
		job, err := c.CreateTrainingJob(t.Context(), &trainingv1.CreateTrainingJobRequest{Recipe: text("made-"+row.kind, kinds[row.kind])})
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.WatchTrainingJob(t.Context(), &trainingv1.WatchTrainingJobRequest{Id: job.GetJob().GetId()})
		if err != nil {
			t.Fatal(err)
		}
		var series, stages []string
		previews := 0
		last := trainingv1.JobState_JOB_STATE_UNSPECIFIED
		for {
			r, err := w.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			e := r.GetEvent()
			previews += len(e.GetPreviews())
			for _, s := range e.GetSeries() {
				series = append(series, s.GetName())
			}
			if s := e.GetStage(); s != "" && !slices.Contains(stages, s) {
				stages = append(stages, s)
			}
			last = e.GetState()
		}
		if last != trainingv1.JobState_JOB_STATE_SUCCEEDED || previews == 0 || !slices.Contains(series, row.series) ||
			row.stages > 1 && len(stages) != row.stages {
			t.Errorf("%s: %v with %d previews, series %v, stages %q", row.kind, last, previews, series, stages)
		}
		mustSample(t, vaev1.NewVaeServiceClient(m.Conn()), &vaev1.SampleRequest{Model: "made-" + row.kind})
	}
	for field, kind := range map[string]string{
		"model.codebook":        "architecture: vq\nmodel: {codebook: 0}\n",
		"model.latent":          "architecture: vae\nmodel: {latent: 0}\n",
		"model.beta":            "architecture: vae\nmodel: {beta: -1}\n",
		"model.learning.sweeps": "architecture: rbm\nmodel: {learning: {sweeps: -1}}\n",
		"architecture":          "architecture: gan\n",
	} {
		_, err := c.CreateTrainingJob(t.Context(), &trainingv1.CreateTrainingJobRequest{Recipe: text("bad", kind)})
		f := faultOf(err)
		if f.Kind != fault.Invalid || !strings.Contains(f.Message(), field) || len(f.Fields) == 0 {
			t.Errorf("%s: %v %v", field, f.Fields, err)
		}
	}
}
