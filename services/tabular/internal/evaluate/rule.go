package evaluate

import (
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// rule predicts the shares of the classes among the rows that have the same level of one field.
type rule struct {
	schema        *table.Schema
	target, field int
	share         []float64 // [levels + 1, classes], the last row for all
}

// Majority is the trivial rule: the shares of the classes, whatever a row holds.
func Majority(target int) Fit { return Single(target, -1) }

// Single is the rule of one field: the shares of the classes among rows that share its level, with one more row spread
// over the classes as they are in all. "Every female survives" is what it predicts of the passengers' sex.
func Single(target, field int) Fit {
	return func(t *table.Table) (model.Explainer, error) {
		classes := len(t.Schema.Fields[target].Levels)
		r := &rule{schema: t.Schema, target: target, field: field}
		levels := 0
		if field >= 0 {
			if t.Columns[field].Codes == nil {
				return nil, fault.InvalidField("evaluate.Single", "field", "field %d has no levels", field)
			}
			levels = len(t.Schema.Fields[field].Levels)
		}
		r.share = make([]float64, (levels+1)*classes)
		all := r.share[levels*classes:]
		for i, c := range t.Columns[target].Codes {
			if c < 0 {
				continue
			}
			all[c]++
			if field >= 0 && t.Columns[field].Codes[i] >= 0 {
				r.share[int(t.Columns[field].Codes[i])*classes+int(c)]++
			}
		}
		normalise(all)
		for l := range levels {
			row := r.share[l*classes : (l+1)*classes]
			for c := range row {
				row[c] += all[c]
			}
			normalise(row)
		}
		return r, nil
	}
}

func normalise(x []float64) {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	for i := range x {
		x[i] /= max(sum, 1e-300)
	}
}

// Schema implements model.Model.
func (r *rule) Schema() *table.Schema { return r.schema }

// Target implements model.Explainer.
func (r *rule) Target() int { return r.target }

// Predict implements model.Explainer.
func (r *rule) Predict(dst []float64, t *table.Table) error {
	classes := len(r.schema.Fields[r.target].Levels)
	last := len(r.share)/classes - 1
	for i := range t.Rows {
		l := last
		if r.field >= 0 && t.Columns[r.field].Codes[i] >= 0 {
			l = int(t.Columns[r.field].Codes[i])
		}
		copy(dst[i*classes:(i+1)*classes], r.share[l*classes:(l+1)*classes])
	}
	return nil
}

// Explain implements model.Explainer; a rule has no parts.
func (r *rule) Explain(*table.Table, int, int32) ([]model.Contribution, error) {
	return nil, fault.E(fault.Invalid, "NOT_EXPLAINED", "evaluate.Rule", "a rule of one field has no parts to explain")
}
