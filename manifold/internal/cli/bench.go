package cli

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/bench"
)

type benchCmd struct {
	Kernels  benchKernelsCmd  `cmd:"" help:"Every product and convolution, beside the peak of multiply-adds measured in the same run."`
	Model    benchModelCmd    `cmd:"" help:"Forward passes: a model of the store, or a network of published shape and random weights."`
	Train    benchTrainCmd    `cmd:"" help:"Training steps of a recipe or of a network, without writing anything."`
	Limits   benchLimitsCmd   `cmd:"" help:"What this machine gives any program: multiply-adds and bandwidth."`
	Sharing  benchSharingCmd  `cmd:"" help:"Products beside another process on the same cores, and on half a core."`
	Accuracy benchAccuracyCmd `cmd:"" help:"How near networks of narrow weights come to float32."`
	List     benchListCmd     `cmd:"" help:"Names of all kernels and networks."`
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
	outFlag
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
	if err := c.ready(); err != nil {
		return err
	}
	var results []bench.Result
	for _, n := range names {
		r, err := unless(ctx, func() bench.Result {
			r, _ := bench.Run(n, c.Samples)
			return r
		})
		if err != nil {
			return err
		}
		results = append(results, r)
		switch {
		case g.JSON:
		case r.Flops > 0:
			fmt.Fprintf(g.out, "%-28s %8.1f GF/s  %5.1f %% of %.0f GF/s peak\n", n, r.GFs, 100*r.Share, r.Peak)
		default:
			fmt.Fprintf(g.out, "%-28s %8.1f GB/s  %5.1f %% of the floor\n", n, r.GBs, 100*r.Near)
		}
	}
	return c.finish(g, results)
}
