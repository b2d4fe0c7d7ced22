package hmm

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

var _ model.Model = (*Predictor)(nil)
var _ model.Transitions = (*Model)(nil)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

// kinds are all kinds of emissions for n states.
func kinds(t testing.TB, n int) map[string]Emission {
	t.Helper()
	d := &draws{s: rng.New(11), sample: uint64(n)}
	made := func(e Emission, err error) Emission {
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	fill := func(k int, lo, width float64) []float64 {
		l := make([]float64, k)
		for i := range l {
			l[i] = lo + float64(width*d.uniform())
		}
		return l
	}
	full := make([]float64, 0, n*2*4)
	for range n * 2 {
		a, c := 0.5+d.uniform(), 0.5+d.uniform()
		b := float64(0.8 * (d.uniform() - 0.5))
		full = append(full, a, b, b, c)
	}
	b, w := fill(n*5, 1, 0), fill(n*2, 1, 0)
	d.scatter(b, 5)
	d.scatter(w, 2)
	return map[string]Emission{
		"categorical":  made(keep(NewCategorical(n, b))),
		"gaussian":     made(keep(NewGaussian(n, 1, 2, nil, fill(n*2, -3, 6), fill(n*2, 0.3, 1), false))),
		"full":         made(keep(NewGaussian(n, 1, 2, nil, fill(n*2, -3, 6), full[:n*4], true))),
		"mixture":      made(keep(NewGaussian(n, 2, 2, w, fill(n*4, -3, 6), fill(n*4, 0.3, 1), false))),
		"mixture full": made(keep(NewGaussian(n, 2, 2, w, fill(n*4, -3, 6), full, true))),
		"poisson":      made(keep(NewPoisson(n, fill(n*2, 0.5, 9)))),
	}
}

// some1 is a model of n states, some of whose transitions are impossible.
func some1(t testing.TB, n int, e Emission) *Model {
	t.Helper()
	d := &draws{s: rng.New(12), sample: uint64(n)}
	start, trans := make([]float64, n), make([]float64, n*n)
	for i := range start {
		start[i] = 1
	}
	for i := range trans {
		if d.uniform() < 0.7 || i%n == i/n {
			trans[i] = 1
		}
	}
	d.scatter(start, n)
	d.scatter(trans, n)
	m, err := New(nil, start, trans, e)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func near(t testing.TB, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*max(1, math.Abs(want))) && got != want {
		t.Errorf("%s is %.17g, want %.17g", what, got, want)
	}
}

// TestEnumeration: every path of six steps of three states, one by one.
func TestEnumeration(t *testing.T) {
	const n, steps = 3, 6
	for name, e := range kinds(t, n) {
		m := some1(t, n, e)
		_, q, err := m.Sampler().Draw(rng.New(5), 0, steps)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]float64, steps*n)
		e.Log(b, q)
		sum, best, first := 0.0, math.Inf(-1), []int32(nil)
		gamma, xi := make([]float64, steps*n), make([]float64, n*n)
		for k := range 729 {
			path := make([]int32, steps)
			for t, v := 0, k; t < steps; t, v = t+1, v/n {
				path[t] = int32(v % n)
			}
			l := math.Log(m.start[path[0]])
			for t, s := range path {
				if t > 0 {
					l += math.Log(m.trans[int(path[t-1])*n+int(s)])
				}
				l += b[t*n+int(s)]
			}
			p := math.Exp(l)
			sum += p
			if l > best {
				best, first = l, path
			}
			for t, s := range path {
				gamma[t*n+int(s)] += p
				if t > 0 {
					xi[int(path[t-1])*n+int(s)] += p
				}
			}
		}
		for _, logs := range []bool{false, true} {
			pairs := make([]float64, n*n)
			g, ll, used, err := m.expect(q, pairs)
			if logs {
				clear(pairs)
				g, ll, err = m.expectLog(q, steps, pairs)
			}
			if err != nil || used {
				t.Fatal(err, used)
			}
			near(t, name+": the likelihood", ll, math.Log(sum), 1e-13)
			for i := range g {
				near(t, name+": a posterior", g[i], gamma[i]/sum, 1e-12)
			}
			for i := range pairs {
				near(t, name+": a number of transitions", pairs[i], xi[i]/sum, 1e-12)
			}
		}
		path, v, err := m.Viterbi(q)
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+": the best path", v, best, 1e-13)
		if !slices.Equal(path, first) {
			t.Errorf("%s: path %v, want %v", name, path, first)
		}
		alpha, ll, err := m.Filter(q)
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+": the filter's likelihood", ll, math.Log(sum), 1e-13)
		for j := range n {
			near(t, name+": the last filtered state", alpha[(steps-1)*n+j], gamma[(steps-1)*n+j]/sum, 1e-12)
		}
	}
}

// TestMonotone: training never lets the objective fall, with and without priors, and zero transitions stay zero.
func TestMonotone(t *testing.T) {
	for name, e := range kinds(t, 4) {
		truth := some1(t, 4, e)
		var data []Sequence
		for i := range 5 {
			_, q, err := truth.Sampler().Draw(rng.New(6), uint64(i), 60)
			if err != nil {
				t.Fatal(err)
			}
			data = append(data, q)
		}
		for _, p := range []Prior{{}, {Start: 0.5, Transition: 1, Emission: 0.3, Weight: 2, Covariance: 0.2,
			CovarianceCount: 3, RateCount: 2, RateSteps: 1}} {
			m, r, err := truth.Fit(t.Context(), data, Config{Prior: p, Fresh: true, Restarts: 1, Seed: 3, Iterations: 40})
			if err != nil {
				t.Fatal(name, err)
			}
			for i := 1; i < len(r.History); i++ {
				if r.History[i] < r.History[i-1]-1e-9*math.Abs(r.History[i-1]) {
					t.Errorf("%s: step %d: %v after %v", name, i, r.History[i], r.History[i-1])
				}
			}
			if len(r.History) < 5 || r.Logs > 0 {
				t.Errorf("%s: %d steps, %d by logarithms", name, len(r.History), r.Logs)
			}
			for i, v := range truth.trans {
				if v == 0 && m.trans[i] != 0 {
					t.Errorf("%s: transition %d is %v", name, i, m.trans[i])
				}
			}
			ll := 0.0
			for _, q := range data {
				l, err := m.LogLikelihood(q)
				if err != nil {
					t.Fatal(err)
				}
				ll += l
			}
			near(t, name+": the likelihood", ll, r.LogLikelihood, 1e-12)
			near(t, name+": AIC", r.AIC, 2*float64(r.Parameters)-2*ll, 1e-12)
			near(t, name+": BIC", r.BIC, math.Log(300)*float64(r.Parameters)-2*ll, 1e-12)
		}
	}
}

// TestFallback: the observation is explained best by a state that cannot be there, so far that the others vanish.
func TestFallback(t *testing.T) {
	g, err := NewGaussian(2, 1, 1, nil, []float64{0, 100}, []float64{1, 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(nil, []float64{1, 0}, []float64{1, 0, 0, 1}, g)
	if err != nil {
		t.Fatal(err)
	}
	q := Sequence{Values: []float64{0, 100, 1}}
	if _, ok := m.forward(q, 3); ok {
		t.Error("the scaled pass went through")
	}
	gamma, ll, err := m.Posterior(q)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "the likelihood", ll, -1.5*math.Log(2*math.Pi)-5000-0.5, 1e-14)
	if !slices.Equal(gamma, []float64{1, 0, 1, 0, 1, 0}) {
		t.Errorf("%v", gamma)
	}
	if path, _, err := m.Viterbi(q); err != nil || !slices.Equal(path, []int32{0, 0, 0}) {
		t.Errorf("%v %v", path, err)
	}
	if p, err := m.Decode(q); err != nil || !slices.Equal(p, []int32{0, 0, 0}) {
		t.Errorf("%v %v", p, err)
	}
	if p, err := m.Predict(q, 2); err != nil || p[0] != 1 {
		t.Errorf("%v %v", p, err)
	}
	_, r, err := m.Fit(t.Context(), []Sequence{q}, Config{Iterations: 1})
	if err != nil || r.Logs != 0 && r.Logs != 1 {
		t.Errorf("%+v %v", r, err)
	}
}

func reason(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Reason
	}
	return fmt.Sprint(err)
}

func TestBadInput(t *testing.T) {
	b, err := NewCategorical(2, []float64{1, 0, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(nil, []float64{1, 0}, []float64{1, 0, 0, 1}, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		q    Sequence
		want string
	}{
		{Sequence{Symbols: []int32{0, 0, 1}}, "IMPOSSIBLE_SEQUENCE"},
		{Sequence{Symbols: []int32{2}}, "UNKNOWN_SYMBOL"},
		{Sequence{Symbols: []int32{-1}}, "UNKNOWN_SYMBOL"},
		{Sequence{Values: []float64{1}}, "BAD_SEQUENCE"},
		{Sequence{}, "EMPTY_SEQUENCE"},
	} {
		_, err1 := m.LogLikelihood(c.q)
		_, _, err2 := m.Viterbi(c.q)
		_, _, err3 := m.Fit(t.Context(), []Sequence{c.q}, Config{})
		for _, err := range []error{err1, err2, err3} {
			if reason(err) != c.want {
				t.Errorf("%v: %v, want %s", c.q, err, c.want)
			}
		}
	}
	p, err := NewPoisson(1, []float64{2})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []float64{-1, 0.5, math.NaN(), math.Inf(1), 1e99} {
		if _, err := p.Steps(Sequence{Values: []float64{v}}); reason(err) != "BAD_SEQUENCE" {
			t.Errorf("%v: %v", v, err)
		}
	}
	for _, r := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := NewPoisson(1, []float64{r}); reason(err) != "BAD_EMISSION" {
			t.Errorf("rate %v: %v", r, err)
		}
	}
	for _, c := range [][]float64{{1, 2, 2, 1}, {1, 0.5, 0.4, 1}, {0, 0, 0, 1}, {math.NaN(), 0, 0, 1}} {
		if _, err := NewGaussian(1, 1, 2, nil, []float64{0, 0}, c, true); reason(err) != "BAD_EMISSION" {
			t.Errorf("%v: %v", c, err)
		}
	}
	if _, err := NewCategorical(2, []float64{1, 0, 0.5, 0.4}); reason(err) != "BAD_DISTRIBUTION" {
		t.Error(err)
	}
	if _, _, err := m.Fit(t.Context(), nil, Config{}); reason(err) != "NO_DATA" {
		t.Error(err)
	}
	if _, _, err := m.Sampler().Draw(rng.New(0), 0, -1); reason(err) != "BAD_STEPS" {
		t.Error(err)
	}
}

// TestOneValue: data of a single value give the floor's variance, not an infinite density.
func TestOneValue(t *testing.T) {
	for _, full := range []bool{false, true} {
		cov := []float64{1, 1}
		if full {
			cov = []float64{1, 0, 0, 1}
		}
		g, err := NewGaussian(1, 1, 2, nil, []float64{0, 0}, cov, full)
		if err != nil {
			t.Fatal(err)
		}
		m, err := New(nil, []float64{1}, []float64{1}, g)
		if err != nil {
			t.Fatal(err)
		}
		f, r, err := m.Fit(t.Context(), []Sequence{{Values: []float64{3, 4, 3, 4, 3, 4}}}, Config{})
		if err != nil {
			t.Fatal(err)
		}
		e := f.emit.(*Gaussian)
		if e.mean[0] != 3 || e.mean[1] != 4 || e.cov[0] > 2e-6 || math.IsInf(r.LogLikelihood, 0) {
			t.Errorf("%v %v %v", e.mean, e.cov, r.LogLikelihood)
		}
	}
}

// TestSupervised: frequencies of labelled data.
func TestSupervised(t *testing.T) {
	b, err := NewCategorical(2, []float64{0.5, 0.5, 0.5, 0.5})
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(nil, []float64{0.5, 0.5}, []float64{0.5, 0.5, 0.5, 0.5}, b)
	if err != nil {
		t.Fatal(err)
	}
	data := []Sequence{{Symbols: []int32{0, 0, 1}}, {Symbols: []int32{1, 1}}}
	f, err := m.Supervised(data, [][]int32{{0, 0, 1}, {1, 1}}, Prior{Transition: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.5, 0.5, 1.0 / 3, 2.0 / 3} {
		near(t, "a transition", f.trans[i], want, 1e-15)
	}
	near(t, "an emission", f.emit.(*Categorical).b[0], 1, 0)
	near(t, "a start", f.start[0], 0.5, 0)
}

// TestSampler: moments of long draws; longer draws begin as shorter ones.
func TestSampler(t *testing.T) {
	const n = 60_000
	for name, e := range kinds(t, 3) {
		m := some1(t, 3, e)
		states, q, err := m.Sampler().Draw(rng.New(8), 4, n)
		if err != nil {
			t.Fatal(err)
		}
		short, p, err := m.Sampler().Draw(rng.New(8), 4, 5000)
		if err != nil || !slices.Equal(short, states[:5000]) || !slices.Equal(p.Symbols, q.Symbols[:len(p.Symbols)]) ||
			!slices.Equal(p.Values, q.Values[:len(p.Values)]) {
			t.Error(name, "a longer draw begins in another way", err)
		}
		// What supervised counting finds in them is the model.
		f, err := m.Supervised([]Sequence{q}, [][]int32{states}, Prior{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.trans {
			near(t, name+": a transition", f.trans[i], m.trans[i], 0.02)
		}
		switch x := f.emit.(type) {
		case *Categorical:
			for i, v := range x.b {
				near(t, name+": a probability", v, e.(*Categorical).b[i], 0.02)
			}
		case *Poisson:
			for i, v := range x.rate {
				near(t, name+": a rate", v, e.(*Poisson).rate[i], 0.02)
			}
		case *Gaussian:
			if x.k == 1 {
				for i, v := range x.mean {
					near(t, name+": a mean", v, e.(*Gaussian).mean[i], 0.03)
				}
				for i, v := range x.cov {
					near(t, name+": a covariance", v, e.(*Gaussian).cov[i], 0.04)
				}
			}
		}
	}
	// Counts at rates small and large have their mean and variance.
	for _, rate := range []float64{0.3, 40, 5000} {
		p, err := NewPoisson(1, []float64{rate})
		if err != nil {
			t.Fatal(err)
		}
		sum, square := 0.0, 0.0
		u := make([]float64, 20_000)
		rng.New(9).Uniform64(u, 0, 0, rng.General)
		for _, v := range u {
			x := count(rate, p.logs[0], v)
			sum += x
			square += (x - rate) * (x - rate)
		}
		near(t, "a mean", sum/20_000/rate, 1, 0.02)
		near(t, "a variance", square/20_000/rate, 1, 0.05)
	}
}

// TestLogFactorial: both halves against package math.
func TestLogFactorial(t *testing.T) {
	for _, k := range []float64{0, 1, 2, 10, 255, 256, 257, 1000, 1e6, 1e12} {
		want, _ := math.Lgamma(k + 1)
		near(t, "ln k!", logFactorial(k), want, 1e-14)
	}
}

func TestStore(t *testing.T) {
	for name, e := range kinds(t, 3) {
		m := some1(t, 3, e)
		data, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		d, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := d.Encode()
		if err != nil || string(again) != string(data) {
			t.Errorf("%s comes back as another: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range kinds(f, 2) {
		data, err := some1(f, 2, e).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			if fault.KindOf(err) != fault.Corrupt {
				t.Error(err)
			}
			return
		}
		_, q, err := m.Sampler().Draw(rng.New(1), 0, 5)
		if err != nil {
			t.Fatal(err)
		}
		if ll, err := m.LogLikelihood(q); err == nil && math.IsNaN(ll) {
			t.Error(ll)
		}
	})
}
