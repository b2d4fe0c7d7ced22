package recipe

import (
	"context"
	"fmt"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/bif"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/networks"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// networkModel is the model section of a Bayesian network. It is given by Network or BIF, whole, or learned from data.
type networkModel struct {
	Network string `yaml:"network,omitempty"` // one of the literature, by its name
	BIF     string `yaml:"bif,omitempty"`     // the text of a file
}

type networkConfig struct {
	Fields int `json:"fields"`
}

// needsData implements dataless.
func (n *networkModel) needsData() bool { return n.Network == "" && n.BIF == "" }

func (n *networkModel) setDefaults(*Recipe) {}

func (n *networkModel) check(r *Recipe) []fault.Violation {
	bad := func(field, format string, args ...any) []fault.Violation {
		return []fault.Violation{{Field: "model." + field, Description: fmt.Sprintf(format, args...)}}
	}
	switch {
	case n.Network != "" && n.BIF != "":
		return bad("bif", "given, and network too; want one of them")
	case !n.needsData() && !r.Data.none():
		return bad("bif", "the network is given with its tables; leave the data out")
	}
	return nil
}

// given is the network that the recipe holds.
func (n *networkModel) given() (*bayesnet.Network, error) {
	if n.Network != "" {
		return networks.Load(n.Network)
	}
	f, err := bif.Read(strings.NewReader(n.BIF))
	if err != nil {
		return nil, err
	}
	return f.Network, nil
}

func (n *networkModel) fit(ctx context.Context, t *training) (*fitted, error) {
	net, err := n.given()
	if err != nil {
		return nil, err
	}
	edges := 0
	for _, d := range net.Nodes() {
		edges += len(d.Parents)
	}
	return &fitted{
		model: network{net}, config: networkConfig{Fields: len(net.Nodes())}, store: storeNetwork(net),
		about: []string{fmt.Sprintf("A Bayesian network of %d fields and %d edges.", len(net.Nodes()), edges)},
	}, ctx.Err()
}

// storeNetwork writes the distributions of all fields.
func storeNetwork(net *bayesnet.Network) *tensors {
	out := newTensors()
	for i, d := range net.Nodes() {
		name := fmt.Sprintf("node.%d.", i)
		parents := make([]int64, len(d.Parents))
		for k, p := range d.Parents {
			parents[k] = int64(p)
		}
		out.ints(name+"parents", parents)
		if d.Table != nil {
			out.floats(name+"table", d.Table)
			continue
		}
		out.floats(name+"mean", d.Mean)
		out.floats(name+"weights", d.Weights)
		out.floats(name+"variance", d.Variance)
	}
	return out
}

func openNetwork(m *modelstore.Manifest, s *stored) (model.Model, error) {
	var c networkConfig
	if err := configOf(m, &c); err != nil {
		return nil, err
	}
	if c.Fields != len(s.schema.Fields) {
		return nil, fmt.Errorf("the config has %d fields, the schema %d", c.Fields, len(s.schema.Fields))
	}
	nodes := make([]bayesnet.Node, len(s.schema.Fields))
	for i := range nodes {
		name, d := fmt.Sprintf("node.%d.", i), &nodes[i]
		parents, err := s.ints(name+"parents", 0)
		if err != nil {
			return nil, err
		}
		for _, p := range parents {
			if p >= int64(len(nodes)) {
				return nil, fmt.Errorf("node %d has the parent %d of %d", i, p, len(nodes))
			}
			d.Parents = append(d.Parents, int(p))
		}
		if s.schema.Fields[i].Kind == table.Categorical {
			if d.Table, err = s.floats(name+"table", false); err != nil {
				return nil, err
			}
			continue
		}
		for _, part := range []struct {
			name string
			to   *[]float64
		}{{"mean", &d.Mean}, {"weights", &d.Weights}, {"variance", &d.Variance}} {
			if *part.to, err = s.floats(name+part.name, false); err != nil {
				return nil, err
			}
		}
	}
	net, err := bayesnet.New(s.schema, nodes)
	if err != nil {
		return nil, err
	}
	return network{net}, nil
}

// network is a Bayesian network as the family serves it.
type network struct{ *bayesnet.Network }

// Intervene implements model.Intervener.
func (n network) Intervene(set []model.Term) (model.Model, error) {
	m, err := n.Do(set)
	if err != nil {
		return nil, err
	}
	return network{m}, nil
}
