package bayesnet

import (
	"encoding/json"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// stored is a network as JSON. Numbers survive to the last bit.
type stored struct {
	Schema *table.Schema `json:"schema"`
	Nodes  []Node        `json:"nodes"`
	// Privacy is what was spent on the network.
	Privacy *Privacy `json:"privacy,omitempty"`
}

// MarshalJSON writes the schema and the nodes.
func (n *Network) MarshalJSON() ([]byte, error) {
	return json.Marshal(stored{n.schema, n.nodes, n.privacy})
}

// UnmarshalJSON reads what MarshalJSON wrote and checks it as New does.
func (n *Network) UnmarshalJSON(text []byte) error {
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return fault.E(fault.Corrupt, "INVALID_NETWORK", "bayesnet.UnmarshalJSON", "no network: %w", err)
	}
	if s.Schema == nil {
		return fault.E(fault.Corrupt, "INVALID_NETWORK", "bayesnet.UnmarshalJSON", "a network without a schema")
	}
	m, err := New(s.Schema, s.Nodes)
	if err != nil {
		return err
	}
	*n = *m
	n.privacy = s.Privacy
	return nil
}
