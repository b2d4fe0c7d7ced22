package recipe

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// pictures are the pictures of a recipe, divided.
type pictures struct {
	train, selection split
	size, channels   int
	classes          []string // empty for training without them
	name             string
	licence          string
	origin           string // where the set comes from, for the card
}

// split is some pictures of a set.
type split struct {
	dataset.Dataset
	order []int32 // indices into the set; nil for all of it as it is
}

// Len hides the set's.
func (s split) Len() int {
	if s.order != nil {
		return len(s.order)
	}
	return s.Dataset.Len()
}

// Index is the place in the set of picture i.
func (s split) Index(i int) int {
	if s.order != nil {
		return int(s.order[i])
	}
	return i
}

// open finds the recipe's pictures and divides them.
func (r *Recipe) open(ctx context.Context, l *dataset.Locator) (*pictures, error) {
	const op = "recipe.Data"
	if l == nil {
		l = new(dataset.Locator)
	}
	open := r.openImages
	if r.Data.Name != "" {
		open = r.openRegistered
	}
	p, err := open(ctx, l)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	h, w, c := p.train.Shape()
	if h != w {
		return nil, fault.E(fault.Invalid, "NOT_SQUARE", op, "the pictures are %dx%d, want square ones; give data.size",
			h, w)
	}
	p.size, p.channels = h, c
	if !r.Data.Unlabelled {
		p.classes = p.train.Classes()
	}
	return p, nil
}

func (r *Recipe) request() dataset.Request {
	return dataset.Request{
		Name: r.Data.Name, Path: r.Data.Images,
		Format: dataset.Format{Height: r.Data.Size, Width: r.Data.Size, Channels: r.Data.Channels},
	}
}

// openRegistered opens the splits that the registry gives a set.
func (r *Recipe) openRegistered(ctx context.Context, l *dataset.Locator) (*pictures, error) {
	e, err := dataset.Lookup(r.Data.Name)
	if err != nil {
		return nil, err
	}
	p := &pictures{name: e.Name, licence: e.Licence, origin: e.Homepage}
	for _, part := range []struct {
		to    *split
		name  string
		limit int
	}{{&p.train, "train", r.Data.Train}, {&p.selection, "select", r.Data.Select}} {
		req := r.request()
		req.Split = part.name
		set, err := l.Open(ctx, req)
		if err != nil {
			return nil, err
		}
		if part.limit > 0 {
			if part.limit > set.Len() {
				return nil, fault.InvalidField("", "data."+part.name, "%d pictures, the split of %s has %d", part.limit, e.Name,
					set.Len())
			}
			if set, err = dataset.Range(set, 0, part.limit); err != nil {
				return nil, err
			}
		}
		part.to.Dataset = set
	}
	return p, nil
}

// splitEpoch keeps the permutation that divides a set apart from those that order its epochs.
const splitEpoch = 1 << 40

// openImages opens the user's own pictures and takes those for selection out at random: they come ordered by class,
// so that any range of them would be lopsided.
func (r *Recipe) openImages(ctx context.Context, l *dataset.Locator) (*pictures, error) {
	set, err := l.Open(ctx, r.request())
	if err != nil {
		return nil, err
	}
	n := set.Len()
	sel, tr := r.Data.Select, r.Data.Train
	if sel == 0 {
		sel = max(1, min(n/20, 1000))
	}
	if tr == 0 {
		tr = n - sel
	}
	if tr < 1 || tr+sel > n {
		return nil, fault.E(fault.Invalid, "BAD_SPLIT", "",
			"%d pictures for training and %d for selection of %d, want at least one for each and no more than all", tr,
			sel, n)
	}
	order := rng.New(r.Seed).Perm(n, splitEpoch)
	p := &pictures{
		train:     split{set, order[:tr:tr]},
		selection: split{set, order[tr : tr+sel]},
		name:      "images", licence: r.Data.Licence, origin: "the trainer's own pictures",
	}
	if p.licence == "" {
		p.licence = "not stated"
	}
	return p, nil
}

// fingerprint identifies the pictures and their division.
func (p *pictures) fingerprint() string {
	return fmt.Sprint(p.train.Hash(), len(p.train.order), p.train.Len(), p.selection.Hash(), p.selection.Len(), p.classes)
}
