package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar shows progress on a terminal, and a line now and then where there is none.
type bar struct {
	out  io.Writer
	pb   *progressbar.ProgressBar
	last time.Time
	done int
	of   int
	what string
	note string
}

const lineEvery = 10 * time.Second // between two lines when the output is no terminal

// newBar starts a bar over n steps.
func newBar(out io.Writer, n int, what string) *bar {
	b := &bar{out: out, of: n, what: what}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b.pb = progressbar.NewOptions(n,
			progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionSetElapsedTime(true), progressbar.OptionFullWidth(),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionUseANSICodes(true),
			progressbar.OptionOnCompletion(func() { fmt.Fprintln(out) }))
	}
	return b
}

// set moves the bar to done steps, with a remark.
func (b *bar) set(done int, note string) {
	b.done, b.note = done, note
	if b.pb != nil {
		b.pb.Describe(fmt.Sprintf("%s  %s", b.what, note))
		_ = b.pb.Set(done)
		return
	}
	if time.Since(b.last) >= lineEvery || done == b.of {
		b.last = time.Now()
		fmt.Fprintf(b.out, "%s %d/%d  %s\n", b.what, done, b.of, note)
	}
}

// say prints a line without tearing the bar.
func (b *bar) say(format string, args ...any) {
	if b.pb != nil {
		_ = b.pb.Clear()
	}
	fmt.Fprintf(b.out, format+"\n", args...)
	if b.pb != nil {
		_ = b.pb.RenderBlank()
	}
}

// close ends the bar wherever it stands.
func (b *bar) close() {
	if b.pb != nil && b.done < b.of {
		_ = b.pb.Exit()
		fmt.Fprintln(b.out)
	}
}
