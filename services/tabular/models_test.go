package tabular_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
)

func query(t *testing.T, c tabularv1.TabularServiceClient, r *tabularv1.QueryRequest) []float64 {
	t.Helper()
	a, err := c.Query(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]float64, len(a.GetCells()))
	for i, cell := range a.GetCells() {
		p[i] = cell.GetProbability()
	}
	return p
}

func near(a, b []float64, by float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Abs(x-y) <= by })
}

// TestTitanic: everybody aboard, as the inquiry of 1912 counted them.
func TestTitanic(t *testing.T) {
	c, _ := connect(t)
	yes := conditions(is("survived", "yes"))
	for _, w := range []struct {
		event, given []*tabularv1.Condition
		n, of        int64
	}{
		{yes, nil, 711, 2201}, {yes, conditions(is("sex", "female")), 344, 470},
		{conditions(is("sex", "female")), yes, 344, 711}, {yes, conditions(is("class", "first"), is("age", "child")), 6, 6},
		{yes, conditions(is("class", "first", "second", "third")), 499, 1316},
	} {
		if n, of := fraction(t, c, "titanic", w.event, w.given); n != w.n || of != w.of {
			t.Errorf("%v given %v: %d/%d, want %d/%d", w.event, w.given, n, of, w.n, w.of)
		}
	}
}

// TestSprinkler: seeing the sprinkler on tells about the clouds, setting it does not. By hand: P(cloudy) = 1/2,
// P(on | cloudy) = 0.1, P(on | clear) = 0.5, so P(cloudy | on) = 1/6.
func TestSprinkler(t *testing.T) {
	c, _ := connect(t)
	on := conditions(is("sprinkler", "on"))
	exact := []tabularv1.Method{tabularv1.Method_METHOD_UNSPECIFIED, tabularv1.Method_METHOD_ENUMERATION,
		tabularv1.Method_METHOD_VARIABLE_ELIMINATION, tabularv1.Method_METHOD_JUNCTION_TREE}
	for _, m := range exact {
		r := &tabularv1.QueryRequest{Model: "sprinkler", Targets: []string{"cloudy"}, Given: on, Method: m}
		if p := query(t, c, r); !near(p, []float64{5. / 6, 1. / 6}, 1e-12) {
			t.Errorf("%v sees %v", m, p)
		}
		r.Given, r.Do = nil, on
		if p := query(t, c, r); !near(p, []float64{0.5, 0.5}, 1e-12) {
			t.Errorf("%v sets %v", m, p)
		}
	}
	seed, samples := uint64(3), int32(200_000)
	for _, m := range []tabularv1.Method{tabularv1.Method_METHOD_LIKELIHOOD_WEIGHTING, tabularv1.Method_METHOD_GIBBS} {
		r := &tabularv1.QueryRequest{Model: "sprinkler", Targets: []string{"cloudy"}, Given: on, Method: m, Seed: &seed,
			Samples: &samples}
		a, err := c.Query(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if p := a.GetCells()[1]; math.Abs(p.GetProbability()-1./6) > 0.01 || a.GetExact() || p.StandardError == nil ||
			a.GetEffectiveSamples() <= 0 || a.GetSamples() != samples || a.GetAnswered().GetSeed() != seed {
			t.Errorf("%v: %v", m, a)
		}
	}
	n := int64(2000)
	made, _ := rows(t, c, &tabularv1.SampleRequest{Model: "sprinkler", N: &n, Seed: &seed, Do: on})
	cloudy := 0
	for _, r := range made {
		if r.GetValues()[0].GetCategory() == "yes" {
			cloudy++
		}
		if r.GetValues()[1].GetCategory() != "on" {
			t.Fatal("a row with the sprinkler off")
		}
	}
	if cloudy < 900 || cloudy > 1100 {
		t.Errorf("%d of 2000 rows are cloudy when the sprinkler was set", cloudy)
	}
}

// TestStructureAndBIF: the tables come out, and the file that comes out goes in again.
func TestStructureAndBIF(t *testing.T) {
	c, _ := connect(t)
	s, err := c.Structure(t.Context(), &tabularv1.StructureRequest{Model: "asia"})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.GetEdges()) != 8 || len(s.GetNodes()) != 8 || !strings.HasPrefix(s.GetBif(), "network") {
		t.Fatalf("%v", s)
	}
	for _, n := range s.GetNodes() {
		if n.GetField() == "dysp" && (len(n.GetParents()) != 2 || len(n.GetRows()) != 4 || len(n.GetRows()[0].GetGiven()) != 2) {
			t.Errorf("%v", n)
		}
	}
	text := "name: again\nfamily: tabular\narchitecture: bayes-net\nmodel:\n  bif: |\n    " +
		strings.ReplaceAll(strings.TrimSpace(s.GetBif()), "\n", "\n    ") + "\n"
	if _, err := c.Fit(t.Context(), &tabularv1.FitRequest{Recipe: text}); err != nil {
		t.Fatal(err)
	}
	again, err := c.Structure(t.Context(), &tabularv1.StructureRequest{Model: "again"})
	if err != nil || again.GetBif() != s.GetBif() {
		t.Errorf("the file changed, %v", err)
	}
}

// TestExplain: the contributions add up to the log-odds, and those to the prediction.
func TestExplain(t *testing.T) {
	c, _ := connect(t)
	req := &tabularv1.ExplainRequest{Model: "titanic-bayes", Rows: &tabularv1.Rows{Columns: []string{"sex", "class"},
		Rows: []*tabularv1.Row{row(word("female"), word("first")), row(word("male"),
			&tabularv1.Value{Kind: &tabularv1.Value_Missing{Missing: true}})}}}
	r, err := c.Explain(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if r.GetTarget() != "survived" || len(r.GetExplanations()) != 2 {
		t.Fatalf("%v", r)
	}
	for i, e := range r.GetExplanations() {
		k := slices.Index(r.GetLevels(), e.GetLevel())
		p := e.GetProbabilities()[k]
		var sum float64
		for _, x := range e.GetContributions() {
			sum += x.GetNats()
		}
		if math.Abs(sum-math.Log(p/(1-p))) > 1e-9 || math.Abs(sum-e.GetLogOdds()) > 1e-12 || e.GetPredicted() != e.GetLevel() {
			t.Errorf("row %d: %v", i, e)
		}
		if want := []int{3, 2}[i]; len(e.GetContributions()) != want || e.GetContributions()[0].GetField() != "" {
			t.Errorf("row %d has %d contributions", i, len(e.GetContributions()))
		}
	}
	// The same by asking the joint distribution.
	p := query(t, c, &tabularv1.QueryRequest{Model: "titanic-bayes", Targets: []string{"survived"},
		Given: conditions(is("sex", "female"), is("class", "first"))})
	if !near(p, r.GetExplanations()[0].GetProbabilities(), 1e-12) {
		t.Errorf("%v, asked %v", r.GetExplanations()[0].GetProbabilities(), p)
	}
	req.Level = "perhaps"
	_, err = c.Explain(t.Context(), req)
	bad{"an unknown level", err, faultOf(err).Kind, "UNKNOWN_LEVEL", `"yes"`}.check(t)
}

// TestReport: rows of the network that was learned are like the real ones; those of a wrong one are not.
func TestReport(t *testing.T) {
	c, _ := connect(t)
	seed := uint64(5)
	ask := func(model string) map[string]float64 {
		r, err := c.Report(t.Context(), &tabularv1.ReportRequest{Model: model, Seed: &seed,
			Real: &tabularv1.ReportRequest_DataSet{DataSet: "titanic-1912"}})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.GetFields()) != 4 || len(r.GetReal()) != 10 || len(r.GetSynthetic()) != 10 || r.GetTarget() != "survived" {
			t.Errorf("%s: %v", model, r)
		}
		all := map[string]float64{}
		for _, f := range r.GetFigures() {
			all[f.GetName()] = f.GetValue()
			if f.Baseline == nil || f.GetAgainst() == "" {
				t.Errorf("%v has nothing to be held against", f)
			}
		}
		return all
	}
	good := ask("titanic-network")
	pairs := "pairs of columns alike (1 - mean distance)"
	if good[pairs] < 0.95 || good["accuracy of logistic regression, trained on synthetic rows, tested on real ones"] < 0.75 {
		t.Errorf("%v", good)
	}
	if naive := ask("titanic-bayes"); naive[pairs] >= good[pairs] {
		t.Errorf("naive Bayes, which takes columns for independent, has %g; the network %g", naive[pairs], good[pairs])
	}
	few := &tabularv1.Rows{Columns: []string{"sex"}, Rows: []*tabularv1.Row{row(word("male"))}}
	_, err := c.Report(t.Context(), &tabularv1.ReportRequest{Model: "titanic", Real: &tabularv1.ReportRequest_Rows{Rows: few}})
	bad{"too few rows", err, faultOf(err).Kind, "", "1 rows"}.check(t)
}

// TestPrivateNetwork: a budget is kept and told; none, or one for a learned structure, is refused.
func TestPrivateNetwork(t *testing.T) {
	c, _ := connect(t)
	text := func(model string) string {
		return "name: private\nfamily: tabular\narchitecture: bayes-net\nseed: 4\ndata: {name: titanic-1912}\nmodel: " + model + "\n"
	}
	edges := `{edges: [[class, survived], [sex, survived]], fit: {epsilon: 2, cell: 1}}`
	if _, err := c.Fit(t.Context(), &tabularv1.FitRequest{Recipe: text(edges)}); err != nil {
		t.Fatal(err)
	}
	seed := uint64(1)
	r, err := c.Report(t.Context(), &tabularv1.ReportRequest{Model: "private", Seed: &seed,
		Real: &tabularv1.ReportRequest_DataSet{DataSet: "titanic-1912"}})
	if err != nil || r.GetEpsilon() != 2 {
		t.Errorf("epsilon %v, %v", r.GetEpsilon(), err)
	}
	p, err := c.Profile(t.Context(), &tabularv1.ProfileRequest{Source: &tabularv1.ProfileRequest_Model{Model: "private"}})
	if err != nil || len(p.GetFields()[0].GetCounts()) != 0 || len(p.GetAssociations()) != 0 {
		t.Errorf("a private model tells counts of its rows: %v, %v", p, err)
	}
	learned := strings.Replace(text(`{learn: private, fit: {epsilon: 4, cell: 1}}`), "name: private", "name: learned", 1)
	if _, err := c.Fit(t.Context(), &tabularv1.FitRequest{Recipe: learned}); err != nil {
		t.Fatal(err)
	}
	r, err = c.Report(t.Context(), &tabularv1.ReportRequest{Model: "learned", Seed: &seed,
		Real: &tabularv1.ReportRequest_DataSet{DataSet: "titanic-1912"}})
	if err != nil || r.GetEpsilon() != 4 {
		t.Errorf("epsilon %v, %v", r.GetEpsilon(), err)
	}
	for what, model := range map[string]string{
		"no epsilon":          `{learn: private}`,
		"epsilon 0":           `{edges: [[class, survived]], fit: {epsilon: 0}}`,
		"epsilon -1":          `{edges: [[class, survived]], fit: {epsilon: -1}}`,
		"a learned structure": `{learn: hill-climb, fit: {epsilon: 1}}`,
	} {
		_, err := c.Fit(t.Context(), &tabularv1.FitRequest{Recipe: text(model)})
		bad{what, err, faultOf(err).Kind, "", "model.fit.epsilon"}.check(t)
	}
	for what, model := range map[string]string{
		"cycle":        `{edges: [[class, survived], [survived, class]]}`,
		"no field":     `{edges: [[klass, survived]]}`,
		"chow-liu":     `{learn: guess}`,
		"bic":          `{learn: hill-climb, score: best}`,
		"model.target": `{}`,
	} {
		recipe := text(model)
		if what == "model.target" {
			recipe = strings.Replace(recipe, "bayes-net", "naive-bayes", 1)
		}
		_, err := c.Fit(t.Context(), &tabularv1.FitRequest{Recipe: recipe})
		bad{what, err, faultOf(err).Kind, "", what}.check(t)
	}
}

// TestDescribeTellsTheTruth: what is listed is answered, what is not says NOT_SUPPORTED.
func TestDescribeTellsTheTruth(t *testing.T) {
	c, _ := connect(t)
	for _, name := range starterNames {
		d, err := c.Describe(t.Context(), &tabularv1.DescribeRequest{Model: name})
		if err != nil {
			t.Fatal(err)
		}
		one := &tabularv1.Rows{Columns: []string{d.GetFields()[0].GetName()},
			Rows: []*tabularv1.Row{row(word(d.GetFields()[0].GetLevels()[0]))}}
		n := int64(1)
		calls := map[string]func() error{
			"Query": func() error {
				_, err := c.Query(t.Context(), &tabularv1.QueryRequest{Model: name, Targets: []string{d.GetFields()[0].GetName()}})
				return err
			},
			"Explain": func() error {
				_, err := c.Explain(t.Context(), &tabularv1.ExplainRequest{Model: name, Rows: one})
				return err
			},
			"Score": func() error {
				_, err := c.Score(t.Context(), &tabularv1.ScoreRequest{Model: name, Rows: one})
				return err
			},
			"Structure": func() error {
				_, err := c.Structure(t.Context(), &tabularv1.StructureRequest{Model: name})
				return err
			},
			"Sample": func() error {
				in, err := c.Sample(t.Context(), &tabularv1.SampleRequest{Model: name, N: &n})
				for err == nil {
					if _, err = in.Recv(); err != nil && err.Error() == "EOF" {
						return nil
					}
				}
				return err
			},
		}
		for call, ask := range calls {
			err := ask()
			if listed := slices.Contains(d.GetCalls(), call); listed && err != nil {
				t.Errorf("%s lists %s, which answers %v", name, call, err)
			} else if !listed && faultOf(err).Reason != "NOT_SUPPORTED" {
				t.Errorf("%s does not list %s, which answers %v", name, call, err)
			}
		}
		if d.GetInterventions() != (d.GetArchitecture() == "bayes-net") {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// TestNaiveBayesTakesMoreRows: partial fit of naive Bayes gives what a fit of all rows gives.
func TestNaiveBayesTakesMoreRows(t *testing.T) {
	c, _ := connect(t)
	table := func(n int) *tabularv1.Rows {
		r := &tabularv1.Rows{Columns: []string{"x", "c", "y"}}
		for i := range n {
			r.Rows = append(r.Rows, row(number(float64(i%17)), word([]string{"a", "b"}[i%2]), word([]string{"no", "yes"}[i/3%2])))
		}
		return r
	}
	whole := table(60)
	fit := func(req *tabularv1.FitRequest) *tabularv1.FitResponse {
		r, err := c.Fit(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	recipe := func(name string) string {
		return "name: " + name + "\nfamily: tabular\narchitecture: naive-bayes\ndata: {select: 0}\nmodel: {target: y}\n"
	}
	fit(&tabularv1.FitRequest{Recipe: recipe("all"), Data: &tabularv1.FitRequest_Rows{Rows: whole}})
	fit(&tabularv1.FitRequest{Recipe: recipe("half"), Data: &tabularv1.FitRequest_Rows{Rows: &tabularv1.Rows{
		Columns: whole.GetColumns(), Rows: whole.GetRows()[:40]}}})
	r := fit(&tabularv1.FitRequest{Update: "half", Data: &tabularv1.FitRequest_Rows{Rows: &tabularv1.Rows{
		Columns: whole.GetColumns(), Rows: whole.GetRows()[40:]}}})
	if r.GetRows() != 60 || r.GetModel().GetVersion() != "2" {
		t.Errorf("%v", r)
	}
	five := 5.0
	ask := func(model string) []float64 {
		return query(t, c, &tabularv1.QueryRequest{Model: model, Targets: []string{"y"},
			Given: conditions(is("c", "a"), &tabularv1.Condition{Field: "x", Equals: &five})})
	}
	if a, b := ask("all"), ask("half"); !near(a, b, 1e-12) {
		t.Errorf("%v, added %v", a, b)
	}
}

// TestCopula: rows of numbers and words, under a condition, and a report that does not complain.
func TestCopula(t *testing.T) {
	c, _ := connect(t)
	n, seed := int64(300), uint64(2)
	at := 60.0
	made, _ := rows(t, c, &tabularv1.SampleRequest{Model: "titanic-like", N: &n, Seed: &seed,
		Given: conditions(is("Sex", "female"), &tabularv1.Condition{Field: "Age", Below: &at})})
	d, err := c.Describe(t.Context(), &tabularv1.DescribeRequest{Model: "titanic-like"})
	if err != nil || d.GetDataSet() != "titanic-like" || slices.Contains(d.GetCalls(), "Query") {
		t.Fatalf("%v, %v", d, err)
	}
	sex := slices.IndexFunc(d.GetFields(), func(f *tabularv1.Field) bool { return f.GetName() == "Sex" })
	age := slices.IndexFunc(d.GetFields(), func(f *tabularv1.Field) bool { return f.GetName() == "Age" })
	for _, r := range made {
		if v := r.GetValues()[age]; r.GetValues()[sex].GetCategory() != "female" || !(v.GetNumber() >= 0 && v.GetNumber() < 60) {
			t.Fatalf("%v", r)
		}
	}
	rep, err := c.Report(t.Context(), &tabularv1.ReportRequest{Model: "titanic-like", Seed: &seed, Target: "Survived",
		Real: &tabularv1.ReportRequest_DataSet{DataSet: "titanic-like"}})
	if err != nil || len(rep.GetFigures()) != 8 {
		t.Errorf("%v, %v", rep, err)
	}
}
