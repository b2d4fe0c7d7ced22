package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// outFlag is where a measurement goes. A shell's redirection empties its file before the first sample is taken and
// leaves half of a report on a full disk; this file changes only when everything has been measured.
type outFlag struct {
	Out string `help:"JSON file to write the report to when all is measured; until then an old one stays." type:"path"`
}

// ready says before the first sample what keeps the file from being written.
func (o outFlag) ready() error {
	if o.Out == "" {
		return nil
	}
	return writable(o.Out)
}

// finish writes the report; tables for people have been printed by then.
func (o outFlag) finish(g *Globals, results any) error {
	r := g.report(results)
	if o.Out != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := writeFile(o.Out, append(text, '\n')); err != nil {
			return err
		}
	}
	if g.JSON {
		return g.printJSON(r)
	}
	return nil
}

// atLeastOne refuses counts that no measurement can have.
func atLeastOne(flag string, n int) error {
	if n < 1 {
		return fmt.Errorf("--%s %d: want at least 1", flag, n)
	}
	return nil
}

// Validate is called by the parser.
func (c benchKernelsCmd) Validate() error { return atLeastOne("samples", c.Samples) }

// Validate is called by the parser.
func (c benchModelCmd) Validate() error {
	for _, n := range c.Batches {
		if err := atLeastOne("batches", n); err != nil {
			return err
		}
	}
	return errors.Join(atLeastOne("samples", c.Samples), c.turnFlags.valid())
}

// Validate is called by the parser.
func (c benchTrainCmd) Validate() error {
	return errors.Join(atLeastOne("steps", c.Steps), atLeastOne("samples", c.Samples), c.turnFlags.valid())
}

// Validate is called by the parser.
func (c benchSharingCmd) Validate() error {
	if !(c.Seconds >= 0.1 && c.Seconds <= 3600) { // also no NaN
		return fmt.Errorf("--seconds %g: want 0.1 to 3600", c.Seconds)
	}
	return atLeastOne("samples", c.Samples)
}

func (t turnFlags) valid() error {
	switch {
	case t.Turn < time.Millisecond:
		return fmt.Errorf("--turn %v: want at least 1ms", t.Turn)
	case t.Turns && t.Out != "":
		return errors.New("--turns-from-stdin answers on standard output and takes no --out")
	}
	return nil
}

// lines sends every line of a reader, and its error or io.EOF at the end, until ctx is done: a terminal or a pipe
// cannot be read with a time limit.
func lines(ctx context.Context, r io.Reader) (<-chan string, <-chan error) {
	text, end := make(chan string), make(chan error, 1)
	go func() {
		s := bufio.NewScanner(r)
		for s.Scan() {
			select {
			case text <- s.Text():
			case <-ctx.Done():
				return
			}
		}
		if s.Err() == nil {
			end <- io.EOF
		} else {
			end <- s.Err()
		}
	}()
	return text, end
}

// output is standard output, which remembers that it could not be written: a table cut short by a full disk is not a
// success.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// failure is what to tell after a command that has otherwise succeeded or failed with err.
func (o *output) failure(err error) error {
	if o.err == nil || err != nil && !errors.Is(err, o.err) {
		return err
	}
	if errors.Is(o.err, syscall.ENOSPC) {
		return errors.New("standard output cannot be written: no space left; write to another disk")
	}
	return fmt.Errorf("standard output cannot be written: %w", bare(o.err))
}

// unless measures, but does not wait for the end when ctx is done: kernels do not look at it, and the program ends.
func unless[T any](ctx context.Context, measure func() T) (T, error) {
	done := make(chan T, 1)
	go func() { done <- measure() }()
	select {
	case v := <-done:
		return v, nil
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
