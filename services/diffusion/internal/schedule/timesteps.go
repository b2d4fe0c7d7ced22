package schedule

import (
	"fmt"
	"math"
)

// Spacing says which of the T training timesteps a sampler of fewer steps visits (Lin et al. 2024,
// table 2). The zero value is Trailing.
type Spacing uint8

// The spacings, with the timesteps of T = 1000 in 10 steps.
const (
	Trailing Spacing = iota // 999, 899, .. 99: the noisiest timestep is visited
	Leading                 // 900, 800, .. 0: it is not
	Linspace                // 999, 888, .. 0: both ends are
)

// String is the name diffusers uses.
func (s Spacing) String() string {
	switch s {
	case Trailing:
		return "trailing"
	case Leading:
		return "leading"
	case Linspace:
		return "linspace"
	}
	return fmt.Sprintf("Spacing(%d)", uint8(s))
}

// ParseSpacing reads a name; the empty name is trailing.
func ParseSpacing(name string) (Spacing, error) {
	switch name {
	case "", "trailing":
		return Trailing, nil
	case "leading":
		return Leading, nil
	case "linspace":
		return Linspace, nil
	}
	return 0, fmt.Errorf("schedule: no timestep spacing %q, have trailing, leading and linspace", name)
}

// Timesteps returns the steps timesteps of 0..T-1 to visit, noisiest first, 1 <= steps <= T. They equal
// those of diffusers' DDPM and DDIM schedulers with steps_offset 0; halves round to even.
func Timesteps(T, steps int, spacing Spacing) []int {
	ts := make([]int, 0, steps)
	switch spacing {
	case Leading:
		ratio := T / steps
		for i := steps - 1; i >= 0; i-- {
			ts = append(ts, i*ratio)
		}
	case Linspace:
		for _, t := range LinspaceTimes(T, steps) {
			ts = append(ts, int(math.RoundToEven(t)))
		}
	default:
		ratio := float64(T) / float64(steps)
		for i := range steps {
			ts = append(ts, int(math.RoundToEven(float64(T)-float64(float64(i)*ratio)))-1)
		}
	}
	return ts
}

// LinspaceTimes is the Linspace spacing before rounding: steps values from T-1 down to 0. One step alone
// visits 0, as numpy's linspace does.
func LinspaceTimes(T, steps int) []float64 {
	ts := make([]float64, steps)
	if steps == 1 {
		return ts
	}
	delta := float64(T-1) / float64(steps-1)
	for i := range ts {
		ts[i] = float64(steps-1-i) * delta
	}
	ts[0] = float64(T - 1)
	return ts
}
