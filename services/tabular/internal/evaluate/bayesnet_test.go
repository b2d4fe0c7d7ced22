package evaluate

import (
	"math"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/networks"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// TestStructures: on rows of a network that is no naive Bayes, the tree's joint distribution is nearer, and
// independence the farthest.
func TestStructures(t *testing.T) {
	n, err := networks.Load("alarm")
	if err != nil {
		t.Fatal(err)
	}
	x := table.New(n.Schema(), 3000)
	if err := n.Sample(x, rng.New(1), 0, nil); err != nil {
		t.Fatal(err)
	}
	h, err := Structures(x, 8, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range h {
		t.Logf("%+v", r)
		if r.Rows != x.Rows || !(r.LogLoss > 0) || !(r.Target >= 0) || r.Accuracy > 1 {
			t.Errorf("%+v", r)
		}
	}
	if !(h[3].LogLoss < h[2].LogLoss && h[2].LogLoss < h[1].LogLoss && h[1].LogLoss < h[0].LogLoss) {
		t.Error("losses are not in the order of hill-climbing, tree, naive Bayes, independence")
	}
	if _, err := Structures(x, 99, 3, 1); fault.KindOf(err) != fault.Invalid {
		t.Errorf("target 99: %v", err)
	}
}

// TestIntervals: equal shares, ties together, missing cells missing.
func TestIntervals(t *testing.T) {
	x := table.New(&table.Schema{Fields: []table.Field{{Name: "x", Kind: table.Numeric}}}, 9)
	copy(x.Columns[0].Numbers, []float64{5, 1, 1, 1, 1, 2, 7, 9, math.NaN()})
	y := Intervals(x, 4)
	want := []int32{2, 0, 0, 0, 0, 1, 3, 3, -1}
	for i, c := range y.Columns[0].Codes {
		if c != want[i] {
			t.Errorf("row %d has the code %d of %v, want %d", i, c, y.Schema.Fields[0].Levels, want[i])
		}
	}
}

// TestSpeed runs the measurement on few rows.
func TestSpeed(t *testing.T) {
	s, err := Speed("asia", 20_000)
	if err != nil {
		t.Fatal(err)
	}
	if !(s.Streamed > 0 && s.Drawn > 0 && s.Conditioned > 0 && s.Eliminate > 0 && s.Propagate > 0) {
		t.Errorf("%+v", s)
	}
	if _, err := Speed("asia", 0); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no rows: %v", err)
	}
}

// TestRecover runs the comparison on a small network.
func TestRecover(t *testing.T) {
	r, err := Recover("earthquake", 5000, []uint64{1})
	if err != nil || len(r) != 3 {
		t.Fatal(r, err)
	}
	for _, x := range r {
		t.Logf("%+v", x)
	}
}
