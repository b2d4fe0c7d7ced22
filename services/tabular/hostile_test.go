package tabular_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/fault"
)

// bad is a request that must be refused.
type bad struct {
	name   string
	err    error
	kind   fault.Kind
	reason string
	says   string
}

func (b bad) check(t *testing.T) {
	t.Helper()
	f := faultOf(b.err)
	if f.Kind != b.kind || f.Reason == "" || b.reason != "" && f.Reason != b.reason || !strings.Contains(f.Message(), b.says) {
		t.Errorf("%s: %v %s %q, want %v %s and %q", b.name, f.Kind, f.Reason, f.Message(), b.kind, b.reason, b.says)
	}
	if strings.Contains(f.Message(), os.TempDir()) || len(f.Message()) > 2000 {
		t.Errorf("%s: the message shows a path, or too much: %.3000s", b.name, f.Message())
	}
}

func number(x float64) *tabularv1.Value {
	return &tabularv1.Value{Kind: &tabularv1.Value_Number{Number: x}}
}

func word(s string) *tabularv1.Value {
	return &tabularv1.Value{Kind: &tabularv1.Value_Category{Category: s}}
}

func row(v ...*tabularv1.Value) *tabularv1.Row { return &tabularv1.Row{Values: v} }

func TestQueryRefuses(t *testing.T) {
	c, _ := connect(t)
	nan, two, few, much := math.NaN(), 2.0, int32(1), int32(math.MaxInt32)
	big := uint64(1 << 60)
	for _, b := range []struct {
		name   string
		req    *tabularv1.QueryRequest
		kind   fault.Kind
		reason string
		says   string
	}{
		{"no model", &tabularv1.QueryRequest{Targets: []string{"red"}}, fault.Invalid, "", "model"},
		{"unknown model", &tabularv1.QueryRequest{Model: "dise", Targets: []string{"red"}}, fault.NotFound, "", "dice"},
		{"nothing asked", &tabularv1.QueryRequest{Model: "dice"}, fault.Invalid, "", "either targets, or an event"},
		{"both asked", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"red"}, Event: conditions(is("sum", "2"))},
			fault.Invalid, "", "either targets, or an event"},
		{"unknown column", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"rde"}}, fault.Invalid, "UNKNOWN_FIELD",
			`did you mean "red"?`},
		{"unseen category", &tabularv1.QueryRequest{Model: "dice", Event: conditions(is("red", "7"))}, fault.Invalid,
			"UNKNOWN_LEVEL", `"1", "2", "3", "4", "5", "6" in the field "red"`},
		{"a target twice", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"red", "red"}}, fault.Invalid, "", "twice"},
		{"a condition twice", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"sum"},
			Given: conditions(is("red", "1"), is("red", "2"))}, fault.Invalid, "", "has a condition already"},
		{"an empty condition", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"sum"}, Given: conditions(is("red"))},
			fault.Invalid, "", "exactly one of levels, equals"},
		{"two conditions in one", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"sum"},
			Given: conditions(&tabularv1.Condition{Field: "red", Levels: []string{"1"}, Equals: &two})}, fault.Invalid, "",
			"exactly one of"},
		{"NaN", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"sum"},
			Given: conditions(&tabularv1.Condition{Field: "red", Equals: &nan})}, fault.Invalid, "", "finite"},
		{"an interval of categories", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"sum"},
			Given: conditions(&tabularv1.Condition{Field: "red", AtLeast: &two})}, fault.Invalid, "", "give levels"},
		{"impossible evidence", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"blue"},
			Given: conditions(is("red", "1"), is("sum", "12"))}, fault.Precondition, "IMPOSSIBLE_EVIDENCE", "probability is zero"},
		{"impossible evidence in a network", &tabularv1.QueryRequest{Model: "asia", Targets: []string{"smoke"},
			Given: conditions(is("tub", "yes"), is("either", "no"))}, fault.Precondition, "IMPOSSIBLE_EVIDENCE",
			"probability zero"},
		{"do() of rows", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"sum"}, Do: conditions(is("red", "1"))},
			fault.Precondition, "NOT_SUPPORTED", "no causal structure"},
		{"do() of two levels", &tabularv1.QueryRequest{Model: "asia", Targets: []string{"lung"},
			Do: conditions(is("smoke", "yes", "no"))}, fault.Invalid, "", "one level or one number"},
		{"do() and seen", &tabularv1.QueryRequest{Model: "asia", Targets: []string{"lung"}, Do: conditions(is("smoke", "yes")),
			Given: conditions(is("smoke", "yes"))}, fault.Invalid, "", "cannot be a condition too"},
		{"a method that the model lacks", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"sum"},
			Method: tabularv1.Method_METHOD_GIBBS}, fault.Invalid, "METHOD_NOT_SUPPORTED", ""},
		{"no method", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"sum"}, Method: 99}, fault.Invalid, "",
			"99 is no method"},
		{"too few samples", &tabularv1.QueryRequest{Model: "asia", Targets: []string{"lung"}, Samples: &few}, fault.Invalid, "",
			"want 100 to 2000000"},
		{"too many samples", &tabularv1.QueryRequest{Model: "asia", Targets: []string{"lung"}, Samples: &much}, fault.Invalid,
			"", "want 100 to 2000000"},
		{"a seed that JSON loses", &tabularv1.QueryRequest{Model: "asia", Targets: []string{"lung"}, Seed: &big},
			fault.Invalid, "", "2^53-1"},
		{"an id without end", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"sum"},
			RequestId: strings.Repeat("x", 200)}, fault.Invalid, "", "at most 128"},
		{"independence of one", &tabularv1.QueryRequest{Model: "dice", Targets: []string{"sum"}, Independence: true},
			fault.Invalid, "", "at least two"},
		{"a long name", &tabularv1.QueryRequest{Model: "dice", Targets: []string{strings.Repeat("x", 1<<20)}}, fault.Invalid,
			"UNKNOWN_FIELD", "there is no field"},
	} {
		_, err := c.Query(t.Context(), b.req)
		bad{b.name, err, b.kind, b.reason, b.says}.check(t)
	}
}

func TestOtherCallsRefuse(t *testing.T) {
	c, _ := connect(t)
	ctx := t.Context()
	zero, many := int64(0), int64(1<<40)
	draw := func(r *tabularv1.SampleRequest) error {
		in, err := c.Sample(ctx, r)
		for err == nil {
			_, err = in.Recv()
		}
		return err
	}
	score := func(rows *tabularv1.Rows) error {
		_, err := c.Score(ctx, &tabularv1.ScoreRequest{Model: "dice", Rows: rows})
		return err
	}
	_, explain := c.Explain(ctx, &tabularv1.ExplainRequest{Model: "dice"})
	_, structure := c.Structure(ctx, &tabularv1.StructureRequest{Model: "dice"})
	_, profile := c.Profile(ctx, &tabularv1.ProfileRequest{Source: &tabularv1.ProfileRequest_DataSet{DataSet: "../etc/passwd"}})
	for _, b := range []bad{
		{"no rows", draw(&tabularv1.SampleRequest{Model: "dice", N: &zero}), fault.Invalid, "", "want 1 to"},
		{"a huge sample", draw(&tabularv1.SampleRequest{Model: "dice", N: &many}), fault.Invalid, "", "10000000"},
		{"rows of impossible evidence", draw(&tabularv1.SampleRequest{Model: "dice",
			Given: conditions(is("red", "1"), is("sum", "12"))}), fault.Precondition, "IMPOSSIBLE_EVIDENCE", ""},
		{"no rows to score", score(nil), fault.Invalid, "", "0 rows"},
		{"an unknown column", score(&tabularv1.Rows{Columns: []string{"blu"}, Rows: []*tabularv1.Row{row(word("1"))}}),
			fault.Invalid, "UNKNOWN_FIELD", `"blue"?`},
		{"a ragged row", score(&tabularv1.Rows{Columns: []string{"red", "blue"}, Rows: []*tabularv1.Row{row(word("1"))}}),
			fault.Invalid, "", "1 values for 2 columns"},
		{"NaN in a row", score(&tabularv1.Rows{Columns: []string{"red"}, Rows: []*tabularv1.Row{row(number(math.NaN()))}}),
			fault.Invalid, "", "finite"},
		{"a value of no kind", score(&tabularv1.Rows{Columns: []string{"red"}, Rows: []*tabularv1.Row{row(&tabularv1.Value{})}}),
			fault.Invalid, "", "nothing"},
		{"an unseen category", score(&tabularv1.Rows{Columns: []string{"red"}, Rows: []*tabularv1.Row{row(word("nine"))}}),
			fault.Invalid, "UNKNOWN_LEVEL", `"6"`},
		{"a counted table has no reasons", explain, fault.Precondition, "NOT_SUPPORTED", "Query, Sample"},
		{"nor a structure", structure, fault.Precondition, "NOT_SUPPORTED", "Query, Sample"},
		{"a path for a data set", profile, fault.NotFound, "DATASET_NOT_FOUND", "dice"},
	} {
		b.check(t)
	}
}

func TestFitRefuses(t *testing.T) {
	c, _ := connect(t)
	fit := func(r *tabularv1.FitRequest) error {
		_, err := c.Fit(t.Context(), r)
		return err
	}
	rows := func(r ...*tabularv1.Row) *tabularv1.FitRequest_Rows {
		return &tabularv1.FitRequest_Rows{Rows: &tabularv1.Rows{Columns: []string{"a", "b"}, Rows: r}}
	}
	ring := `name: ring
family: tabular
architecture: bayes-net
model:
  bif: |
    network ring { }
    variable a { type discrete [ 2 ] { yes, no }; }
    variable b { type discrete [ 2 ] { yes, no }; }
    probability ( a | b ) { (yes) 0.5, 0.5; (no) 0.1, 0.9; }
    probability ( b | a ) { (yes) 0.5, 0.5; (no) 0.1, 0.9; }
`
	for _, b := range []bad{
		{"nothing", fit(&tabularv1.FitRequest{}), fault.Invalid, "", "exactly one of recipe, name and update"},
		{"no rows", fit(&tabularv1.FitRequest{Name: "x", Data: rows()}), fault.Invalid, "", "0 rows"},
		{"no data", fit(&tabularv1.FitRequest{Name: "x"}), fault.Invalid, "", "want one of name and file"},
		{"a bad name", fit(&tabularv1.FitRequest{Name: "../x", Data: rows(row(word("p"), word("q")))}), fault.Invalid, "",
			"lower-case letters"},
		{"ragged rows", fit(&tabularv1.FitRequest{Name: "x", Data: rows(row(word("p")))}), fault.Invalid, "",
			"1 values for 2 columns"},
		{"NaN", fit(&tabularv1.FitRequest{Name: "x", Data: rows(row(word("p"), number(math.Inf(1))))}), fault.Invalid, "",
			"finite"},
		{"an unknown architecture", fit(&tabularv1.FitRequest{Name: "x", Architecture: "forest", Data: rows(row(word("p"),
			word("q")))}), fault.Invalid, "", "counting"},
		{"a file of the server", fit(&tabularv1.FitRequest{
			Recipe: "name: x\nfamily: tabular\narchitecture: counting\ndata: {file: /etc/passwd}\n"}), fault.Invalid, "",
			"names a file on the server"},
		{"another family", fit(&tabularv1.FitRequest{Recipe: "name: x\nfamily: vae\n"}), fault.Invalid, "WRONG_FAMILY", ""},
		{"a field that recipes lack", fit(&tabularv1.FitRequest{
			Recipe: "name: x\nfamily: tabular\narchitecture: counting\ndate: {name: dice}\n"}), fault.Invalid, "",
			`no field "date"`},
		{"a ring", fit(&tabularv1.FitRequest{Recipe: ring}), fault.Invalid, "", "cycle"},
		{"rows for a network that is given", fit(&tabularv1.FitRequest{Update: "asia", Data: rows(row(word("p"), word("q")))}),
			fault.Precondition, "", "cannot be added to asia@1"},
		{"rows of other columns", fit(&tabularv1.FitRequest{Update: "dice", Data: rows(row(word("p"), word("q")))}),
			fault.Invalid, "NO_SUCH_COLUMN", "red"},
	} {
		b.check(t)
	}
}

// upload sends a file as a data set.
func upload(t *testing.T, c trainingv1.TrainingServiceClient, name, format string, text []byte) (*trainingv1.UploadDatasetResponse, error) {
	t.Helper()
	in, err := c.UploadDataset(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	_ = in.Send(&trainingv1.UploadDatasetRequest{Part: &trainingv1.UploadDatasetRequest_Header{
		Header: &trainingv1.DatasetHeader{Name: name, Format: format, Size: int64(len(text)),
			Sha256: hex.EncodeToString(sum[:])}}}) // the end of the call tells
	_ = in.Send(&trainingv1.UploadDatasetRequest{Part: &trainingv1.UploadDatasetRequest_Chunk{Chunk: text}})
	return in.CloseAndRecv()
}

// TestUploads: what is wrong with a file is said when it is sent; what is sound can be trained on by its name.
func TestUploads(t *testing.T) {
	c, m := connect(t)
	jobs := trainingv1.NewTrainingServiceClient(m.Conn())
	for _, b := range []struct{ name, format, text, says string }{
		{"ragged", "csv", "a,b\n1,2\n3\n", "line 3"},
		{"nul", "csv", "a,b\n1,\x00\n", "NUL"},
		{"empty", "csv", "a,b\n", "no rows"},
		{"twice", "csv", "a,a\n1,2\n", `"a"`},
		{"broken", "parquet", "PAR1 and then nothing", "arquet"},
		{"zipped", "zip", "PK", "csv, parquet"},
		{"dice", "csv", "a,b\n1,2\n", "registered"},
	} {
		_, err := upload(t, jobs, b.name, b.format, []byte(b.text))
		f := faultOf(err)
		if f.Kind != fault.Corrupt && f.Kind != fault.Invalid && f.Kind != fault.AlreadyExists || !strings.Contains(f.Message(), b.says) {
			t.Errorf("%s: %v %s", b.name, f.Kind, f.Message())
		}
	}
	r, err := upload(t, jobs, "mine", "csv", []byte("sky,rain,one\n"+strings.Repeat("grey,yes,1\nblue,no,1\n", 20)))
	if err != nil || r.GetItems() != 40 {
		t.Fatalf("%v, %v", r, err)
	}
	job, err := jobs.CreateTrainingJob(t.Context(), &trainingv1.CreateTrainingJobRequest{
		Recipe: "name: sky\nfamily: tabular\narchitecture: counting\ndata: {name: mine}\n"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := jobs.WatchTrainingJob(t.Context(), &trainingv1.WatchTrainingJobRequest{Id: job.GetJob().GetId()})
	if err != nil {
		t.Fatal(err)
	}
	var last trainingv1.JobState
	for {
		e, err := w.Recv()
		if err != nil {
			break
		}
		last = e.GetEvent().GetState()
	}
	if last != trainingv1.JobState_JOB_STATE_SUCCEEDED {
		t.Fatalf("the job ended as %v", last)
	}
	if n, of := fraction(t, c, "sky", conditions(is("rain", "yes")), conditions(is("sky", "grey"))); n != 20 || of != 20 {
		t.Errorf("%d/%d", n, of)
	}
	// A column of one value is a column, with a note on the card.
	if n, of := fraction(t, c, "sky", conditions(is("one", "1")), nil); n != 40 || of != 40 {
		t.Errorf("%d/%d", n, of)
	}
	p, err := c.Profile(t.Context(), &tabularv1.ProfileRequest{Source: &tabularv1.ProfileRequest_DataSet{DataSet: "mine"}})
	if err != nil || p.GetRows() != 40 {
		t.Errorf("%v, %v", p, err)
	}
}

// TestCancel: a long question ends soon after its caller left, and a short deadline is said at once.
func TestCancel(t *testing.T) {
	c, _ := connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	samples := int32(2_000_000)
	begun := time.Now()
	_, err := c.Query(ctx, &tabularv1.QueryRequest{Model: "asia", Targets: []string{"lung"}, Samples: &samples,
		Method: tabularv1.Method_METHOD_GIBBS, Given: conditions(is("dysp", "yes"))})
	if k := fault.KindOf(faultOf(err)); err == nil || k != fault.Deadline && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
