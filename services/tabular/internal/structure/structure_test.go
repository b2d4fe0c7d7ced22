package structure

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/networks"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

func TestNoFusedMultiplyAdd(t *testing.T) {
	fusedtest.Check(t, []string{".Compare", ".PC", ".try"}, ".")
}

func sampled(t testing.TB, name string, rows int, seed uint64) (*bayesnet.Network, *table.Table, [][]int) {
	t.Helper()
	n, err := networks.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	x := table.New(n.Schema(), rows)
	if err := n.Sample(x, rng.New(seed), 0, nil); err != nil {
		t.Fatal(err)
	}
	parents := make([][]int, len(n.Nodes()))
	for v, d := range n.Nodes() {
		parents[v] = d.Parents
	}
	return n, x, parents
}

// TestAlarm learns the 46 edges of ALARM back from 10,000 rows.
func TestAlarm(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		alarm(t, seed)
	}
}

func alarm(t *testing.T, seed uint64) {
	_, x, truth := sampled(t, "alarm", 10_000, seed)
	want := Pattern(truth)
	for name, o := range map[string]HillOptions{
		"bic": {Tabu: 10, Restarts: 10, Changes: 10}, "bdeu": {Score: BDeu, Tabu: 10, Restarts: 10, Changes: 10},
	} {
		f, err := HillClimb(x, o)
		if err != nil {
			t.Fatal(err)
		}
		d := Compare(Pattern(f.Parents), want)
		t.Logf("seed %d, %s: score %.1f, %d families, %+v", seed, name, f.Score, f.Scored, d)
		if d.F1 < 0.85 {
			t.Errorf("seed %d, %s: F1 %v", seed, name, d.F1)
		}
	}
	l, err := PC(x, PCOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d := Compare(l.Graph, want)
	t.Logf("seed %d, pc: %d tests, %+v", seed, l.Tests, d)
	if d.F1 < 0.85 {
		t.Errorf("seed %d, PC: F1 %v", seed, d.F1)
	}
	parents, _, err := l.Graph.Extend()
	if err != nil || topological(parents) == nil {
		t.Errorf("no network extends the graph: %v", err)
	}
}

// TestChowLiu is worked by hand: b copies a fair a, c is independent, and d agrees with a three times in four.
func TestChowLiu(t *testing.T) {
	s := &table.Schema{}
	for _, name := range []string{"a", "b", "c", "d"} {
		s.Fields = append(s.Fields, table.Field{Name: name, Levels: []string{"0", "1"}})
	}
	x := table.New(s, 17)
	for i := range 16 {
		a := int32(i % 2)
		x.Columns[0].Codes[i] = a
		x.Columns[1].Codes[i] = a
		x.Columns[2].Codes[i] = int32(i / 2 % 2)
		x.Columns[3].Codes[i] = a
		if i/4 == 0 {
			x.Columns[3].Codes[i] = 1 - a
		}
	}
	x.Columns[0].Codes[16] = 1 // a row with missing cells counts for no pair
	p, err := NewPairs(s)
	if err != nil {
		t.Fatal(err)
	}
	p.Add(x, x.Rows)
	parents, edges, err := ChowLiu(p, 3)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(parents, [][]int{{3}, {0}, nil, nil}) {
		t.Errorf("parents %v", parents)
	}
	agree := math.Ln2 + 0.75*math.Log(0.75) + 0.25*math.Log(0.25)
	if len(edges) != 2 || math.Abs(edges[0].Score-math.Ln2) > 1e-15 || math.Abs(edges[1].Score-agree) > 1e-15 {
		t.Errorf("edges %+v, want %v and %v", edges, math.Ln2, agree)
	}
	if _, _, err := ChowLiu(p, 4); fault.KindOf(err) != fault.Invalid {
		t.Errorf("root 4: %v", err)
	}
}

// TestPairsMerge: parts of a table merge to the whole, and the tree joins all fields.
func TestPairsMerge(t *testing.T) {
	_, x, _ := sampled(t, "alarm", 5000, 3)
	whole, _ := NewPairs(x.Schema)
	whole.Add(x, x.Rows)
	sum, _ := NewPairs(x.Schema)
	for at := 0; at < x.Rows; at += 700 {
		part := &table.Table{Schema: x.Schema, Rows: min(700, x.Rows-at)}
		for _, c := range x.Columns {
			part.Columns = append(part.Columns, table.Column{Codes: c.Codes[at : at+part.Rows]})
		}
		p, _ := NewPairs(x.Schema)
		p.Add(part, part.Rows)
		if err := sum.Merge(p); err != nil {
			t.Fatal(err)
		}
	}
	if sum.Rows != whole.Rows || !reflect.DeepEqual(sum.tables, whole.tables) {
		t.Error("parts do not merge to the whole")
	}
	// The margins of groups are what counting each pair finds.
	x.Columns[3].Codes[77], x.Columns[8].Codes[78] = table.Missing, table.Missing
	again, _ := NewPairs(x.Schema)
	again.Add(x, x.Rows)
	for _, q := range again.all() {
		want := make([]int64, len(q.counts))
		for i, c := range x.Columns[q.a].Codes {
			want[int(c+1)*q.wide+int(x.Columns[q.b].Codes[i]+1)]++
		}
		if !reflect.DeepEqual(q.counts, want) {
			t.Fatalf("the counts of %d and %d differ", q.a, q.b)
		}
	}
	a, _, err := ChowLiu(whole, 0)
	if err != nil {
		t.Fatal(err)
	}
	edges := len(Edges(a))
	if topological(a) == nil || edges != 36 {
		t.Errorf("%d edges, want a tree of 36", edges)
	}
}

// TestScoresByHand: two fields of two levels, counts 3 1 / 0 4.
func TestScoresByHand(t *testing.T) {
	s := &table.Schema{Fields: []table.Field{{Name: "a", Levels: []string{"0", "1"}}, {Name: "b", Levels: []string{"0", "1"}}}}
	x := table.New(s, 8)
	copy(x.Columns[0].Codes, []int32{0, 0, 0, 0, 1, 1, 1, 1})
	copy(x.Columns[1].Codes, []int32{0, 0, 0, 1, 1, 1, 1, 1})
	lg := func(x float64) float64 { y, _ := math.Lgamma(x); return y }
	for kind, want := range map[Score]float64{
		BIC: 3*math.Log(0.75) + math.Log(0.25) - math.Log(8),
		AIC: 3*math.Log(0.75) + math.Log(0.25) - 2,
		// 3! 1! / 5! and 0! 4! / 5!.
		K2:   math.Log(6.0/120) + math.Log(24.0/120),
		BDeu: (lg(2) - lg(6) + lg(4) - lg(1) + lg(2) - lg(1)) + (lg(2) - lg(6) + lg(5) - lg(1)),
	} {
		_, f, err := ScoreOf(x, [][]int{nil, {0}}, kind, 4)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(f[1]-want) > 1e-12 {
			t.Errorf("%s: %v, want %v", kind, f[1], want)
		}
	}
	if _, _, err := ScoreOf(x, [][]int{nil, {0}}, BDeu, 0); fault.KindOf(err) != fault.Invalid {
		t.Errorf("BDeu of 0 rows: %v", err)
	}
	// Pearson's statistic of the table is n (ad - bc)^2 / (products of margins) = 8 * 12^2 / (4*4*3*5), G2 by its
	// definition.
	p, err := CheckIndependence(x, 0, 1, nil, ChiSquare)
	if err != nil || math.Abs(p.Statistic-8*144.0/240) > 1e-12 || p.Degrees != 1 {
		t.Errorf("chi-square %+v, %v", p, err)
	}
	if want := math.Erfc(math.Sqrt(p.Statistic / 2)); math.Abs(p.P-want) > 1e-14 {
		t.Errorf("p is %v, want %v", p.P, want)
	}
	g, err := CheckIndependence(x, 0, 1, nil, G2)
	if want := 2 * (3*math.Log(3/1.5) + math.Log(1/2.5) + 4*math.Log(4/2.5)); err != nil || math.Abs(g.Statistic-want) > 1e-12 {
		t.Errorf("G2 %+v, want %v, %v", g, want, err)
	}
}

// TestRules: required edges stay, forbidden ones are never made, parents are bounded; tabu and restarts never end
// below.
func TestRules(t *testing.T) {
	_, x, _ := sampled(t, "asia", 3000, 2)
	base, err := HillClimb(x, HillOptions{})
	if err != nil {
		t.Fatal(err)
	}
	first := Edges(base.Parents)[0]
	f, err := HillClimb(x, HillOptions{MaxParents: 1, Required: [][2]int{{7, 0}}, Forbidden: [][2]int{{first.From, first.To}, {first.To, first.From}}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(f.Parents[0], 7) {
		t.Error("a required edge is gone")
	}
	for v, p := range f.Parents {
		if len(p) > 1 {
			t.Errorf("field %d has parents %v", v, p)
		}
	}
	if slices.Contains(f.Parents[first.To], first.From) || slices.Contains(f.Parents[first.From], first.To) {
		t.Error("a forbidden edge")
	}
	g, err := HillClimb(x, HillOptions{Tabu: 10, Restarts: 5, Stream: rng.New(3)})
	if err != nil {
		t.Fatal(err)
	}
	if g.Score < base.Score || topological(g.Parents) == nil {
		t.Errorf("with tabu and restarts %v, without %v", g.Score, base.Score)
	}
	again, err := HillClimb(x, HillOptions{Tabu: 10, Restarts: 5, Stream: rng.New(3)})
	if err != nil || !reflect.DeepEqual(again.Parents, g.Parents) {
		t.Errorf("a second time it differs: %v", err)
	}
	for name, o := range map[string]HillOptions{
		"cycle": {Required: [][2]int{{0, 1}, {1, 0}}}, "unknown": {Forbidden: [][2]int{{0, 99}}},
		"both":     {Required: [][2]int{{0, 1}}, Forbidden: [][2]int{{0, 1}}},
		"negative": {MaxParents: -1}, "score": {Score: 9}, "sample": {Score: BDeu, Sample: -1},
	} {
		if _, err := HillClimb(x, o); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, o := range map[string]PCOptions{"alpha": {Alpha: 1}, "NaN": {Alpha: math.NaN()}, "given": {MaxGiven: -1}} {
		if _, err := PC(x, o); fault.KindOf(err) != fault.Invalid {
			t.Errorf("PC, %s: %v", name, err)
		}
	}
}

// TestPCIsOrderIndependent: with fields in reverse the same skeleton is found.
func TestPCIsOrderIndependent(t *testing.T) {
	_, x, _ := sampled(t, "alarm", 2000, 4)
	l, err := PC(x, PCOptions{MaxGiven: 2})
	if err != nil {
		t.Fatal(err)
	}
	F := len(x.Columns)
	back := &table.Table{Schema: &table.Schema{}, Rows: x.Rows}
	for v := range F {
		back.Schema.Fields = append(back.Schema.Fields, x.Schema.Fields[F-1-v])
		back.Columns = append(back.Columns, x.Columns[F-1-v])
	}
	r, err := PC(back, PCOptions{MaxGiven: 2})
	if err != nil {
		t.Fatal(err)
	}
	for u := range F {
		for v := range u {
			if l.Graph.Adjacent(u, v) != r.Graph.Adjacent(F-1-u, F-1-v) {
				t.Errorf("the edge between %d and %d depends on the order of fields", u, v)
			}
		}
	}
}

// TestPattern: a chain has no directions, a collider has both, and what follows is directed; extensions are networks of
// the same pattern.
func TestPattern(t *testing.T) {
	for _, c := range []struct {
		parents [][]int
		want    string
	}{
		{[][]int{nil, {0}, {1}}, "[{0 1 false 0} {1 2 false 0}]"},
		{[][]int{nil, nil, {0, 1}, {2}}, "[{0 2 true 0} {1 2 true 0} {2 3 true 0}]"},
	} {
		g := Pattern(c.parents)
		if got := fmt.Sprint(g.Edges()); got != c.want {
			t.Errorf("%v has %s, want %s", c.parents, got, c.want)
		}
	}
	for seed := range uint64(50) {
		parents := make([][]int, 9)
		u := make([]float64, 81)
		rng.New(seed).Uniform64(u, 0, 0, rng.General)
		for v := range 9 {
			for p := range v {
				if u[9*v+p] < 0.3 {
					parents[v] = append(parents[v], p)
				}
			}
		}
		g := Pattern(parents)
		out, exact, err := g.Extend()
		if err != nil || !exact || topological(out) == nil || !reflect.DeepEqual(Pattern(out), g) {
			t.Errorf("seed %d: the extension %v of %v: %v", seed, out, parents, err)
		}
	}
}

// TestDigest: the structures found are the same on every processor.
func TestDigest(t *testing.T) {
	_, x, _ := sampled(t, "asia", 1000, 5)
	f, err := HillClimb(x, HillOptions{Score: BDeu, Tabu: 5, Restarts: 2, Stream: rng.New(1)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := PC(x, PCOptions{Alpha: 0.05})
	if err != nil {
		t.Fatal(err)
	}
	var sum uint64
	for _, list := range [][]float64{f.Fields, l.P} {
		for _, v := range list {
			sum = sum*0x100000001b3 ^ math.Float64bits(v)
		}
	}
	if got := fmt.Sprintf("%016x %v %v", sum, f.Parents, l.Graph.Edges()); got != digest {
		t.Errorf("digest %q", got)
	}
}

const digest = "09063383d105d3f6 [[] [] [4] [2] [] [1 3] [5] [4 5]] " +
	"[{1 5 true 0} {2 4 false 0} {2 7 false 0} {3 5 true 0} {4 7 false 0}]"

// TestCheckEndsTheSearch: a cancelled caller is not kept waiting.
func TestCheckEndsTheSearch(t *testing.T) {
	_, x, _ := sampled(t, "asia", 500, 2)
	calls := 0
	stop := errors.New("stop")
	third := func() error {
		if calls++; calls == 3 {
			return stop
		}
		return nil
	}
	if _, err := HillClimb(x, HillOptions{Check: third}); !errors.Is(err, stop) {
		t.Errorf("hill-climbing: %v", err)
	}
	calls = 0
	if _, err := PC(x, PCOptions{Check: third}); !errors.Is(err, stop) {
		t.Errorf("PC: %v", err)
	}
	calls = 0
	if _, err := Private(x, PrivateOptions{Epsilon: 1, Check: third}); !errors.Is(err, stop) {
		t.Errorf("Private: %v", err)
	}
}
