package counting

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

var (
	_ model.Querier = (*Model)(nil)
	_ model.Sampler = (*Model)(nil)
	_ model.Scorer  = (*Model)(nil)
)

// fit counts the rows of a CSV.
func fit(t testing.TB, text string, d table.Declaration) *Model {
	t.Helper()
	f, err := table.Open(strings.NewReader(text), int64(len(text)), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := f.Infer(d)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Source(in.Schema)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Fit(s, 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// is is the condition that a field has a level.
func is(t testing.TB, m *Model, field, level string) model.Term {
	t.Helper()
	j := m.Schema().Index(field)
	if j < 0 {
		t.Fatalf("no field %s", field)
	}
	for i, l := range m.Schema().Fields[j].Levels {
		if l == level {
			return model.Term{Field: j, Codes: []int32{int32(i)}}
		}
	}
	t.Fatalf("no level %s of %s", level, field)
	return model.Term{}
}

// probability is P(event | given) as counted.
func probability(t testing.TB, m *Model, event, given []model.Term) string {
	t.Helper()
	a, err := m.Query(&model.Query{Event: event, Given: given})
	if err != nil {
		t.Fatal(err)
	}
	return Fraction(a, 0).String()
}

// TestTitanic is the arithmetic of every first course: 342/891, 233/314, 233/342.
func TestTitanic(t *testing.T) {
	dir := os.Getenv("MANIFOLD_DATA")
	if dir == "" {
		if os.Getenv("MANIFOLD_REQUIRE_DATA") == "1" {
			t.Fatal("MANIFOLD_DATA is not set")
		}
		t.Skip("MANIFOLD_DATA is not set")
	}
	text, err := os.ReadFile(filepath.Join(dir, "tabular", "titanic.csv"))
	if err != nil {
		t.Fatal(err)
	}
	m := fit(t, string(text), table.Declaration{})
	survived, female := []model.Term{is(t, m, "Survived", "1")}, []model.Term{is(t, m, "Sex", "female")}
	for _, r := range []struct {
		name         string
		event, given []model.Term
		want         string
	}{
		{"P(survived)", survived, nil, "342/891"},
		{"P(survived | female)", survived, female, "233/314"},
		{"P(female | survived)", female, survived, "233/342"},
		{"P(survived and female)", append(survived, female...), nil, "233/891"},
		{"P(age < 16), of the 714 whose age is known", []model.Term{{Field: m.Schema().Index("Age"), Lo: math.Inf(-1), Hi: 16}}, nil, "83/714"},
	} {
		if got := probability(t, m, r.event, r.given); got != r.want {
			t.Errorf("%s = %s, want %s", r.name, got, r.want)
		}
	}
	p, err := m.Pair(survived, female)
	if err != nil {
		t.Fatal(err)
	}
	// R: chisq.test(table(Survived, Sex), correct = FALSE) gives X-squared = 263.05.
	if p.Independent || math.Abs(p.Test.ChiSquare-263.05) > 0.01 || !strings.Contains(p.Recommendation, "needs independence, and these rows speak against it") {
		t.Errorf("%+v", p)
	}
	if p.AGivenB.String() != "233/314" || p.BGivenA.String() != "233/342" || p.Counts != [4]int64{233, 109, 81, 468} {
		t.Errorf("%+v", p)
	}
	a, err := m.Query(&model.Query{Targets: []int{m.Schema().Index("Age")}})
	if err != nil || math.Abs(a.Mean[0]-29.69911764705882) > 1e-12 || math.Abs(a.Variance[0]-210.7235797536662) > 1e-9 {
		t.Errorf("%+v %v", a, err) // pandas: mean() and var(ddof=0)
	}
}

const colours = `colour,size,weight
red,small,1.5
red,small,1.5
red,large,
blue,,2
blue,large,4
,small,8
`

func TestMissingCells(t *testing.T) {
	m := fit(t, colours, table.Declaration{})
	red, small := is(t, m, "colour", "red"), is(t, m, "size", "small")
	if m.Total != 6 || len(m.Counts) != 5 {
		t.Errorf("%d rows, %d different", m.Total, len(m.Counts))
	}
	for _, r := range []struct {
		event, given []model.Term
		want         string
	}{
		{[]model.Term{red}, nil, "3/5"},
		{[]model.Term{small}, []model.Term{red}, "2/3"},
		{[]model.Term{red}, []model.Term{small}, "2/2"},
		{[]model.Term{red, small}, nil, "2/4"},
		{[]model.Term{{Field: 2, Lo: 1.5, Hi: 2}}, nil, "2/5"},
		{[]model.Term{{Field: 2, Lo: 2, Hi: 2}}, nil, "1/5"},
	} {
		if got := probability(t, m, r.event, r.given); got != r.want {
			t.Errorf("%v given %v: %s, want %s", r.event, r.given, got, r.want)
		}
	}
	rows := table.New(m.Schema(), 3)
	rows.Columns[0].Codes[0] = red.Codes[0]                                           // colour red: 3 of 5
	rows.Columns[0].Codes[1], rows.Columns[1].Codes[1] = red.Codes[0], small.Codes[0] // 2 of 4
	rows.Columns[2].Numbers[1] = 1.5                                                  // a whole row: 2 of 6
	got := make([]float64, 3)
	if err := m.Score(got, rows); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{math.Log(3.0 / 5), math.Log(2.0 / 6), 0} {
		if math.Abs(got[i]-want) > 1e-15 {
			t.Errorf("row %d: %g, want %g", i, got[i], want)
		}
	}
}

func TestRefusals(t *testing.T) {
	m := fit(t, colours+"green,large,9\n", table.Declaration{})
	green, small := is(t, m, "colour", "green"), is(t, m, "size", "small")
	for _, r := range []struct {
		q      model.Query
		kind   fault.Kind
		reason string
	}{
		{model.Query{Targets: []int{2}, Given: []model.Term{green, small}}, fault.Precondition, "IMPOSSIBLE_EVIDENCE"},
		{model.Query{Targets: []int{0}, Do: []model.Term{small}}, fault.Invalid, "NO_CAUSES"},
		{model.Query{Targets: []int{0}, Method: model.Gibbs}, fault.Invalid, "METHOD_NOT_SUPPORTED"},
		{model.Query{}, fault.Invalid, "INVALID_ARGUMENT"},
		{model.Query{Targets: []int{0, 0}}, fault.Invalid, "INVALID_ARGUMENT"},
		{model.Query{Targets: []int{9}}, fault.Invalid, "INVALID_ARGUMENT"},
		{model.Query{Event: []model.Term{{Field: 0, Codes: []int32{5}}}}, fault.Invalid, "INVALID_ARGUMENT"},
		{model.Query{Event: []model.Term{{Field: 2, Lo: 2, Hi: 1}}}, fault.Invalid, "INVALID_ARGUMENT"},
	} {
		_, err := m.Query(&r.q)
		var e *fault.Error
		if !errors.As(err, &e) || e.Kind != r.kind || e.Reason != r.reason {
			t.Errorf("%+v: %v", r.q, err)
		}
	}
	if err := m.Sample(table.New(m.Schema(), 1), rng.New(1), 0, []model.Term{green, small}); fault.KindOf(err) != fault.Precondition {
		t.Error(err)
	}
}

// TestSamples draws rows as often as they were counted, and row i does not depend on how many are drawn.
func TestSamples(t *testing.T) {
	m := fit(t, "a,b\nx,1\nx,1\nx,2\ny,1\n", table.Declaration{Columns: []table.ColumnSpec{{Name: "b", Kind: "categorical"}}})
	const n = 40000
	rows := table.New(m.Schema(), n)
	if err := m.Sample(rows, rng.New(3), 0, nil); err != nil {
		t.Fatal(err)
	}
	x1 := 0
	for i := range n {
		if rows.Text(i, 0, "") == "x" && rows.Text(i, 1, "") == "1" {
			x1++
		}
	}
	if math.Abs(float64(x1)/n-0.5) > 5*0.5/math.Sqrt(n) {
		t.Errorf("%d of %d", x1, n)
	}
	some := table.New(m.Schema(), 7)
	if err := m.Sample(some, rng.New(3), 100, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		if some.Text(i, 0, "")+some.Text(i, 1, "") != rows.Text(100+i, 0, "")+rows.Text(100+i, 1, "") {
			t.Error("row", i)
		}
	}
	given := []model.Term{is(t, m, "b", "1")}
	if err := m.Sample(rows, rng.New(4), 0, given); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if rows.Text(i, 1, "") != "1" {
			t.Fatal("a sample without what is given")
		}
	}
}

func TestNewChecks(t *testing.T) {
	m := fit(t, colours, table.Declaration{})
	again, err := New(m.Rows, m.Counts)
	if err != nil || again.Total != m.Total {
		t.Error(err)
	}
	if _, err := New(m.Rows, []int64{1, 2, 3, 0, 1}); fault.KindOf(err) != fault.Corrupt {
		t.Error(err)
	}
	if _, err := New(m.Rows, []int64{1}); fault.KindOf(err) != fault.Corrupt {
		t.Error(err)
	}
}
