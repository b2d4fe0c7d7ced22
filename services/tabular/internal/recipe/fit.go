package recipe

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/profile"
)

// Fit asks for a model at once. Exactly one of Recipe, Name and Update is set.
type Fit struct {
	Recipe string // YAML; its data may be left out where CSV or DataSet is given

	Name         string // of a model of an architecture with its defaults
	Architecture string // "": counting
	Target       string

	Update  string           // a model whose rows are added to
	Model   model.Model      // that of Update
	Profile *profile.Profile // that of Update
	Entry   modelstore.Entry // that of Update

	CSV     []byte  // rows with a header
	DataSet string  // registered or uploaded
	Seed    *uint64 // in the place of the recipe's
}

// Run fits and publishes. It says how many rows the model is made of.
func (f *Fit) Run(ctx context.Context, files Files) (e modelstore.Entry, rows int64, err error) {
	var before *previous
	if f.Update != "" {
		before = &previous{entry: f.Entry, model: f.Model, profile: f.Profile}
		if !architectures()[f.Entry.Manifest.Architecture].sums {
			return e, 0, wrongPrevious(before)
		}
	}
	r, err := f.recipe()
	if err != nil {
		return e, 0, err
	}
	if f.Seed != nil {
		r.Seed = *f.Seed
	}
	if f.DataSet != "" {
		r.Data.Source = recipe.Source{Name: f.DataSet}
	}
	t := &Table{Name: "rows", Licence: "not stated", Origin: "rows of a request", Own: true}
	switch {
	case f.CSV != nil && !r.Data.none():
		return e, 0, fault.InvalidField("recipe.Fit", "recipe", "the recipe names data, and rows were given too")
	case f.CSV != nil:
		r.Data.Name = "rows" // for the check alone
		err = r.Check()
		r.Data.Source = recipe.Source{}
	default:
		if err = r.Check(); err == nil && r.Source() != nil {
			err = files.Resolve(r.Source())
		}
	}
	if err != nil {
		return e, 0, err
	}
	switch {
	case f.CSV != nil:
		err = t.readRows(ctx, r, f.CSV, before)
	case r.Source() == nil:
		t = nil
	case before != nil:
		t, err = r.Data.Open(ctx, files.Data, r.Seed, before.model.Schema())
	default:
		t, err = r.Data.Open(ctx, files.Data, r.Seed, nil)
	}
	if err != nil {
		return e, 0, err
	}
	if t != nil {
		defer func() { _ = t.Close() }() // opened for reading
		rows = t.Rows - int64(t.HeldOut())
	}
	if before != nil {
		rows += before.profile.Rows
	}
	e, err = r.build(ctx, files.Store, t, before, func(train.Event) {})
	return e, rows, err
}

// recipe finds or makes the recipe of a Fit.
func (f *Fit) recipe() (*Recipe, error) {
	given := 0
	for _, s := range []string{f.Recipe, f.Name, f.Update} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return nil, fault.InvalidField("recipe.Fit", "recipe", "want exactly one of recipe, name and update")
	}
	switch {
	case f.Recipe != "":
		return decode([]byte(f.Recipe))
	case f.Update != "":
		r, err := decode([]byte(f.Entry.Manifest.Recipe))
		if err != nil {
			return nil, err
		}
		r.Data = Data{Select: new(float64)} // the schema is the model's
		return r, nil
	}
	if f.Architecture == "" {
		f.Architecture = "counting"
	}
	text := fmt.Sprintf("name: %q\nfamily: tabular\narchitecture: %q\n", f.Name, f.Architecture)
	if f.Target != "" {
		text += fmt.Sprintf("model: {target: %q}\n", f.Target)
	}
	return decode([]byte(text))
}
