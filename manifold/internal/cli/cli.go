// Package cli is the command line of manifold: one file per command, flags as struct fields, and nothing that another
// client could not do through the same packages and services.
//
// Invariants: results go to standard output, progress and remarks to standard error; --json makes standard output
// machine-readable; a failure prints one sentence that says what to do, and exits with 1 (2 for wrong flags).
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Globals are the flags that every command takes.
type Globals struct {
	Threads int    `help:"Worker threads; 0 takes one per core. Changes speed, never a result." default:"0" env:"MANIFOLD_THREADS"`
	Kernels string `help:"Instruction set: auto, avx512, avx2, neon or portable. Changes speed, never a result." default:"auto" env:"MANIFOLD_KERNELS"`
	JSON    bool   `help:"Print results as JSON."`
	Home    string `help:"Folder of models and training runs; default: the user's data folder." env:"MANIFOLD_HOME" type:"path"`
	Models  string `help:"A further folder of models, searched first." env:"MANIFOLD_MODEL_STORE" type:"path"`
	Data    string `help:"Folder with local copies of data sets, looked through before anything is downloaded." env:"MANIFOLD_DATA" type:"path"`
	Offline bool   `help:"Never download." env:"MANIFOLD_OFFLINE"`

	version string
	out     io.Writer
	err     io.Writer
}

type root struct {
	Globals

	Up       upCmd       `cmd:"" help:"Start the gateway, every service and the page in one process."`
	Generate generateCmd `cmd:"" help:"Make something with a model."`
	Latent   latentCmd   `cmd:"" help:"Codes of autoencoders and Boltzmann machines: encode, decode, walk, compare, score."`
	Table    tableCmd    `cmd:"" help:"Questions to tables: probabilities, reasons, structure, new rows."`
	Text     textCmd     `cmd:"" help:"Language models: how probable a text is, what its words are, where a chain leads."`
	Train    trainCmd    `cmd:"" help:"Train a model from a recipe, or from a folder of pictures."`
	Eval     evalCmd     `cmd:"" help:"Measure a model's quality; writes JSON."`
	Models   modelsCmd   `cmd:"" name:"models" help:"List, show and verify models."`
	Data     dataCmd     `cmd:"" name:"data" help:"List, fetch and look at data sets."`
	Bench    benchCmd    `cmd:"" help:"Measure speed beside the machine's limits."`
	Doctor   doctorCmd   `cmd:"" help:"Check this machine and this installation."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

const description = `Generative models from one small binary: train, generate, serve.

  manifold up                                          the page, the APIs, a starter model
  manifold generate diffusion --class 7 --out 7.png    sixteen sevens
  manifold train --images ./photos                     a model of your own pictures

The same model, request and seed give the same bytes on every machine.`

// Main runs one command line and returns the exit code.
func Main(ctx context.Context, args []string, version string) int {
	var r root
	out := &output{Writer: os.Stdout}
	r.version, r.out, r.err = version, out, os.Stderr
	code := 0
	p, err := kong.New(&r,
		kong.Name("manifold"), kong.Description(description), kong.UsageOnError(), kong.Writers(r.out, r.err),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&r.Globals),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Exit(func(c int) { panic(exit(c)) }),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, "manifold:", err)
		return 2
	}
	func() {
		defer func() {
			if c := recover(); c != nil {
				e, ok := c.(exit)
				if !ok {
					panic(c)
				}
				code = int(e)
			}
		}()
		if len(args) == 0 {
			args = []string{"--help"}
		}
		k, err := p.Parse(args)
		if err != nil {
			fmt.Fprintf(r.err, "manifold: %v\n", err)
			var pe *kong.ParseError
			if errors.As(err, &pe) && pe.Context != nil && pe.Context.Command() != "" {
				fmt.Fprintf(r.err, "Try: manifold %s --help\n", pe.Context.Selected().Path())
			}
			code = 2
			return
		}
		code = r.run(ctx, k, out)
	}()
	return code
}

// exit carries kong's exit code, as for --help, up to Main.
type exit int

func (r *root) run(ctx context.Context, k *kong.Context, out *output) int {
	if err := r.prepare(); err != nil {
		fmt.Fprintln(r.err, "manifold:", err)
		return 2
	}
	err := out.failure(k.Run())
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || fault.KindOf(err) == fault.Cancelled):
		fmt.Fprintln(r.err, "manifold: stopped")
		return 130
	}
	fmt.Fprintln(r.err, "manifold:", words(err))
	return 1
}

// words is an error as a person reads it: without the names of the packages it came through.
func words(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Message()
	}
	return err.Error()
}

// prepare applies the global flags.
func (g *Globals) prepare() error {
	if g.Threads < 0 || g.Threads > 4096 {
		return fmt.Errorf("--threads %d: want 0 to 4096", g.Threads)
	}
	tensor.SetThreads(g.Threads)
	if err := tensor.SetKernels(g.Kernels); err != nil {
		return err
	}
	if g.Home == "" {
		d, err := userData()
		if err != nil {
			return fmt.Errorf("no home folder (%w): name one with --home", err)
		}
		g.Home = d
	}
	return nil
}

// userData is where a person's models and runs live by the customs of the platform.
func userData() (string, error) {
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "manifold"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "share", "manifold"), nil
}

// cache is where copies live that can be made again.
func (g *Globals) cache() (string, error) {
	d, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(d, "manifold"), nil
}

// printJSON writes one value to standard output.
func (g *Globals) printJSON(v any) error {
	e := json.NewEncoder(g.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

type versionCmd struct{}

// Run prints the versions that a bug report needs.
func (versionCmd) Run(g *Globals) error {
	if g.JSON {
		return g.printJSON(map[string]any{
			"version": g.version, "numerics": tensor.NumericsVersion, "kernels": tensor.Kernels(),
		})
	}
	fmt.Fprintf(g.out, "manifold %s, numerics %d, kernels %s\n", g.version, tensor.NumericsVersion, tensor.Kernels())
	return nil
}
