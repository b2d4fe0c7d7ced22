package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/shared/serve"
)

// quoteJSON is a JSON string.
func quoteJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // a string always has a JSON form
	}
	return string(b)
}

type tableStructureCmd struct {
	Model string `required:"" help:"name or name@version."`
	Bif   string `help:"File for the network in the Bayesian Interchange Format." type:"path"`
}

// Help is shown below the flags.
func (tableStructureCmd) Help() string {
	return `Examples:
  manifold table structure --model sprinkler
  manifold table structure --model asia --bif asia.bif`
}

// Run prints edges and tables.
func (c tableStructureCmd) Run(ctx context.Context, g *Globals) error {
	client, model, done, err := g.table(ctx, tableFrom{Model: c.Model})
	if err != nil {
		return err
	}
	defer done()
	r, err := client.Structure(ctx, &tabularv1.StructureRequest{Model: model})
	if err != nil {
		return serve.FromStatus("table", err)
	}
	if c.Bif != "" {
		if r.GetBif() == "" {
			return fmt.Errorf("model %s is no network of categories, it has no BIF", model)
		}
		if err := writeFile(c.Bif, []byte(r.GetBif())); err != nil {
			return err
		}
	}
	if g.JSON {
		return g.printProto(r)
	}
	w := tabwriter.NewWriter(g.out, 2, 0, 2, ' ', 0)
	if len(r.GetEdges()) > 0 {
		fmt.Fprintf(w, "edge\t\t\t%s\n", r.GetScoreName())
	}
	for _, e := range r.GetEdges() {
		arrow := "--"
		if e.GetDirected() {
			arrow = "->"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.4f\n", e.GetFrom(), arrow, e.GetTo(), e.GetScore())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	levels, err := fieldsOf(ctx, client, model)
	if err != nil {
		return err
	}
	names := map[string][]string{}
	for _, f := range levels {
		names[f.GetName()] = f.GetLevels()
	}
	for _, n := range r.GetNodes() {
		if err := g.printNode(n, names[n.GetField()]); err != nil {
			return err
		}
	}
	return nil
}

// mostRows is how many rows of a table are shown.
const mostRows = 32

func (g *Globals) printNode(n *tabularv1.Node, levels []string) error {
	head := n.GetField()
	if len(n.GetParents()) > 0 {
		head += " | " + strings.Join(n.GetParents(), ", ")
	}
	fmt.Fprintf(g.out, "\nP(%s)\n", head)
	w := tabwriter.NewWriter(g.out, 2, 0, 2, ' ', 0)
	if len(n.GetRows()) > 0 {
		fmt.Fprintf(w, "  %s%s\n", strings.Repeat("\t", len(n.GetRows()[0].GetGiven())), strings.Join(levels, "\t"))
	}
	for i, r := range n.GetRows() {
		if i == mostRows {
			fmt.Fprintf(w, "  and %d more\n", len(n.GetRows())-i)
			break
		}
		line := "  "
		for _, l := range r.GetGiven() {
			line += l + "\t"
		}
		for _, p := range r.GetProbabilities() {
			line += fmt.Sprintf("%.4g\t", p)
		}
		fmt.Fprintln(w, line)
	}
	for i, r := range n.GetGaussians() {
		if i == mostRows {
			fmt.Fprintf(w, "  and %d more\n", len(n.GetGaussians())-i)
			break
		}
		line := "  " + strings.Join(r.GetGiven(), ", ") + fmt.Sprintf("\tmean %.4g", r.GetIntercept())
		for k, v := range r.GetWeights() {
			line += fmt.Sprintf(" %+.4g x%d", v, k+1)
		}
		fmt.Fprintf(w, "%s\tvariance %.4g\n", line, r.GetVariance())
	}
	return w.Flush()
}

type tableReportCmd struct {
	Model  string  `required:"" help:"Model that makes the rows, name or name@version."`
	File   string  `help:"The real rows: a CSV file." type:"existingfile"`
	Data   string  `name:"table" help:"The real rows: a registered table."`
	Target string  `help:"Column that the utility is measured on; default: the model's, or the last one of categories."`
	N      *int64  `short:"n" help:"Synthetic rows; default: as many as real ones for training."`
	Seed   *uint64 `help:"Seed. Default: a random one."`
}

// Help is shown below the flags.
func (tableReportCmd) Help() string {
	return `Fidelity: how near the distributions of columns and pairs of columns are. Utility: a classifier that
learns from synthetic rows, tested on real ones. Privacy: how near synthetic rows come to real ones, beside how near
unseen real ones do.

  manifold table report --model titanic-network --table titanic-1912 --target survived`
}

// Run reports.
func (c tableReportCmd) Run(ctx context.Context, g *Globals) error {
	if (c.File == "") == (c.Data == "") {
		return errors.New("give one of --file and --table")
	}
	client, model, done, err := g.table(ctx, tableFrom{Model: c.Model})
	if err != nil {
		return err
	}
	defer done()
	req := &tabularv1.ReportRequest{Model: model, Target: c.Target, N: c.N, Seed: c.Seed,
		Real: &tabularv1.ReportRequest_DataSet{DataSet: c.Data}}
	if c.File != "" {
		fields, err := fieldsOf(ctx, client, model)
		if err != nil {
			return err
		}
		rows, err := readRows(c.File, fields)
		if err != nil {
			return err
		}
		req.Real = &tabularv1.ReportRequest_Rows{Rows: rows}
	}
	r, err := client.Report(ctx, req)
	if err != nil {
		return serve.FromStatus("table", err)
	}
	if g.JSON {
		return g.printProto(r)
	}
	w := tabwriter.NewWriter(g.out, 2, 0, 2, ' ', 0)
	group := ""
	for _, f := range r.GetFigures() {
		if f.GetGroup() != group {
			group = f.GetGroup()
			fmt.Fprintf(w, "\n%s\t\t\n", group)
		}
		line := fmt.Sprintf("  %s\t%.4f", f.GetName(), f.GetValue())
		if f.Baseline != nil {
			line += fmt.Sprintf("\t[%s: %.4f]", f.GetAgainst(), f.GetBaseline())
		}
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w, "\ncolumn\tdistance of real and synthetic, 0 to 1\t")
	for _, f := range r.GetFields() {
		fmt.Fprintf(w, "  %s\t%s\t%.4f\n", f.GetReal().GetField().GetName(), share(f.GetDistance(), 24), f.GetDistance())
	}
	return w.Flush()
}
