package naivebayes

import (
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Kind is the distribution of a field given the class.
type Kind uint8

// The kinds.
const (
	Auto        Kind = iota // Categorical for levels, Gaussian for numbers
	Categorical             // a probability for each level
	Gaussian                // a normal of numbers
	Bernoulli               // numbers above a threshold, or not
	Multinomial             // counts; all fields of this kind share a row's total
	Complement              // counts, weighed by the other classes; no distribution, for prediction only
	Ignored                 // left out; the target's own kind
)

var kindNames = [...]string{"auto", "categorical", "gaussian", "bernoulli", "multinomial", "complement", "ignored"}

// String is the kind in small letters.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// ParseKind finds a kind by its name.
func ParseKind(name string) (Kind, bool) {
	for i, n := range kindNames {
		if n == name {
			return Kind(i), true
		}
	}
	return 0, false
}

// Config says what is fitted.
type Config struct {
	Target       int     `json:"target"`                  // a field of levels
	Kinds        []Kind  `json:"kinds,omitempty"`         // one a field; nil is Auto for all
	Alpha        float64 `json:"alpha"`                   // added to every count; Laplace's 1
	VarSmoothing float64 `json:"var_smoothing"`           // times the largest variance, added to all; 1e-9
	UniformPrior bool    `json:"uniform_prior,omitempty"` // classes are equally likely beforehand
	Threshold    float64 `json:"threshold,omitempty"`     // of Bernoulli fields
	Norm         bool    `json:"norm,omitempty"`          // weights of the complement are normalised
}

// Default are the settings of the field's textbooks.
func Default(target int) Config { return Config{Target: target, Alpha: 1, VarSmoothing: 1e-9} }

// check completes the kinds and refuses what does not fit the schema.
func (c Config) check(s *table.Schema) (Config, error) {
	const op = "naivebayes.Config"
	if c.Target < 0 || c.Target >= len(s.Fields) || s.Fields[c.Target].Kind != table.Categorical ||
		len(s.Fields[c.Target].Levels) < 2 {
		return c, fault.InvalidField(op, "target", "field %d of %d; it must have two levels or more", c.Target,
			len(s.Fields))
	}
	if !(c.Alpha >= 0 && c.Alpha <= 1e9) || !(c.VarSmoothing >= 0 && c.VarSmoothing <= 1) ||
		c.Threshold-c.Threshold != 0 {
		return c, fault.InvalidField(op, "alpha",
			"alpha %g, var_smoothing %g, threshold %g: allowed are 0 to 1e9, 0 to 1, and finite", c.Alpha, c.VarSmoothing,
			c.Threshold)
	}
	if c.Kinds != nil && len(c.Kinds) != len(s.Fields) {
		return c, fault.InvalidField(op, "kinds", "%d kinds for %d fields", len(c.Kinds), len(s.Fields))
	}
	kinds := make([]Kind, len(s.Fields))
	copy(kinds, c.Kinds)
	for j := range kinds {
		levels := s.Fields[j].Kind == table.Categorical
		switch k := &kinds[j]; {
		case j == c.Target:
			*k = Ignored
		case *k == Auto && levels:
			*k = Categorical
		case *k == Auto:
			*k = Gaussian
		case *k > Ignored, *k != Ignored && levels != (*k == Categorical):
			return c, fault.InvalidField(op, "kinds", "field %.80q cannot be %s", s.Fields[j].Name, *k)
		}
	}
	c.Kinds = kinds
	return c, nil
}
