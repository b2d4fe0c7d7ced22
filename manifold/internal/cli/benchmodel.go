package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/bench"
)

type benchModelCmd struct {
	Model   string `arg:"" default:"mnist" help:"A model (name or name@version), or a network or the beginning of its name, as manifold bench list has them."`
	Batches []int  `default:"1,4,16,64" help:"Rows of one forward, for models."`
	Samples int    `default:"7" help:"Samples; the median counts."`
	turnFlags
}

// Run times forwards of networks or of a denoiser.
func (c benchModelCmd) Run(ctx context.Context, g *Globals) error {
	if l := networks(c.Model, false); len(l) > 0 || c.Turns {
		return c.run(ctx, g, c.Model, l, c.Samples)
	}
	if strings.Contains(c.Model, "/") { // models have no slash in their names, networks do
		return fmt.Errorf("no network is named like %q: manifold bench list shows them", c.Model)
	}
	if err := c.ready(); err != nil {
		return err
	}
	s, err := g.store()
	if err != nil {
		return err
	}
	results, err := diffusion.BenchModel(ctx, s, c.Model, c.Batches, c.Samples)
	if fault.KindOf(err) == fault.NotFound {
		return fmt.Errorf("%s; nor is there a network of that name: manifold bench list shows them", words(err))
	}
	if err != nil {
		return err
	}
	for _, r := range results {
		if !g.JSON {
			fmt.Fprintf(g.out, "batch %3d  %8.2f ms  %8.1f pictures/s  %7.1f GF/s  %s\n",
				r.Batch, 1e3*r.Seconds, r.PerSecond, r.GFs, needs(r.Memory))
		}
	}
	return c.finish(g, results)
}

type benchTrainCmd struct {
	Recipe  string `arg:"" help:"A recipe's file, as for manifold train, or a network or the beginning of its name, as manifold bench list has them."`
	Steps   int    `default:"30" help:"Steps of a recipe that are timed, after 5 that are not."`
	Samples int    `default:"7" help:"Samples of a network; the median counts."`
	turnFlags
}

// Run trains for a few steps in a folder that is thrown away.
func (c benchTrainCmd) Run(ctx context.Context, g *Globals) error {
	if l := networks(c.Recipe, true); len(l) > 0 || c.Turns {
		return c.run(ctx, g, c.Recipe, l, c.Samples)
	}
	text, err := os.ReadFile(c.Recipe)
	if err != nil {
		return fmt.Errorf("%w; nor is there a network of that name: manifold bench list shows them", err)
	}
	if err := c.ready(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "manifold-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	deps, err := g.trainDeps(filepath.Join(dir, "runs"))
	if err != nil {
		return err
	}
	r, err := diffusion.BenchTrain(ctx, text, deps, c.Steps)
	if err != nil {
		return err
	}
	if !g.JSON {
		fmt.Fprintf(g.out, "%.2f steps/s, %.1f samples/s, %.1f GF/s of forward and backward, %s\n",
			r.StepsPerSecond, r.SamplesPerSecond, r.GFs, needs(r.Memory))
	}
	return c.finish(g, r)
}

// needs is what activations take, for people.
func needs(m diffusion.Memory) string {
	return fmt.Sprintf("%.1f MB at most (%.1f live)", float64(m.PeakBytes)/1e6, float64(m.LiveBytes)/1e6)
}

type benchLimitsCmd struct{ outFlag }

// Run measures for about two seconds.
func (c benchLimitsCmd) Run(ctx context.Context, g *Globals) error {
	if err := c.ready(); err != nil {
		return err
	}
	l, err := unless(ctx, bench.MeasureLimits)
	if err != nil {
		return err
	}
	if !g.JSON {
		fmt.Fprintf(g.out, "float32 multiply-adds %6.1f GF/s\nread, memory          %6.1f GB/s\n"+
			"read, cache           %6.1f GB/s\n", l.PeakF32, l.ReadDRAM, l.ReadL3)
	}
	return c.finish(g, l)
}
