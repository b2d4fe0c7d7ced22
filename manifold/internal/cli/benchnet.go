package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/shared/tensor/bench"
)

// turnFlags are those of a comparison in turns with other programs.
type turnFlags struct {
	Turns bool          `name:"turns-from-stdin" help:"Make one network ready and print a line; then measure once for every line of standard input and print the measurement as a line of JSON."`
	Turn  time.Duration `default:"1s" help:"Timed work of such a measurement."`
	outFlag
}

// networks are those whose name is, or begins with, the given one: those that train or those that do not.
func networks(name string, training bool) []bench.Workload {
	all := slices.DeleteFunc(workloads(), func(w bench.Workload) bool { return trains(w) != training })
	if i := slices.IndexFunc(all, func(w bench.Workload) bool { return w.Name == name }); i >= 0 {
		return all[i : i+1]
	}
	return slices.DeleteFunc(all, func(w bench.Workload) bool {
		return name == "" || !strings.HasPrefix(w.Name, strings.TrimSuffix(name, "/")+"/")
	})
}

// workloads lists the networks of every family.
func workloads() []bench.Workload { return slices.Concat(bench.Workloads(), diffusion.Workloads()) }

func trains(w bench.Workload) bool { return strings.Contains(w.Name, "/train/") }

// run measures networks, once each or in turns.
func (t turnFlags) run(ctx context.Context, g *Globals, name string, l []bench.Workload, samples int) error {
	if t.Turns {
		if len(l) != 1 {
			return fmt.Errorf("%q names %d networks, --turns-from-stdin wants one: manifold bench list shows them",
				name, len(l))
		}
		return t.answer(ctx, g, l[0])
	}
	if err := t.ready(); err != nil {
		return err
	}
	var results []bench.Measurement
	for _, w := range l {
		m, err := unless(ctx, func() bench.Measurement { return w.Measure(samples) })
		if err != nil {
			return err
		}
		results = append(results, m)
		if !g.JSON {
			fmt.Fprintf(g.out, "%-28s %10.3f ms  %10.1f %s/s  %7.1f GF/s\n",
				m.Name, 1e3*m.Seconds, m.PerSecond, m.Unit, m.GFs)
		}
	}
	return t.finish(g, results)
}

// answer is a measurement for every line.
func (t turnFlags) answer(ctx context.Context, g *Globals, w bench.Workload) error {
	turn := w.Turns()
	e := json.NewEncoder(g.out)
	if err := e.Encode(g.report(nil)); err != nil {
		return err
	}
	text, end := lines(ctx, os.Stdin)
	for turns := 0; ; turns++ {
		select {
		case <-text:
			m, err := unless(ctx, func() bench.Measurement { return turn(t.Turn) })
			if err != nil {
				return err
			}
			if err := e.Encode(m); err != nil {
				return err
			}
		case err := <-end:
			if !errors.Is(err, io.EOF) {
				return fmt.Errorf("reading standard input: %w", err)
			}
			if turns == 0 {
				return errors.New("standard input ended before its first line: --turns-from-stdin measures once a line")
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type benchListCmd struct{}

// Run prints the names by what measures them.
func (benchListCmd) Run(g *Globals) error {
	lists := map[string][]string{"kernels": bench.Names()}
	for _, w := range workloads() {
		kind := "model"
		if trains(w) {
			kind = "train"
		}
		lists[kind] = append(lists[kind], w.Name)
	}
	if g.JSON {
		return g.printJSON(lists)
	}
	for _, kind := range []string{"kernels", "model", "train"} {
		fmt.Fprintf(g.out, "manifold bench %s\n", kind)
		for _, n := range lists[kind] {
			fmt.Fprintf(g.out, "  %s\n", n)
		}
	}
	return nil
}
