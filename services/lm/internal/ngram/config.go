package ngram

import (
	"github.com/manifold-gen/manifold/shared/fault"

	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// Config is all that decides a model besides its documents.
type Config struct {
	Order     int       `json:"order"`               // the greatest length of n-grams, 1 to MaxOrder
	Unit      string    `json:"unit"`                // what a token is: text.Kinds
	Smoothing Smoothing `json:"smoothing"`           // Smoothings
	K         float64   `json:"k,omitempty"`         // of Laplace: what is added to every count; 0 means 1
	MinCount  int       `json:"min_count,omitempty"` // tokens that occur less often are <unk>
	Prune     []int     `json:"prune,omitempty"`     // by length, the last one for all longer: such counts are left out
	Entropy   float64   `json:"entropy,omitempty"`   // what changes the perplexity by less is left out; 0 for nothing
	Forgets   bool      `json:"forgets,omitempty"`   // the counts are kept, so that documents can be added and deleted
}

// Validate reports every field that is wrong.
func (c *Config) Validate() error {
	const op = "ngram.Config"
	var wrong []fault.Violation
	bad := func(field, what string) { wrong = append(wrong, fault.Violation{Field: field, Description: what}) }
	if c.Order < 1 || c.Order > MaxOrder {
		bad("order", "1 to 16 is needed")
	}
	if _, err := text.ParseKind(c.Unit); err != nil {
		bad("unit", "characters, bytes, words or given is needed")
	}
	if c.Smoothing.check(op) != nil {
		bad("smoothing", "one of laplace, katz, jelinek_mercer, witten_bell, absolute, kneser_ney, "+
			"modified_kneser_ney is needed")
	}
	if !(c.K >= 0 && c.K <= 1e6) {
		bad("k", "0 to 1e6 is needed")
	}
	if c.MinCount < 0 || c.MinCount > MaxTokens {
		bad("min_count", "a number that is not negative is needed")
	}
	if !(c.Entropy >= 0 && c.Entropy < 1) {
		bad("entropy", "0 to 1 is needed")
	}
	if len(c.Prune) > MaxOrder {
		bad("prune", "more thresholds than lengths")
	}
	for i, n := range c.Prune {
		if n < 0 || n > MaxTokens || i == 0 && n != 0 || i > 0 && n < c.Prune[i-1] {
			bad("prune", "0 for the unigrams and then numbers that do not fall are needed")
			break
		}
	}
	return fault.InvalidFields(op, wrong...).AsError()
}

// prune has a threshold for every length.
func (c *Config) prune() []int {
	if len(c.Prune) == 0 {
		return nil
	}
	p := make([]int, c.Order)
	for i := range p {
		p[i] = c.Prune[min(i, len(c.Prune)-1)]
	}
	return p
}

// Train makes a model of documents.
func Train(docs [][]byte, c Config) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	kind, err := text.ParseKind(c.Unit)
	if err != nil {
		return nil, err
	}
	counts, err := Count(docs, kind, c.Order)
	if err != nil {
		return nil, err
	}
	return Build(counts, c)
}

// Build makes a model of counts.
func Build(counts *Counts, c Config) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if counts.Order() != c.Order || counts.kind.String() != c.Unit {
		return nil, fault.E(fault.Invalid, "COUNTS_DIFFER", "ngram.Build", "counts of %s to order %d make no model of %s "+
			"of order %d", counts.kind, counts.Order(), c.Unit, c.Order)
	}
	used, err := counts.Limit(c.MinCount)
	if err != nil {
		return nil, err
	}
	k := c.K
	if k == 0 {
		k = 1
	}
	e := newEstimate(used, c.Smoothing, k, c.prune())
	e.thin(c.Entropy)
	m := &Model{config: c, tokens: text.NewTokens(used.kind, used.vocab), table: e.table()}
	if c.Forgets {
		m.counts = counts
	}
	return m, nil
}
