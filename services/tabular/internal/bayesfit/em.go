package bayesfit

import (
	"math"
	"slices"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// EMOptions say when expectation and maximisation ends.
type EMOptions struct {
	Prior     Prior
	Rounds    int     // at most; 0 for 100
	Tolerance float64 // it ends when a round gains less per row, in nats; 0 for 1e-7
	// Check is called before every round and every 1024 different rows; its error, such as a context's, ends it. nil for
	// none.
	Check func() error
}

// MaxRounds is the most rounds that may be asked for.
const MaxRounds = 100_000

// maxFills is the most ways to fill the missing cells of a row that are gone through one by one; beyond it the row goes
// through a junction tree.
const maxFills = 1024

// pattern is rows with the same cells.
type pattern struct {
	codes  []int32
	rows   float64
	open   []int // fields that are missing and on which something known depends
	fields []int // fields whose families the row counts for: what is known, and all its ancestors
}

// EM is expectation and maximisation for missing cells (Dempster, Laird and Rubin, 1977; Lauritzen, 1995) in a network
// of categorical fields, from the given network on. In each round a row counts for each way to fill its missing cells
// with that way's probability. It returns the last network and, for each round, the log-likelihood of the known cells
// before it, with the logarithm of the prior where there is one: it never falls. A row that the network makes
// impossible is an error.
func EM(t *table.Table, start *bayesnet.Network, o EMOptions) (*bayesnet.Network, []float64, error) {
	const op = "bayesfit.EM"
	if err := o.Prior.check(op); err != nil {
		return nil, nil, err
	}
	if o.Rounds < 0 || o.Rounds > MaxRounds || !(o.Tolerance >= 0) {
		return nil, nil, fault.E(fault.Invalid, "INVALID_ROUNDS", op,
			"%d rounds to a gain of %v; allowed are 0 to %d rounds "+
				"and gains from 0 on", o.Rounds, o.Tolerance, MaxRounds)
	}
	if o.Rounds == 0 {
		o.Rounds = 100
	}
	if o.Tolerance == 0 {
		o.Tolerance = 1e-7
	}
	patterns, err := patternsOf(op, t, start)
	if err != nil {
		return nil, nil, err
	}
	net := start
	var trace []float64
	for round := range o.Rounds {
		e := newExpectation(net)
		var sum float64
		for i := range patterns {
			if o.Check != nil && i%1024 == 0 {
				if err := o.Check(); err != nil {
					return nil, trace, err
				}
			}
			log, err := e.add(&patterns[i])
			if err != nil {
				return nil, trace, err
			}
			sum += float64(patterns[i].rows * log)
		}
		trace = append(trace, sum+logPrior(net, o.Prior))
		if net, err = e.maximise(o.Prior); err != nil {
			return nil, trace, err
		}
		if round > 0 && trace[round]-trace[round-1] < float64(o.Tolerance*float64(t.Rows)) {
			break
		}
	}
	return net, trace, nil
}

// patternsOf counts equal rows, in the order in which they first occur.
func patternsOf(op string, t *table.Table, n *bayesnet.Network) ([]pattern, error) {
	s := n.Schema()
	if len(t.Columns) != len(s.Fields) {
		return nil, fault.E(fault.Invalid, "INVALID_TABLE", op, "a table of %d columns for %d fields", len(t.Columns),
			len(s.Fields))
	}
	for _, f := range s.Fields {
		if f.Kind == table.Numeric {
			return nil, fault.E(fault.Invalid, "NUMERIC_FIELD", op, "the field %q is numeric; missing cells are filled in "+
				"networks of categorical fields", f.Name)
		}
	}
	var out []pattern
	index := make(map[string]int)
	key := make([]byte, 4*len(s.Fields))
	for i := range t.Rows {
		for v := range s.Fields {
			c := t.Columns[v].Codes[i]
			if c < table.Missing || int(c) >= len(s.Fields[v].Levels) {
				return nil, fault.E(fault.Invalid, "INVALID_TABLE", op, "row %d has the code %d of %q, codes are 0 to %d", i, c,
					s.Fields[v].Name, len(s.Fields[v].Levels)-1)
			}
			for b := range 4 {
				key[4*v+b] = byte(c >> (8 * b))
			}
		}
		at, ok := index[string(key)]
		if !ok {
			at = len(out)
			index[string(key)] = at
			p := pattern{codes: make([]int32, len(s.Fields))}
			for v := range s.Fields {
				p.codes[v] = t.Columns[v].Codes[i]
			}
			p.look(n)
			out = append(out, p)
		}
		out[at].rows++
	}
	return out, nil
}

// look finds what of a row matters: nothing is learned from missing cells on which nothing known depends.
func (p *pattern) look(n *bayesnet.Network) {
	mark := make([]bool, len(p.codes))
	order := n.Order()
	for i := len(order) - 1; i >= 0; i-- {
		v := order[i]
		if mark[v] = mark[v] || p.codes[v] != table.Missing; mark[v] {
			for _, u := range n.Nodes()[v].Parents {
				mark[u] = true
			}
		}
	}
	for v, m := range mark {
		if m {
			p.fields = append(p.fields, v)
			if p.codes[v] == table.Missing {
				p.open = append(p.open, v)
			}
		}
	}
}

// expectation is expected counts under a network.
type expectation struct {
	net    *bayesnet.Network
	counts [][]float64
	codes  []int32
	fills  []float64
}

func newExpectation(n *bayesnet.Network) *expectation {
	e := &expectation{net: n, counts: make([][]float64, len(n.Nodes())), codes: make([]int32, len(n.Nodes()))}
	for v, d := range n.Nodes() {
		e.counts[v] = make([]float64, len(d.Table))
	}
	return e
}

func (e *expectation) levels(v int) int { return len(e.net.Schema().Fields[v].Levels) }

// cell is the place of a row in the table of v.
func (e *expectation) cell(v int) int {
	q := 0
	for _, u := range e.net.Nodes()[v].Parents {
		q = q*e.levels(u) + int(e.codes[u])
	}
	return q*e.levels(v) + int(e.codes[v])
}

// add counts a pattern and returns the logarithm of its probability.
func (e *expectation) add(p *pattern) (float64, error) {
	fills := 1
	for _, v := range p.open {
		if fills *= e.levels(v); fills > maxFills {
			return e.addTree(p)
		}
	}
	copy(e.codes, p.codes)
	for _, v := range p.open {
		e.codes[v] = 0
	}
	e.fills = slices.Grow(e.fills[:0], fills)[:fills]
	var sum float64
	for i := range e.fills {
		x := 1.0
		for _, v := range p.fields {
			x *= e.net.Nodes()[v].Table[e.cell(v)]
		}
		e.fills[i] = x
		sum += x
		e.next(p)
	}
	if sum == 0 {
		return 0, errImpossible
	}
	for _, x := range e.fills { // the codes are back at the first fill
		if x > 0 {
			w := float64(p.rows*x) / sum
			for _, v := range p.fields {
				e.counts[v][e.cell(v)] += w
			}
		}
		e.next(p)
	}
	return tensor.LogF64(sum), nil
}

// next fills the missing cells in the next way, after the last in the first.
func (e *expectation) next(p *pattern) {
	for i := len(p.open) - 1; i >= 0; i-- {
		v := p.open[i]
		if e.codes[v]++; int(e.codes[v]) < e.levels(v) {
			return
		}
		e.codes[v] = 0
	}
}

var errImpossible = fault.E(fault.Precondition, "IMPOSSIBLE_EVIDENCE", "bayesfit.EM",
	"a row of the table has probability zero under the network that learning starts from: start with a prior")

// addTree counts a pattern with many ways to be filled by a junction tree.
func (e *expectation) addTree(p *pattern) (float64, error) {
	var given []model.Term
	families := make([][]int, len(p.fields))
	for i, v := range p.fields {
		families[i] = append(slices.Clone(e.net.Nodes()[v].Parents), v)
		if p.codes[v] != table.Missing {
			given = append(given, model.Term{Field: v, Codes: p.codes[v : v+1]})
		}
	}
	t, err := e.net.Propagate(given, nil, families...)
	if err != nil {
		return 0, err
	}
	for i, v := range p.fields {
		joint, err := t.Joint(families[i])
		if err != nil {
			return 0, err
		}
		for c, x := range joint {
			e.counts[v][c] += float64(p.rows * x)
		}
	}
	return t.LogEvidence(), nil
}

// maximise is the network that the expected counts make most probable: with a prior, the posterior's mode, whose
// pseudo-counts are added as they are.
func (e *expectation) maximise(p Prior) (*bayesnet.Network, error) {
	nodes := make([]bayesnet.Node, len(e.counts))
	for v, d := range e.net.Nodes() {
		nodes[v] = bayesnet.Node{Parents: d.Parents,
			Table: proportions(e.counts[v], e.levels(v), p.cell(len(e.counts[v])))}
	}
	return bayesnet.New(e.net.Schema(), nodes)
}

// logPrior is the logarithm, up to a constant, of the density whose mode adds a pseudo-count to each cell.
func logPrior(n *bayesnet.Network, p Prior) float64 {
	var sum float64
	for _, d := range n.Nodes() {
		a := p.cell(len(d.Table))
		if a == 0 {
			continue
		}
		for _, x := range d.Table {
			sum += float64(a * tensor.LogF64(max(x, math.SmallestNonzeroFloat64)))
		}
	}
	return sum
}
