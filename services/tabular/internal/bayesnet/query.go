package bayesnet

import (
	"errors"
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// The samples of a query that names none, and the most that one may ask for.
const (
	DefaultSamples = 20_000
	MaxSamples     = 2_000_000
)

// question is a query on the network after its interventions.
type question struct {
	*model.Query
	net   *Network
	e     *evidence // of what is given
	event *evidence // of what is given and the event
}

// Query implements model.Querier. Auto is variable elimination and, where that is not affordable or has no closed form,
// likelihood weighting.
func (n *Network) Query(q *model.Query) (*model.Answer, error) {
	const op = "bayesnet.Query"
	k, err := n.ask(op, q)
	if err != nil {
		return nil, err
	}
	switch q.Method {
	case model.Auto:
		a, err := k.byElimination(op)
		var f *fault.Error
		if errors.As(err, &f) && (f.Reason == "TREEWIDTH" || f.Reason == "NO_CLOSED_FORM") {
			return k.byWeighting(op)
		}
		return a, err
	case model.VariableElimination:
		return k.byElimination(op)
	case model.JunctionTree:
		return k.byTree(op)
	case model.Enumeration:
		return k.byEnumeration(op)
	case model.LikelihoodWeighting:
		return k.byWeighting(op)
	case model.Gibbs:
		return k.byGibbs(op)
	}
	return nil, fault.E(fault.Invalid, "UNKNOWN_METHOD", op,
		"a network is not asked by method %d; it knows enumeration, "+
			"variable elimination, the junction tree, likelihood weighting and Gibbs sampling", q.Method)
}

func (n *Network) ask(op string, q *model.Query) (*question, error) {
	if (len(q.Targets) == 0) == (len(q.Event) == 0) {
		return nil, fault.E(fault.Invalid, "INVALID_TARGET", op, "a query has targets or an event; this one has %d and %d",
			len(q.Targets), len(q.Event))
	}
	if err := n.checkTargets(op, q.Targets, false); err != nil {
		return nil, err
	}
	if q.Samples < 0 || q.Samples > MaxSamples {
		return nil, fault.E(fault.Invalid, "INVALID_SAMPLES", op, "%d samples; allowed are 1 to %d, and 0 for %d",
			q.Samples, MaxSamples, DefaultSamples)
	}
	m, e, err := n.prepare(op, q.Given, q.Do)
	if err != nil {
		return nil, err
	}
	k := &question{Query: q, net: m, e: e}
	for _, t := range q.Event {
		if t.Field >= 0 && t.Field < len(n.nodes) && !n.categorical(t.Field) && t.Lo == t.Hi {
			return nil, fault.E(fault.Invalid, "INVALID_TERM", op, "the event that %q equals %v has probability zero; ask "+
				"for an interval", n.schema.Fields[t.Field].Name, t.Lo)
		}
	}
	if len(q.Event) == 0 {
		return k, nil
	}
	k.event, err = m.observe(op, q.Given, q.Event)
	var f *fault.Error
	if errors.As(err, &f) && f.Reason == "IMPOSSIBLE_EVIDENCE" {
		return k, nil // it contradicts itself or what is given: its probability is zero
	}
	return k, err
}

func (k *question) samples() int {
	if k.Samples == 0 {
		return DefaultSamples
	}
	return k.Samples
}

// split gives the categorical and the numeric targets.
func (k *question) split() (categorical, numeric []int) {
	for _, v := range k.Targets {
		if k.net.categorical(v) {
			categorical = append(categorical, v)
		} else {
			numeric = append(numeric, v)
		}
	}
	return categorical, numeric
}

// numbers makes room for means and variances, NaN at first.
func (k *question) numbers(a *model.Answer) {
	a.Mean, a.Variance = make([]float64, len(k.Targets)), make([]float64, len(k.Targets))
	for i := range a.Mean {
		a.Mean[i], a.Variance[i] = math.NaN(), math.NaN()
	}
}

// eventAnswer is the probability of the event from the logarithms with and without it.
func eventAnswer(method model.Method, with, without float64) *model.Answer {
	p := min(1, tensor.ExpF64(with-without))
	return &model.Answer{Method: method, Cells: []float64{p}, Evidence: without}
}

// impossibleOnly turns IMPOSSIBLE_EVIDENCE into a logarithm of zero.
func impossibleOnly(log float64, err error) (float64, error) {
	var f *fault.Error
	if errors.As(err, &f) && f.Reason == "IMPOSSIBLE_EVIDENCE" {
		return math.Inf(-1), nil
	}
	return log, err
}

// eventBy finds P(event | given) as a ratio, with a method for the logarithm of the probability of evidence.
func (k *question) eventBy(method model.Method, evidence func(e *evidence) (float64, error)) (*model.Answer, error) {
	without, err := evidence(k.e)
	if err != nil {
		return nil, err
	}
	with := math.Inf(-1)
	if k.event != nil {
		if with, err = impossibleOnly(evidence(k.event)); err != nil {
			return nil, err
		}
	}
	return eventAnswer(method, with, without), nil
}

// byElimination answers by variable elimination: once for all categorical targets, once for each numeric one.
func (k *question) byElimination(op string) (*model.Answer, error) {
	n, e := k.net, k.e
	sum := func(e *evidence, keep, targets []int) (*factor, error) {
		fs, err := n.factors(op, e, n.relevant(e, targets))
		if err != nil {
			return nil, err
		}
		f, err := n.eliminate(op, e, fs, keep)
		if err != nil {
			return nil, err
		}
		if math.IsInf(f.total(), -1) {
			return nil, errZero
		}
		return f, nil
	}
	if len(k.Event) > 0 {
		return k.eventBy(model.VariableElimination, func(e *evidence) (float64, error) {
			f, err := sum(e, nil, nil)
			if err != nil {
				return 0, err
			}
			return f.total(), nil
		})
	}
	categorical, numeric := k.split()
	f, err := sum(e, n.unknown(e, categorical), categorical)
	if err != nil {
		return nil, err
	}
	a := &model.Answer{Method: model.VariableElimination, Evidence: f.total()}
	if len(categorical) > 0 {
		a.Cells = n.spread(e, f, categorical)
	}
	if len(numeric) == 0 {
		return a, nil
	}
	k.numbers(a)
	for _, v := range numeric {
		w, err := n.view(op, e, n.groupOf[v], n.relevant(e, []int{v}))
		if err != nil {
			return nil, err
		}
		f, err := sum(e, w.vars, []int{v})
		if err != nil {
			return nil, err
		}
		i := slices.Index(k.Targets, v)
		a.Mean[i], a.Variance[i] = w.mixture(f, slices.Index(w.fields, v))
	}
	return a, nil
}

// byTree answers from a junction tree.
func (k *question) byTree(op string) (*model.Answer, error) {
	if len(k.Event) > 0 {
		return k.eventBy(model.JunctionTree, func(e *evidence) (float64, error) {
			t, err := k.net.propagate(op, e, nil, plus)
			if err != nil {
				return 0, err
			}
			return t.log, nil
		})
	}
	categorical, numeric := k.split()
	t, err := k.net.propagate(op, k.e, [][]int{categorical}, plus)
	if err != nil {
		return nil, err
	}
	a := &model.Answer{Method: model.JunctionTree, Evidence: t.log}
	if len(categorical) > 0 {
		if a.Cells, err = t.Joint(categorical); err != nil {
			return nil, err
		}
	}
	if len(numeric) == 0 {
		return a, nil
	}
	k.numbers(a)
	for _, v := range numeric {
		i := slices.Index(k.Targets, v)
		if a.Mean[i], a.Variance[i], err = t.Number(v); err != nil {
			return nil, err
		}
	}
	return a, nil
}
