package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// MaxPictures is the largest number of pictures in one request.
const MaxPictures = 64

// Request asks for pictures. Its deadline is that of the context given to Submit.
type Request struct {
	Seed     uint64
	Classes  []int32         // one per picture: 0 to Model.Classes-1, or Unconditional
	Sampler  sampler.Sampler // lays out the steps; may be shared
	Guidance float64         // 1: off; otherwise every picture takes two rows

	PreviewEvery    int  // a preview after every so many steps; 0: none
	PreviewEstimate bool // previews show the estimate of the picture, not the sample

	States bool             // put states to resume from into the stream
	Resume []*sampler.State // go on from here, one state per picture at the same point; nil: from noise
}

// rows is how many rows one evaluation of one picture takes.
func (r *Request) rows() int {
	if r.Guidance != 1 {
		return 2
	}
	return 1
}

// check finds what would make the loop fail.
func (r *Request) check(m *Model) error {
	const op = "engine.Submit"
	n := len(r.Classes)
	if n < 1 || n > MaxPictures {
		return fault.InvalidField(op, "n", "%d, want 1 to %d", n, MaxPictures)
	}
	for i, c := range r.Classes {
		if c != Unconditional && (c < 0 || int(c) >= m.Classes) {
			return fault.InvalidField(op, fmt.Sprintf("labels[%d]", i), "class %d, the model has %d", c, m.Classes)
		}
	}
	if r.Guidance-r.Guidance != 0 {
		return fault.InvalidField(op, "guidance_scale", "%g, want a finite number", r.Guidance)
	}
	if r.Resume == nil {
		return nil
	}
	refuse := func(format string, args ...any) error {
		return fault.E(fault.Precondition, "RESUME_STATE_MISMATCH", op, "the resume state does not belong here: %s",
			fmt.Sprintf(format, args...))
	}
	if len(r.Resume) != n {
		return refuse("it has %d pictures, the request %d", len(r.Resume), n)
	}
	for i, s := range r.Resume {
		if err := r.Sampler.Check(s, m.size()); err != nil {
			return refuse("picture %d: %v", i, err)
		}
		if s.Step != r.Resume[0].Step || s.Stage != r.Resume[0].Stage {
			return refuse("picture %d is at step %d, picture 0 at step %d", i, s.Step, r.Resume[0].Step)
		}
		if r.Sampler.Done(s) {
			return refuse("all %d steps are done", r.Sampler.Steps())
		}
	}
	return nil
}

// evaluationsAt is how many evaluations lie behind a state.
func evaluationsAt(s sampler.Sampler, st *sampler.State) int {
	if s.Evaluations() == s.Steps() {
		return st.Step
	}
	return 2*st.Step + st.Stage
}

// job is a request on its way. All but the atomic fields belong to the loop.
type job struct {
	Request
	ctx    context.Context //nolint:containedctx // the caller's, looked at between ticks
	stream *Stream

	states  []*sampler.State
	ahead   []bool // pictures that have finished the evaluation the others are at
	waiting int    // pictures that have not
	noise   []sampler.Noise
	pix     []byte        // of the coming preview, n*H*W*C, or nil
	before  sampler.State // where the last step began, counters alone
	failure error         // of one of its pictures

	evaluated int // evaluations made by all pictures, those before a resume included
	left      atomic.Int32
	admitted  time.Time
	begun     time.Time // of the first evaluation; zero while waiting
	stepBegun time.Time
	stateSent time.Time
	compute   time.Duration // of the ticks it took part in
	share     time.Duration // the part of them that its rows took
	from      int           // step at which it was taken up
	fromEval  int
}

// newJob lays out memory for a request; noise is drawn here, in the caller's goroutine.
func newJob(ctx context.Context, r Request, m *Model) *job {
	n := len(r.Classes)
	j := &job{Request: r, ctx: ctx, ahead: make([]bool, n), waiting: n, noise: make([]sampler.Noise, n)}
	random := rng.New(r.Seed)
	for i := range n {
		j.noise[i] = func(dst []float32, step int) { random.Normal(dst, uint64(i), uint32(step), rng.Ancestor) }
		if r.Resume != nil {
			j.states = append(j.states, r.Resume[i].Clone())
			continue
		}
		x := make([]float32, m.size())
		random.Normal(x, uint64(i), 0, rng.Latent)
		j.states = append(j.states, sampler.NewState(r.Sampler, x))
	}
	j.from = j.states[0].Step
	j.fromEval = evaluationsAt(r.Sampler, j.states[0])
	j.evaluated = j.fromEval
	j.left.Store(int32(r.Sampler.Evaluations() - j.evaluated))
	return j
}

// allRows is how many rows one evaluation of all pictures takes.
func (j *job) allRows() int { return len(j.states) * j.rows() }

// previewAt says whether a preview is due after that many steps.
func (j *job) previewAt(step int) bool { return j.PreviewEvery > 0 && step%j.PreviewEvery == 0 }

// NoiseLevels are sigma/alpha at the start of every step and after the last: Steps + 1 values.
func NoiseLevels(s sampler.Sampler) []float64 {
	levels := make([]float64, s.Steps()+1)
	for i := range levels {
		_, alphaBar := s.At(&sampler.State{Step: i})
		levels[i] = schedule.Sigma(alphaBar)
	}
	return levels
}
