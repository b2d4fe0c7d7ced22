package recipe

import (
	"context"

	"github.com/manifold-gen/manifold/shared/fault"

	"github.com/manifold-gen/manifold/services/tabular/internal/counting"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// until is a source that ends with ctx.
func until(ctx context.Context, s table.Source) table.Source { return &mortal{s, ctx} }

type mortal struct {
	table.Source
	ctx context.Context //nolint:containedctx // of one pass
}

// Next implements table.Source.
func (m *mortal) Next(t *table.Table) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	return m.Source.Next(t)
}

// both is the rows of a counted table, and then those of another source of the same schema.
type both struct {
	first  *counting.Model
	second table.Source
	row    int
	given  int64 // times that row was given
}

// Schema implements table.Source.
func (b *both) Schema() *table.Schema { return b.second.Schema() }

// Next implements table.Source.
func (b *both) Next(t *table.Table) (int, error) {
	n := 0
	for ; n < t.Rows && b.row < len(b.first.Counts); n++ {
		for i := range t.Columns {
			from, to := &b.first.Rows.Columns[i], &t.Columns[i]
			if from.Codes != nil {
				to.Codes[n] = from.Codes[b.row]
			} else {
				to.Numbers[n] = from.Numbers[b.row]
			}
		}
		if b.given++; b.given == b.first.Counts[b.row] {
			b.row, b.given = b.row+1, 0
		}
	}
	if n > 0 {
		return n, nil
	}
	return b.second.Next(t)
}

// wrongPrevious is the error for a model that rows cannot be added to.
func wrongPrevious(p *previous) error {
	return fault.E(fault.Precondition, "NOT_SUPPORTED", "recipe.Fit", "rows cannot be added to %s, a %s", p.entry.Ref(),
		p.entry.Manifest.Architecture)
}
