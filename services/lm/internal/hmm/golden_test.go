package hmm

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

type parameters struct {
	Start, Transition, Probabilities, Rates, Weights, Means, Covariances []float64
}

func (p parameters) model(t *testing.T, kind string) *Model {
	t.Helper()
	n := len(p.Start)
	var e Emission
	var err error
	switch kind {
	case "categorical":
		e, err = NewCategorical(n, p.Probabilities)
	case "poisson":
		e, err = NewPoisson(n, p.Rates)
	default:
		k := 1
		if p.Weights != nil {
			k = len(p.Weights) / n
		}
		e, err = NewGaussian(n, k, 2, p.Weights, p.Means, p.gaussians(kind), strings.HasSuffix(kind, "full"))
	}
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(nil, p.Start, p.Transition, e)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// gaussians are the covariances: hmmlearn gives the diagonal ones of single Gaussians as matrices.
func (p parameters) gaussians(kind string) []float64 {
	if kind != "gaussian-diag" {
		return p.Covariances
	}
	var l []float64
	for i := 0; i < len(p.Covariances); i += 4 {
		l = append(l, p.Covariances[i], p.Covariances[i+3])
	}
	return l
}

func close6(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if !(math.Abs(got[i]-want[i]) <= 1e-6*max(1, math.Abs(want[i]))) {
			t.Errorf("%s: %v at %d, want %v", what, got[i], i, want[i])
			return
		}
	}
}

// TestHmmlearn compares with tools/reference/hmm.py to 1e-6, by scaling and by logarithms.
func TestHmmlearn(t *testing.T) {
	text, err := os.ReadFile("testdata/hmmlearn.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Kind          string
			Lengths       []int
			Data          []float64
			Model         parameters
			LogLikelihood float64 `json:"log_likelihood"`
			Posterior     []float64
			Viterbi       float64
			Path          []int32
			AIC, BIC      float64
			Fits          []struct {
				Iterations    int
				Model         parameters
				LogLikelihood float64 `json:"log_likelihood"`
			}
		}
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) != 6 {
		t.Fatalf("%d cases", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		t.Run(c.Kind, func(t *testing.T) {
			m := c.Model.model(t, c.Kind)
			var data []Sequence
			width := len(c.Data) / (c.Lengths[0] + c.Lengths[1])
			at := 0
			for _, n := range c.Lengths {
				v := c.Data[at : at+n*width]
				at += n * width
				if c.Kind != "categorical" {
					data = append(data, Sequence{Values: v})
					continue
				}
				var q Sequence
				for _, x := range v {
					q.Symbols = append(q.Symbols, int32(x))
				}
				data = append(data, q)
			}
			var ll, logLL, best float64
			var posterior, logPosterior []float64
			var path []int32
			for i, q := range data {
				g, l, err := m.Posterior(q)
				if err != nil {
					t.Fatal(err)
				}
				posterior = append(posterior, g...)
				ll += l
				g, l, err = m.expectLog(q, c.Lengths[i], nil)
				if err != nil {
					t.Fatal(err)
				}
				logPosterior = append(logPosterior, g...)
				logLL += l
				p, v, err := m.Viterbi(q)
				if err != nil {
					t.Fatal(err)
				}
				path = append(path, p...)
				best += v
			}
			close6(t, "log-likelihood", []float64{ll, logLL, best}, []float64{c.LogLikelihood, c.LogLikelihood, c.Viterbi})
			close6(t, "posterior", posterior, c.Posterior)
			close6(t, "posterior by logarithms", logPosterior, c.Posterior)
			if !slices.Equal(path, c.Path) {
				t.Errorf("path %v, want %v", path, c.Path)
			}
			for _, f := range c.Fits {
				e, r, err := m.Fit(t.Context(), data, Config{Iterations: f.Iterations, Tolerance: 1e-300, Prior: Prior{Floor: 1e-12}})
				if err != nil {
					t.Fatal(err)
				}
				mixture := strings.HasPrefix(c.Kind, "mixture")
				if mixture && f.Iterations > 1 {
					continue // its covariances are about the means before the step
				}
				if !mixture {
					close6(t, "fitted log-likelihood", []float64{r.LogLikelihood}, []float64{f.LogLikelihood})
				}
				close6(t, "start", e.start, f.Model.Start)
				close6(t, "transitions", e.trans, f.Model.Transition)
				switch x := e.emit.(type) {
				case *Categorical:
					close6(t, "probabilities", x.b, f.Model.Probabilities)
				case *Poisson:
					close6(t, "rates", x.rate, f.Model.Rates)
				case *Gaussian:
					close6(t, "means", x.mean, f.Model.Means)
					want := f.Model.gaussians(c.Kind)
					if mixture {
						close6(t, "weights", x.weight, f.Model.Weights)
						want = centred(x, c.Model.Means, want)
					}
					close6(t, "covariances", x.cov, want)
				}
			}
			if c.Kind == "categorical" { // hmmlearn counts the transition that is zero as a parameter
				k := float64(m.Parameters() + 1)
				close6(t, "AIC and BIC", []float64{2*k - 2*ll, k*math.Log(100) - 2*ll}, []float64{c.AIC, c.BIC})
			}
		})
	}
}

// centred moves covariances about the old means to the new ones.
func centred(g *Gaussian, old, cov []float64) []float64 {
	l := slices.Clone(cov)
	w := g.width()
	for i := range l {
		c, a := i/w, i%w
		b := a
		if g.full {
			a, b = a/g.d, a%g.d
		}
		l[i] -= (g.mean[c*g.d+a] - old[c*g.d+a]) * (g.mean[c*g.d+b] - old[c*g.d+b])
	}
	return l
}

// TestUmbrella is the umbrella world of Russell and Norvig as Wikipedia's article on the forward-backward algorithm
// has it: rain stays with 0.7, an umbrella is taken with 0.9 in rain and 0.2 without, the first day is as likely wet
// as dry; umbrellas on days 1, 2, 4 and 5, none on day 3. hmmlearn's tests state -3.3725 and -4.4590.
func TestUmbrella(t *testing.T) {
	b, err := NewCategorical(2, []float64{0.9, 0.1, 0.2, 0.8})
	if err != nil {
		t.Fatal(err)
	}
	m, err := New([]string{"rain", "no rain"}, []float64{0.5, 0.5}, []float64{0.7, 0.3, 0.3, 0.7}, b)
	if err != nil {
		t.Fatal(err)
	}
	q := Sequence{Symbols: []int32{0, 0, 1, 0, 0}}
	gamma, ll, err := m.Posterior(q)
	if err != nil {
		t.Fatal(err)
	}
	path, best, err := m.Viterbi(q)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(ll+3.3725) > 5e-5 || math.Abs(best+4.4590) > 5e-5 || !slices.Equal(path, []int32{0, 0, 1, 0, 0}) {
		t.Errorf("%v %v %v", ll, best, path)
	}
	// The article's smoothed values.
	for i, want := range []float64{0.8673, 0.8204, 0.3075, 0.8204, 0.8673} {
		if math.Abs(gamma[2*i]-want) > 5e-5 {
			t.Errorf("day %d: rain with %v, want %v", i+1, gamma[2*i], want)
		}
	}
	// And its filtered ones: 0.8182, 0.8834, 0.1907, 0.7308, 0.8673.
	alpha, _, err := m.Filter(q)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.8182, 0.8834, 0.1907, 0.7308, 0.8673} {
		if math.Abs(alpha[2*i]-want) > 5e-5 {
			t.Errorf("day %d: rain with %v so far, want %v", i+1, alpha[2*i], want)
		}
	}
}
