package markov

import (
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/manifold-gen/manifold/services/lm/internal/linear"
	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

var _ model.Transitions = (*Chain)(nil)
var _ model.Model = (*Language)(nil)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

func names(n int) []string {
	l := make([]string, n)
	for i := range l {
		l[i] = strconv.Itoa(i)
	}
	return l
}

func must(t testing.TB, start, p []float64) *Chain {
	t.Helper()
	c, err := New(names(int(math.Sqrt(float64(len(p))))), start, p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// random is an irreducible chain of n states, about a third of whose transitions are impossible.
func random(t testing.TB, n int, sample uint64) *Chain {
	p := make([]float64, n*n)
	rng.New(3).Uniform64(p, sample, 0, rng.General)
	for i := range n {
		for j := range n {
			if p[i*n+j] < 0.33 && j != (i+1)%n {
				p[i*n+j] = 0
			}
		}
		share(p[i*n : i*n+n])
	}
	return must(t, nil, p)
}

func near(t testing.TB, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*max(1, math.Abs(want))) && got != want {
		t.Errorf("%s is %.17g, want %.17g", what, got, want)
	}
}

// ruin is the gambler's: states 0 to n-1, one step up with probability p, ends absorbing.
func ruin(t testing.TB, n int, p float64) *Chain {
	m := make([]float64, n*n)
	m[0], m[n*n-1] = 1, 1
	for i := 1; i < n-1; i++ {
		m[i*n+i+1], m[i*n+i-1] = p, 1-p
	}
	return must(t, nil, m)
}

// TestGamblersRuin has the closed forms of Norris, 1.3, and of Feller, XIV.
func TestGamblersRuin(t *testing.T) {
	for _, p := range []float64{0.5, 0.6, 0.3} {
		const n = 11
		c := ruin(t, n, p)
		a, err := c.Analyse()
		if err != nil {
			t.Fatal(err)
		}
		h, err := c.Hit([]int{0})
		if err != nil {
			t.Fatal(err)
		}
		ends, err := c.Hit([]int{0, n - 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Recurrent) != 2 || a.Irreducible || len(a.Absorption.Transient) != n-2 {
			t.Fatalf("%+v", a)
		}
		r := (1 - p) / p
		for i := 1; i < n-1; i++ {
			k := float64(i)
			win := k / (n - 1)
			steps := k * (n - 1 - k)
			if p != 0.5 {
				win = (1 - math.Pow(r, k)) / (1 - math.Pow(r, n-1))
				steps = (k - (n-1)*win) / (1 - 2*p)
			}
			near(t, "probability of ruin", h.Probability[i], 1-win, 1e-12)
			near(t, "probability of ruin by absorption", a.Absorption.Probability[(i-1)*2], 1-win, 1e-12)
			near(t, "steps", a.Absorption.Steps[i-1], steps, 1e-12)
			near(t, "steps", ends.Steps[i], steps, 1e-12)
			if ends.Probability[i] != 1 || !math.IsInf(h.Steps[i], 1) {
				t.Errorf("from %d: %v and %v", i, ends.Probability[i], h.Steps[i])
			}
		}
		if h.Probability[n-1] != 0 || !math.IsInf(h.Steps[n-1], 1) || h.Steps[0] != 0 {
			t.Errorf("%v %v", h.Probability, h.Steps)
		}
	}
}

// TestIdentities: pi P = pi, (I-Q) N = I, Kemeny's constant is one, passage times and their equation, Z.
func TestIdentities(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 60} {
		c := random(t, n, uint64(n))
		a, err := c.Analyse()
		if err != nil {
			t.Fatal(err)
		}
		r := a.Recurrent[0]
		sum := 0.0
		for j, v := range linear.Multiply(r.Stationary, c.p, 1, n, n) {
			near(t, "pi P", v, r.Stationary[j], 1e-15)
			near(t, "the limit", a.Limit[j], r.Stationary[j], 1e-15)
			sum += v
		}
		near(t, "the sum of pi", sum, 1, 1e-14)
		m, err := c.Passage(a.Classes[0])
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			k := 0.0
			for j := range n {
				if i != j {
					k += m[i*n+j] * r.Stationary[j]
				}
				// m_ij = 1 + sum over l != j of P_il m_lj
				e := 1.0
				for l := range n {
					if l != j {
						e += c.p[i*n+l] * m[l*n+j]
					}
				}
				near(t, "a passage time", m[i*n+j], e, 1e-12)
			}
			near(t, "Kemeny's constant from "+strconv.Itoa(i), k, r.Kemeny, 1e-12)
		}
		h, err := c.Hit([]int{n - 1})
		if err != nil {
			t.Fatal(err)
		}
		for i := range n - 1 {
			near(t, "a hitting time", h.Steps[i], m[i*n+n-1], 1e-12)
		}
		far, err := c.After(nil, 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		for j := range far {
			near(t, "the distribution after a million steps", far[j], r.Stationary[j], 1e-11)
		}
		if r.Second < 1 && r.Mixing > 0 {
			checkMixing(t, c, r)
		}
	}
	// Transient states: a random chain with a way out of it.
	c := random(t, 20, 5)
	const n = 22
	p := make([]float64, n*n)
	for i := range 20 {
		for j := range 20 {
			p[i*n+j] = c.p[i*20+j] * 0.99
		}
		p[i*n+20+i%2] = 0.01
	}
	p[20*n+20], p[21*n+21] = 1, 1
	for i := range 20 {
		share(p[i*n : i*n+n])
	}
	c = must(t, nil, p)
	a, err := c.Absorb()
	if err != nil {
		t.Fatal(err)
	}
	m := len(a.Transient)
	id := linear.Multiply(c.minus(a.Transient), a.Visits, m, m, m)
	for i := range m {
		sum := 0.0
		for j := range m {
			e := 0.0
			if i == j {
				e = 1
			}
			near(t, "(I-Q) N", id[i*m+j], e, 1e-12)
			sum += a.Visits[i*m+j]
		}
		near(t, "N 1", sum, a.Steps[i], 1e-12)
		near(t, "all ends", a.Probability[2*i]+a.Probability[2*i+1], 1, 1e-12)
	}
}

func checkMixing(t *testing.T, c *Chain, r Recurrent) {
	worst := func(n int64) float64 {
		d := 0.0
		for i := range c.n() {
			e := make([]float64, c.n())
			e[i] = 1
			p, err := c.After(e, n)
			if err != nil {
				t.Fatal(err)
			}
			v := 0.0
			for j := range p {
				v += math.Abs(p[j]-r.Stationary[j]) / 2
			}
			d = max(d, v)
		}
		return d
	}
	if worst(r.Mixing) > 0.25 || worst(r.Mixing-1) <= 0.25 {
		t.Errorf("mixing in %d steps: %v there, %v one before", r.Mixing, worst(r.Mixing), worst(r.Mixing-1))
	}
}

// TestTwoStates has everything in closed form.
func TestTwoStates(t *testing.T) {
	const a, b = 0.3, 0.1
	c := must(t, []float64{1, 0}, []float64{1 - a, a, b, 1 - b})
	an, err := c.Analyse()
	if err != nil {
		t.Fatal(err)
	}
	r := an.Recurrent[0]
	near(t, "pi", r.Stationary[0], b/(a+b), 1e-15)
	near(t, "the second eigenvalue", r.Second, 1-a-b, 1e-14)
	near(t, "the relaxation time", r.Relaxation, 1/(a+b), 1e-13)
	near(t, "Kemeny's constant", r.Kemeny, 1/(a+b), 1e-14)
	h := func(p float64) float64 { return -p*math.Log(p) - (1-p)*math.Log(1-p) }
	near(t, "the entropy rate", r.EntropyRate, b/(a+b)*h(a)+a/(a+b)*h(b), 1e-14)
	if !r.Reversible || !an.Aperiodic || len(an.Notes) != 0 {
		t.Errorf("%+v", an)
	}
	for _, n := range []int64{0, 1, 5, 9, 50} {
		d, err := c.After(nil, n)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "the distribution", d[0], b/(a+b)+a/(a+b)*math.Pow(1-a-b, float64(n)), 1e-14)
	}
}

// TestPeriodsAndClasses: a ring, two rings, Ehrenfest's urns (period 2, binomial, reversible), and a walk that turns
// one way only (not reversible).
func TestPeriodsAndClasses(t *testing.T) {
	ring := must(t, []float64{1, 0, 0}, []float64{0, 1, 0, 0, 0, 1, 1, 0, 0})
	a, err := ring.Analyse()
	if err != nil {
		t.Fatal(err)
	}
	r := a.Recurrent[0]
	if a.Classes[0].Period != 3 || a.Aperiodic || r.Mixing != -1 || r.Second != 1 || !math.IsInf(r.Relaxation, 1) ||
		r.Reversible || len(a.Notes) != 1 || r.EntropyRate != 0 {
		t.Errorf("%+v", a)
	}
	near(t, "pi", r.Stationary[1], 1.0/3, 1e-15)
	const n = 9
	p := make([]float64, n*n)
	for i := range n {
		if i > 0 {
			p[i*n+i-1] = float64(i) / (n - 1)
		}
		if i < n-1 {
			p[i*n+i+1] = 1 - float64(i)/(n-1)
		}
	}
	a, err = must(t, nil, p).Analyse()
	if err != nil {
		t.Fatal(err)
	}
	if r := a.Recurrent[0]; a.Classes[0].Period != 2 || !r.Reversible {
		t.Errorf("%+v", a)
	}
	binomial := 1.0
	for i := range n {
		near(t, "a binomial", a.Recurrent[0].Stationary[i], binomial/256, 1e-15)
		binomial = binomial * float64(n-1-i) / float64(i+1)
	}
	// 0 -> {1,2} or 3; 1 <-> 2 closed; 3 closed; 4 -> 4 or 0.
	two := must(t, []float64{0, 0, 0, 0, 1}, []float64{
		0, .25, 0, .75, 0,
		0, 0, 1, 0, 0,
		0, 1, 0, 0, 0,
		0, 0, 0, 1, 0,
		.5, 0, 0, 0, .5,
	})
	a, err = two.Analyse()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]int{{0}, {1, 2}, {3}, {4}}
	for i, c := range a.Classes {
		if !slices.Equal(c.States, want[i]) || c.Closed != (i == 1 || i == 2) || c.Period != []int{0, 2, 1, 1}[i] {
			t.Errorf("class %d is %+v", i, c)
		}
	}
	for i, v := range []float64{0, .125, .125, .75, 0} {
		near(t, "the limit", a.Limit[i], v, 1e-15)
	}
	near(t, "steps from 4", a.Absorption.Steps[1], 3, 1e-15)
	near(t, "their variance", a.Absorption.Variance[1], 2, 1e-14)
}

func TestFit(t *testing.T) {
	c, err := Fit([]string{"a", "b"}, [][]int32{{0, 0, 1, 0, 1}, {1}}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range []float64{1.0 / 3, 2.0 / 3, 1, 0} {
		near(t, "a frequency", c.p[i], v, 0)
	}
	near(t, "the start", c.start[1], 0.5, 0)
	c, err = Fit([]string{"a", "b"}, [][]int32{{0, 0, 1, 0, 1}, {1}}, Config{Order: 2, Dead: Restart})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.names, []string{"a a", "a b", "b a"}) || len(c.Unseen) != 0 {
		t.Errorf("%q %v", c.names, c.Unseen)
	}
	c, err = Fit([]string{"a", "b", "c"}, [][]int32{{0, 1}}, Config{Smoothing: 1})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "a smoothed frequency", c.p[1], 0.5, 1e-15)
	near(t, "a smoothed frequency", c.p[8], 1.0/3, 1e-15)
	for _, d := range []Dead{Absorb, Restart, Uniform} {
		c, err = Fit([]string{"a", "b"}, [][]int32{{0, 1}}, Config{Dead: d})
		if err != nil || !slices.Equal(c.Unseen, []int{1}) {
			t.Fatal(err, c.Unseen)
		}
		near(t, "the way on", c.p[3], []float64{1, 0, 0.5}[d], 0)
	}
	// Maximum likelihood: the frequencies of a long walk come near its chain.
	truth := random(t, 5, 77)
	w, err := truth.Walker().Walk(rng.New(1), 0, -1, 200_000)
	if err != nil {
		t.Fatal(err)
	}
	c, err = Fit(names(5), [][]int32{w}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.p {
		if math.Abs(c.p[i]-truth.p[i]) > 0.01 || truth.p[i] == 0 && c.p[i] != 0 {
			t.Errorf("transition %d: %v, want %v", i, c.p[i], truth.p[i])
		}
	}
	short, err := truth.Walker().Walk(rng.New(1), 0, -1, 5000)
	if err != nil || !slices.Equal(short, w[:5000]) {
		t.Error("a longer walk begins in another way", err)
	}
}

func TestBadInput(t *testing.T) {
	if _, err := New(nil, nil, nil); err == nil {
		t.Error("a chain of no states")
	}
	for _, p := range [][]float64{{1}, {1, 0, 0.5, 0.4}, {2, -1, 0, 1}, {math.NaN(), 1, 0, 1}, {math.Inf(1), 0, 0, 1}} {
		if _, err := New(names(2), nil, p); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v: %v", p, err)
		}
	}
	if _, err := New([]string{"a", "a"}, nil, []float64{1, 0, 0, 1}); err == nil {
		t.Error("one name twice")
	}
	c := ruin(t, 4, 0.5)
	for _, s := range [][]int{nil, {-1}, {4}} {
		if _, err := c.Hit(s); err == nil {
			t.Errorf("%v was reached", s)
		}
	}
	if _, err := c.After(nil, -1); err == nil {
		t.Error("-1 steps")
	}
	if _, err := c.Passage(Class{States: []int{1, 2}}); err == nil {
		t.Error("passage among transient states")
	}
	if _, err := Fit(names(20), nil, Config{Order: 3, Smoothing: 1}); err == nil {
		t.Error("8000 states")
	}
	if _, err := Fit(names(2), [][]int32{{2}}, Config{}); err == nil {
		t.Error("a state that is none")
	}
	if _, err := Fit(names(2), nil, Config{}); err == nil {
		t.Error("no data")
	}
}

func TestStore(t *testing.T) {
	c := random(t, 7, 1)
	data, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	d, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.p, d.p) || !slices.Equal(c.start, d.start) || !slices.Equal(c.names, d.names) {
		t.Error("a chain comes back as another")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"states":["a"],"start":[1],"matrix":[1]}`))
	f.Add([]byte(`{"order":1,"shorten":true,"keys":"AAEAAAAA","first":[0,1,2],"next":[0,1],"counts":[1,1]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := Decode(data); err == nil {
			if _, err := c.Analyse(); err != nil && fault.KindOf(err) != fault.Invalid {
				t.Error(err)
			}
		} else if fault.KindOf(err) != fault.Corrupt {
			t.Error(err)
		}
		m, err := DecodeLanguage(letters(3), data)
		if err != nil {
			return
		}
		row := make([]float64, 4)
		if err := m.Step([]model.Context{m.Open()}, [][]int32{{0, 1}}, [][]float64{row}); err != nil && m.unseen == Shorten {
			t.Error(err)
		}
	})
}
