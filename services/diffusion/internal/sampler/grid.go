package sampler

import (
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
)

// grid is the points of a trajectory, noisiest first: one a step, then where the last step ends.
type grid struct {
	timestep []float64
	alphaBar []float64
}

// gridKind says how a method's users expect its points to be laid out; the kinds are diffusers'.
type gridKind uint8

const (
	whole      gridKind = iota // training timesteps
	fractional                 // linspace is not rounded: sigma is interpolated
	multistep                  // leading and linspace lay out one more point, 0, and leave it out
)

// newGrid lays out the points of cfg. The points of every kind agree for the trailing spacing.
func newGrid(kind gridKind, sch *schedule.Schedule, cfg Config) (grid, error) {
	g := grid{}
	for _, t := range times(kind, sch.T(), cfg) {
		if len(g.timestep) > 0 && t >= g.timestep[len(g.timestep)-1] {
			return grid{}, fmt.Errorf("sampler: %d steps of %s spacing repeat timestep %g of %d, want fewer steps",
				cfg.Steps, cfg.Spacing, t, sch.T())
		}
		g.timestep = append(g.timestep, t)
		g.alphaBar = append(g.alphaBar, alphaBarAt(kind, sch, t))
	}
	if first := g.timestep[0]; first > float64(sch.T()-1) || first == 0 && sch.T() > 1 {
		return grid{}, fmt.Errorf("sampler: %d steps of %s spacing with offset %d start at timestep %g of %d, "+
			"want trailing spacing or other steps", cfg.Steps, cfg.Spacing, cfg.StepsOffset, first, sch.T())
	}
	final := 1.0
	if cfg.FinalSigmaMin {
		final = sch.AlphaBar[0]
	}
	g.timestep = append(g.timestep, 0)
	g.alphaBar = append(g.alphaBar, final)
	return g, nil
}

// times lists the timesteps that steps start from.
func times(kind gridKind, T int, cfg Config) []float64 {
	if kind == fractional && cfg.Spacing == schedule.Linspace {
		return schedule.LinspaceTimes(T, cfg.Steps)
	}
	var ts []float64
	switch {
	case kind == multistep && cfg.Spacing == schedule.Linspace:
		for _, t := range schedule.Timesteps(T, cfg.Steps+1, cfg.Spacing)[:cfg.Steps] {
			ts = append(ts, float64(t))
		}
	case kind == multistep && cfg.Spacing == schedule.Leading:
		for i := cfg.Steps; i >= 1; i-- {
			ts = append(ts, float64(i*(T/(cfg.Steps+1))+cfg.StepsOffset))
		}
	default:
		for _, t := range schedule.Timesteps(T, cfg.Steps, cfg.Spacing) {
			ts = append(ts, float64(t+cfg.StepsOffset))
		}
	}
	return ts
}

// alphaBarAt is abar at timestep t; between two timesteps sigma is interpolated linearly. Methods that
// divide by sqrt(abar) take a terminal abar of zero for 2^-24 (see schedule.Sigma).
func alphaBarAt(kind gridKind, sch *schedule.Schedule, t float64) float64 {
	low := min(max(int(math.Floor(t)), 0), sch.T()-1)
	a := sch.AlphaBar[low]
	if w := t - float64(low); w > 0 && low+1 < sch.T() {
		lo, hi := schedule.Sigma(a), schedule.Sigma(sch.AlphaBar[low+1])
		sigma := lo + float64(w*(hi-lo))
		return 1 / (1 + float64(sigma*sigma))
	}
	if a == 0 && kind != whole {
		a = 0x1p-24
	}
	return a
}
