package evaluate

import (
	"time"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/networks"
	"github.com/manifold-gen/manifold/services/tabular/internal/structure"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Recovered is how well a structure was found again from rows of a network that is known.
type Recovered struct {
	Method  string  `json:"method"`
	Seed    uint64  `json:"seed"` // of the rows
	Rows    int     `json:"rows"`
	F1      float64 `json:"skeleton_f1"`
	Missing int     `json:"missing_edges"`
	Extra   int     `json:"extra_edges"`
	Hamming int     `json:"structural_hamming_distance"` // of the CPDAGs
	Score   float64 `json:"score,omitempty"`
	Truth   float64 `json:"score_of_the_truth,omitempty"`
	Seconds float64 `json:"seconds"`
}

// Recover draws rows from a network of package networks and learns its structure back: by hill-climbing on BIC and on
// BDeu of one row, with a tabu list of 10 and 10 restarts of 10 changes, and by PC with G2 at 0.01 given up to three
// fields.
func Recover(network string, rows int, seeds []uint64) ([]Recovered, error) {
	if rows < 1 || rows > 10_000_000 {
		return nil, fault.E(fault.Invalid, "INVALID_ROWS", "evaluate.Recover", "%d rows; allowed are 1 to 10000000", rows)
	}
	n, err := networks.Load(network)
	if err != nil {
		return nil, err
	}
	truth := parentsOf(n)
	want := structure.Pattern(truth)
	var out []Recovered
	for _, seed := range seeds {
		t := table.New(n.Schema(), rows)
		if err := n.Sample(t, rng.New(seed), 0, nil); err != nil {
			return nil, err
		}
		add := func(r Recovered, g *structure.Partial, begin time.Time) {
			d := structure.Compare(g, want)
			r.Seconds = time.Since(begin).Seconds()
			r.Seed, r.Rows, r.F1, r.Missing, r.Extra, r.Hamming = seed, rows, d.F1, d.Missing, d.Extra, d.Hamming
			out = append(out, r)
		}
		for _, score := range []structure.Score{structure.BIC, structure.BDeu} {
			begin := time.Now()
			f, err := structure.HillClimb(t, structure.HillOptions{Score: score, Tabu: 10, Restarts: 10, Changes: 10})
			if err != nil {
				return nil, err
			}
			of, _, err := structure.ScoreOf(t, truth, score, 1)
			if err != nil {
				return nil, err
			}
			add(Recovered{Method: "hill-climbing, " + score.String(), Score: f.Score, Truth: of},
				structure.Pattern(f.Parents), begin)
		}
		begin := time.Now()
		l, err := structure.PC(t, structure.PCOptions{})
		if err != nil {
			return nil, err
		}
		add(Recovered{Method: "PC, G2 at 0.01"}, l.Graph, begin)
	}
	return out, nil
}

func parentsOf(n *bayesnet.Network) [][]int {
	p := make([][]int, len(n.Nodes()))
	for v, d := range n.Nodes() {
		p[v] = d.Parents
	}
	return p
}
