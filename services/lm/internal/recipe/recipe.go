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
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Family is the name of this family in recipes and manifests.
const Family = "lm"

// Recipe says how to make a model. Zero values mean the defaults that each field states.
type Recipe struct {
	Name         string `yaml:"name"`                  // of the model: lower-case letters, digits, dashes
	Family       string `yaml:"family"`                // lm
	Architecture string `yaml:"architecture"`          // decides what model holds
	Description  string `yaml:"description,omitempty"` // one paragraph for people
	Licence      string `yaml:"licence,omitempty"`     // of the model; that of the data
	Seed         uint64 `yaml:"seed"`                  // of all draws; 0

	Data  Data    `yaml:"data,omitempty"`
	Model section `yaml:"model"`
}

// Data is the text of a recipe.
type Data struct {
	recipe.Source `yaml:",inline"`
	Documents     string `yaml:"documents,omitempty"` // lines, paragraphs or whole; lines
	Licence       string `yaml:"licence,omitempty"`   // of a file of one's own
	// Report is the share at the text's end that is left for reporting; 0 trains on all of it. Above 0 and at most 0.5.
	Report float64 `yaml:"report,omitempty"`
}

// section is the model part of a recipe.
type section interface {
	// check fills in defaults and returns what is wrong, before any data is opened.
	check(r *Recipe) []fault.Violation
	// needsData says whether it is made of a text.
	needsData() bool
	// fit makes the model; the corpus is nil where it needs none.
	fit(ctx context.Context, r *Recipe, c *corpus, tell func(step int, losses map[string]float64)) (*fitted, error)
}

// fitted is a model at the end of its training.
type fitted struct {
	model      any
	config     any // for the manifest
	tensors    map[string]weights.Raw
	labels     []string
	parameters int64
	metrics    map[string]float64
	about      []string // sentences for the card
}

// architecture is how recipes of one kind are read and how its published models are made.
type architecture struct {
	decode func(text []byte) (*Recipe, error)
	open   func(m *modelstore.Manifest, f *weights.File) (any, error)
}

// architectures are all kinds of models.
func architectures() map[string]architecture {
	return map[string]architecture{
		"hmm":    {decode: decodeAs[hmmModel], open: openHMM},
		"chain":  {decode: decodeAs[chainModel], open: openChain},
		"markov": {decode: decodeAs[markovModel], open: openMarkov},
		"ngram":  {decode: decodeAs[ngramModel], open: openNgram},
		"rules":  {decode: decodeAs[rulesModel], open: openRules},
		"tagger": {decode: decodeAs[taggerModel], open: openTagger},
	}
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
		Name: d.Name, Family: Family, Architecture: d.Architecture, Description: d.Description, Licence: d.Licence,
		Seed: d.Seed, Data: d.Data, Model: P(&d.Model),
	}, nil
}

// Architectures lists them.
func Architectures() []string { return slices.Sorted(maps.Keys(architectures())) }

// Parse reads a recipe in YAML and fills in the defaults. Errors are of kind Invalid.
func Parse(text []byte) (*Recipe, error) {
	const op = "recipe.Parse"
	if err := recipe.CheckFamily(text, Family); err != nil {
		return nil, fault.Wrap(op, err)
	}
	var head struct {
		Architecture string `yaml:"architecture"`
	}
	if len(text) > recipe.MaxText || yaml.Unmarshal(text, &head) != nil {
		// The strict reader says it better; any model will do, because it fails before that.
		_, err := decodeAs[ngramModel](text)
		if err == nil {
			err = fault.E(fault.Invalid, "BAD_RECIPE", op, "the recipe cannot be read")
		}
		return nil, fault.Wrap(op, err)
	}
	a, ok := architectures()[head.Architecture]
	if !ok {
		return nil, fault.InvalidField(op, "architecture", "%.80q, want one of %s", head.Architecture,
			strings.Join(Architectures(), ", "))
	}
	r, err := a.decode(text)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	wrong := append(recipe.CheckName(r.Name), r.Model.check(r)...)
	if r.Source() != nil {
		wrong = append(wrong, r.Data.check()...)
	} else if r.Data != (Data{}) {
		wrong = append(wrong, fault.Violation{Field: "data", Description: "this model is made without a text"})
	}
	return r, fault.InvalidFields(op, wrong...).AsError()
}

// YAML is the recipe as text that Parse reads, with its defaults filled in.
func (r *Recipe) YAML() ([]byte, error) {
	text, err := yaml.Marshal(r)
	return text, fault.Wrap("recipe.YAML", err)
}

// Source is where the text comes from; nil for a recipe without.
func (r *Recipe) Source() *recipe.Source {
	if !r.Model.needsData() {
		return nil
	}
	return &r.Data.Source
}

// Steps is how many steps a run reports.
func (r *Recipe) Steps() int64 { return steps }
