package recipe

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/train"
)

// Family is the name of this family in recipes and manifests.
const Family = "vae"

// Recipe says how to make a model. Zero values mean the defaults that each field states.
type Recipe struct {
	Name         string `yaml:"name"`                  // of the model: lower-case letters, digits, dashes
	Family       string `yaml:"family"`                // vae
	Architecture string `yaml:"architecture"`          // decides what model holds
	Description  string `yaml:"description,omitempty"` // one paragraph for people
	Licence      string `yaml:"licence,omitempty"`     // of the weights; that of the data
	Seed         uint64 `yaml:"seed"`                  // of initial weights, data order and all draws; 0

	Data    recipe.Data  `yaml:"data"`
	Model   section      `yaml:"model"`
	Train   train.Config `yaml:"train"`
	Preview Preview      `yaml:"preview,omitempty"`
}

// document is a Recipe whose model is of a known type, as it is read.
type document[M any] struct {
	Name         string       `yaml:"name"`
	Family       string       `yaml:"family"`
	Architecture string       `yaml:"architecture"`
	Description  string       `yaml:"description"`
	Licence      string       `yaml:"licence"`
	Seed         uint64       `yaml:"seed"`
	Data         recipe.Data  `yaml:"data"`
	Model        M            `yaml:"model"`
	Train        train.Config `yaml:"train"`
	Preview      Preview      `yaml:"preview"`
}

// Preview says what the pictures in progress show.
type Preview struct {
	// Count is how many originals stand above their reconstructions, and how many samples there are; 10.
	Count int `yaml:"count,omitempty"`
	// Temperature of the samples; 1.
	Temperature float64 `yaml:"temperature,omitempty"`
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
		Seed: d.Seed, Data: d.Data, Model: P(&d.Model), Train: d.Train, Preview: d.Preview,
	}, nil
}

// Parse reads a recipe in YAML and fills in the defaults that do not depend on the data. Errors are of kind Invalid.
func Parse(text []byte) (*Recipe, error) {
	const op = "recipe.Parse"
	if err := recipe.CheckFamily(text, Family); err != nil {
		return nil, err
	}
	name, err := architectureOf(text)
	if err != nil {
		return nil, err
	}
	a, ok := architectures[name]
	if !ok {
		return nil, fault.InvalidField(op, "architecture", "%.80q, want one of %s", name,
			strings.Join(slices.Sorted(maps.Keys(architectures)), ", "))
	}
	r, err := a.decode(text)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	wrong := zeroesIn(text, r.Model)
	r.setDefaults()
	return r, fault.Wrap(op, r.validate(wrong))
}

// zeroer is a section with fields, named as in recipes, whose 0 is an error where it is given. The reader cannot tell
// it from a field that is left out, which stands for the default.
type zeroer interface{ ownZero() []string }

// zeroesIn lists the fields that are given as 0 and must not be.
func zeroesIn(text []byte, m section) (wrong []fault.Violation) {
	fields := []string{"preview.count", "preview.temperature"}
	if z, ok := m.(zeroer); ok {
		for _, f := range z.ownZero() {
			fields = append(fields, "model."+f)
		}
	}
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) != 1 {
		return nil
	}
	for _, f := range fields {
		n := doc.Content[0]
		for part := range strings.SplitSeq(f, ".") {
			n = value(n, part)
		}
		var v float64
		if n != nil && n.Kind == yaml.ScalarNode && n.Decode(&v) == nil && v == 0 && n.Tag != "!!null" {
			wrong = append(wrong, violation(f, "0, want more; the default stands where nothing is given")...)
		}
	}
	return wrong
}

// value is what a mapping has under a key; nil for none.
func value(n *yaml.Node, key string) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// architectureOf is what the field of that name says.
func architectureOf(text []byte) (string, error) {
	if len(text) > recipe.MaxText {
		return "", recipe.Decode(text, new(struct{}))
	}
	var head struct {
		Architecture string `yaml:"architecture"`
	}
	if err := yaml.Unmarshal(text, &head); err != nil {
		// The strict reader says it better; any model will do, because it fails before that.
		if _, err := decodeAs[vaeModel](text); err != nil {
			return "", err
		}
		return "", fault.E(fault.Invalid, "BAD_RECIPE", "recipe.Parse", "%w", err)
	}
	return head.Architecture, nil
}

func (r *Recipe) setDefaults() {
	r.Family = Family
	if r.Preview.Count == 0 {
		r.Preview.Count = 10
	}
	if r.Preview.Temperature == 0 {
		r.Preview.Temperature = 1
	}
	if r.Train.Seed == 0 {
		r.Train.Seed = r.Seed
	}
	r.Model.setDefaults(r)
}

// validate lists what is wrong, behind what was found before.
func (r *Recipe) validate(wrong []fault.Violation) error {
	wrong = slices.Concat(wrong, recipe.CheckName(r.Name), r.Data.Check())
	bad := func(field, format string, args ...any) {
		wrong = append(wrong, fault.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
	if c := r.Preview.Count; c < 1 || c > 256 {
		bad("preview.count", "%d, want 1 to 256", c)
	}
	if t := r.Preview.Temperature; !(t > 0 && t <= 100) {
		bad("preview.temperature", "%v, want above 0 and up to 100", t)
	}
	if _, err := r.Train.Defaults(1); err != nil {
		bad("train", "%v", strings.TrimPrefix(err.Error(), "train.Config: "))
	}
	wrong = append(wrong, r.Model.check(r)...)
	return fault.InvalidFields("", wrong...).AsError()
}

// YAML is the recipe as text that Parse reads, with its defaults filled in.
func (r *Recipe) YAML() ([]byte, error) {
	text, err := yaml.Marshal(r)
	return text, fault.Wrap("recipe.YAML", err)
}

// Pictures is what the recipe trains on; nil where that is a registered set of something else. (The trainer's own files
// are told even then, so that a server can refuse to open them.)
func (r *Recipe) Pictures() *recipe.Data {
	if _, ok := r.Model.(ownData); ok && r.Data.Images == "" {
		return nil
	}
	return &r.Data
}

// Steps is the number of steps of all stages, 0 where it is not known before the data is.
func (r *Recipe) Steps() int64 {
	var n int64
	for _, c := range append([]*train.Config{&r.Train}, r.Model.further()...) {
		if c.Steps == 0 {
			return 0
		}
		n += int64(c.Steps)
	}
	return n
}
