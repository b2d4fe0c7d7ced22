package bayesnet

import (
	"fmt"
	"math"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
	"pgregory.net/rapid"
)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

// randomDiscrete draws a network of categorical fields whose order of fields is no order of ancestors. Some
// probabilities are zero.
func randomDiscrete(t *rapid.T, most int) *Network {
	F := rapid.IntRange(1, most).Draw(t, "fields")
	rank := rapid.Permutation(seq(F)).Draw(t, "rank")
	s := &table.Schema{}
	for v := range F {
		f := table.Field{Name: fmt.Sprintf("f%d", v)}
		for l := range rapid.IntRange(1, 4).Draw(t, "levels") {
			f.Levels = append(f.Levels, fmt.Sprint(l))
		}
		s.Fields = append(s.Fields, f)
	}
	nodes := make([]Node, F)
	for v := range F {
		q := 1
		for p := range F {
			if rank[p] < rank[v] && len(nodes[v].Parents) < 3 && rapid.IntRange(0, 2).Draw(t, "edge") == 0 {
				nodes[v].Parents = append(nodes[v].Parents, p)
				q *= len(s.Fields[p].Levels)
			}
		}
		nodes[v].Table = randomTable(t, q, len(s.Fields[v].Levels))
	}
	n, err := New(s, nodes)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func randomTable(t *rapid.T, q, r int) []float64 {
	out := make([]float64, q*r)
	for c := range q {
		var sum float64
		for l := range r {
			out[c*r+l] = float64(rapid.IntRange(0, 9).Draw(t, "weight"))
			sum += out[c*r+l]
		}
		if sum == 0 {
			out[c*r], sum = 1, 1
		}
		for l := range r {
			out[c*r+l] /= sum
		}
	}
	return out
}

func seq(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func randomTerms(t *rapid.T, n *Network, one bool) []model.Term {
	var out []model.Term
	for v := range n.nodes {
		if rapid.IntRange(0, 3).Draw(t, "given") != 0 {
			continue
		}
		var codes []int32
		for c := range n.levels(v) {
			if rapid.Bool().Draw(t, "code") && (!one || len(codes) == 0) {
				codes = append(codes, int32(c))
			}
		}
		if len(codes) > 0 {
			out = append(out, model.Term{Field: v, Codes: codes})
		}
	}
	return out
}

// brute is the joint distribution by definition, independent of the package's own enumeration: each assignment of codes
// and its probability under interventions, given terms.
func brute(n *Network, given, do []model.Term, visit func(codes []int32, p float64)) {
	F := len(n.nodes)
	codes := make([]int32, F)
	var walk func(v int)
	walk = func(v int) {
		if v < F {
			for c := range n.levels(v) {
				codes[v] = int32(c)
				walk(v + 1)
			}
			return
		}
		p := 1.0
		for v := range F {
			set := false
			for _, d := range do {
				if d.Field == v {
					set = true
					if codes[v] != d.Codes[0] {
						return
					}
				}
			}
			if set {
				continue
			}
			q := 0
			for _, u := range n.nodes[v].Parents {
				q = q*n.levels(u) + int(codes[u])
			}
			p *= n.nodes[v].Table[q*n.levels(v)+int(codes[v])]
		}
		for _, g := range given {
			in := false
			for _, c := range g.Codes {
				in = in || c == codes[g.Field]
			}
			if !in {
				return
			}
		}
		visit(codes, p)
	}
	walk(0)
}

func cellIndex(n *Network, targets []int, codes []int32) int {
	at := 0
	for _, v := range targets {
		at = at*n.levels(v) + int(codes[v])
	}
	return at
}

// TestExactMethodsAgainstTheJoint compares every exact method with enumeration on random networks, under evidence of
// several levels and interventions, to 1e-9.
func TestExactMethodsAgainstTheJoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := randomDiscrete(t, 7)
		given, do := randomTerms(t, n, false), randomTerms(t, n, true)
		var targets []int
		for v := range n.nodes {
			if len(targets) < 3 && rapid.IntRange(0, 2).Draw(t, "target") == 0 {
				targets = append(targets, v)
			}
		}
		if len(targets) == 0 {
			targets = []int{0}
		}
		event := randomTerms(t, n, false)
		cells := 1
		for _, v := range targets {
			cells *= n.levels(v)
		}
		want := make([]float64, cells)
		var total, both float64
		brute(n, given, do, func(codes []int32, p float64) {
			total += p
			want[cellIndex(n, targets, codes)] += p
		})
		brute(n, append(append([]model.Term(nil), given...), event...), do, func(_ []int32, p float64) { both += p })
		for _, m := range []model.Method{model.Auto, model.VariableElimination, model.JunctionTree, model.Enumeration} {
			a, err := n.Query(&model.Query{Targets: targets, Given: given, Do: do, Method: m})
			if total == 0 {
				if !isReason(err, "IMPOSSIBLE_EVIDENCE") {
					t.Fatalf("method %d: impossible evidence gives %v, %v", m, a, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range a.Cells {
				if !(math.Abs(p-want[i]/total) < 1e-12) {
					t.Fatalf("method %d: cell %d is %v, want %v", m, i, p, want[i]/total)
				}
			}
			if !(math.Abs(a.Evidence-math.Log(total)) < 1e-9) {
				t.Fatalf("method %d: evidence %v, want %v", m, a.Evidence, math.Log(total))
			}
			if len(event) == 0 {
				continue
			}
			b, err := n.Query(&model.Query{Event: event, Given: given, Do: do, Method: m})
			if err != nil {
				t.Fatal(err)
			}
			if !(math.Abs(b.Cells[0]-both/total) < 1e-12) {
				t.Fatalf("method %d: event has %v, want %v", m, b.Cells[0], both/total)
			}
		}
	})
}

// TestTreeAnswersForAllFields compares every marginal, and the most probable assignment, with enumeration.
func TestTreeAnswersForAllFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := randomDiscrete(t, 7)
		given := randomTerms(t, n, false)
		want := make([][]float64, len(n.nodes))
		for v := range want {
			want[v] = make([]float64, n.levels(v))
		}
		var total, best float64
		brute(n, given, nil, func(codes []int32, p float64) {
			total += p
			best = max(best, p)
			for v, c := range codes {
				want[v][c] += p
			}
		})
		tree, err := n.Propagate(given, nil)
		if total == 0 {
			if !isReason(err, "IMPOSSIBLE_EVIDENCE") {
				t.Fatalf("impossible evidence gives %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for v := range want {
			p, err := tree.Marginal(v)
			if err != nil {
				t.Fatal(err)
			}
			for c := range p {
				if !(math.Abs(p[c]-want[v][c]/total) < 1e-12) {
					t.Fatalf("P(%d = %d) = %v, want %v", v, c, p[c], want[v][c]/total)
				}
			}
		}
		codes, log, err := tree.Explanation()
		if err != nil {
			t.Fatal(err)
		}
		p := 1.0
		for v := range codes {
			p *= n.probability(v, codes)
		}
		if !(math.Abs(p-best) < 1e-12) || !(math.Abs(log-math.Log(best)) < 1e-9) {
			t.Fatalf("the most probable assignment has %v (%v), want %v", p, log, best)
		}
	})
}

// TestScoreSumsMissingCellsOut compares scores of rows with missing cells with enumeration.
func TestScoreSumsMissingCellsOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := randomDiscrete(t, 6)
		rows := table.New(n.schema, 3)
		for v := range n.nodes {
			for i := range rows.Rows {
				rows.Columns[v].Codes[i] = int32(rapid.IntRange(-1, n.levels(v)-1).Draw(t, "cell"))
			}
		}
		got := make([]float64, rows.Rows)
		if err := n.Score(got, rows); err != nil {
			t.Fatal(err)
		}
		for i := range got {
			var given []model.Term
			for v := range n.nodes {
				if c := rows.Columns[v].Codes[i]; c >= 0 {
					given = append(given, model.Term{Field: v, Codes: []int32{c}})
				}
			}
			var total float64
			brute(n, given, nil, func(_ []int32, p float64) { total += p })
			if want := math.Log(total); got[i] != want && !(math.Abs(got[i]-want) < 1e-9) {
				t.Fatalf("row %d scores %v, want %v", i, got[i], want)
			}
		}
	})
}
