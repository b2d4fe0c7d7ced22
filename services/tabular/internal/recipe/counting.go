package recipe

import (
	"context"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"

	"github.com/manifold-gen/manifold/services/tabular/internal/counting"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// countingModel is the model section of a table that is counted.
type countingModel struct {
	// Distinct bounds the different rows, 1 to 4,194,304; 1,000,000.
	Distinct int `yaml:"distinct,omitempty"`
}

type countingConfig struct {
	Distinct int `json:"distinct"`
}

func (c *countingModel) setDefaults(r *Recipe) {
	if c.Distinct == 0 {
		c.Distinct = 1_000_000
	}
	r.Data.holdOut(0)
}

func (c *countingModel) check(*Recipe) []fault.Violation {
	if c.Distinct < 1 || c.Distinct > counting.MaxRows {
		return []fault.Violation{{Field: "model.distinct", Description: fmt.Sprintf("%d, want 1 to %d", c.Distinct,
			counting.MaxRows)}}
	}
	return nil
}

func (c *countingModel) fit(ctx context.Context, t *training) (*fitted, error) {
	s, err := t.data.Train()
	if err != nil {
		return nil, err
	}
	s = until(ctx, s)
	if t.before != nil {
		old, ok := t.before.model.(*counting.Model)
		if !ok {
			return nil, wrongPrevious(t.before)
		}
		s = &both{first: old, second: s}
	}
	m, err := counting.Fit(s, c.Distinct)
	if err != nil {
		return nil, err
	}
	out := newTensors()
	for i := range m.Rows.Columns {
		column(out, fmt.Sprintf("rows.%d", i), &m.Rows.Columns[i])
	}
	out.ints("counts", m.Counts)
	return &fitted{model: m, config: countingConfig{Distinct: c.Distinct}, store: out, about: []string{fmt.Sprintf(
		"%d different rows and how often each occurs: every probability is a fraction of counts.", len(m.Counts))}}, nil
}

// column stores the cells of a field.
func column(out *tensors, name string, c *table.Column) {
	if c.Codes == nil {
		out.floats(name, c.Numbers)
		return
	}
	codes := make([]int64, len(c.Codes))
	for i, k := range c.Codes {
		codes[i] = int64(k)
	}
	out.ints(name, codes)
}

// readColumns reads a table that was stored column by column.
func readColumns(s *stored, prefix string, rows int) (*table.Table, error) {
	t := table.New(s.schema, rows)
	for i := range t.Columns {
		c, f, name := &t.Columns[i], &s.schema.Fields[i], fmt.Sprintf("%s.%d", prefix, i)
		if f.Kind == table.Numeric {
			x, err := s.cells(name, rows)
			if err != nil {
				return nil, err
			}
			c.Numbers = x
			continue
		}
		codes, err := s.ints(name, table.Missing, rows)
		if err != nil {
			return nil, err
		}
		for r, k := range codes {
			if k >= int64(len(f.Levels)) {
				return nil, fmt.Errorf("the tensor %.80q has the level %d of %d", name, k, len(f.Levels))
			}
			c.Codes[r] = int32(k)
		}
	}
	return t, nil
}

func openCounting(m *modelstore.Manifest, s *stored) (model.Model, error) {
	if err := configOf(m, new(countingConfig)); err != nil {
		return nil, err
	}
	info, err := s.find("counts", i64, nil)
	if err != nil {
		return nil, err
	}
	rows := info.Shape[0]
	if rows < 1 || rows > counting.MaxRows {
		return nil, fmt.Errorf("%d different rows, want 1 to %d", rows, counting.MaxRows)
	}
	counts, err := s.ints("counts", 1, rows)
	if err != nil {
		return nil, err
	}
	t, err := readColumns(s, "rows", rows)
	if err != nil {
		return nil, err
	}
	return counting.New(t, counts)
}

// Counting is the text of a recipe that counts some rows.
func Counting(name string, data recipe.Source) []byte {
	text, err := yaml.Marshal(struct {
		Name         string        `yaml:"name"`
		Family       string        `yaml:"family"`
		Architecture string        `yaml:"architecture"`
		Data         recipe.Source `yaml:"data"`
	}{name, Family, "counting", data})
	if err != nil {
		panic(err) // strings always have a form in YAML
	}
	return text
}
