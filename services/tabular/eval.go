package tabular

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/services/tabular/internal/counting"
	"github.com/manifold-gen/manifold/services/tabular/internal/evaluate"
	"github.com/manifold-gen/manifold/services/tabular/internal/logistic"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/naivebayes"
	"github.com/manifold-gen/manifold/services/tabular/internal/recipe"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/metric"
)

// Figure is one measured figure, beside what it must be held against.
type Figure = metric.Figure

// Eval says what to measure.
type Eval struct {
	Data *dataset.Locator // finds titanic and adult; nil finds none
	What string           // one of Evals
	Seed uint64
}

// Evals are the values of Eval.What: fractions of the passengers, classifiers of them by ten times ten folds, learning
// curves of the twins, trees beside naive Bayes, structures of networks that are known, synthetic census rows, and
// speed.
func Evals() []string {
	return []string{"fractions", "classifiers", "curves", "trees", "structures", "synthetic", "speed"}
}

// Evaluate measures.
func Evaluate(ctx context.Context, e Eval) ([]Figure, error) {
	const op = "tabular.Evaluate"
	if e.Data == nil {
		e.Data = new(dataset.Locator)
	}
	measure, ok := map[string]func(context.Context) ([]Figure, error){
		"fractions": e.fractions, "classifiers": e.classifiers, "curves": e.curves, "trees": e.trees,
		"structures": e.structures, "synthetic": e.synthetic, "speed": e.speed,
	}[e.What]
	if !ok {
		return nil, fault.InvalidField(op, "what", "%.40q, want one of %q", e.What, Evals())
	}
	figures, err := measure(ctx)
	return figures, fault.Wrap(op, err)
}

// rows are those of a recipe that the binary brings along.
func (e Eval) rows(ctx context.Context, name string) (*table.Table, error) {
	text, err := Recipe(name)
	if err != nil {
		return nil, err
	}
	return recipe.Rows(ctx, text, e.Data)
}

// fractions are the arithmetic of the 891 passengers.
func (e Eval) fractions(ctx context.Context) ([]Figure, error) {
	text := []byte("name: x\nfamily: tabular\narchitecture: counting\ndata: {name: titanic, only: true, columns: " +
		"[{name: Survived, kind: categorical}, {name: Sex, kind: categorical}]}\n")
	t, err := recipe.Rows(ctx, text, e.Data)
	if err != nil {
		return nil, err
	}
	m, err := counting.Fit(table.FromTable(t), 0)
	if err != nil {
		return nil, err
	}
	lives := model.Term{Field: t.Schema.Index("Survived"), Codes: []int32{1}}
	female := model.Term{Field: t.Schema.Index("Sex"), Codes: []int32{0}}
	var all []Figure
	for _, q := range []struct {
		what         string
		event, given []model.Term
	}{
		{"P(survived)", []model.Term{lives}, nil}, {"P(survived | female)", []model.Term{lives}, []model.Term{female}},
		{"P(female | survived)", []model.Term{female}, []model.Term{lives}},
	} {
		a, err := m.Query(&model.Query{Event: q.event, Given: q.given})
		if err != nil {
			return nil, err
		}
		all = append(all, Figure{Model: "counting", Data: "titanic", What: q.what, Unit: "probability", Value: a.Cells[0],
			Settings: fmt.Sprintf("%d/%d", a.Counts[0], a.Total)})
	}
	return all, nil
}

// twins are the generative classifier and the discriminative one.
func twins(target int) (bayes, regression evaluate.Fit) {
	bayes = func(t *table.Table) (model.Explainer, error) {
		return naivebayes.Fit(table.FromTable(t), naivebayes.Default(target))
	}
	regression = func(t *table.Table) (model.Explainer, error) {
		c := logistic.Default(target)
		c.Tolerance = 1e-8
		return logistic.Fit(t, c)
	}
	return bayes, regression
}

// classifiers are measured on the 891 passengers by title, class and size of the family.
func (e Eval) classifiers(ctx context.Context) ([]Figure, error) {
	t, err := e.rows(ctx, "titanic-passengers")
	if err != nil {
		return nil, err
	}
	target := t.Schema.Index("Survived")
	bayes, regression := twins(target)
	rule, err := evaluate.CrossValidate(ctx, t, target, 10, 10, e.Seed, evaluate.Majority(target))
	if err != nil {
		return nil, err
	}
	var all []Figure
	for _, c := range []struct {
		name string
		fit  evaluate.Fit
	}{{"naive-bayes", bayes}, {"logistic", regression}} {
		r, err := evaluate.CrossValidate(ctx, t, target, 10, 10, e.Seed, c.fit)
		if err != nil {
			return nil, err
		}
		head := Figure{Model: c.name, Data: "titanic", Against: "the majority",
			Settings: "title, class, family size; 10 times 10 stratified folds"}
		loss, accuracy := head, head
		loss.What, loss.Unit, loss.Value, loss.Half = "log-loss", "nats", r.LogLoss.Mean, r.LogLoss.Half
		loss.Baseline = &rule.LogLoss.Mean
		accuracy.What, accuracy.Unit, accuracy.Value, accuracy.Half = "accuracy", "share", r.Accuracy.Mean, r.Accuracy.Half
		accuracy.Baseline = &rule.Accuracy.Mean
		all = append(all, loss, accuracy)
	}
	return all, nil
}

// curves are log-losses of the twins from few rows to many.
func (e Eval) curves(ctx context.Context) ([]Figure, error) {
	t, err := e.rows(ctx, "adult-network")
	if err != nil {
		return nil, err
	}
	target := t.Schema.Index("income")
	bayes, regression := twins(target)
	points, err := evaluate.Curve(ctx, t, target, []int{30, 100, 300, 1000, 3000, 10_000}, 10_000, 5, e.Seed, bayes,
		regression)
	if err != nil {
		return nil, err
	}
	var all []Figure
	for _, p := range points {
		f := Figure{Model: "naive-bayes", Data: "adult, numbers in bins", What: "log-loss on 10,000 other rows",
			Unit: "nats", Settings: fmt.Sprintf("%d rows to learn from, 5 draws", p.Rows), Value: p.Result[0].LogLoss.Mean,
			Half: p.Result[0].LogLoss.Half, Baseline: &p.Result[1].LogLoss.Mean, Against: "logistic regression"}
		all = append(all, f)
	}
	return all, nil
}

// trees are networks beside naive Bayes on rows that were held out.
func (e Eval) trees(ctx context.Context) ([]Figure, error) {
	var all []Figure
	for _, d := range []struct{ name, target string }{{"titanic-passengers", "Survived"}, {"adult-network", "income"}} {
		t, err := e.rows(ctx, d.name)
		if err != nil {
			return nil, err
		}
		held, err := evaluate.Structures(t, t.Schema.Index(d.target), 10, e.Seed)
		if err != nil {
			return nil, err
		}
		var bayes float64
		for _, h := range held {
			if h.Structure == "naive-bayes" || h.Structure == "naive Bayes" {
				bayes = h.LogLoss
			}
		}
		for _, h := range held {
			f := Figure{Model: h.Structure, Data: "data of " + d.name, What: "log-loss of whole rows", Unit: "nats a row",
				Settings: fmt.Sprintf("%d folds, %d edges", h.Folds, h.Edges), Value: h.LogLoss}
			if bayes != 0 && h.LogLoss != bayes {
				f.Baseline, f.Against = &bayes, "naive Bayes"
			}
			all = append(all, f)
		}
	}
	return all, nil
}

// structures are learned back from rows of ALARM.
func (e Eval) structures(context.Context) ([]Figure, error) {
	found, err := evaluate.Recover("alarm", 10_000, []uint64{e.Seed, e.Seed + 1, e.Seed + 2})
	if err != nil {
		return nil, err
	}
	var all []Figure
	for _, r := range found {
		all = append(all, Figure{Model: r.Method, Data: "alarm", Value: r.F1, What: "F1 of the skeleton", Unit: "share",
			Settings: fmt.Sprintf("%d rows of seed %d; %d edges missing, %d too many, Hamming distance %d", r.Rows, r.Seed,
				r.Missing, r.Extra, r.Hamming)})
	}
	return all, nil
}

// synthetic are census rows of the copula and of the network, three seeds each.
func (e Eval) synthetic(ctx context.Context) ([]Figure, error) {
	var all []Figure
	for _, name := range []string{"adult-copula", "adult-network"} {
		text, err := Recipe(name)
		if err != nil {
			return nil, err
		}
		for seed := e.Seed; seed < e.Seed+3; seed++ {
			r, err := recipe.Synthesise(ctx, text, e.Data, seed, "income")
			if err != nil {
				return nil, err
			}
			for _, f := range r.Figures {
				all = append(all, Figure{Model: name, Data: "adult", Settings: fmt.Sprintf("seed %d", seed),
					What: f.Group + ": " + f.Name, Unit: "", Value: f.Value, Baseline: f.Baseline, Against: f.Against})
			}
		}
	}
	return all, nil
}

// speed is what a network of 37 fields costs on this machine.
func (e Eval) speed(context.Context) ([]Figure, error) {
	s, err := evaluate.Speed("alarm", 10_000_000)
	if err != nil {
		return nil, err
	}
	var all []Figure
	for _, f := range []struct {
		what, unit string
		value      float64
	}{
		{"pairwise counts of streamed rows, for Chow-Liu", "rows a second", s.Streamed},
		{"the tree from them", "s", s.Tree},
		{"greatest heap while streaming", "MiB", s.HeapMiB}, {"rows drawn", "rows a second", s.Drawn},
		{"rows drawn under a condition", "rows a second", s.Conditioned},
		{"one marginal given one field, by variable elimination", "ms", s.Eliminate},
		{"all marginals, by the junction tree", "ms", s.Propagate},
	} {
		all = append(all, Figure{Model: "alarm", Data: "alarm", Settings: fmt.Sprintf("%d rows", s.Rows), What: f.what,
			Unit: f.unit, Value: f.value})
	}
	return all, nil
}
