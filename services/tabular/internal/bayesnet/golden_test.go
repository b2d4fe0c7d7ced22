package bayesnet_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/networks"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// TestReference compares answers with pgmpy's. The file comes from tools/reference/bayesnet.py.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("testdata/pgmpy.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Queries []struct {
			Network string
			Targets []int
			Given   [][2]int
			Cells   []float64
		}
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Queries) < 40 {
		t.Fatalf("%d queries", len(g.Queries))
	}
	for _, q := range g.Queries {
		n, err := networks.Load(q.Network)
		if err != nil {
			t.Fatal(err)
		}
		var given []model.Term
		for _, e := range q.Given {
			given = append(given, model.Term{Field: e[0], Codes: []int32{int32(e[1])}})
		}
		for _, m := range []model.Method{model.VariableElimination, model.JunctionTree} {
			a, err := n.Query(&model.Query{Targets: q.Targets, Given: given, Method: m})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range q.Cells {
				if math.Abs(a.Cells[i]-want) > 1e-9 {
					t.Errorf("%s, %v given %v, method %d: cell %d is %v, pgmpy's %v", q.Network, q.Targets, q.Given, m, i,
						a.Cells[i], want)
				}
			}
		}
	}
}

// TestDigest: answers and rows are the same bits on every processor.
func TestDigest(t *testing.T) {
	n, err := networks.Load("alarm")
	if err != nil {
		t.Fatal(err)
	}
	var sum uint64
	add := func(list []float64) {
		for _, x := range list {
			sum = sum*0x100000001b3 ^ math.Float64bits(x)
		}
	}
	given := []model.Term{{Field: 6, Codes: []int32{0}}, {Field: 9, Codes: []int32{1, 2}}}
	for _, m := range []model.Method{model.VariableElimination, model.JunctionTree, model.LikelihoodWeighting, model.Gibbs} {
		a, err := n.Query(&model.Query{Targets: []int{0, 20}, Given: given, Method: m, Samples: 500, Stream: rng.New(3)})
		if err != nil {
			t.Fatal(err)
		}
		add(a.Cells)
		add(a.Errors)
		if m != model.Gibbs {
			add([]float64{a.Evidence})
		}
	}
	rows := table.New(n.Schema(), 50)
	if err := n.Sample(rows, rng.New(1), 0, given); err != nil {
		t.Fatal(err)
	}
	for _, c := range rows.Columns {
		for _, code := range c.Codes {
			add([]float64{float64(code)})
		}
	}
	score := make([]float64, rows.Rows)
	if err := n.Score(score, rows); err != nil {
		t.Fatal(err)
	}
	add(score)
	if got := fmt.Sprintf("%016x", sum); got != "4d9b56a5dfd7260d" {
		t.Errorf("digest %s", got)
	}
}
