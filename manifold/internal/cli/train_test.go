package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/shared/train"
)

// TestWatcher shows a run in stages where there is no terminal.
func TestWatcher(t *testing.T) {
	var out bytes.Buffer
	w := &watcher{g: &Globals{err: &out}}
	for _, e := range []train.Event{
		{Kind: train.Started, Step: 10, Steps: 10, Stage: "layer 1", Stages: 3},
		{Kind: train.Started, Steps: 20, Stage: "layer 2", StageIndex: 1, Stages: 3},
		{Kind: train.Evaluated, Step: 5, Steps: 20, Metrics: map[string]float64{"gap": 0.25}, Stage: "layer 2", StageIndex: 1,
			Stages: 3},
		{Kind: train.Reported, Step: 5, Steps: 20, Alarms: []string{"dimension 3 has collapsed"}, Stage: "layer 2",
			StageIndex: 1, Stages: 3},
		{Kind: train.Started, Steps: 30, Stage: "up-down", StageIndex: 2, Stages: 3},
	} {
		w.event(e)
	}
	for _, want := range []string{
		"training layer 1 of 3 was done before", "training layer 2 of 3 0/20", "selection split gap 0.2500",
		"step 5: alarm: dimension 3 has collapsed", "training up-down (3 of 3) 0/30",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
}
