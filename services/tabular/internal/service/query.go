package service

import (
	"context"
	"fmt"
	"math"
	"slices"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/counting"
	"github.com/manifold-gen/manifold/services/tabular/internal/engine"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/wire"
)

var methods = map[tabularv1.Method]model.Method{
	tabularv1.Method_METHOD_UNSPECIFIED: model.Auto, tabularv1.Method_METHOD_COUNTING: model.Counting,
	tabularv1.Method_METHOD_ENUMERATION:          model.Enumeration,
	tabularv1.Method_METHOD_VARIABLE_ELIMINATION: model.VariableElimination,
	tabularv1.Method_METHOD_JUNCTION_TREE:        model.JunctionTree,
	tabularv1.Method_METHOD_LIKELIHOOD_WEIGHTING: model.LikelihoodWeighting,
	tabularv1.Method_METHOD_GIBBS:                model.Gibbs,
}

func methodOf(m model.Method) tabularv1.Method {
	for proto, ours := range methods {
		if ours == m {
			return proto
		}
	}
	return tabularv1.Method_METHOD_UNSPECIFIED
}

// fewRows is how many rows a counted probability should rest on, of a table that has them; effective samples likewise.
const fewRows = 30

// Query gives a distribution or a probability.
func (s *Service) Query(ctx context.Context, req *tabularv1.QueryRequest) (*tabularv1.QueryResponse, error) {
	const op = "tabular.Query"
	var bad wire.Violations
	seed := bad.Seed(req.Seed)
	bad.RequestID(req.GetRequestId())
	samples := whole(&bad, "samples", req.Samples, minSamples, maxSamples, defaultSamples)
	method, ok := methods[req.GetMethod()]
	if !ok {
		bad.Addf("method", "%d is no method", req.GetMethod())
	}
	if len(req.GetTargets()) > maxTargets {
		bad.Addf("targets", "%d fields, want at most %d", len(req.GetTargets()), maxTargets)
	}
	if (len(req.GetTargets()) == 0) == (len(req.GetEvent()) == 0) {
		bad.Addf("targets", "want either targets, or an event")
	}
	if err := bad.Err(op); err != nil {
		return nil, err
	}
	c, err := s.begin(ctx, op, req.GetModel())
	if err != nil {
		return nil, err
	}
	defer c.free()
	m, ok := c.m.Model.(model.Querier)
	if !ok {
		return nil, c.unsupported("answer questions about probabilities")
	}
	q, err := c.query(req)
	if err != nil {
		return nil, err
	}
	if len(q.Do) > 0 {
		if _, ok := c.m.Model.(model.Intervener); !ok {
			return nil, c.unsupported("intervene: it has no causal structure")
		}
	}
	q.Method, q.Samples, q.Stream = method, int(samples), rng.New(seed)
	r := &tabularv1.QueryResponse{}
	var a *model.Answer
	t, err := c.m.Do(ctx, engine.Querying, max(1, q.Samples), func(ctx context.Context) (err error) {
		q.Stopped = ctx.Err
		if a, err = m.Query(q); err == nil && req.GetIndependence() {
			r.Independence, err = c.independence(m, q, a)
		}
		return err
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if !a.Method.Exact() {
		c.seed = seed
		r.Samples = int32(samples)
	}
	r.Answered, r.Method, r.Exact = c.answered(t), methodOf(a.Method), a.Method.Exact()
	r.LogEvidence, r.EffectiveSamples = finite(a.Evidence), a.Effective
	r.Cells = c.cells(q, a)
	for i, field := range q.Targets {
		if f := &c.schema().Fields[field]; f.Kind == table.Numeric {
			r.Moments = append(r.Moments, &tabularv1.Moments{Field: f.Name, Mean: finite(a.Mean[i]),
				Variance: finite(a.Variance[i])})
		}
	}
	r.Warnings = warnings(c.m.Profile.Rows, a, r.Independence)
	return r, nil
}

// finite keeps what JSON has not out of answers.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}

// query looks up the fields and levels of a request.
func (c *call) query(req *tabularv1.QueryRequest) (*model.Query, error) {
	q := &model.Query{}
	cells := 1
	for i, name := range req.GetTargets() {
		at := fmt.Sprintf("targets[%d]", i)
		k, err := c.field(at, name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(q.Targets, k) {
			return nil, fault.InvalidField(c.op, at, "%.80q is there twice", name)
		}
		q.Targets = append(q.Targets, k)
		if n := len(c.schema().Fields[k].Levels); n > 0 {
			if cells *= n; cells > maxCells {
				return nil, fault.InvalidField(c.op, "targets", "more than %d combinations of levels", maxCells)
			}
		}
	}
	var err error
	if q.Event, err = c.terms("event", req.GetEvent()); err != nil {
		return nil, err
	}
	if q.Given, err = c.terms("given", req.GetGiven()); err != nil {
		return nil, err
	}
	if q.Do, err = c.settings(req.GetDo()); err != nil {
		return nil, err
	}
	for _, set := range q.Do {
		for _, o := range [][]model.Term{q.Given, q.Event} {
			if slices.ContainsFunc(o, func(t model.Term) bool { return t.Field == set.Field }) {
				return nil, fault.InvalidField(c.op, "do", "%.80q is set by intervention; it cannot be a condition too",
					c.schema().Fields[set.Field].Name)
			}
		}
		if slices.Contains(q.Targets, set.Field) {
			return nil, fault.InvalidField(c.op, "do", "%.80q is set by intervention; its distribution is what it was set to",
				c.schema().Fields[set.Field].Name)
		}
	}
	return q, nil
}

// cells are the combinations of levels with their probabilities.
func (c *call) cells(q *model.Query, a *model.Answer) []*tabularv1.Cell {
	all := make([]*tabularv1.Cell, len(a.Cells))
	for i, p := range a.Cells {
		cell := &tabularv1.Cell{Probability: p, Levels: c.levels(q.Targets, i)}
		if a.Counts != nil {
			cell.Fraction = &tabularv1.Fraction{Count: a.Counts[i], Total: a.Total}
		}
		if a.Errors != nil {
			cell.StandardError = &a.Errors[i]
		}
		all[i] = cell
	}
	return all
}

// levels are those of the categorical targets in cell i.
func (c *call) levels(targets []int, i int) []string {
	var l []string
	for k := len(targets) - 1; k >= 0; k-- {
		if f := &c.schema().Fields[targets[k]]; f.Kind == table.Categorical {
			l = append(l, f.Levels[i%len(f.Levels)])
			i /= len(f.Levels)
		}
	}
	slices.Reverse(l)
	return l
}

// warnings are sentences about what to be careful with.
func warnings(rows int64, a *model.Answer, i *tabularv1.Independence) []string {
	var w []string
	switch {
	case a.Counts != nil && a.Total < fewRows && rows >= fewRows:
		w = append(w, fmt.Sprintf("Only %d rows fit the evidence; another sample of as many could look quite different.",
			a.Total))
	case !a.Method.Exact() && a.Effective < 10*fewRows:
		w = append(w, fmt.Sprintf("The samples are worth only %.0f: take more, or an exact method.", a.Effective))
	}
	if i == nil {
		return w
	}
	test := fmt.Sprintf(" (G = %.4g with %s, p = %.3g)", i.GetG(), degrees(i.GetDegrees()), i.GetPValue())
	off := fmt.Sprintf("P(A)P(B) needs independence, and is off by up to %.4g here", i.GetLargestDifference())
	switch {
	case i.GetIndependent() && i.PValue != nil:
		w = append(w, "P(A)P(B) needs independence: these rows are independent, exactly.")
	case i.GetIndependent():
		w = append(w, "P(A)P(B) needs independence: the model has it.")
	case i.PValue == nil:
		w = append(w, off+".")
	case i.GetPValue() < significance:
		w = append(w, off+": the rows speak against it"+test+".")
	default:
		w = append(w, off+"; as a sample the rows do not rule it out"+test+".")
	}
	return w
}

func degrees(n int32) string {
	if n == 1 {
		return "1 degree of freedom"
	}
	return fmt.Sprintf("%d degrees of freedom", n)
}

// methodsOf are those that a model answers questions by.
func methodsOf(m model.Model) []tabularv1.Method {
	switch m.(type) {
	case *counting.Model:
		return []tabularv1.Method{tabularv1.Method_METHOD_COUNTING}
	case model.Intervener:
		return []tabularv1.Method{tabularv1.Method_METHOD_ENUMERATION, tabularv1.Method_METHOD_VARIABLE_ELIMINATION,
			tabularv1.Method_METHOD_JUNCTION_TREE, tabularv1.Method_METHOD_LIKELIHOOD_WEIGHTING,
			tabularv1.Method_METHOD_GIBBS}
	case model.Querier:
		return []tabularv1.Method{tabularv1.Method_METHOD_ENUMERATION}
	}
	return nil
}
