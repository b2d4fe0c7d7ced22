package recipe

import (
	"context"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
)

// Family is the name of this family in recipes and manifests.
const Family = "tabular"

// Recipe says how to make a model. Zero values mean the defaults that each field states.
type Recipe struct {
	Name         string `yaml:"name"`                  // of the model: lower-case letters, digits, dashes
	Family       string `yaml:"family"`                // tabular
	Architecture string `yaml:"architecture"`          // decides what model holds
	Description  string `yaml:"description,omitempty"` // one paragraph for people
	Licence      string `yaml:"licence,omitempty"`     // of the model; that of the data
	Seed         uint64 `yaml:"seed"`                  // of the rows that are held out and of all draws; 0

	Data  Data    `yaml:"data"`
	Model section `yaml:"model"`
}

// section is the model part of a recipe.
type section interface {
	// setDefaults fills in what does not depend on the data.
	setDefaults(r *Recipe)
	// check returns what is wrong, before any data is opened.
	check(r *Recipe) []fault.Violation
	// fit makes the model.
	fit(ctx context.Context, t *training) (*fitted, error)
}

// dataless is a section that may do without data: it says itself what the model is.
type dataless interface{ needsData() bool }

// fitted is a model at the end of its training.
type fitted struct {
	model  model.Model
	config any      // for the manifest
	store  *tensors // the model
	about  []string // sentences for the card
	secret bool     // nothing but the model may be told of the rows
}

// architecture is how recipes of one kind are read and how its published models are made.
type architecture struct {
	decode func(text []byte) (*Recipe, error)
	open   func(m *modelstore.Manifest, s *stored) (model.Model, error)
	// sums says that a model is made of sums over rows, to which those of more rows can be added.
	sums bool
}

// document is a Recipe whose model is of a known type, as it is read.
type document[M any] struct {
	Name         string `yaml:"name"`
	Family       string `yaml:"family"`
	Architecture string `yaml:"architecture"`
	Description  string `yaml:"description"`
	Licence      string `yaml:"licence"`
	Seed         uint64 `yaml:"seed"`
	Data         Data   `yaml:"data"`
	Model        M      `yaml:"model"`
}

// decodeAs reads a recipe whose model is an M.
func decodeAs[M any, P interface {
	*M
	section
}](text []byte) (*Recipe, error) {
	var d document[M]
	if err := recipe.Decode(text, &d); err != nil {
		return nil, err
	}
	return &Recipe{
		Name: d.Name, Family: d.Family, Architecture: d.Architecture, Description: d.Description, Licence: d.Licence,
		Seed: d.Seed, Data: d.Data, Model: P(&d.Model),
	}, nil
}

// Architectures lists them.
func Architectures() []string { return slices.Sorted(maps.Keys(architectures())) }

// Parse reads a recipe in YAML and fills in the defaults that do not depend on the data. Errors are of kind Invalid.
func Parse(text []byte) (*Recipe, error) {
	const op = "recipe.Parse"
	r, err := decode(text)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	return r, fault.Wrap(op, r.Check())
}

// decode reads a recipe and fills in defaults.
func decode(text []byte) (*Recipe, error) {
	if err := recipe.CheckFamily(text, Family); err != nil {
		return nil, err
	}
	var head struct {
		Architecture string `yaml:"architecture"`
	}
	if len(text) > recipe.MaxText || yaml.Unmarshal(text, &head) != nil {
		// The strict reader says it better; any model will do, because it fails before that.
		_, err := decodeAs[countingModel](text)
		if err == nil {
			err = fault.E(fault.Invalid, "BAD_RECIPE", "", "the recipe cannot be read")
		}
		return nil, err
	}
	a, ok := architectures()[head.Architecture]
	if !ok {
		return nil, fault.InvalidField("", "architecture", "%.80q, want one of %s", head.Architecture,
			strings.Join(Architectures(), ", "))
	}
	r, err := a.decode(text)
	if err != nil {
		return nil, err
	}
	r.Family = Family
	r.Model.setDefaults(r)
	return r, nil
}

// Check returns what is wrong with a recipe, before its data are opened.
func (r *Recipe) Check() error {
	wrong := recipe.CheckName(r.Name)
	if d, ok := r.Model.(dataless); !ok || d.needsData() || !r.Data.none() {
		wrong = append(wrong, r.Data.Check()...)
	}
	wrong = append(wrong, r.Model.check(r)...)
	return fault.InvalidFields("", wrong...).AsError()
}

// YAML is the recipe as text that Parse reads, with its defaults filled in.
func (r *Recipe) YAML() ([]byte, error) {
	text, err := yaml.Marshal(r)
	return text, fault.Wrap("recipe.YAML", err)
}

// Source is where the rows come from; nil for a recipe without data.
func (r *Recipe) Source() *recipe.Source {
	if d, ok := r.Model.(dataless); ok && !d.needsData() && r.Data.none() {
		return nil
	}
	return &r.Data.Source
}

// Steps is how many steps a run reports.
func (r *Recipe) Steps() int64 { return steps }

// configOf reads a manifest's config strictly.
func configOf(m *modelstore.Manifest, out any) error { return strictJSON(m.Config, out) }
