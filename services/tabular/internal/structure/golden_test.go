package structure

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/networks"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// TestReference compares scores with pgmpy's, mutual information with scikit-learn's and tests with scipy's, on the
// same rows. The file comes from tools/reference/bayesnet.py.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("testdata/pgmpy.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Codes    [][]int32 `json:"codes"`
		Families []struct {
			Field    int   `json:"field"`
			Parents  []int `json:"parents"`
			BIC, AIC float64
			K2       float64 `json:"k2"`
			BDeu     float64 `json:"bdeu"`
		} `json:"families"`
		Tree    [][2]int
		Climbed [][2]int
		Pairs   []struct {
			A, B        int
			Information float64
			Chi2, G2    [3]float64
		} `json:"pairs"`
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	n, err := networks.Load("asia")
	if err != nil {
		t.Fatal(err)
	}
	x := table.New(n.Schema(), len(g.Codes[0]))
	for v := range g.Codes {
		copy(x.Columns[v].Codes, g.Codes[v])
	}
	for _, f := range g.Families {
		for kind, want := range map[Score]float64{BIC: f.BIC, AIC: f.AIC, K2: f.K2, BDeu: f.BDeu} {
			parents := make([][]int, len(g.Codes))
			parents[f.Field] = f.Parents
			_, got, err := ScoreOf(x, parents, kind, 10)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(got[f.Field]-want) > 1e-9 {
				t.Errorf("%s of %d under %v is %v, pgmpy's %v", kind, f.Field, f.Parents, got[f.Field], want)
			}
		}
	}
	p, err := NewPairs(x.Schema)
	if err != nil {
		t.Fatal(err)
	}
	p.Add(x, x.Rows)
	all := p.all()
	for i, w := range g.Pairs {
		if got := all[i].information(); all[i].a != w.A || math.Abs(got-w.Information) > 1e-12 {
			t.Errorf("the information of %d and %d is %v, want %v", w.A, w.B, got, w.Information)
		}
		for kind, want := range map[Test][3]float64{ChiSquare: w.Chi2, G2: w.G2} {
			got, err := CheckIndependence(x, w.A, w.B, nil, kind)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(got.Statistic-want[0]) > 1e-9 || math.Abs(got.P-want[1]) > 1e-12 || got.Degrees != int(want[2]) {
				t.Errorf("test %d of %d and %d: %+v, want %v", kind, w.A, w.B, got, want)
			}
		}
	}

	// The tree of the greatest mutual information is pgmpy's; equal edges may go either way, so the sums are compared.
	_, edges, err := ChowLiu(p, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ours, theirs float64
	for _, e := range edges {
		ours += e.Score
	}
	for _, e := range g.Tree {
		for _, q := range all {
			if q.a == min(e[0], e[1]) && q.b == max(e[0], e[1]) {
				theirs += q.information()
			}
		}
	}
	if len(edges) != len(g.Tree) || math.Abs(ours-theirs) > 1e-12 {
		t.Errorf("the tree has %v nats, pgmpy's %v", ours, theirs)
	}
	f, err := HillClimb(x, HillOptions{})
	if err != nil {
		t.Fatal(err)
	}
	parents := make([][]int, len(x.Columns))
	for _, e := range g.Climbed {
		parents[e[1]] = append(parents[e[1]], e[0])
	}
	score, _, err := ScoreOf(x, parents, BIC, 0)
	if err != nil || f.Score < score-1e-9 {
		t.Errorf("hill-climbing ends at %v, pgmpy's at %v, %v", f.Score, score, err)
	}
	t.Logf("hill-climbing: %v, pgmpy's %v", f.Score, score)
}
