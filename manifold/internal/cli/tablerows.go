package cli

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/shared/serve"
)

type tableExplainCmd struct {
	tableFrom
	Row   string `arg:"" help:"What is known of the row, such as 'Sex=female, Pclass=1'."`
	Level string `help:"Level to speak for; default: the most probable one."`
}

// Help is shown below the flags.
func (tableExplainCmd) Help() string {
	return `Examples:
  manifold table explain --model titanic-bayes 'sex=female, class=third'
  manifold table explain --model titanic-bayes 'sex=male, age=child' --level yes

The contributions are nats of log-odds: they add up to that of the level against all others. 0.69 doubles the odds.`
}

// Run predicts.
func (c tableExplainCmd) Run(ctx context.Context, g *Globals) error {
	client, model, done, err := g.table(ctx, c.tableFrom)
	if err != nil {
		return err
	}
	defer done()
	fields, err := fieldsOf(ctx, client, model)
	if err != nil {
		return err
	}
	known, do, err := parseConditions(c.Row, fields)
	if err != nil {
		return err
	}
	rows := &tabularv1.Rows{Rows: []*tabularv1.Row{{}}}
	for _, k := range known {
		v := &tabularv1.Value{}
		switch {
		case len(k.GetLevels()) == 1:
			v.Kind = &tabularv1.Value_Category{Category: k.GetLevels()[0]}
		case k.Equals != nil:
			v.Kind = &tabularv1.Value_Number{Number: k.GetEquals()}
		}
		if v.GetKind() == nil || len(do) > 0 {
			return fmt.Errorf("%s: a row has one value a column, as in Sex=female", conditionWords(k))
		}
		rows.Columns = append(rows.Columns, k.GetField())
		rows.Rows[0].Values = append(rows.Rows[0].Values, v)
	}
	r, err := client.Explain(ctx, &tabularv1.ExplainRequest{Model: model, Rows: rows, Level: c.Level})
	if err != nil {
		return serve.FromStatus("table", err)
	}
	if g.JSON {
		return g.printProto(r)
	}
	return g.printExplanation(r)
}

func (g *Globals) printExplanation(r *tabularv1.ExplainResponse) error {
	e := r.GetExplanations()[0]
	w := tabwriter.NewWriter(g.out, 2, 0, 2, ' ', 0)
	for i, p := range e.GetProbabilities() {
		fmt.Fprintf(w, "%s=%s\t%s\t%.4f\n", r.GetTarget(), r.GetLevels()[i], share(p, 24), p)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(g.out, "\nwhat speaks for %s=%s, nats of log-odds\n", r.GetTarget(), e.GetLevel())
	most := 0.0
	for _, c := range e.GetContributions() {
		most = max(most, math.Abs(c.GetNats()))
	}
	for _, c := range e.GetContributions() {
		name := "before anything is known"
		if c.GetField() != "" {
			name = c.GetField() + "=" + valueText(c.GetValue())
		}
		left, right := strings.Repeat(" ", 12), ""
		if most > 0 {
			bar := share(math.Abs(c.GetNats())/most, 12)
			if right = bar; c.GetNats() < 0 {
				n := len([]rune(strings.TrimRight(bar, " ")))
				left, right = strings.Repeat(" ", 12-n)+strings.Repeat("█", n), strings.Repeat(" ", 12)
			}
		}
		fmt.Fprintf(w, "  %s\t%s|%s\t%+.3f\n", name, left, right, c.GetNats())
	}
	fmt.Fprintf(w, "  together\t\t%+.3f\n", e.GetLogOdds())
	return w.Flush()
}

// valueText is a cell as CSV has it.
func valueText(v *tabularv1.Value) string {
	switch v := v.GetKind().(type) {
	case *tabularv1.Value_Category:
		return v.Category
	case *tabularv1.Value_Number:
		return strconv.FormatFloat(v.Number, 'g', -1, 64)
	}
	return ""
}

type tableSampleCmd struct {
	tableFrom
	N     int64   `short:"n" default:"10" help:"Rows."`
	Given string  `help:"What every row fulfils, such as 'Sex=female, do(Pclass=1)'."`
	Seed  *uint64 `help:"Seed; the same one gives the same rows. Default: a random one."`
	Out   string  `help:"CSV file; default: standard output." type:"path"`
}

// Help is shown below the flags.
func (tableSampleCmd) Help() string {
	return `Examples:
  manifold table sample --model titanic-network -n 1000 --seed 1 --out passengers.csv
  manifold table sample --model titanic-network -n 5 --given 'survived=yes, sex=male'

Row i depends on the model, the seed and i alone.`
}

// Run draws rows.
func (c tableSampleCmd) Run(ctx context.Context, g *Globals) error {
	client, model, done, err := g.table(ctx, c.tableFrom)
	if err != nil {
		return err
	}
	defer done()
	fields, err := fieldsOf(ctx, client, model)
	if err != nil {
		return err
	}
	given, do, err := parseConditions(c.Given, fields)
	if err != nil {
		return err
	}
	chunk := int32(2000)
	in, err := client.Sample(ctx, &tabularv1.SampleRequest{Model: model, N: &c.N, Seed: c.Seed, Given: given, Do: do,
		Chunk: &chunk})
	if err != nil {
		return serve.FromStatus("table", err)
	}
	out := g.out
	var file *os.File
	if c.Out != "" {
		if file, err = os.Create(c.Out); err != nil {
			return fmt.Errorf("%s cannot be written: %w", c.Out, bare(err))
		}
		out = file
	}
	end, err := g.writeRows(out, in)
	if file != nil {
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return err
	}
	a := end.GetAnswered()
	fmt.Fprintf(g.err, "%d rows, seed %d, model %.12s, %.3g s of computing\n", end.GetRows(), a.GetSeed(),
		a.GetModelDigest(), a.GetCompute().AsDuration().Seconds())
	return nil
}

// writeRows writes a stream of rows as CSV, or with --json as an object a line.
func (g *Globals) writeRows(to io.Writer, in interface {
	Recv() (*tabularv1.SampleResponse, error)
}) (*tabularv1.SampleCompleted, error) {
	buffer := bufio.NewWriterSize(to, 1<<16)
	w := csv.NewWriter(buffer)
	var fields []*tabularv1.Field
	for {
		e, err := in.Recv()
		if err != nil {
			return nil, serve.FromStatus("table", err)
		}
		switch {
		case e.GetStarted() != nil:
			fields = e.GetStarted().GetFields()
			line := make([]string, len(fields))
			for i, f := range fields {
				line[i] = f.GetName()
			}
			if !g.JSON {
				_ = w.Write(line) // Flush tells of errors
			}
		case e.GetRows() != nil:
			for _, r := range e.GetRows().GetRows() {
				line := make([]string, len(r.GetValues()))
				for i, v := range r.GetValues() {
					line[i] = valueText(v)
				}
				if g.JSON {
					fmt.Fprintln(buffer, rowJSON(fields, r))
					continue
				}
				_ = w.Write(line)
			}
		case e.GetCompleted() != nil:
			w.Flush()
			return e.GetCompleted(), errors.Join(w.Error(), buffer.Flush())
		}
	}
}

// rowJSON is a row as an object of its fields.
func rowJSON(fields []*tabularv1.Field, r *tabularv1.Row) string {
	var b strings.Builder
	for i, v := range r.GetValues() {
		sign := ","
		if i == 0 {
			sign = "{"
		}
		text := "null"
		switch v := v.GetKind().(type) {
		case *tabularv1.Value_Category:
			text = quoteJSON(v.Category)
		case *tabularv1.Value_Number:
			text = strconv.FormatFloat(v.Number, 'g', -1, 64)
		}
		b.WriteString(sign + quoteJSON(fields[i].GetName()) + ":" + text)
	}
	return b.String() + "}"
}

type tableScoreCmd struct {
	Model string `required:"" help:"name or name@version."`
	Rows  string `arg:"" help:"CSV file; its columns are fields of the model, and what it lacks is summed out." type:"existingfile"`
}

// Run scores.
func (c tableScoreCmd) Run(ctx context.Context, g *Globals) error {
	client, model, done, err := g.table(ctx, tableFrom{Model: c.Model})
	if err != nil {
		return err
	}
	defer done()
	fields, err := fieldsOf(ctx, client, model)
	if err != nil {
		return err
	}
	rows, err := readRows(c.Rows, fields)
	if err != nil {
		return err
	}
	r, err := client.Score(ctx, &tabularv1.ScoreRequest{Model: model, Rows: rows})
	if err != nil {
		return serve.FromStatus("table", err)
	}
	if g.JSON {
		return g.printProto(r)
	}
	for i, v := range r.GetLogLikelihoods() {
		if slices.Contains(r.GetImpossible(), int64(i)) {
			fmt.Fprintf(g.out, "%d\timpossible\n", i)
			continue
		}
		fmt.Fprintf(g.out, "%d\t%.6f\n", i, v)
	}
	fmt.Fprintf(g.err, "mean %.6f nats over %d rows; %d are impossible\n", r.GetMean(),
		len(r.GetLogLikelihoods())-len(r.GetImpossible()), len(r.GetImpossible()))
	return nil
}

// readRows reads the columns of a CSV that are fields of a model.
func readRows(name string, fields []*tabularv1.Field) (*tabularv1.Rows, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, bare(err))
	}
	defer func() { _ = f.Close() }() // opened for reading
	in := csv.NewReader(bufio.NewReader(f))
	in.TrimLeadingSpace = true
	head, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	rows := &tabularv1.Rows{}
	var at []int
	var of []*tabularv1.Field
	for i, column := range head {
		k := slices.IndexFunc(fields, func(f *tabularv1.Field) bool { return f.GetName() == strings.TrimSpace(column) })
		if k >= 0 {
			at, of = append(at, i), append(of, fields[k])
			rows.Columns = append(rows.Columns, fields[k].GetName())
		}
	}
	if len(at) == 0 {
		return nil, fmt.Errorf("%s has no column that the model knows", name)
	}
	for {
		line, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		row := &tabularv1.Row{}
		for j, i := range at {
			row.Values = append(row.Values, readValue(strings.TrimSpace(line[i]), of[j]))
		}
		rows.Rows = append(rows.Rows, row)
	}
}

// readValue is a cell; the service says what is wrong with it.
func readValue(s string, f *tabularv1.Field) *tabularv1.Value {
	if f.GetKind() == tabularv1.Kind_KIND_NUMERIC {
		if x, err := strconv.ParseFloat(s, 64); err == nil {
			return &tabularv1.Value{Kind: &tabularv1.Value_Number{Number: x}}
		}
	}
	if !slices.Contains(f.GetLevels(), s) {
		if slices.Contains([]string{"", "?", "NA", "NaN"}, s) {
			return &tabularv1.Value{Kind: &tabularv1.Value_Missing{Missing: true}}
		}
		if x, err := strconv.ParseFloat(s, 64); err == nil && f.GetKind() == tabularv1.Kind_KIND_CATEGORICAL {
			return &tabularv1.Value{Kind: &tabularv1.Value_Number{Number: x}} // a bin, or a level written otherwise
		}
	}
	return &tabularv1.Value{Kind: &tabularv1.Value_Category{Category: s}}
}
