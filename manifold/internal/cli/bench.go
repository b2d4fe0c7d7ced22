package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/bench"
)

type benchCmd struct {
	Kernels benchKernelsCmd `cmd:"" help:"Every product and convolution, beside the peak of multiply-adds measured in the same run."`
	Model   benchModelCmd   `cmd:"" help:"One forward pass of a model at several batch sizes."`
	Train   benchTrainCmd   `cmd:"" help:"Training steps of a recipe, without writing anything."`
}

// report is what every bench writes, so that a figure is never without its machine and version.
type report struct {
	Command  string    `json:"command"`
	Version  string    `json:"version"`
	Numerics int       `json:"numerics"`
	Go       string    `json:"go"`
	Machine  string    `json:"machine"`
	Kernels  string    `json:"kernels"`
	Threads  int       `json:"threads"`
	Date     time.Time `json:"date"`
	Results  any       `json:"results"`
}

// report wraps results with what is needed to judge them.
func (g *Globals) report(results any) report {
	return report{
		Command: strings.Join(append([]string{"manifold"}, os.Args[1:]...), " "), Version: g.version,
		Numerics: tensor.NumericsVersion, Go: runtime.Version(), Machine: machine(), Kernels: tensor.Kernels(),
		Threads: tensor.Threads(), Date: time.Now().UTC().Truncate(time.Second), Results: results,
	}
}

// machine is the CPU's name where the system tells it.
func machine() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				return fmt.Sprintf("%s, %d cores", strings.TrimSpace(v), runtime.NumCPU())
			}
		}
	}
	return fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}

type benchKernelsCmd struct {
	Filter  string `arg:"" optional:"" help:"Only kernels whose name contains this."`
	Samples int    `default:"7" help:"Samples per kernel; the median counts."`
}

// Run measures with the threads and kernels that the global flags chose.
func (c benchKernelsCmd) Run(ctx context.Context, g *Globals) error {
	var names []string
	for _, n := range bench.Names() {
		if strings.Contains(n, c.Filter) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("no kernel is named like %q; without a filter all are measured", c.Filter)
	}
	var results []bench.Result
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, _ := bench.Run(n, c.Samples)
		results = append(results, r)
		if !g.JSON {
			fmt.Fprintf(g.out, "%-28s %8.1f GF/s  %5.1f %% of %.0f GF/s peak\n", n, r.GFs, 100*r.Share, r.Peak)
		}
	}
	if g.JSON {
		return g.printJSON(g.report(results))
	}
	return nil
}

type benchModelCmd struct {
	Model   string `arg:"" default:"mnist" help:"name or name@version."`
	Batches []int  `default:"1,4,16,64" help:"Rows of one forward."`
	Samples int    `default:"7" help:"Samples; the median counts."`
}

// Run times forwards of a denoiser.
func (c benchModelCmd) Run(ctx context.Context, g *Globals) error {
	s, err := g.store()
	if err != nil {
		return err
	}
	results, err := diffusion.BenchModel(ctx, s, c.Model, c.Batches, c.Samples)
	if err != nil {
		return err
	}
	if g.JSON {
		return g.printJSON(g.report(results))
	}
	for _, r := range results {
		fmt.Fprintf(g.out, "batch %3d  %8.2f ms  %8.1f pictures/s  %7.1f GF/s\n",
			r.Batch, 1e3*r.Seconds, r.PerSecond, r.GFs)
	}
	return nil
}

type benchTrainCmd struct {
	Recipe string `arg:"" type:"existingfile" help:"Recipe, as for manifold train."`
	Steps  int    `default:"30" help:"Steps timed, after 5 that are not."`
}

// Run trains for a few steps in a folder that is thrown away.
func (c benchTrainCmd) Run(ctx context.Context, g *Globals) error {
	text, err := os.ReadFile(c.Recipe)
	if err != nil {
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
	if g.JSON {
		return g.printJSON(g.report(r))
	}
	fmt.Fprintf(g.out, "%.2f steps/s, %.1f samples/s, %.1f GF/s of forward and backward\n",
		r.StepsPerSecond, r.SamplesPerSecond, r.GFs)
	return nil
}
