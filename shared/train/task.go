package train

import (
	"context"
	"image"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Task is what is being trained. The loop calls it from one goroutine at a time.
type Task interface {
	// Params returns the trained parameters, always the same ones in the same order, with distinct names.
	Params() []*nn.Param
	// Samples is the number of training samples; they are numbered from 0.
	Samples() int
	// Fingerprint identifies data, model and loss: a checkpoint is resumed only under an equal one.
	Fingerprint() string
	// Loss records the mean loss over the samples of a micro-batch. It must depend on nothing but the parameters
	// and the Batch, and draw from b.Rng alone. The value has one element.
	Loss(t *autograd.Tape, b Batch) (*autograd.Value, error)
	// Evaluate measures model, weights in the order of Params, on the selection split: metrics by name, lower is better
	// for the one that Config.Select names. It must leave the parameters alone. A nil map means that there is
	// nothing to select by.
	Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error)
	// Preview draws a few samples from model, weights in the order of Params; nil where there is nothing to show.
	Preview(ctx context.Context, model []weights.Param, step int) ([]Preview, error)
}

// Stateful is a Task with tensors beside its parameters that training changes: persistent chains, averages of a
// codebook. Checkpoints hold them, and a resumed run finds them as they were.
type Stateful interface {
	Task
	// State returns the tensors, always the same ones in the same order, with distinct names. They may change in
	// AfterStep alone: a step that is cancelled in the midst of its micro-batches must leave them as they were. What a
	// loss learns of their next values it keeps elsewhere until then.
	State() []weights.Param
}

// Stepper is a Task with something to do after the optimiser's step.
type Stepper interface {
	Task
	// AfterStep follows optimisation step number step, from 0. It may change what State returns and, calling Changed of
	// them, parameters; only the averaged weights are updated after it. (A parameter that the loss does not depend on
	// is left alone by the optimiser where there is no weight decay.) It draws from stream alone. An error ends the
	// run at its last checkpoint.
	AfterStep(step int, stream rng.Stream) error
}

// Reporter is a Task that has more to tell than the figures of Evaluate.
type Reporter interface {
	Task
	// Report looks at model, weights in the order of Params, after every evaluation. It must leave parameters and state
	// alone. An error is a Warning, not an end.
	Report(ctx context.Context, model []weights.Param) (Report, error)
}

// Report is what a Reporter tells.
type Report struct {
	Series map[string][]float64 // by name: histograms, figures by dimension
	Alarms []string             // whole sentences about what goes wrong
}

// Batch is one micro-batch.
type Batch struct {
	Step    int     // optimisation step, from 0
	Samples []int32 // numbers of the samples
	// Draws[i] is the number of sample i among all that the run has used, from 0: unlike the sample's own number it
	// never repeats, so (Draws[i], Step) is the counter for the draws of row i.
	Draws []uint64
	Rng   rng.Stream // of the run's seed
}

// Preview is one picture for the eyes of whoever trains.
type Preview struct {
	Name  string
	Image image.Image
}

// EventKind says what an Event reports.
type EventKind uint8

// The kinds of events.
const (
	Started    EventKind = iota // the run begins or goes on: Step tells from where
	Stepped                     // LogEvery steps were done; losses are means over them
	Evaluated                   // Metrics holds the selection split's figures
	Reported                    // Series and Alarms hold what the task tells of itself
	Previewed                   // Previews holds pictures
	Checkpoint                  // Checkpoint names the file that was written
	Warning                     // Err holds a failure that did not stop the run
	Finished                    // the run is over, by its steps or by an early stop
)

var eventNames = [...]string{"started", "stepped", "evaluated", "reported", "previewed", "checkpoint", "warning",
	"finished"}

// String is the kind in small letters.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}

// Event is one report of a run. Events are delivered from the training goroutine: a slow receiver slows training.
type Event struct {
	Kind         EventKind
	Step         int     // steps done
	Steps        int     // steps in all
	Epoch        float64 // passes over the data done
	Losses       map[string]float64
	Metrics      map[string]float64
	LearningRate float64
	GradNorm     float64         // global norm before clipping, of the last step
	PerSecond    float64         // samples a second over the last interval
	Memory       autograd.Memory // of activations and gradients, in the last micro-batch
	ETA          time.Duration
	Elapsed      time.Duration // of training, earlier sessions of a resumed run included
	Previews     []Preview
	Checkpoint   string // base name of the file
	Err          error

	Series map[string][]float64
	Alarms []string

	// Of a run in stages: the name of this one, its place from 0, and how many there are; Stages is 0 for a run without.
	// All other fields are about the stage alone.
	Stage      string
	StageIndex int
	Stages     int
}

// Result is what a run ended with.
type Result struct {
	Steps int // steps done
	// Weights are the averaged weights where the config asks for them, else the parameters; those of the best
	// evaluation when the run stopped early, of the last step otherwise.
	Weights      []weights.Param
	Loss         float64            // mean training loss over the last steps, up to Config.LogEvery of them
	Metrics      map[string]float64 // of Weights, from the last or the best evaluation
	EarlyStopped bool
	Elapsed      time.Duration
	Checkpoint   string // path of the last checkpoint
}
