package evaluate

import (
	"fmt"
	"slices"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Sizes says how much is measured. It is part of a report, and all of it decides the numbers.
type Sizes struct {
	Seed uint64 `json:"seed,string"`
	// Reference is the most real pictures to measure against; 0: all of the split report after the real sample.
	Reference int `json:"reference"`

	N          int     `json:"n"`           // pictures of the rows of quality and baselines
	NSteps     int     `json:"n_steps"`     // pictures of the rows of steps, guidance and memory
	Train      int     `json:"train"`       // most training pictures for the Gaussian baselines and memory; 0: all
	Steps      int     `json:"steps"`       // of DDIM, in the rows that do not vary them
	Long       int     `json:"long"`        // steps of the DDPM row
	Bootstrap  int     `json:"bootstrap"`   // resamples
	Subsets    int     `json:"subsets"`     // of KID
	SubsetSize int     `json:"subset_size"` // pictures of a subset, at most n
	Strength   float64 `json:"guidance"`    // of the headline row of class match
}

// Full are the sizes of the published tables.
func Full() Sizes {
	return Sizes{Seed: 1, N: 2000, NSteps: 1000, Steps: 50, Long: 1000, Bootstrap: 200, Subsets: 100, SubsetSize: 1000,
		Strength: 2}
}

// Quick are sizes for a look at whether everything works; its figures are not comparable with those of Full.
func Quick() Sizes {
	return Sizes{Seed: 1, N: 128, NSteps: 64, Reference: 512, Train: 2000, Steps: 10, Long: 20, Bootstrap: 20,
		Subsets: 10, SubsetSize: 64, Strength: 2}
}

// check says what is wrong with the sizes.
func (s Sizes) check() error {
	var wrong []fault.Violation
	for _, v := range []struct {
		name            string
		value, min, max int
	}{
		{"n", s.N, 8, 100_000}, {"n_steps", s.NSteps, 8, 100_000}, {"reference", s.Reference, 0, 1_000_000},
		{"train", s.Train, 0, 1_000_000}, {"steps", s.Steps, 1, 1000}, {"long", s.Long, 1, 1000},
		{"bootstrap", s.Bootstrap, 2, 10_000}, {"subsets", s.Subsets, 1, 10_000}, {"subset_size", s.SubsetSize, 2, 10_000},
	} {
		if v.value < v.min || v.value > v.max {
			wrong = append(wrong, fault.Violation{Field: v.name,
				Description: fmt.Sprintf("%d, want %d to %d", v.value, v.min, v.max)})
		}
	}
	if s.Seed >= 1<<37 {
		wrong = append(wrong, fault.Violation{Field: "seed", Description: fmt.Sprintf("%d, want less than 2^37", s.Seed)})
	}
	if !(s.Strength >= 0 && s.Strength <= 100) {
		wrong = append(wrong, fault.Violation{Field: "guidance", Description: fmt.Sprintf("%g, want 0 to 100", s.Strength)})
	}
	return fault.InvalidFields("evaluate.Sizes", wrong...).AsError()
}

// planned is a row that is to be measured.
type planned struct {
	id, group, title string
	n                int
	spec             *spec // of the rows that draw from the model
}

// slow is 1 for the rows of many steps.
func (p planned) slow() int {
	if p.spec != nil && p.spec.sampler == "ddpm" {
		return 1
	}
	return 0
}

// plan lists all rows in the order of the report.
func plan(s Sizes, classes int) []planned {
	rows := []planned{
		{id: "real", group: "baseline", title: "real pictures (floor)", n: s.N},
		{id: "real-small", group: "baseline", title: "real pictures (floor)", n: s.NSteps},
		{id: "train", group: "baseline", title: "training pictures", n: s.N},
		{id: "joint-gaussian", group: "baseline", title: "Gaussian, full covariance", n: s.N},
		{id: "pixel-gaussian", group: "baseline", title: "Gaussian, every pixel alone", n: s.N},
		{id: "gaussian-noise", group: "baseline", title: "Gaussian noise", n: s.N},
		{id: "uniform-noise", group: "baseline", title: "uniform noise (ceiling)", n: s.N},
	}
	add := func(id, group, title string, n int, sp spec) {
		rows = append(rows, planned{id: id, group: group, title: title, n: n, spec: &sp})
	}
	add("unconditional", "quality", "no class, no guidance", s.N, spec{"ddim", s.Steps, 1, false})
	if classes > 0 {
		add("conditional", "quality", "classes in turn, no guidance", s.N, spec{"ddim", s.Steps, 1, true})
	}
	for _, v := range []struct {
		group, suffix string
		classes       bool
	}{{"steps", "", false}, {"steps-classes", "-classes", true}} {
		if v.classes && classes == 0 {
			continue
		}
		steps := func(name, title string, counts ...int) {
			for _, k := range counts {
				add(fmt.Sprintf("%s-%d%s", name, k, v.suffix), v.group, title, s.NSteps, spec{name, k, 1, v.classes})
			}
		}
		steps("ddim", "DDIM", 10, 20, 50, 100)
		steps("dpmpp_2m", "DPM-Solver++ 2M", 10, 20)
		steps("heun", "Heun", 6, 10, 11, 20) // 6 and 11 have the evaluations of 10 and 20 steps of the others
		steps("euler", "Euler", 20)
		steps("ddpm", "DDPM", s.Long)
	}
	if classes > 0 {
		for _, g := range strengths(s.Strength) {
			add(fmt.Sprintf("guidance-%g", g), "guidance", fmt.Sprintf("guidance %g", g), s.NSteps,
				spec{"ddim", s.Steps, g, true})
		}
	}
	add("memory", "memory", "nearest training picture", s.NSteps, spec{"ddim", s.Steps, 1, false})
	return rows
}

// strengths are the guidance scales that are tried.
func strengths(headline float64) []float64 {
	l := []float64{1, 1.5, 2, 3, 5}
	if !slices.Contains(l, headline) {
		l = append(l, headline)
		slices.Sort(l)
	}
	return l
}

// choose keeps the rows that only names by id or group; all of them for none.
func choose(rows []planned, only []string) ([]planned, error) {
	if len(only) == 0 {
		return rows, nil
	}
	var known []string
	for _, r := range rows {
		known = append(known, r.id)
	}
	for _, name := range only {
		if !slices.ContainsFunc(rows, func(r planned) bool { return r.id == name || r.group == name }) {
			return nil, fault.E(fault.Invalid, "UNKNOWN_ROW", "evaluate.Run",
				"there is no row or group %q; groups: baseline, quality, steps, steps-classes, guidance, memory; rows: %v",
				name, known)
		}
	}
	return slices.DeleteFunc(slices.Clone(rows), func(r planned) bool {
		return !slices.Contains(only, r.id) && !slices.Contains(only, r.group)
	}), nil
}
