package tabular_test

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/serve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect serves a store in a temporary folder with the starters behind it.
func connect(t *testing.T) (tabularv1.TabularServiceClient, *serve.Memory) {
	t.Helper()
	store, err := tabular.OpenStore(t.TempDir(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := tabular.Connect(t.Context(), tabular.Config{Store: store, Jobs: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return tabularv1.NewTabularServiceClient(m.Conn()), m
}

// fault of what the server answered.
func faultOf(err error) *fault.Error {
	var f *fault.Error
	if !errors.As(serve.FromStatus("", err), &f) {
		return &fault.Error{}
	}
	return f
}

func is(field string, levels ...string) *tabularv1.Condition {
	return &tabularv1.Condition{Field: field, Levels: levels}
}

func conditions(l ...*tabularv1.Condition) []*tabularv1.Condition { return l }

// fraction asks for P(event | given) of a counted model.
func fraction(t *testing.T, c tabularv1.TabularServiceClient, model string, event, given []*tabularv1.Condition) (n, of int64) {
	t.Helper()
	r, err := c.Query(t.Context(), &tabularv1.QueryRequest{Model: model, Event: event, Given: given})
	if err != nil {
		t.Fatal(err)
	}
	if !r.GetExact() || r.GetMethod() != tabularv1.Method_METHOD_COUNTING || len(r.GetCells()) != 1 {
		t.Fatalf("%v", r)
	}
	f := r.GetCells()[0].GetFraction()
	if r.GetCells()[0].GetProbability() != float64(f.GetCount())/float64(f.GetTotal()) {
		t.Errorf("%v", r)
	}
	return f.GetCount(), f.GetTotal()
}

// TestStraws: 1/3 for everybody, 1/2 for the second when the first drew a long one.
func TestStraws(t *testing.T) {
	c, _ := connect(t)
	for _, who := range []string{"first", "second", "third"} {
		if n, of := fraction(t, c, "straws", conditions(is(who, "short")), nil); n != 1 || of != 3 {
			t.Errorf("%s draws the short straw with %d/%d", who, n, of)
		}
	}
	if n, of := fraction(t, c, "straws", conditions(is("second", "short")), conditions(is("first", "long"))); n != 1 || of != 2 {
		t.Errorf("%d/%d", n, of)
	}
	_, err := c.Query(t.Context(), &tabularv1.QueryRequest{Model: "straws", Targets: []string{"third"},
		Given: conditions(is("first", "short"), is("second", "short"))})
	if f := faultOf(err); f.Reason != "IMPOSSIBLE_EVIDENCE" || f.Kind != fault.Precondition {
		t.Errorf("two short straws: %v", err)
	}
}

// TestDice: two sixes are 1/36 because the dice are independent; a six and a sum of twelve are not.
func TestDice(t *testing.T) {
	c, _ := connect(t)
	ask := func(event ...*tabularv1.Condition) *tabularv1.QueryResponse {
		r, err := c.Query(t.Context(), &tabularv1.QueryRequest{Model: "dice", Event: event, Independence: true})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := ask(is("red", "6"), is("blue", "6"))
	f, i := r.GetCells()[0].GetFraction(), r.GetIndependence()
	if f.GetCount() != 1 || f.GetTotal() != 36 || !i.GetIndependent() || math.Abs(i.GetProducts()[0]-1./36) > 1e-15 ||
		!strings.Contains(strings.Join(r.GetWarnings(), " "), "needs independence") || i.GetDegrees() != 1 {
		t.Errorf("%v", r)
	}
	r = ask(is("red", "6"), is("sum", "12"))
	i = r.GetIndependence()
	if i.GetIndependent() || math.Abs(i.GetProducts()[0]-1./6/36) > 1e-15 || i.GetPValue() > 0.1 ||
		!strings.Contains(r.GetWarnings()[0], "off by up to 0.02315") {
		t.Errorf("%v", r)
	}
	r, err := c.Query(t.Context(), &tabularv1.QueryRequest{Model: "dice", Targets: []string{"red", "sum"}, Independence: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.GetCells()) != 66 || r.GetIndependence().GetIndependent() || r.GetIndependence().GetDegrees() != 50 ||
		!slices.Equal(r.GetCells()[1].GetLevels(), []string{"1", "3"}) {
		t.Errorf("%v", r.GetIndependence())
	}
	// 2 * 36 * mutual information = 2 * 36 * (H(sum) - H(blue)).
	var h float64
	for k := 2; k <= 12; k++ {
		p := float64(6-max(7-k, k-7)) / 36
		h -= p * math.Log(p)
	}
	if want := 72 * (h - math.Log(6)); math.Abs(r.GetIndependence().GetG()-want) > 1e-9 {
		t.Errorf("G is %g, want %g", r.GetIndependence().GetG(), want)
	}
}

// rows reads a whole stream of rows.
func rows(t *testing.T, c tabularv1.TabularServiceClient, req *tabularv1.SampleRequest) (all []*tabularv1.Row, states []*tabularv1.SampleState) {
	t.Helper()
	in, err := c.Sample(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	done := false
	for {
		e, err := in.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.GetSequence() <= last && last > 0 {
			t.Errorf("sequence %d after %d", e.GetSequence(), last)
		}
		last = e.GetSequence()
		all = append(all, e.GetRows().GetRows()...)
		if s := e.GetState(); s != nil {
			states = append(states, s)
		}
		done = e.GetCompleted() != nil
	}
	if !done {
		t.Error("the stream has no end")
	}
	return all, states
}

// TestSampleResumes: rows do not depend on chunks, and a stream that is taken up again gives the same rows.
func TestSampleResumes(t *testing.T) {
	c, _ := connect(t)
	n, seed, chunk := int64(100), uint64(7), int32(16)
	req := &tabularv1.SampleRequest{Model: "dice", N: &n, Seed: &seed, Given: conditions(is("red", "5", "6")), Chunk: &chunk,
		ResumeStates: true}
	all, states := rows(t, c, req)
	if len(all) != 100 || len(states) != 6 {
		t.Fatalf("%d rows, %d states", len(all), len(states))
	}
	for _, r := range all {
		if v := r.GetValues()[0].GetCategory(); v != "5" && v != "6" {
			t.Fatalf("a row with red %q", v)
		}
	}
	req.Resume = states[2]
	rest, _ := rows(t, c, req)
	if len(rest) != 100-48 || !proto.Equal(rest[0], all[48]) || !proto.Equal(rest[51], all[99]) {
		t.Error("the rows after a resumption differ")
	}
	big := int32(1000)
	same, _ := rows(t, c, &tabularv1.SampleRequest{Model: "dice", N: &n, Seed: &seed, Given: req.GetGiven(), Chunk: &big})
	for i := range same {
		if !proto.Equal(same[i], all[i]) {
			t.Fatalf("row %d depends on the chunks", i)
		}
	}
	req.Given = nil
	in, err := c.Sample(t.Context(), req)
	if err == nil {
		_, err = in.Recv()
	}
	if faultOf(err).Reason != "REQUEST_MISMATCH" {
		t.Errorf("a state of another request: %v", err)
	}
}

// TestFitAndUpdate: rows that come with a request make a model, more rows a new version.
func TestFitAndUpdate(t *testing.T) {
	c, _ := connect(t)
	word := func(s string) *tabularv1.Value { return &tabularv1.Value{Kind: &tabularv1.Value_Category{Category: s}} }
	none := &tabularv1.Value{Kind: &tabularv1.Value_Missing{Missing: true}}
	table := &tabularv1.Rows{Columns: []string{"sky", "rain"}}
	for range 3 {
		table.Rows = append(table.Rows, &tabularv1.Row{Values: []*tabularv1.Value{word("grey"), word("yes")}},
			&tabularv1.Row{Values: []*tabularv1.Value{word("blue"), word("no")}})
	}
	table.Rows = append(table.Rows, &tabularv1.Row{Values: []*tabularv1.Value{word("grey"), none}})
	r, err := c.Fit(t.Context(), &tabularv1.FitRequest{Name: "weather", Data: &tabularv1.FitRequest_Rows{Rows: table}})
	if err != nil {
		t.Fatal(err)
	}
	if r.GetRows() != 7 || r.GetModel().GetVersion() != "1" {
		t.Errorf("%v", r)
	}
	if n, of := fraction(t, c, "weather", conditions(is("rain", "yes")), conditions(is("sky", "grey"))); n != 3 || of != 3 {
		t.Errorf("%d/%d", n, of)
	}
	more := &tabularv1.Rows{Columns: []string{"rain", "sky"}, Rows: []*tabularv1.Row{
		{Values: []*tabularv1.Value{word("no"), word("grey")}}}}
	r, err = c.Fit(t.Context(), &tabularv1.FitRequest{Update: "weather", Data: &tabularv1.FitRequest_Rows{Rows: more}})
	if err != nil {
		t.Fatal(err)
	}
	if r.GetRows() != 8 || r.GetModel().GetVersion() != "2" {
		t.Errorf("%v", r)
	}
	if n, of := fraction(t, c, "weather", conditions(is("rain", "yes")), conditions(is("sky", "grey"))); n != 3 || of != 4 {
		t.Errorf("%d/%d", n, of)
	}
	if n, of := fraction(t, c, "weather@1", conditions(is("rain", "yes")), conditions(is("sky", "grey"))); n != 3 || of != 3 {
		t.Errorf("the old version answers %d/%d", n, of)
	}
	p, err := c.Profile(t.Context(), &tabularv1.ProfileRequest{Source: &tabularv1.ProfileRequest_Model{Model: "weather"}})
	if err != nil || p.GetRows() != 8 || p.GetFields()[1].GetMissing() != 1 {
		t.Errorf("%v, %v", p, err)
	}
}

// TestProfileOfNamedTable: a registered table is summarised without a model.
func TestProfileOfNamedTable(t *testing.T) {
	c, _ := connect(t)
	p, err := c.Profile(t.Context(), &tabularv1.ProfileRequest{Source: &tabularv1.ProfileRequest_DataSet{DataSet: "dice"}})
	if err != nil {
		t.Fatal(err)
	}
	if p.GetRows() != 36 || len(p.GetFields()) != 3 || p.GetFields()[0].GetCounts()[0] != 6 || len(p.GetAssociations()) != 2 {
		t.Errorf("%v", p)
	}
}

// TestStartersAreMadeByTheirRecipes: the same recipe gives the same digest.
func TestStartersAreMadeByTheirRecipes(t *testing.T) {
	dir := t.TempDir()
	store, err := modelstore.OpenFolders([]string{dir}, t.TempDir(), tabular.Starters())
	if err != nil {
		t.Fatal(err)
	}
	own, err := modelstore.OpenFolders([]string{t.TempDir()}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range store.List() {
		text, err := tabular.Recipe(e.Name)
		if err != nil {
			t.Errorf("%s has no recipe", e.Name)
			continue
		}
		made, err := tabular.Train(context.Background(), text, recipe.Deps{Store: own, Runs: t.TempDir()}, nil)
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
			continue
		}
		if made.Manifest.Digest != e.Manifest.Digest {
			t.Errorf("%s: the recipe gives the digest %.12s, the starter has %.12s", e.Name, made.Manifest.Digest,
				e.Manifest.Digest)
		}
	}
}
