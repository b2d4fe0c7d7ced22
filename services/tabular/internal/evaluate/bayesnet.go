package evaluate

import (
	"math"
	"slices"
	"strconv"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesfit"
	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/structure"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Held is how a structure does on rows that it was not fitted to.
type Held struct {
	Structure string  `json:"structure"`
	Folds     int     `json:"folds"`
	Rows      int     `json:"rows"`
	LogLoss   float64 `json:"log_loss"`        // -log P(row), nats, the mean over rows: the joint distribution's
	Target    float64 `json:"target_log_loss"` // -log P(target | the other cells), nats
	Accuracy  float64 `json:"accuracy"`        // rows whose most probable level is the right one
	Edges     int     `json:"edges"`           // of the first fold's structure
}

// Structures compares, by cross-validation on the same folds and with the same prior of half a row a cell, networks
// over a table of categorical fields: all fields independent, naive Bayes with the target as the one parent, the tree
// of Chow and Liu, and hill-climbing on BIC. Rows without a target are left out.
func Structures(t *table.Table, target, folds int, seed uint64) ([]Held, error) {
	const op = "evaluate.Structures"
	F := len(t.Columns)
	if target < 0 || target >= F || folds < 2 || folds > t.Rows {
		return nil, fault.E(fault.Invalid, "INVALID_FOLDS", op,
			"target %d of %d fields and %d folds of %d rows; allowed are "+
				"fields from 0 and folds from 2", target, F, folds, t.Rows)
	}
	if f := t.Schema.Fields[target]; f.Kind != table.Categorical {
		return nil, fault.E(fault.Invalid, "NUMERIC_FIELD", op, "the target %q is numeric", f.Name)
	}
	var order []int32
	for _, i := range rng.New(seed).Perm(t.Rows, 0) {
		if t.Columns[target].Codes[i] != table.Missing {
			order = append(order, i)
		}
	}
	out := []Held{{Structure: "independent"}, {Structure: "naive Bayes"}, {Structure: "Chow-Liu"},
		{Structure: "hill-climbing, bic"}}
	for fold := range folds {
		var train, test []int32
		for k, i := range order {
			if k%folds == fold {
				test = append(test, i)
			} else {
				train = append(train, i)
			}
		}
		a, b := Rows(t, train), Rows(t, test)
		for k := range out {
			parents, err := structureOf(k, a, target)
			if err != nil {
				return nil, err
			}
			if fold == 0 {
				out[k].Edges = len(structure.Edges(parents))
			}
			if err := out[k].add(a, b, parents, target); err != nil {
				return nil, err
			}
		}
	}
	for k := range out {
		h := &out[k]
		h.Folds = folds
		n := float64(h.Rows)
		h.LogLoss, h.Target, h.Accuracy = h.LogLoss/n, h.Target/n, h.Accuracy/n
	}
	return out, nil
}

func structureOf(k int, t *table.Table, target int) ([][]int, error) {
	parents := make([][]int, len(t.Columns))
	switch k {
	case 1:
		for v := range parents {
			if v != target {
				parents[v] = []int{target}
			}
		}
	case 2:
		p, err := structure.NewPairs(t.Schema)
		if err != nil {
			return nil, err
		}
		p.Add(t, t.Rows)
		parents, _, err = structure.ChowLiu(p, target)
		return parents, err
	case 3:
		f, err := structure.HillClimb(t, structure.HillOptions{MaxParents: 4, Tabu: 10})
		if err != nil {
			return nil, err
		}
		return f.Parents, nil
	}
	return parents, nil
}

// add fits to a and scores b: once as it is, and once for each level of the target.
func (h *Held) add(a, b *table.Table, parents [][]int, target int) error {
	c, err := bayesfit.NewCounts(a.Schema, parents)
	if err != nil {
		return err
	}
	c.Add(a, a.Rows)
	n, err := c.Fit(bayesfit.Prior{Cell: 0.5})
	if err != nil {
		return err
	}
	joint, err := levelScores(n, b, target)
	if err != nil {
		return err
	}
	for i, right := range b.Columns[target].Codes {
		top, best := math.Inf(-1), 0
		for l := range joint {
			if joint[l][i] > top {
				top, best = joint[l][i], l
			}
		}
		var sum float64
		for l := range joint {
			sum += math.Exp(joint[l][i] - top)
		}
		h.LogLoss -= joint[right][i]
		h.Target -= joint[right][i] - top - math.Log(sum)
		if best == int(right) {
			h.Accuracy++
		}
	}
	h.Rows += b.Rows
	return nil
}

// levelScores is the logarithm of each row's probability with the target set to each level.
func levelScores(n *bayesnet.Network, t *table.Table, target int) ([][]float64, error) {
	x := &table.Table{Schema: t.Schema, Rows: t.Rows, Columns: slices.Clone(t.Columns)}
	out := make([][]float64, len(t.Schema.Fields[target].Levels))
	for l := range out {
		codes := make([]int32, t.Rows)
		for i := range codes {
			codes[i] = int32(l) //nolint:gosec // a level
		}
		x.Columns[target].Codes = codes
		out[l] = make([]float64, t.Rows)
		if err := n.Score(out[l], x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Rows is the named rows of a table.
func Rows(t *table.Table, rows []int32) *table.Table {
	out := table.New(t.Schema, len(rows))
	for v := range t.Columns {
		for k, i := range rows {
			if t.Columns[v].Codes != nil {
				out.Columns[v].Codes[k] = t.Columns[v].Codes[i]
			} else {
				out.Columns[v].Numbers[k] = t.Columns[v].Numbers[i]
			}
		}
	}
	return out
}

// Intervals cuts the numeric fields of a table into at most the given number of intervals: each, from the lowest on,
// takes its share of the rows that are left; what is equal stays together. Levels are named by their lower ends.
func Intervals(t *table.Table, most int) *table.Table {
	s := &table.Schema{Fields: slices.Clone(t.Schema.Fields)}
	out := &table.Table{Schema: s, Rows: t.Rows, Columns: slices.Clone(t.Columns)}
	for v := range s.Fields {
		f := &s.Fields[v]
		if f.Kind != table.Numeric {
			continue
		}
		var known []float64
		for _, x := range t.Columns[v].Numbers {
			if !math.IsNaN(x) {
				known = append(known, x)
			}
		}
		slices.Sort(known)
		var ends []float64 // the lower ends of all intervals
		for p, k := 0, 0; k < most && p < len(known); k++ {
			ends = append(ends, known[p])
			p += max(1, (len(known)-p)/(most-k))
			for p < len(known) && known[p] == known[p-1] {
				p++
			}
		}
		*f = table.Field{Name: f.Name}
		for _, x := range ends {
			f.Levels = append(f.Levels, "from "+strconv.FormatFloat(x, 'g', -1, 64))
		}
		if len(ends) == 0 {
			f.Levels = []string{"none"}
		}
		codes := make([]int32, t.Rows)
		for i, x := range t.Columns[v].Numbers {
			at, found := slices.BinarySearch(ends, x)
			switch {
			case math.IsNaN(x):
				at = table.Missing
			case !found:
				at = max(0, at-1)
			}
			codes[i] = int32(at) //nolint:gosec // at most most
		}
		out.Columns[v] = table.Column{Codes: codes}
	}
	return out
}
