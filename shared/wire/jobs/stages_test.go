package jobs

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/train"
)

// TestStepsOfStages: a job in stages counts the steps of all of them.
func TestStepsOfStages(t *testing.T) {
	var c stepCount
	for _, row := range []struct {
		stage, done, steps int
		planned            int64
		step, total        int64
	}{
		{0, 0, 10, 0, 0, 10}, {0, 10, 10, 10, 10, 10}, {1, 0, 20, 10, 10, 30}, {1, 5, 20, 30, 15, 30}, {2, 1, 5, 100, 31, 100},
	} {
		step, total := c.of(train.Event{Stage: "x", StageIndex: row.stage, Stages: 3, Step: row.done, Steps: row.steps},
			row.planned)
		if step != row.step || total != row.total {
			t.Errorf("%+v: %d of %d", row, step, total)
		}
	}
	if step, total := new(stepCount).of(train.Event{Step: 3, Steps: 5}, 100); step != 3 || total != 5 {
		t.Errorf("without stages %d of %d", step, total)
	}
}
