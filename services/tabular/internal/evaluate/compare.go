package evaluate

import (
	"context"
	"fmt"
	"strings"

	"github.com/manifold-gen/manifold/services/tabular/internal/logistic"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/naivebayes"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// Comparison is the generative classifier beside its discriminative twin and the rules that need no model.
type Comparison struct {
	Target  string       `json:"target"`
	Rows    int          `json:"rows"`
	Fields  []string     `json:"fields"`
	Folds   int          `json:"folds"`
	Repeats int          `json:"repeats"`
	Seed    uint64       `json:"seed"`
	Models  []Named      `json:"models"`
	Curve   []CurvePoint `json:"curve"`
}

// Named is what a classifier reaches.
type Named struct {
	Name string `json:"name"`
	Result
}

// CurvePoint is naive Bayes beside logistic regression, fitted on as many rows.
type CurvePoint struct {
	Rows               int    `json:"rows"`
	NaiveBayes         Result `json:"naive_bayes"`
	LogisticRegression Result `json:"logistic_regression"`
}

// NaiveBayes fits with the default settings.
func NaiveBayes(target int) Fit {
	return func(t *table.Table) (model.Explainer, error) {
		return naivebayes.Fit(table.FromTable(t), naivebayes.Default(target))
	}
}

// Logistic fits with the default settings.
func Logistic(target int) Fit {
	return func(t *table.Table) (model.Explainer, error) { return logistic.Fit(t, logistic.Default(target)) }
}

// Compare cross-validates naive Bayes, logistic regression, the rule of every single field of levels and the majority,
// and draws the learning curves of the first two: the mean of 50 repetitions, on a quarter of the rows.
func Compare(ctx context.Context, t *table.Table, target, folds, repeats int, seed uint64) (*Comparison, error) {
	c := &Comparison{Target: t.Schema.Fields[target].Name, Rows: t.Rows, Folds: folds, Repeats: repeats, Seed: seed}
	names := []string{"naive Bayes", "logistic regression", "majority"}
	fits := []Fit{NaiveBayes(target), Logistic(target), Majority(target)}
	for j := range t.Schema.Fields {
		f := &t.Schema.Fields[j]
		if j == target {
			continue
		}
		c.Fields = append(c.Fields, f.Name)
		if f.Kind == table.Categorical {
			names, fits = append(names, "rule of "+f.Name), append(fits, Single(target, j))
		}
	}
	for k, fit := range fits {
		r, err := CrossValidate(ctx, t, target, folds, repeats, seed, fit)
		if err != nil {
			return nil, err
		}
		c.Models = append(c.Models, Named{names[k], *r})
	}
	rest := t.Rows / 4
	var sizes []int
	for n := 10; n <= t.Rows-rest && n <= 10240; n *= 2 {
		sizes = append(sizes, n)
	}
	const repetitions = 50
	points, err := Curve(ctx, t, target, sizes, rest, repetitions, seed, fits[:2]...)
	if err != nil {
		return nil, err
	}
	for _, p := range points {
		c.Curve = append(c.Curve, CurvePoint{p.Rows, p.Result[0], p.Result[1]})
	}
	return c, nil
}

// Markdown are the tables of a comparison.
func (c *Comparison) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s from %s; %d rows, %d times %d folds, seed %d. After ± is the half-width of the 95 %% interval "+
		"over rows.\n\n| model | log-loss, nats | accuracy |\n| --- | --- | --- |\n", c.Target,
		strings.Join(c.Fields, ", "), c.Rows, c.Repeats, c.Folds, c.Seed)
	for i := range c.Models {
		m := &c.Models[i]
		fmt.Fprintf(&b, "| %s | %.4f ± %.4f | %.2f ± %.2f %% |\n", m.Name, m.LogLoss.Mean, m.LogLoss.Half,
			100*m.Accuracy.Mean, 100*m.Accuracy.Half)
	}
	b.WriteString("\n| rows to learn from | log-loss, naive Bayes | logistic regression | accuracy, naive Bayes | " +
		"logistic regression |\n| --- | --- | --- | --- | --- |\n")
	for i := range c.Curve {
		p := &c.Curve[i]
		n, l := &p.NaiveBayes, &p.LogisticRegression
		fmt.Fprintf(&b, "| %d | %.4f | %.4f | %.2f %% | %.2f %% |\n", p.Rows, n.LogLoss.Mean, l.LogLoss.Mean,
			100*n.Accuracy.Mean, 100*l.Accuracy.Mean)
	}
	return b.String()
}
