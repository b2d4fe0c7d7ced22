package bayesnet

// Privacy is the epsilons that were spent on a network under differential privacy; they add up.
type Privacy struct {
	Parameters float64 `json:"parameters"`          // on the tables
	Structure  float64 `json:"structure,omitempty"` // on the edges
}

// Epsilon is what was spent in all.
func (p Privacy) Epsilon() float64 { return p.Parameters + p.Structure }

// WithPrivacy is the network with a note of what was spent on it; it is stored with it.
func (n *Network) WithPrivacy(p Privacy) *Network {
	m := *n
	m.privacy = &p
	return &m
}

// Privacy is what was spent on the network; ok is false where it was made without differential privacy.
func (n *Network) Privacy() (p Privacy, ok bool) {
	if n.privacy == nil {
		return Privacy{}, false
	}
	return *n.privacy, true
}
