package bayesnet

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// The seams that the network fills.
var (
	_ model.Model      = (*Network)(nil)
	_ model.Querier    = (*Network)(nil)
	_ model.Sampler    = (*Network)(nil)
	_ model.Scorer     = (*Network)(nil)
	_ model.Structured = (*Network)(nil)
)

// sprinkler is the network of Murphy's tutorial (after Pearl): cloudy -> sprinkler, rain; both -> wet grass.
func sprinkler(t testing.TB) *Network {
	yes := []string{"false", "true"}
	n, err := New(&table.Schema{Fields: []table.Field{
		category("cloudy", yes...), category("sprinkler", yes...), category("rain", yes...), category("wet", yes...),
	}}, []Node{
		{Table: []float64{0.5, 0.5}},
		{Parents: []int{0}, Table: []float64{0.5, 0.5, 0.9, 0.1}},
		{Parents: []int{0}, Table: []float64{0.8, 0.2, 0.2, 0.8}},
		{Parents: []int{1, 2}, Table: []float64{1, 0, 0.1, 0.9, 0.1, 0.9, 0.01, 0.99}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSprinkler is Murphy's arithmetic: P(S|W) = 0.2781/0.6471, P(R|W) = 0.4581/0.6471, explaining away, and do().
func TestSprinkler(t *testing.T) {
	n := sprinkler(t)
	wet := []model.Term{is(3, 1)}
	a := ask(t, n, model.Query{Targets: []int{1}, Given: wet})
	near(t, "P(wet)", math.Exp(a.Evidence), 0.6471, 1e-12)
	near(t, "P(sprinkler | wet)", a.Cells[1], 0.2781/0.6471, 1e-12)
	a = ask(t, n, model.Query{Targets: []int{2}, Given: wet})
	near(t, "P(rain | wet)", a.Cells[1], 0.4581/0.6471, 1e-12)
	a = ask(t, n, model.Query{Targets: []int{1}, Given: []model.Term{is(3, 1), is(2, 1)}})
	near(t, "P(sprinkler | wet, rain)", a.Cells[1], 0.0891/0.4581, 1e-12)
	// Seeing the sprinkler on speaks against clouds; turning it on does not.
	a = ask(t, n, model.Query{Targets: []int{0}, Given: []model.Term{is(1, 1)}})
	near(t, "P(cloudy | sprinkler)", a.Cells[1], 1.0/6, 1e-12)
	a = ask(t, n, model.Query{Targets: []int{0, 2}, Do: []model.Term{is(1, 1)}})
	near(t, "P(cloudy, rain | do(sprinkler))", a.Cells[3], 0.4, 1e-12)
	rows := table.New(n.schema, 50_000)
	m, err := n.Do([]model.Term{is(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Sample(rows, rng.New(1), 0, nil); err != nil {
		t.Fatal(err)
	}
	var cloudy float64
	for i := range rows.Rows {
		if rows.Columns[1].Codes[i] != 1 {
			t.Fatal("a row escapes the intervention")
		}
		cloudy += float64(rows.Columns[0].Codes[i]) / float64(rows.Rows)
	}
	near(t, "rows under do(sprinkler) with clouds", cloudy, 0.5, 0.01)
}

// TestSampledMethods: weighting and Gibbs sampling within a total variation of 0.01 of the exact answer, and errors
// that are as large as they say.
func TestSampledMethods(t *testing.T) {
	n := sprinkler(t)
	for _, given := range [][]model.Term{{is(3, 1)}, {is(0, 0)}, {is(3, 1), is(2, 0)}} {
		exact := ask(t, n, model.Query{Targets: []int{0, 1}, Given: given})
		for _, m := range []model.Method{model.LikelihoodWeighting, model.Gibbs} {
			a := ask(t, n, model.Query{Targets: []int{0, 1}, Given: given, Method: m, Samples: 200_000, Stream: rng.New(11)})
			var distance float64
			for c, p := range exact.Cells {
				distance += math.Abs(p-a.Cells[c]) / 2
				if math.Abs(p-a.Cells[c]) > 5*a.Errors[c]+1e-12 {
					t.Errorf("method %d: %v +- %v, want %v", m, a.Cells[c], a.Errors[c], p)
				}
			}
			if distance >= 0.01 {
				t.Errorf("method %d: total variation %v", m, distance)
			}
			if a.Effective < 1000 {
				t.Errorf("method %d: %v effective samples", m, a.Effective)
			}
			e := ask(t, n, model.Query{Event: []model.Term{is(1, 1)}, Given: given, Method: m, Samples: 200_000})
			near(t, "event", e.Cells[0], exact.Cells[1]+exact.Cells[3], 0.01)
		}
		rows := table.New(n.schema, 200_000)
		if err := n.Sample(rows, rng.New(2), 0, given); err != nil {
			t.Fatal(err)
		}
		got := make([]float64, 4)
		for i := range rows.Rows {
			got[2*rows.Columns[0].Codes[i]+rows.Columns[1].Codes[i]] += 1 / float64(rows.Rows)
		}
		for c, p := range exact.Cells {
			near(t, "rows", got[c], p, 0.005)
		}
	}
}

// TestRowsDependOnTheirIndexAlone draws rows in one piece, in pieces and one at a time.
func TestRowsDependOnTheirIndexAlone(t *testing.T) {
	for name, c := range map[string]struct {
		n     *Network
		given []model.Term
	}{
		"forwards": {sprinkler(t), nil}, "conditioned": {sprinkler(t), []model.Term{is(3, 1)}}, "mixed": {mixed(t), nil},
		"mixed, conditioned": {mixed(t), []model.Term{is(3, 1), {Field: 0, Lo: 4, Hi: 7}}},
		"resampled":          {mixed(t), []model.Term{{Field: 1, Lo: 0, Hi: 2}, {Field: 0, Lo: 4, Hi: 7}}},
	} {
		whole := table.New(c.n.schema, 1200)
		if err := c.n.Sample(whole, rng.New(9), 100, c.given); err != nil {
			t.Fatal(err)
		}
		for _, i := range []int{0, 1, 511, 512, 1199} {
			one := table.New(c.n.schema, 1)
			if err := c.n.Sample(one, rng.New(9), 100+uint64(i), c.given); err != nil {
				t.Fatal(err)
			}
			for v := range c.n.nodes {
				if c.n.categorical(v) && one.Columns[v].Codes[0] != whole.Columns[v].Codes[i] ||
					!c.n.categorical(v) && one.Columns[v].Numbers[0] != whole.Columns[v].Numbers[i] {
					t.Errorf("%s: row %d alone differs in field %d", name, i, v)
				}
			}
		}
	}
}

// TestImpossibleEvidence: an error that says so from every method.
func TestImpossibleEvidence(t *testing.T) {
	n := sprinkler(t)
	given := []model.Term{is(1, 0), is(2, 0), is(3, 1)} // neither sprinkler nor rain, and wet
	for _, m := range []model.Method{model.Auto, model.Enumeration, model.VariableElimination, model.JunctionTree,
		model.LikelihoodWeighting, model.Gibbs} {
		_, err := n.Query(&model.Query{Targets: []int{0}, Given: given, Method: m})
		if !isReason(err, "IMPOSSIBLE_EVIDENCE") || fault.KindOf(err) != fault.Precondition {
			t.Errorf("method %d: %v", m, err)
		}
	}
	if err := n.Sample(table.New(n.schema, 1), rng.New(0), 0, given); !isReason(err, "IMPOSSIBLE_EVIDENCE") {
		t.Errorf("Sample: %v", err)
	}
	if err := n.Sample(table.New(n.schema, 1), rng.New(0), 0, []model.Term{is(1, 0), is(1, 1)}); !isReason(err,
		"IMPOSSIBLE_EVIDENCE") {
		t.Errorf("Sample: %v", err)
	}
	a := ask(t, n, model.Query{Event: []model.Term{is(3, 1)}, Given: given[:2]})
	near(t, "an impossible event", a.Cells[0], 0, 0)
}

// TestTreewidth asks a grid of 30 times 30 fields for what would need tables of 2^30 cells: an error before anything is
// allocated, and an answer, and rows, from sampling where the method is left open.
func TestTreewidth(t *testing.T) {
	const side = 30
	s := &table.Schema{}
	nodes := make([]Node, side*side)
	for v := range nodes {
		s.Fields = append(s.Fields, category(fmt.Sprint(v), "no", "yes"))
		if v%side > 0 {
			nodes[v].Parents = append(nodes[v].Parents, v-1)
		}
		if v >= side {
			nodes[v].Parents = append(nodes[v].Parents, v-side)
		}
		nodes[v].Table = []float64{0.7, 0.3, 0.5, 0.5, 0.4, 0.6, 0.2, 0.8}[:2<<len(nodes[v].Parents)]
	}
	n := must(t, s, nodes)
	if _, err := n.Propagate(nil, nil); !isReason(err, "TREEWIDTH") || fault.KindOf(err) != fault.Overloaded {
		t.Errorf("Propagate: %v", err)
	}
	q := model.Query{Targets: []int{0}, Given: []model.Term{is(side*side-1, 1)}, Samples: 2000, Method: model.VariableElimination}
	if _, err := n.Query(&q); !isReason(err, "TREEWIDTH") {
		t.Errorf("elimination: %v", err)
	}
	q.Method = model.Auto
	if a := ask(t, n, q); a.Method != model.LikelihoodWeighting {
		t.Errorf("left open it is answered by method %d", a.Method)
	}
	rows := table.New(s, 2)
	if err := n.Sample(rows, rng.New(1), 0, q.Given); err != nil || rows.Columns[side*side-1].Codes[1] != 1 {
		t.Errorf("Sample: %v", err)
	}
	// A marginal near the start has few ancestors and is exact.
	if a := ask(t, n, model.Query{Targets: []int{side + 1}}); a.Method != model.VariableElimination {
		t.Errorf("a field with few ancestors is answered by method %d", a.Method)
	}
	all := make([]int, 30)
	for i := range all {
		all[i] = i
	}
	if _, err := n.Query(&model.Query{Targets: all}); !isReason(err, "TOO_MANY_CELLS") {
		t.Errorf("30 targets: %v", err)
	}
}

// TestBadNetworks: each is refused, with the reason.
func TestBadNetworks(t *testing.T) {
	yes := []string{"no", "yes"}
	s := &table.Schema{Fields: []table.Field{category("a", yes...), category("b", yes...), number("x")}}
	a, x := Node{Table: []float64{0.5, 0.5}}, Node{Mean: []float64{0}, Variance: []float64{1}}
	half := []float64{0.5, 0.5, 0.5, 0.5}
	for name, nodes := range map[string][]Node{
		"too few":           {a, a},
		"a row of 0.9":      {{Table: []float64{0.5, 0.4}}, a, x},
		"negative":          {{Table: []float64{-0.5, 1.5}}, a, x},
		"NaN":               {{Table: []float64{math.NaN(), 1}}, a, x},
		"size":              {{Table: half}, a, x},
		"own parent":        {{Parents: []int{0}, Table: half}, a, x},
		"unknown parent":    {{Parents: []int{7}, Table: half}, a, x},
		"parent twice":      {{Parents: []int{1, 1}, Table: slices.Repeat(half, 2)}, a, x},
		"numeric parent":    {{Parents: []int{2}, Table: []float64{0.5, 0.5}}, a, x},
		"variance 0":        {a, a, {Mean: []float64{0}, Variance: []float64{0}}},
		"infinite mean":     {a, a, {Mean: []float64{math.Inf(1)}, Variance: []float64{1}}},
		"a table of number": {a, a, a},
	} {
		if _, err := New(s, nodes); !isReason(err, "INVALID_NETWORK") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := New(s, []Node{{Parents: []int{1}, Table: half}, {Parents: []int{0}, Table: half}, x})
	if !isReason(err, "CYCLIC_NETWORK") {
		t.Errorf("cycle: %v", err)
	}
}

// TestBadQueries: each is refused before anything is computed.
func TestBadQueries(t *testing.T) {
	n := mixed(t)
	for name, c := range map[string]struct {
		q      model.Query
		reason string
	}{
		"nothing":          {model.Query{}, "INVALID_TARGET"},
		"both":             {model.Query{Targets: []int{2}, Event: []model.Term{is(2, 1)}}, "INVALID_TARGET"},
		"twice":            {model.Query{Targets: []int{2, 2}}, "INVALID_TARGET"},
		"unknown":          {model.Query{Targets: []int{9}}, "UNKNOWN_FIELD"},
		"unknown evidence": {model.Query{Targets: []int{2}, Given: []model.Term{is(-1, 1)}}, "UNKNOWN_FIELD"},
		"code":             {model.Query{Targets: []int{2}, Given: []model.Term{is(3, 2)}}, "INVALID_TERM"},
		"no code":          {model.Query{Targets: []int{2}, Given: []model.Term{is(3)}}, "INVALID_TERM"},
		"NaN":              {model.Query{Targets: []int{2}, Given: []model.Term{at(0, math.NaN())}}, "INVALID_TERM"},
		"empty interval":   {model.Query{Targets: []int{2}, Given: []model.Term{{Field: 0, Lo: 2, Hi: 1}}}, "INVALID_TERM"},
		"a point's chance": {model.Query{Event: []model.Term{at(0, 1)}}, "INVALID_TERM"},
		"do an interval":   {model.Query{Targets: []int{2}, Do: []model.Term{{Field: 0, Lo: 2, Hi: 3}}}, "INVALID_TERM"},
		"do two levels":    {model.Query{Targets: []int{2}, Do: []model.Term{is(3, 0, 1)}}, "INVALID_TERM"},
		"do twice":         {model.Query{Targets: []int{2}, Do: []model.Term{is(3, 0), is(3, 1)}}, "INVALID_TERM"},
		"method":           {model.Query{Targets: []int{2}, Method: model.Counting}, "UNKNOWN_METHOD"},
		"samples":          {model.Query{Targets: []int{2}, Samples: -1}, "INVALID_SAMPLES"},
		"too many samples": {model.Query{Targets: []int{2}, Samples: MaxSamples + 1}, "INVALID_SAMPLES"},
	} {
		if _, err := n.Query(&c.q); !isReason(err, c.reason) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
