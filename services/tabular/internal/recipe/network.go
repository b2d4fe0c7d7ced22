package recipe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesfit"
	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/bif"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/networks"
	"github.com/manifold-gen/manifold/services/tabular/internal/structure"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// networkModel is the model section of a Bayesian network. It is given whole by Network or BIF, or fitted to data: with
// the structure that Edges states, or one that is learned.
type networkModel struct {
	Network string `yaml:"network,omitempty"` // one of the literature, by its name
	BIF     string `yaml:"bif,omitempty"`     // the text of a file

	// Edges are the structure, each from and to; with Learn they are kept whatever the data say.
	Edges [][2]string `yaml:"edges,omitempty"`
	// Learn finds the structure: chow-liu, hill-climb, pc, or private, which spends half of fit's epsilon on it
	// (PrivBayes); "" takes Edges alone.
	Learn      string      `yaml:"learn,omitempty"`
	Forbidden  [][2]string `yaml:"forbidden,omitempty"`   // edges that are never made
	Root       string      `yaml:"root,omitempty"`        // of a Chow-Liu tree; the first field
	Score      string      `yaml:"score,omitempty"`       // of hill-climbing: bic, bdeu, k2 or aic; bic
	MaxParents int         `yaml:"max_parents,omitempty"` // 1 to 16; 8
	Alpha      float64     `yaml:"alpha,omitempty"`       // of the tests of pc; 0.01

	Fit fitSection `yaml:"fit,omitempty"`
}

// fitSection says how probabilities are found for a structure.
type fitSection struct {
	// Cell is how many rows each cell of a table is worth before any was seen, Sample how many all rows of a table
	// together (BDeu). With neither it is maximum likelihood.
	Cell   float64 `yaml:"cell,omitempty"`
	Sample float64 `yaml:"sample,omitempty"`
	// EM fills in missing cells, in so many rounds at most; 0 leaves incomplete families out.
	EM int `yaml:"em,omitempty"`
	// Epsilon is the budget of differential privacy; left out for none. The structure is given then, or learned by
	// private.
	Epsilon *float64 `yaml:"epsilon,omitempty"`
}

func (f *fitSection) prior() bayesfit.Prior { return bayesfit.Prior{Cell: f.Cell, Sample: f.Sample} }

type networkConfig struct {
	Fields  int               `json:"fields"`
	Privacy *bayesnet.Privacy `json:"privacy,omitempty"`
}

// needsData implements dataless.
func (n *networkModel) needsData() bool { return n.Network == "" && n.BIF == "" }

func (n *networkModel) setDefaults(r *Recipe) {
	if n.needsData() {
		r.Data.holdOut(0.1)
	}
}

var learners = []string{"chow-liu", "hill-climb", "pc", private}

// private is the learner that spends a part of the budget of privacy.
const private = "private"

func (n *networkModel) check(r *Recipe) (wrong []fault.Violation) {
	bad := func(field, format string, args ...any) {
		wrong = append(wrong, fault.Violation{Field: "model." + field, Description: fmt.Sprintf(format, args...)})
	}
	if n.Network != "" && n.BIF != "" {
		bad("bif", "given, and network too; want one of them")
	}
	if !n.needsData() && !r.Data.none() {
		bad("bif", "the network is given with its tables; leave the data out")
	}
	if n.Learn != "" && !slices.Contains(learners, n.Learn) {
		bad("learn", "%.40q, want one of %s", n.Learn, strings.Join(learners, ", "))
	}
	if n.MaxParents < 0 || n.MaxParents > 16 {
		bad("max_parents", "%d, want 1 to 16", n.MaxParents)
	}
	if !(n.Alpha >= 0 && n.Alpha < 1) {
		bad("alpha", "%g, want above 0 and below 1", n.Alpha)
	}
	if n.Score != "" {
		if _, err := structure.ParseScore(n.Score); err != nil {
			bad("score", "%.40q, want bic, bdeu, k2 or aic", n.Score)
		}
	}
	if n.Learn == private && n.Fit.Epsilon == nil {
		bad("fit.epsilon", "missing, and the structure is learned privately: what may it cost?")
	}
	if n.Learn == private && len(n.Edges)+len(n.Forbidden) > 0 {
		bad("edges", "given, and the structure is learned privately; want one of them")
	}
	return append(wrong, n.Fit.check(n.Learn != "" && n.Learn != private)...)
}

func (f *fitSection) check(learned bool) (wrong []fault.Violation) {
	bad := func(field, format string, args ...any) {
		wrong = append(wrong, fault.Violation{Field: "model.fit." + field, Description: fmt.Sprintf(format, args...)})
	}
	for name, v := range map[string]float64{"cell": f.Cell, "sample": f.Sample} {
		if !(v >= 0 && v <= 1e12) {
			bad(name, "%g, want 0 to 1e12", v)
		}
	}
	if f.EM < 0 || f.EM > bayesfit.MaxRounds {
		bad("em", "%d rounds, want 0 to %d", f.EM, bayesfit.MaxRounds)
	}
	if f.Epsilon == nil {
		return wrong
	}
	if e := *f.Epsilon; !(e > 0 && e <= bayesfit.MaxEpsilon) {
		bad("epsilon", "%g, want above 0, up to %d: the smaller, the more is protected; leave it out for no privacy", e,
			bayesfit.MaxEpsilon)
	}
	if learned {
		bad("epsilon", "given, and the structure is learned from the same rows; state its edges, or learn: private")
	}
	if f.EM > 0 {
		bad("em", "given, and epsilon too; want one of them")
	}
	return wrong
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
	if !n.needsData() {
		net, err := n.given()
		if err != nil {
			return nil, err
		}
		return fittedNetwork(net), ctx.Err()
	}
	parents, err := n.structure(ctx, t)
	if err != nil {
		return nil, err
	}
	spec := n.Fit
	if n.Learn == private {
		half := *n.Fit.Epsilon / 2
		spec.Epsilon = &half
	}
	net, err := spec.run(ctx, t, parents)
	if err != nil {
		return nil, err
	}
	if n.Learn == private {
		net = net.WithPrivacy(bayesnet.Privacy{Parameters: *spec.Epsilon, Structure: *spec.Epsilon})
	}
	f := fittedNetwork(net)
	if n.Learn != "" {
		f.about = append(f.about, "The edges were learned by "+n.Learn+".")
	}
	return f, ctx.Err()
}

// fittedNetwork is the end of a fit.
func fittedNetwork(net *bayesnet.Network) *fitted {
	edges := 0
	for _, d := range net.Nodes() {
		edges += len(d.Parents)
	}
	c, secret := networkConfig{Fields: len(net.Nodes())}, false
	about := []string{fmt.Sprintf("A Bayesian network of %d fields and %d edges.", len(net.Nodes()), edges)}
	if p, ok := net.Privacy(); ok {
		c.Privacy = &p
		secret = true
		about = append(about, fmt.Sprintf("Its probabilities are differentially private with epsilon %g; their noise "+
			"has a secret seed, so that the recipe gives another model each time.", p.Epsilon()))
	}
	return &fitted{model: network{net}, config: c, store: storeNetwork(net), about: about, secret: secret}
}

// run finds the probabilities of a structure.
func (f *fitSection) run(ctx context.Context, t *training, parents [][]int) (*bayesnet.Network, error) {
	rows, err := t.data.Train()
	if err != nil {
		return nil, err
	}
	counts, err := bayesfit.Count(until(ctx, rows), parents)
	if err != nil {
		return nil, err
	}
	if f.Epsilon != nil {
		// The recipe is published with the model: noise that followed from its seed could be taken off.
		secret, err := bayesfit.Secret()
		if err != nil {
			return nil, err
		}
		if counts, err = counts.Private(*f.Epsilon, secret); err != nil {
			return nil, err
		}
	}
	if f.EM == 0 {
		return counts.Fit(f.prior())
	}
	// From a start in which nothing is impossible.
	start, err := counts.Fit(bayesfit.Prior{Cell: 1})
	if err != nil {
		return nil, err
	}
	all, err := t.all(ctx)
	if err != nil {
		return nil, err
	}
	net, gains, err := bayesfit.EM(all, start, bayesfit.EMOptions{Prior: f.prior(), Rounds: f.EM, Check: ctx.Err})
	if err == nil && len(gains) > 0 {
		t.tell(map[string]float64{"negative_log_likelihood": -gains[len(gains)-1] / float64(max(1, all.Rows))})
	}
	return net, err
}

// pairs looks up the fields of edges.
func (t *training) pairs(at string, edges [][2]string) ([][2]int, error) {
	var all [][2]int
	for i, e := range edges {
		var p [2]int
		for k := range e {
			v, err := t.field(fmt.Sprintf("model.%s[%d]", at, i), e[k])
			if err != nil {
				return nil, err
			}
			p[k] = v
		}
		all = append(all, p)
	}
	return all, nil
}

// structure are the parents of every field.
func (n *networkModel) structure(ctx context.Context, t *training) ([][]int, error) {
	required, err := t.pairs("edges", n.Edges)
	if err != nil {
		return nil, err
	}
	forbidden, err := t.pairs("forbidden", n.Forbidden)
	if err != nil {
		return nil, err
	}
	parents := make([][]int, len(t.schema.Fields))
	for _, e := range required {
		parents[e[1]] = append(parents[e[1]], e[0])
	}
	if n.Learn == "" {
		return parents, nil
	}
	return n.learn(ctx, t, required, forbidden)
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
		if err := s.node(i, &nodes[i]); err != nil {
			return nil, err
		}
	}
	net, err := bayesnet.New(s.schema, nodes)
	if err != nil {
		return nil, err
	}
	if c.Privacy != nil {
		net = net.WithPrivacy(*c.Privacy)
	}
	return network{net}, nil
}

// node reads the distribution of a field.
func (s *stored) node(i int, d *bayesnet.Node) error {
	name := fmt.Sprintf("node.%d.", i)
	parents, err := s.ints(name+"parents", 0)
	if err != nil {
		return err
	}
	for _, p := range parents {
		if p >= int64(len(s.schema.Fields)) {
			return fmt.Errorf("node %d has the parent %d of %d", i, p, len(s.schema.Fields))
		}
		d.Parents = append(d.Parents, int(p))
	}
	if s.schema.Fields[i].Kind == table.Categorical {
		d.Table, err = s.floats(name+"table", false)
		return err
	}
	for _, part := range []struct {
		name string
		to   *[]float64
	}{{"mean", &d.Mean}, {"weights", &d.Weights}, {"variance", &d.Variance}} {
		if *part.to, err = s.floats(name+part.name, false); err != nil {
			return err
		}
	}
	return nil
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
