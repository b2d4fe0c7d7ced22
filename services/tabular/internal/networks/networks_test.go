package networks

import (
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
)

// TestShapes: fields, edges and free parameters as published (bnlearn's repository of networks lists them).
func TestShapes(t *testing.T) {
	want := map[string][3]int{
		"alarm": {37, 46, 509}, "asia": {8, 8, 18}, "cancer": {5, 4, 10}, "earthquake": {5, 4, 10}, "sprinkler": {4, 4, 9},
	}
	names := Names()
	if len(names) != len(want) || !slices.IsSorted(names) {
		t.Fatalf("networks %v", names)
	}
	for name, w := range want {
		n, err := Load(name)
		if err != nil {
			t.Fatal(name, err)
		}
		var got [3]int
		got[0] = len(n.Nodes())
		for v, d := range n.Nodes() {
			r := len(n.Schema().Fields[v].Levels)
			got[1] += len(d.Parents)
			got[2] += len(d.Table) / r * (r - 1)
		}
		if got != w {
			t.Errorf("%s has fields, edges and parameters %v, want %v", name, got, w)
		}
	}
	if _, err := Load("../networks"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown network: %v", err)
	}
}

// TestEarthquake is P(burglary | both call) of the textbook's numbers, by Bayes's rule written out.
func TestEarthquake(t *testing.T) {
	n, err := Load("earthquake")
	if err != nil {
		t.Fatal(err)
	}
	s := n.Schema()
	code := func(field, level string) model.Term {
		v := s.Index(field)
		return model.Term{Field: v, Codes: []int32{int32(slices.Index(s.Fields[v].Levels, level))}}
	}
	a, err := n.Query(&model.Query{Event: []model.Term{code("Burglary", "True")},
		Given: []model.Term{code("JohnCalls", "True"), code("MaryCalls", "True")}})
	if err != nil {
		t.Fatal(err)
	}
	both := func(alarm float64) float64 { return alarm*0.9*0.7 + (1-alarm)*0.05*0.01 }
	yes := 0.01 * (0.02*both(0.95) + 0.98*both(0.94))
	no := 0.99 * (0.02*both(0.29) + 0.98*both(0.001))
	if want := yes / (yes + no); math.Abs(a.Cells[0]-want) > 1e-12 {
		t.Errorf("P(burglary | both call) = %v, want %v", a.Cells[0], want)
	}
}
