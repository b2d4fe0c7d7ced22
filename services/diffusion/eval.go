package diffusion

import (
	"context"

	"github.com/manifold-gen/manifold/services/diffusion/internal/evaluate"
)

// EvalConfig is what Evaluate takes.
type EvalConfig = evaluate.Config

// EvalSizes say how much is measured; see FullEvalSizes.
type EvalSizes = evaluate.Sizes

// EvalRun is the call of a command, for the report.
type EvalRun = evaluate.Run

// EvalRow is one line of a report.
type EvalRow = evaluate.Row

// EvalProgress tells how far an evaluation is.
type EvalProgress = evaluate.Progress

// Evaluation is the report.
type Evaluation = evaluate.Report

// Evaluate measures the quality of a model's pictures and returns the report, which JSON keeps. It runs for minutes to
// hours, as the sizes say; every row that is finished goes to c.Save, and a report that was saved can be continued.
func Evaluate(ctx context.Context, c EvalConfig) (*Evaluation, error) {
	return evaluate.Measure(ctx, c)
}

// ReadEvaluation reads a report that Evaluation.Write stored; one that is not there is nil without an error.
func ReadEvaluation(path string) (*Evaluation, error) { return evaluate.Read(path) }

// FullEvalSizes are those of the published tables.
func FullEvalSizes() EvalSizes { return evaluate.Full() }

// QuickEvalSizes give figures that are not comparable with those of FullEvalSizes.
func QuickEvalSizes() EvalSizes { return evaluate.Quick() }
