package bayesfit

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/networks"
	"github.com/manifold-gen/manifold/services/tabular/internal/special"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

func load(t testing.TB, name string) *bayesnet.Network {
	t.Helper()
	n, err := networks.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func parentsOf(n *bayesnet.Network) [][]int {
	p := make([][]int, len(n.Nodes()))
	for v, d := range n.Nodes() {
		p[v] = d.Parents
	}
	return p
}

func sample(t testing.TB, n *bayesnet.Network, rows int, seed uint64) *table.Table {
	t.Helper()
	x := table.New(n.Schema(), rows)
	if err := n.Sample(x, rng.New(seed), 0, nil); err != nil {
		t.Fatal(err)
	}
	return x
}

// pieces gives a table in chunks of a few rows.
type pieces struct {
	t        *table.Table
	at, step int
}

func (p *pieces) Schema() *table.Schema { return p.t.Schema }

func (p *pieces) Next(dst *table.Table) (int, error) {
	n := min(p.step, p.t.Rows-p.at, dst.Rows)
	if n == 0 {
		return 0, io.EOF
	}
	for v := range dst.Columns {
		copy(dst.Columns[v].Codes, p.t.Columns[v].Codes[min(p.at, len(p.t.Columns[v].Codes)):])
		copy(dst.Columns[v].Numbers, p.t.Columns[v].Numbers[min(p.at, len(p.t.Columns[v].Numbers)):])
	}
	p.at += n
	return n, nil
}

// TestCounts: frequencies of rows that were sampled come near the network's probabilities, whatever the chunks, and two
// halves merge to the whole.
func TestCounts(t *testing.T) {
	n := load(t, "asia")
	x := sample(t, n, 100_000, 1)
	whole, err := Count(&pieces{t: x, step: 100_000}, parentsOf(n))
	if err != nil {
		t.Fatal(err)
	}
	odd, err := Count(&pieces{t: x, step: 777}, parentsOf(n))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(whole.tables, odd.tables) || odd.Rows != 100_000 {
		t.Error("counts depend on the chunks")
	}
	first, _ := NewCounts(x.Schema, parentsOf(n))
	first.Add(x, 30_000)
	rest := &pieces{t: x, at: 30_000, step: 4000}
	second, err := Count(rest, parentsOf(n))
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Merge(second); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(whole.tables, first.tables) {
		t.Error("halves do not merge to the whole")
	}
	m, err := whole.Fit(Prior{})
	if err != nil {
		t.Fatal(err)
	}
	for v := range n.Nodes() {
		for i, p := range n.Nodes()[v].Table {
			if got := m.Nodes()[v].Table[i]; math.Abs(got-p) > 0.05 {
				t.Errorf("field %d: P = %v, want %v", v, got, p)
			}
		}
	}
}

// TestPriors works the three estimates out by hand: 2 and 1 of three levels under one configuration, none under the
// other.
func TestPriors(t *testing.T) {
	s := &table.Schema{Fields: []table.Field{{Name: "a", Levels: []string{"x", "y"}}, {Name: "b", Levels: []string{"p", "q", "r"}}}}
	x := table.New(s, 5)
	copy(x.Columns[0].Codes, []int32{0, 0, 0, 0, -1})
	copy(x.Columns[1].Codes, []int32{1, 1, 2, -1, 0})
	c, err := Count(&pieces{t: x, step: 2}, [][]int{nil, {0}})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		p    Prior
		want []float64
	}{
		{Prior{}, []float64{0, 2.0 / 3, 1.0 / 3, 1.0 / 3, 1.0 / 3, 1.0 / 3}},
		{Prior{Cell: 1}, []float64{1.0 / 6, 3.0 / 6, 2.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 3}},
		{Prior{Sample: 12}, []float64{2.0 / 9, 4.0 / 9, 3.0 / 9, 1.0 / 3, 1.0 / 3, 1.0 / 3}}, // 12/6 a cell
	} {
		n, err := c.Fit(k.p)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range k.want {
			if got := n.Nodes()[1].Table[i]; math.Abs(got-want) > 1e-15 {
				t.Errorf("%+v: cell %d is %v, want %v", k.p, i, got, want)
			}
		}
	}
	for _, p := range []Prior{{Cell: -1}, {Sample: math.NaN()}, {Cell: 1, Sample: 1}, {Cell: math.Inf(1)}} {
		if _, err := c.Fit(p); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// TestLines recovers a conditional Gaussian network from rows that it made, and a line without noise exactly.
func TestLines(t *testing.T) {
	s := &table.Schema{Fields: []table.Field{
		{Name: "class", Levels: []string{"a", "b"}}, {Name: "x", Kind: table.Numeric, Min: 990, Max: 1010},
		{Name: "y", Kind: table.Numeric, Min: -5000, Max: 5000},
	}}
	n, err := bayesnet.New(s, []bayesnet.Node{
		{Table: []float64{0.3, 0.7}},
		{Parents: []int{0}, Mean: []float64{1000, 1001}, Variance: []float64{1, 4}},
		{Parents: []int{1, 0}, Mean: []float64{5, -3}, Weights: []float64{2, -1}, Variance: []float64{0.25, 9}},
	})
	if err != nil {
		t.Fatal(err)
	}
	x := sample(t, n, 200_000, 3)
	c, err := Count(&pieces{t: x, step: 1000}, parentsOf(n))
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Fit(Prior{})
	if err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want []float64, limit float64) {
		for i := range want {
			if math.Abs(got[i]-want[i]) > limit {
				t.Errorf("%s %d is %v, want %v", what, i, got[i], want[i])
			}
		}
	}
	near("mean", m.Nodes()[1].Mean, n.Nodes()[1].Mean, 0.02)
	near("variance", m.Nodes()[1].Variance, n.Nodes()[1].Variance, 0.05)
	near("weight", m.Nodes()[2].Weights, n.Nodes()[2].Weights, 0.01)
	near("noise", m.Nodes()[2].Variance, n.Nodes()[2].Variance, 0.1)
	line := table.New(s, 100)
	for i := range line.Rows {
		line.Columns[0].Codes[i] = int32(i % 2)
		line.Columns[1].Numbers[i] = 995 + 0.1*float64(i)
		line.Columns[2].Numbers[i] = 3*line.Columns[1].Numbers[i] - 7
	}
	c, err = Count(&pieces{t: line, step: 100}, parentsOf(n))
	if err != nil {
		t.Fatal(err)
	}
	if m, err = c.Fit(Prior{}); err != nil {
		t.Fatal(err)
	}
	near("exact weight", m.Nodes()[2].Weights, []float64{3, 3}, 1e-10)
	near("exact mean", m.Nodes()[2].Mean, []float64{-7, -7}, 1e-6)
}

// TestEMIsMonotone hides cells at random: the likelihood never falls, and what is learned is nearer to the truth than
// the start. With a chain of many levels rows go through the junction tree, with the same result.
func TestEMIsMonotone(t *testing.T) {
	for _, name := range []string{"asia", "earthquake", "sprinkler"} {
		n := load(t, name)
		x := sample(t, n, 3000, 5)
		u := make([]float64, x.Rows)
		for v := range x.Columns {
			rng.New(77).Uniform64(u, uint64(v), 0, rng.Drop)
			for i := range u {
				if u[i] < 0.25 {
					x.Columns[v].Codes[i] = table.Missing
				}
			}
		}
		for _, p := range []Prior{{}, {Cell: 0.5}, {Sample: 10}} {
			c, err := Count(&pieces{t: x, step: 500}, parentsOf(n))
			if err != nil {
				t.Fatal(err)
			}
			start, err := c.Fit(Prior{Cell: 20})
			if err != nil {
				t.Fatal(err)
			}
			m, trace, err := EM(x, start, EMOptions{Prior: p, Rounds: 30})
			if err != nil {
				t.Fatal(err)
			}
			for i := 1; i < len(trace); i++ {
				if trace[i] < trace[i-1]-1e-9*math.Abs(trace[i]) {
					t.Errorf("%s, %+v: round %d falls from %v to %v", name, p, i, trace[i-1], trace[i])
				}
			}
			if len(trace) < 3 || trace[len(trace)-1] <= trace[0] {
				t.Errorf("%s, %+v: trace %v", name, p, trace)
			}
			score, before := make([]float64, x.Rows), make([]float64, x.Rows)
			if err := errors.Join(m.Score(score, x), start.Score(before, x)); err != nil {
				t.Fatal(err)
			}
			var sum float64
			for i := range score {
				sum += score[i] - before[i]
			}
			if p == (Prior{}) && sum <= 0 {
				t.Errorf("%s: the known cells' likelihood falls by %v", name, -sum)
			}
		}
	}
}

// TestEMByTree compares the two ways to expect: by filling, and by the junction tree.
func TestEMByTree(t *testing.T) {
	n := load(t, "asia")
	x := sample(t, n, 200, 8)
	u := make([]float64, x.Rows)
	for v := range x.Columns {
		rng.New(1).Uniform64(u, uint64(v), 0, rng.Drop)
		for i := range u {
			if u[i] < 0.4 {
				x.Columns[v].Codes[i] = table.Missing
			}
		}
	}
	patterns, err := patternsOf("test", x, n)
	if err != nil {
		t.Fatal(err)
	}
	a, b := newExpectation(n), newExpectation(n)
	for i := range patterns {
		one, err := a.add(&patterns[i])
		if err != nil {
			t.Fatal(err)
		}
		two, err := b.addTree(&patterns[i])
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(one-two) > 1e-9 {
			t.Fatalf("pattern %d has %v and %v", i, one, two)
		}
	}
	for v := range a.counts {
		for i := range a.counts[v] {
			if math.Abs(a.counts[v][i]-b.counts[v][i]) > 1e-9 {
				t.Errorf("field %d, cell %d: %v and %v", v, i, a.counts[v][i], b.counts[v][i])
			}
		}
	}
}

// TestPrivateNoise: the noise is two-sided geometric with the ratio e^(-epsilon/2F), by a chi-square test against its
// probabilities, and has mean zero.
func TestPrivateNoise(t *testing.T) {
	const F, epsilon, cells = 4, 2.0, 100_000
	a := math.Exp(-epsilon / (2 * F))
	u := make([]float64, cells)
	rng.New(3).Uniform64(u, 0, 0, rng.Noise)
	const reach = 15
	counts := make([]float64, 2*reach+1)
	var sum float64
	for _, x := range u {
		k := geometric(x, epsilon/(2*F))
		sum += float64(k)
		counts[max(-reach, min(reach, k))+reach]++
	}
	var chi float64
	for i, c := range counts {
		k := math.Abs(float64(i - reach))
		p := (1 - a) / (1 + a) * math.Pow(a, k)
		if k == reach {
			p = math.Pow(a, k) / (1 + a)
		}
		chi += (c - p*cells) * (c - p*cells) / (p * cells)
	}
	if p := special.ChiSquareTail(chi, 2*reach); p < 1e-3 {
		t.Errorf("the noise is not geometric: chi-square %v, p %v", chi, p)
	}
	deviation := math.Sqrt(2*a) / (1 - a)
	if math.Abs(sum/cells) > 4*deviation/math.Sqrt(cells) {
		t.Errorf("the noise has mean %v", sum/cells)
	}
	for _, c := range []struct {
		u    float64
		want int64
	}{{0.5, 0}, {0, -147}, {1 - 0x1p-53, 144}} { // the ends of 53 bits
		if got := geometric(c.u, epsilon/(2*F)); math.Abs(float64(got-c.want)) > 3 {
			t.Errorf("geometric(%v) = %d, want about %d", c.u, got, c.want)
		}
	}
}

// TestSensitivity replaces single rows: the L1 distance of all counts is at most 2 F, and reaches it.
func TestSensitivity(t *testing.T) {
	n := load(t, "asia")
	x := sample(t, n, 50, 1)
	F := len(n.Nodes())
	base, err := Count(&pieces{t: x, step: 50}, parentsOf(n))
	if err != nil {
		t.Fatal(err)
	}
	var most int64
	for i := range x.Rows {
		old := make([]int32, F)
		for v := range F {
			old[v] = x.Columns[v].Codes[i]
			x.Columns[v].Codes[i] = 1 - old[v]
		}
		other, err := Count(&pieces{t: x, step: 50}, parentsOf(n))
		if err != nil {
			t.Fatal(err)
		}
		var distance int64
		for v := range F {
			x.Columns[v].Codes[i] = old[v]
			for k := range base.tables[v] {
				d := base.tables[v][k] - other.tables[v][k]
				distance += max(d, -d)
			}
		}
		most = max(most, distance)
	}
	if most != int64(2*F) {
		t.Errorf("the sensitivity is %d, want %d", most, 2*F)
	}
}

// TestPrivate: epsilon is checked, stored with the model, and the tables come near the truth as it grows.
func TestPrivate(t *testing.T) {
	n := load(t, "asia")
	x := sample(t, n, 20_000, 1)
	c, err := Count(&pieces{t: x, step: 5000}, parentsOf(n))
	if err != nil {
		t.Fatal(err)
	}
	for _, epsilon := range []float64{0, -1, math.NaN(), math.Inf(1), MaxEpsilon * 2} {
		if _, err := c.Private(epsilon, rng.New(1)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("epsilon %v: %v", epsilon, err)
		}
	}
	one, err := Secret()
	if err != nil {
		t.Fatal(err)
	}
	if two, err := Secret(); err != nil || one == two {
		t.Errorf("two secrets are the same: %v", err)
	}
	last := math.Inf(1)
	for _, epsilon := range []float64{0.05, 1, 100} {
		p, err := c.Private(epsilon, rng.New(4))
		if err != nil {
			t.Fatal(err)
		}
		m, err := p.Fit(Prior{})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := m.Privacy(); !ok || got.Epsilon() != epsilon {
			t.Errorf("the model says epsilon %v", got)
		}
		text, err := m.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back bayesnet.Network
		if err := back.UnmarshalJSON(text); err != nil {
			t.Fatal(err)
		}
		if got, ok := back.Privacy(); !ok || got.Epsilon() != epsilon {
			t.Errorf("the stored model says epsilon %v", got)
		}
		var worst float64
		for v := range n.Nodes() {
			for q := 0; q < len(n.Nodes()[v].Table); q += 2 {
				if c.tables[v][q]+c.tables[v][q+1] > 1000 {
					worst = max(worst, math.Abs(m.Nodes()[v].Table[q]-n.Nodes()[v].Table[q]))
				}
			}
		}
		if worst > last+0.01 {
			t.Errorf("epsilon %v: off by %v, a smaller one by %v", epsilon, worst, last)
		}
		last = worst
		if _, err := p.Private(1, rng.New(4)); err == nil {
			t.Error("noise twice")
		}
	}
	if last > 0.05 {
		t.Errorf("at epsilon 100 a probability is off by %v", last)
	}
}

// TestDigest: what is fitted has the same bits on every processor.
func TestDigest(t *testing.T) {
	n := load(t, "asia")
	x := sample(t, n, 500, 8)
	for i := range 100 {
		x.Columns[i%8].Codes[i] = table.Missing
	}
	c, err := Count(&pieces{t: x, step: 100}, parentsOf(n))
	if err != nil {
		t.Fatal(err)
	}
	start, err := c.Fit(Prior{Sample: 3})
	if err != nil {
		t.Fatal(err)
	}
	m, trace, err := EM(x, start, EMOptions{Rounds: 5, Prior: Prior{Cell: 0.1}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Private(1, rng.New(6))
	if err != nil {
		t.Fatal(err)
	}
	noisy, err := p.Fit(Prior{Cell: 1})
	if err != nil {
		t.Fatal(err)
	}
	lines := moment{n: 7, product: []float64{7, 0, 0, 3.1, 9.7, 0, -2.2, 5.3, 11.9}}
	l := lines.line(3)
	sum := uint64(0)
	add := func(list []float64) {
		for _, v := range list {
			sum = sum*0x100000001b3 ^ math.Float64bits(v)
		}
	}
	for v := range n.Nodes() {
		add(m.Nodes()[v].Table)
		add(noisy.Nodes()[v].Table)
	}
	add(trace)
	add([]float64{l.mean, l.weights[0], l.variance})
	if got := fmt.Sprintf("%016x", sum); got != "8c7019e100f5d1cd" {
		t.Errorf("digest %s", got)
	}
}
