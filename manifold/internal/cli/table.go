package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"go.uber.org/zap"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/serve"
)

type tableCmd struct {
	Profile   tableProfileCmd   `cmd:"" help:"What each column holds, and which tell something about which."`
	Query     tableQueryCmd     `cmd:"" help:"P(something | what is known, do(what is set))."`
	Explain   tableExplainCmd   `cmd:"" help:"Predict a row and say what each value adds."`
	Sample    tableSampleCmd    `cmd:"" help:"New rows, as CSV."`
	Structure tableStructureCmd `cmd:"" help:"How columns depend on one another, with the tables of a network."`
	Score     tableScoreCmd     `cmd:"" help:"How likely the rows of a file are."`
	Report    tableReportCmd    `cmd:"" help:"Synthetic rows against real ones: fidelity, utility, privacy."`
}

// tableFrom says what a question is about.
type tableFrom struct {
	Model string `help:"Model, as name or name@version; manifold models lists them."`
	File  string `help:"Instead of a model: count the rows of this CSV or Parquet file." type:"existingfile"`
	Data  string `name:"table" help:"Instead of a model: count the rows of this registered table, such as titanic."`
}

// table connects to the family's service in this process. The rows of a file are counted first.
func (g *Globals) table(
	ctx context.Context, from tableFrom,
) (c tabularv1.TabularServiceClient, model string, done func(), err error) {
	given := 0
	for _, s := range []string{from.Model, from.File, from.Data} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return nil, "", nil, errors.New("give one of --model, --file and --table")
	}
	data, err := g.locator()
	if err != nil {
		return nil, "", nil, err
	}
	store, err := g.store()
	if err != nil {
		return nil, "", nil, err
	}
	model, clean := from.Model, func() {}
	if model == "" {
		dir, err := os.MkdirTemp("", "manifold-table-")
		if err != nil {
			return nil, "", nil, err
		}
		clean = func() { _ = os.RemoveAll(dir) } // a temporary folder
		model = "counted"
		source := recipe.Source{Name: from.Data, File: from.File}
		folders := []string{filepath.Join(dir, "models")}
		if store, err = modelstore.OpenFolders(folders, filepath.Join(dir, "cache")); err == nil {
			deps := recipe.Deps{Store: store, Data: data, Runs: filepath.Join(dir, "runs")}
			_, err = tabular.Train(ctx, tabular.CountingRecipe(model, source), deps, nil)
		}
		if err != nil {
			clean()
			return nil, "", nil, err
		}
	}
	local, err := tabular.Connect(ctx, tabular.Config{Store: store, Data: data}, zap.NewNop())
	if err != nil {
		clean()
		return nil, "", nil, err
	}
	return tabularv1.NewTabularServiceClient(local.Conn()), model, func() {
		_ = local.Close()
		clean()
	}, nil
}

// fields are those of a model.
func fieldsOf(ctx context.Context, c tabularv1.TabularServiceClient, model string) ([]*tabularv1.Field, error) {
	r, err := c.Describe(ctx, &tabularv1.DescribeRequest{Model: model})
	return r.GetFields(), serve.FromStatus("table", err)
}

// share is a bar of n eighths.
func share(p float64, width int) string {
	eighths := int(math.Round(max(0, min(1, p)) * float64(8*width)))
	s := strings.Repeat("█", eighths/8)
	if r := eighths % 8; r > 0 {
		s += string(rune('█' + 8 - r))
	}
	return s + strings.Repeat(" ", width-utf8.RuneCountInString(s))
}

type tableProfileCmd struct{ tableFrom }

// Help is shown below the flags.
func (tableProfileCmd) Help() string {
	return `Examples:
  manifold table profile --file passengers.csv
  manifold table profile --model titanic`
}

// Run prints what the columns hold.
func (c tableProfileCmd) Run(ctx context.Context, g *Globals) error {
	client, model, done, err := g.table(ctx, c.tableFrom)
	if err != nil {
		return err
	}
	defer done()
	r, err := client.Profile(ctx, &tabularv1.ProfileRequest{Source: &tabularv1.ProfileRequest_Model{Model: model}})
	if err != nil {
		return serve.FromStatus("table", err)
	}
	if g.JSON {
		return g.printProto(r)
	}
	fmt.Fprintf(g.out, "%d rows\n", r.GetRows())
	for _, f := range r.GetFields() {
		g.printField(r.GetRows(), f)
	}
	if a := r.GetAssociations(); len(a) > 0 {
		fmt.Fprintln(g.out, "\nwhat tells most about what (mutual information, nats)")
		w := tabwriter.NewWriter(g.out, 2, 0, 2, ' ', 0)
		for _, p := range a[:min(10, len(a))] {
			fmt.Fprintf(w, "  %s\t%s\t%.4f\n", p.GetA(), p.GetB(), p.GetMutualInformation())
		}
		return w.Flush()
	}
	return nil
}

// mostBars is how many levels of a field are shown.
const mostBars = 20

func (g *Globals) printField(rows int64, p *tabularv1.FieldProfile) {
	f := p.GetField()
	head := f.GetName()
	if f.GetKind() == tabularv1.Kind_KIND_NUMERIC {
		head += fmt.Sprintf("  %g to %g, mean %.4g, deviation %.4g", f.GetMinimum(), f.GetMaximum(), p.GetMean(),
			p.GetDeviation())
	} else {
		head += fmt.Sprintf("  %d levels", len(f.GetLevels()))
	}
	if p.GetMissing() > 0 {
		head += fmt.Sprintf(", %d missing", p.GetMissing())
	}
	fmt.Fprintf(g.out, "\n%s\n", head)
	w := tabwriter.NewWriter(g.out, 2, 0, 2, ' ', 0)
	for i, n := range p.GetCounts() {
		if i == mostBars {
			fmt.Fprintf(w, "  and %d more\t\t\n", len(p.GetCounts())-i)
			break
		}
		name := strconv.FormatFloat(at(p.GetEdges(), i), 'g', 5, 64)
		if f.GetKind() == tabularv1.Kind_KIND_CATEGORICAL {
			name = f.GetLevels()[i]
		}
		fmt.Fprintf(w, "  %s\t%s\t%d\n", name, share(float64(n)/float64(max(1, rows)), 24), n)
	}
	_ = w.Flush() // the writer below reports what goes wrong
}

// at is the element i of a list, 0 beyond its end.
func at(x []float64, i int) float64 {
	if i < len(x) {
		return x[i]
	}
	return 0
}

type tableQueryCmd struct {
	tableFrom
	Question     string  `arg:"" help:"Such as 'Survived | Sex=female', 'Survived=1, Sex=female' or 'rain | do(sprinkler=on)'."`
	Method       string  `default:"auto" enum:"auto,counting,enumeration,variable-elimination,junction-tree,likelihood-weighting,gibbs" help:"How to find it: ${enum}."`
	Samples      *int32  `help:"Samples of a sampled method."`
	Seed         *uint64 `help:"Seed of a sampled method. Default: a random one."`
	Independence bool    `help:"Also multiply the parts' own probabilities, and say whether that is allowed."`
}

// Help is shown below the flags.
func (tableQueryCmd) Help() string {
	return `A question is P(left | right); the P( ) may be left out. Left are columns, whose joint distribution is asked
for, or conditions, whose probability is. Right is what is known and, in do( ), what is set from outside.

  Survived                        every level's share
  Survived | Sex=female           among women
  Survived=1 | Pclass=1/2, Age<18 children of the first or second class
  Age | Survived=1                mean and variance of a column of numbers
  grass=wet | do(sprinkler=on)    not what is seen with it, but what it causes; for networks

The passengers of the Titanic, counted (--data names the folder that has tabular/titanic.csv):
  manifold table query --table titanic 'Survived=1'               342/891
  manifold table query --table titanic 'Survived=1 | Sex=female'  233/314
  manifold table query --table titanic 'Sex=female | Survived=1'  233/342: the other way round is another question
  manifold table query --table titanic 'Survived=1, Sex=female' --independence

Straws and dice, which the program brings along:
  manifold table query --model straws 'second=short'                 1/3
  manifold table query --model straws 'second=short | first=long'    1/2
  manifold table query --model dice 'red=6, blue=6' --independence   1/36, and P(A)P(B) is allowed
  manifold table query --model dice 'red=6, sum=12' --independence   it is not

Double quotes around names and levels that hold spaces, commas or signs.`
}

// Run asks.
func (c tableQueryCmd) Run(ctx context.Context, g *Globals) error {
	client, model, done, err := g.table(ctx, c.tableFrom)
	if err != nil {
		return err
	}
	defer done()
	fields, err := fieldsOf(ctx, client, model)
	if err != nil {
		return err
	}
	q, err := parseQuestion(c.Question, fields)
	if err != nil {
		return err
	}
	method := tabularv1.Method(0)
	if c.Method != "auto" {
		method = tabularv1.Method(tabularv1.Method_value["METHOD_"+strings.ToUpper(strings.ReplaceAll(c.Method, "-", "_"))])
	}
	r, err := client.Query(ctx, &tabularv1.QueryRequest{Model: model, Targets: q.targets, Event: q.event, Given: q.given,
		Do: q.do, Method: method, Samples: c.Samples, Seed: c.Seed, Independence: c.Independence})
	if err != nil {
		return serve.FromStatus("table", err)
	}
	if g.JSON {
		return g.printProto(r)
	}
	return g.printAnswer(q, r)
}

func (g *Globals) printAnswer(q *question, r *tabularv1.QueryResponse) error {
	fmt.Fprintf(g.out, "%s, %s\n", q, methodWords(r))
	w := tabwriter.NewWriter(g.out, 2, 0, 2, ' ', 0)
	for i, c := range r.GetCells() {
		if len(r.GetCells()) == 1 && len(q.targets) > 0 && len(r.GetMoments()) > 0 {
			break // numbers alone have one cell
		}
		line := "  " + strings.Join(c.GetLevels(), "\t") + "\t"
		if len(q.event) > 0 {
			line = "  "
		}
		line += share(c.GetProbability(), 24) + fmt.Sprintf("\t%.6g", c.GetProbability())
		if f := c.GetFraction(); f != nil {
			line += fmt.Sprintf("\t= %d/%d", f.GetCount(), f.GetTotal())
		}
		if c.StandardError != nil {
			line += fmt.Sprintf("\t+- %.2g", c.GetStandardError())
		}
		if p := r.GetIndependence().GetProducts(); len(p) > i {
			line += fmt.Sprintf("\tproduct %.6g", p[i])
		}
		fmt.Fprintln(w, line)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, m := range r.GetMoments() {
		fmt.Fprintf(g.out, "  %s: mean %.6g, deviation %.6g\n", m.GetField(), m.GetMean(), math.Sqrt(m.GetVariance()))
	}
	if len(q.given) > 0 {
		fmt.Fprintf(g.out, "  the evidence has log-probability %.6g\n", r.GetLogEvidence())
	}
	for _, s := range r.GetWarnings() {
		fmt.Fprintln(g.out, "  "+s)
	}
	return nil
}

// methodWords says how an answer was found.
func methodWords(r *tabularv1.QueryResponse) string {
	name := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(r.GetMethod().String(), "METHOD_"), "_", " "))
	if r.GetExact() {
		return "exact by " + name
	}
	return fmt.Sprintf("sampled by %s: %d samples worth %.0f, seed %d", name, r.GetSamples(), r.GetEffectiveSamples(),
		r.GetAnswered().GetSeed())
}
