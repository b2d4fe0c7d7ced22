package train

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Stage is one of several runs that make a model together: a layer, a first and a second network.
type Stage struct {
	// Name is for people, as "layer 2"; the names of a run differ.
	Name string
	// Open makes the task and its config from the results of the stages before, in their order. It is called once
	// those are done, also when they were done long ago: their weights are in the results.
	Open func(before []*Result) (Task, Config, error)
}

// Stages runs one stage after the other, each in a directory of its own below dir: <number>-<name>. All that Run says
// holds for each. A stage that is finished gives its result from its last checkpoint and is not run again. Events say
// which stage they are of. The results are those of the stages that were reached, the last one as Run returned it.
//
// What a stage starts from is part of it: its task's fingerprint should name what identifies the stages before,
// usually the recipe.
func Stages(ctx context.Context, dir string, stages []Stage, events func(Event)) ([]*Result, error) {
	const op = "train.Stages"
	if err := checkStages(stages); err != nil {
		return nil, err
	}
	results := make([]*Result, 0, len(stages))
	for i, s := range stages {
		tell := events
		if events != nil {
			tell = func(e Event) {
				e.Stage, e.StageIndex, e.Stages = s.Name, i, len(stages)
				events(e)
			}
		}
		task, cfg, err := s.Open(results)
		if err != nil {
			return results, fault.Wrap(op, err)
		}
		res, err := Run(ctx, filepath.Join(dir, stageDir(i, s.Name)), task, cfg, tell)
		if res != nil {
			results = append(results, res)
		}
		if err != nil {
			return results, fmt.Errorf("%s (stage %d of %d): %w", s.Name, i+1, len(stages), err)
		}
	}
	return results, nil
}

func checkStages(stages []Stage) error {
	const op = "train.Stages"
	if len(stages) == 0 {
		return fault.E(fault.Internal, "NO_STAGES", op, "there are no stages")
	}
	seen := make(map[string]bool, len(stages))
	for _, s := range stages {
		if s.Name == "" || seen[s.Name] || s.Open == nil {
			return fault.E(fault.Internal, "BAD_STAGE", op, "the stage %q has no name, no task, or the name of another",
				s.Name)
		}
		seen[s.Name] = true
	}
	return nil
}

var notInDir = regexp.MustCompile(`[^a-z0-9]+`)

// stageDir is the directory of a stage, below that of the run.
func stageDir(i int, name string) string {
	return fmt.Sprintf("%d-%s", i+1, strings.Trim(notInDir.ReplaceAllString(strings.ToLower(name), "-"), "-"))
}
