package recipe

import (
	"context"

	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// unseenShare is the part of real rows that are taken for unseen where the model does not say which it left out.
const unseenShare = 1. / 3

// Real are the real rows of a data set that a model was made of, and those that it has not seen: the ones that its
// recipe held out, if it was about this data set and held any out, else a third of all.
func Real(ctx context.Context, files Files, e modelstore.Entry, schema *table.Schema, name string, seed uint64,
	most int) (train, unseen *table.Table, err error) {
	d := Data{Source: recipe.Source{Name: name}}
	if r, err := decode([]byte(e.Manifest.Recipe)); err == nil && r.Data.Name == name && r.Data.Select != nil &&
		*r.Data.Select > 0 {
		d, seed = r.Data, r.Seed
	}
	if err := files.Resolve(&d.Source); err != nil {
		return nil, nil, err
	}
	t, err := d.Open(ctx, files.Data, seed, schema)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = t.Close() }() // opened for reading
	if t.HeldOut() == 0 {
		t.holdOut(unseenShare, seed)
	}
	for _, part := range []struct {
		to   **table.Table
		held bool
	}{{&train, false}, {&unseen, true}} {
		s, err := t.rows(part.held)
		if err != nil {
			return nil, nil, err
		}
		if *part.to, err = table.ReadAll(until(ctx, s), most); err != nil {
			return nil, nil, err
		}
	}
	return train, unseen, nil
}

// Divide takes a third of some rows for unseen.
func Divide(rows *table.Table, seed uint64) (train, unseen *table.Table) {
	t := &Table{Rows: int64(rows.Rows)}
	t.holdOut(unseenShare, seed)
	var in, out []int
	for i, held := range t.held {
		if held {
			out = append(out, i)
		} else {
			in = append(in, i)
		}
	}
	return rows.Take(in), rows.Take(out)
}
