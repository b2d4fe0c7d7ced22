package hmm

import (
	"bytes"
	"encoding/json"

	"github.com/manifold-gen/manifold/shared/fault"
)

// stored is a model as JSON: numbers are written so that they come back to the bit.
type stored struct {
	States     []string       `json:"states,omitempty"`
	Start      []float64      `json:"start"`
	Transition []float64      `json:"transition"`
	Emission   storedEmission `json:"emission"`
}

// storedEmission has the fields of every kind.
type storedEmission struct {
	Kind          string    `json:"kind"`
	Probabilities []float64 `json:"probabilities,omitempty"`
	Rates         []float64 `json:"rates,omitempty"`
	Components    int       `json:"components,omitempty"`
	Dim           int       `json:"dim,omitempty"`
	Full          bool      `json:"full,omitempty"`
	Weights       []float64 `json:"weights,omitempty"`
	Means         []float64 `json:"means,omitempty"`
	Covariances   []float64 `json:"covariances,omitempty"`
}

func (c *Categorical) store(s *storedEmission) { s.Probabilities = c.b }

func (p *Poisson) store(s *storedEmission) { s.Rates = p.rate }

func (g *Gaussian) store(s *storedEmission) {
	s.Components, s.Dim, s.Full, s.Weights, s.Means, s.Covariances = g.k, g.d, g.full, g.weight, g.mean, g.cov
}

// MaxFile is the largest file in bytes.
const MaxFile = 256 << 20

// Encode writes the model as JSON.
func (m *Model) Encode() ([]byte, error) {
	s := stored{States: m.names, Start: m.start, Transition: m.trans, Emission: storedEmission{Kind: m.emit.Kind()}}
	m.emit.store(&s.Emission)
	return json.Marshal(s)
}

func corrupt(format string, args ...any) error {
	return fault.E(fault.Corrupt, "BAD_MODEL", "hmm.Decode", format, args...)
}

// Decode reads what Encode wrote. Errors are of kind Corrupt.
func Decode(data []byte) (*Model, error) {
	if len(data) > MaxFile {
		return nil, corrupt("%d bytes, at most %d", len(data), MaxFile)
	}
	var s stored
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, corrupt("%w", err)
	}
	if d.More() {
		return nil, corrupt("more than one value")
	}
	e := s.Emission
	var emit Emission
	var err error
	n := len(s.Start)
	switch e.Kind {
	case "categorical":
		emit, err = keep(NewCategorical(n, e.Probabilities))
	case "poisson":
		emit, err = keep(NewPoisson(n, e.Rates))
	case "gaussian", "mixture":
		emit, err = keep(NewGaussian(n, e.Components, e.Dim, e.Weights, e.Means, e.Covariances, e.Full))
	default:
		return nil, corrupt("emissions of kind %.40q", e.Kind)
	}
	if err != nil {
		return nil, corrupt("%s", err.Error())
	}
	m, err := New(s.States, s.Start, s.Transition, emit)
	if err != nil {
		return nil, corrupt("%s", err.Error())
	}
	// The bits as they were: dividing by the sums once more might move them.
	copy(m.start, s.Start)
	copy(m.trans, s.Transition)
	m.prepare()
	switch x := emit.(type) {
	case *Categorical:
		copy(x.b, e.Probabilities)
		x.prepare()
	case *Gaussian:
		if e.Weights != nil {
			copy(x.weight, e.Weights)
			x.prepare()
		}
	}
	return m, nil
}

// keep makes an Emission of a concrete one, nil of nil.
func keep[E Emission](e E, err error) (Emission, error) {
	if err != nil {
		return nil, err
	}
	return e, nil
}
