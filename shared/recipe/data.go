package recipe

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Data names the pictures of a recipe. Exactly one of Name and Images is set.
type Data struct {
	Name     string `yaml:"name,omitempty"`     // of a registered data set, whose splits train and select are used
	Images   string `yaml:"images,omitempty"`   // a folder or .zip of pictures, classes by folder; a .csv; an IDX file
	Size     int    `yaml:"size,omitempty"`     // height and width; the data set's own, or the first picture's
	Channels int    `yaml:"channels,omitempty"` // 1 or 3; the data set's own, or 3
	Licence  string `yaml:"licence,omitempty"`  // of Images
	// Train and Select are numbers of pictures. Of a registered set they limit its splits; 0 takes all of a split. Of
	// Images, Select are taken at random, 0 for one in twenty but at most 1,000, and Train of the others, 0 for all.
	Train  int `yaml:"train,omitempty"`
	Select int `yaml:"select,omitempty"`
	// Unlabelled leaves the classes of the set aside.
	Unlabelled bool `yaml:"unlabelled,omitempty"`
}

// Check returns what is wrong with the fields as they stand in a recipe.
func (d *Data) Check() []fault.Violation {
	var wrong []fault.Violation
	bad := func(field, format string, args ...any) {
		wrong = append(wrong, fault.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
	if (d.Name == "") == (d.Images == "") {
		bad("data", "want one of name and images")
	}
	for _, n := range []struct {
		field  string
		v, top int
	}{{"data.size", d.Size, 1024}, {"data.train", d.Train, 1 << 30}, {"data.select", d.Select, 1 << 30}} {
		if n.v < 0 || n.v > n.top {
			bad(n.field, "%d, want 0 to %d", n.v, n.top)
		}
	}
	if c := d.Channels; c != 0 && c != 1 && c != 3 {
		bad("data.channels", "%d, want 1 (grey) or 3 (colour)", c)
	}
	return wrong
}

// Public is what may be published: where the pictures lay is nobody's business but the trainer's.
func (d *Data) Public() Data {
	public := *d
	if public.Images != "" {
		public.Images = filepath.Base(public.Images)
	}
	return public
}

// Pictures are the pictures of a recipe, divided.
type Pictures struct {
	Train, Selection        Split
	Height, Width, Channels int
	Classes                 []string // empty for training without them
	Name                    string
	Licence                 string
	Origin                  string // where the set comes from, for the card
	Own                     bool   // the trainer's own pictures
}

// Split is some pictures of a set. The methods of the set itself take an index into the set; see Index.
type Split struct {
	dataset.Dataset
	order []int32 // indices into the set; nil for all of it as it is
}

// Len is the number of pictures in the split; it hides the set's.
func (s Split) Len() int {
	if s.order != nil {
		return len(s.order)
	}
	return s.Dataset.Len()
}

// Index is the place in the set of picture i.
func (s Split) Index(i int) int {
	if s.order != nil {
		return int(s.order[i])
	}
	return i
}

// Open finds the pictures and divides them. The seed decides which of Images are for selection; l may be nil, which
// finds data sets that are drawn and the user's own.
func (d *Data) Open(ctx context.Context, l *dataset.Locator, seed uint64) (*Pictures, error) {
	const op = "recipe.Data"
	if l == nil {
		l = new(dataset.Locator)
	}
	var p *Pictures
	var err error
	if d.Name != "" {
		p, err = d.openRegistered(ctx, l)
	} else {
		p, err = d.openImages(ctx, l, seed)
	}
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	p.Height, p.Width, p.Channels = p.Train.Shape()
	if !d.Unlabelled {
		p.Classes = p.Train.Classes()
	}
	return p, nil
}

func (d *Data) request() dataset.Request {
	return dataset.Request{
		Name: d.Name, Path: d.Images, Format: dataset.Format{Height: d.Size, Width: d.Size, Channels: d.Channels},
	}
}

// openRegistered opens the splits that the registry gives a set.
func (d *Data) openRegistered(ctx context.Context, l *dataset.Locator) (*Pictures, error) {
	e, err := dataset.Lookup(d.Name)
	if err != nil {
		return nil, err
	}
	p := &Pictures{Name: e.Name, Licence: e.Licence, Origin: e.Homepage}
	for _, part := range []struct {
		to    *Split
		name  string
		limit int
	}{{&p.Train, "train", d.Train}, {&p.Selection, "select", d.Select}} {
		req := d.request()
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
func (d *Data) openImages(ctx context.Context, l *dataset.Locator, seed uint64) (*Pictures, error) {
	set, err := l.Open(ctx, d.request())
	if err != nil {
		return nil, err
	}
	n := set.Len()
	sel, tr := d.Select, d.Train
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
	order := rng.New(seed).Perm(n, splitEpoch)
	p := &Pictures{
		Train:     Split{set, order[:tr:tr]},
		Selection: Split{set, order[tr : tr+sel]},
		Name:      "images", Licence: d.Licence, Origin: "the trainer's own pictures", Own: true,
	}
	if p.Licence == "" {
		p.Licence = "not stated"
	}
	return p, nil
}

// Fingerprint identifies the pictures and their division.
func (p *Pictures) Fingerprint() string {
	return fmt.Sprint(p.Train.Hash(), len(p.Train.order), p.Train.Len(), p.Selection.Hash(), p.Selection.Len(), p.Classes)
}

// Source names the data of a recipe that reads one file. Exactly one of the fields is set.
type Source struct {
	Name string `yaml:"name,omitempty"` // registered, drawn or uploaded
	File string `yaml:"file,omitempty"` // on this machine
}

// Check returns what is wrong with the fields as they stand in a recipe.
func (s *Source) Check() []fault.Violation {
	if (s.Name == "") == (s.File == "") {
		return []fault.Violation{{Field: "data", Description: "want one of name and file"}}
	}
	return nil
}

// Public is what may be published: where the file lay is nobody's business but the trainer's.
func (s *Source) Public() Source {
	public := *s
	if public.File != "" {
		public.File = filepath.Base(public.File)
	}
	return public
}
