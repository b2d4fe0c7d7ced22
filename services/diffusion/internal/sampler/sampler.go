package sampler

import (
	"fmt"
	"slices"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
)

// Noise fills dst with the standard normals that one picture uses at a step. It must depend on nothing
// but the picture's identity and the step.
type Noise func(dst []float32, step int)

// Sampler is one method with its steps laid out.
type Sampler interface {
	// Name is the name given to New.
	Name() string
	// Steps is how many steps a whole trajectory has.
	Steps() int
	// Evaluations is how many times the denoiser is asked on a whole trajectory.
	Evaluations() int
	// At says what the next evaluation is about: the timestep that the model is told, which Euler and
	// Heun may ask between two training timesteps, and how much signal State.X has there.
	At(s *State) (timestep, alphaBar float64)
	// Step consumes one evaluation: x0 is the estimate of the picture from State.X at At. It changes s
	// and leaves x0 alone. noise may be nil for the methods that draw none: all with eta 0 but ddpm.
	Step(s *State, x0 []float32, noise Noise)
	// Done says that State.X is the picture.
	Done(s *State) bool
	// Check says what is wrong with a State that came from elsewhere, of pictures of n elements; Step
	// trusts its State.
	Check(s *State, n int) error
}

// Variance is the variance of DDPM's noise where the model does not learn it (Ho et al. 2020, section
// 3.2). The zero value is FixedSmall.
type Variance uint8

// The two extremes of the variance of q(x_{t-1} | x_t).
const (
	FixedSmall Variance = iota // that of q(x_{t-1} | x_t, x_0): right if the data are one point
	FixedLarge                 // beta_t: right if the data are standard normal
)

// Config is what a request may choose beyond the method.
type Config struct {
	Steps   int              // 1 to T
	Spacing schedule.Spacing // which timesteps are visited
	// StepsOffset is added to the timesteps of the leading spacing (Stable Diffusion has 1).
	StepsOffset int
	// Eta scales DDIM's noise: 0 is deterministic, 1 has DDPM's variance. Other methods want 0.
	Eta float64
	// Variance is DDPM's.
	Variance Variance
	// FinalSigmaMin ends at the noise of timestep 0 and not at none. DDIM's users know its opposite as
	// set_alpha_to_one, those of the sigma forms as final_sigmas_type.
	FinalSigmaMin bool
	// HeunStart makes Heun's first step Heun's too, as diffusers does. Without it that step is Euler's: schedules begin
	// at a sigma of up to 20,000, and there the mean of two slopes over-corrects by two orders of magnitude.
	HeunStart bool
}

var methods = []struct {
	name string
	grid gridKind
	make func(base, Config) Sampler
}{
	{"ddim", whole, newDDIM},
	{"ddpm", whole, newDDPM},
	{"dpmpp_2m", multistep, newDPMpp2M},
	{"euler", fractional, newEuler},
	{"heun", fractional, newHeun},
}

// Names lists the methods in alphabetical order.
func Names() []string {
	names := make([]string, len(methods))
	for i, m := range methods {
		names[i] = m.name
	}
	return names
}

// New lays out the steps of a method over a schedule, which it does not keep.
func New(name string, sch *schedule.Schedule, cfg Config) (Sampler, error) {
	i := slices.Index(Names(), name)
	if i < 0 {
		return nil, fmt.Errorf("sampler: no sampler %q, have %q", name, Names())
	}
	if cfg.Steps < 1 || cfg.Steps > sch.T() {
		return nil, fmt.Errorf("sampler: %d steps, want 1 to %d", cfg.Steps, sch.T())
	}
	if !(cfg.Eta >= 0 && cfg.Eta <= 1) {
		return nil, fmt.Errorf("sampler: eta %g, want 0 to 1", cfg.Eta)
	}
	if cfg.Eta != 0 && name != "ddim" {
		return nil, fmt.Errorf("sampler: eta %g is for ddim, want 0 with %s", cfg.Eta, name)
	}
	if cfg.StepsOffset < 0 || cfg.StepsOffset != 0 && cfg.Spacing != schedule.Leading {
		return nil, fmt.Errorf("sampler: steps offset %d, want 0, or more with leading spacing", cfg.StepsOffset)
	}
	g, err := newGrid(methods[i].grid, sch, cfg)
	if err != nil {
		return nil, err
	}
	return methods[i].make(base{name: name, grid: g}, cfg), nil
}

// base is what the methods share.
type base struct {
	name string
	grid
	lead    int // this many steps, the first ones, ask the denoiser once
	twice   int // this many steps after those ask it twice
	history int // slices of solver memory from the first step on
}

func (b *base) Name() string       { return b.name }
func (b *base) Steps() int         { return len(b.timestep) - 1 }
func (b *base) Evaluations() int   { return b.Steps() + b.twice }
func (b *base) Done(s *State) bool { return s.Step >= b.Steps() }

// At names the point Stage steps ahead: only Heun has a stage.
func (b *base) At(s *State) (timestep, alphaBar float64) {
	i := s.Step + s.Stage
	return b.timestep[i], b.alphaBar[i]
}

// Check compares the State's counters and sizes with what this method can have written.
func (b *base) Check(s *State, n int) error {
	if s.Step < 0 || s.Step > b.Steps() {
		return fmt.Errorf("sampler: state at step %d of %d", s.Step, b.Steps())
	}
	maxStage := 0
	if s.Step >= b.lead && s.Step < b.lead+b.twice {
		maxStage = 1
	}
	if s.Stage < 0 || s.Stage > maxStage {
		return fmt.Errorf("sampler: state at stage %d of step %d, want 0 to %d", s.Stage, s.Step, maxStage)
	}
	if len(s.X) != n {
		return fmt.Errorf("sampler: state of %d elements, the picture has %d", len(s.X), n)
	}
	want := b.history
	if s.Step == 0 && s.Stage == 0 && len(s.History) == 0 {
		want = 0
	}
	if len(s.History) != want {
		return fmt.Errorf("sampler: state with %d slices of history, %s has %d", len(s.History), b.name, want)
	}
	for _, h := range s.History {
		if len(h) != n {
			return fmt.Errorf("sampler: history of %d elements, the picture has %d", len(h), n)
		}
	}
	return nil
}
