package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/bench"
)

// benchSharingCmd measures how products behave on a machine that is not theirs alone: beside another process on the
// same cores, and under a limit of half a core. Every measurement is a process of its own.
type benchSharingCmd struct {
	Seconds float64 `default:"3" help:"Length of one measurement."`
	Samples int     `default:"7" help:"Rounds of all measurements in turn; the median counts."`
	Child   string  `hidden:"" enum:",work,idle" default:""`
	outFlag
}

// sharingResult is one way of sharing.
type sharingResult struct {
	Sharing   string  `json:"sharing"`
	Method    string  `json:"method"`
	PerSecond float64 `json:"products_per_second"` // of all processes together
	Fair      float64 `json:"fair_share_per_second"`
	Share     float64 `json:"share_of_fair"`
	Least     float64 `json:"least_process_share,omitempty"` // of its fair share, the process that got least
	CPU       float64 `json:"cpu_seconds_per_second"`
}

// childReport is what a measuring process writes.
type childReport struct {
	Products int     `json:"products"`
	Seconds  float64 `json:"seconds"`
	CPU      float64 `json:"cpu_seconds"`
}

func (r childReport) rate() float64 { return float64(r.Products) / r.Seconds }

// Run measures everything in turn, samples times.
func (c benchSharingCmd) Run(ctx context.Context, g *Globals) error {
	if c.Child != "" {
		return c.child(ctx, g)
	}
	if err := c.ready(); err != nil {
		return err
	}
	var rounds [][]sharingResult
	for range max(c.Samples, 1) {
		round, err := c.round(ctx)
		if ctx.Err() != nil { // whatever a process that was stopped says
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		rounds = append(rounds, round)
	}
	var results []sharingResult
	for i := range rounds[0] {
		var same []sharingResult
		for _, r := range rounds {
			same = append(same, r[i])
		}
		slices.SortFunc(same, func(a, b sharingResult) int {
			return cmp.Or(cmp.Compare(a.Share, b.Share), cmp.Compare(a.CPU, b.CPU))
		})
		results = append(results, same[len(same)/2])
	}
	for _, r := range results {
		if !g.JSON {
			fmt.Fprintf(g.out, "%-34s %8.1f products/s  %5.1f %% of fair share (least %.1f %%)  CPU %.3f  (%s)\n",
				r.Sharing, r.PerSecond, 100*r.Share, 100*r.Least, r.CPU, r.Method)
		}
	}
	return c.finish(g, results)
}

// round is one measurement of each kind.
func (c benchSharingCmd) round(ctx context.Context) ([]sharingResult, error) {
	alone, err := c.measure(ctx, nil, "work")
	if err != nil {
		return nil, err
	}
	whole := alone[0].rate()
	two, err := c.measure(ctx, nil, "work", "work")
	if err != nil {
		return nil, err
	}
	idle, err := c.measure(ctx, nil, "idle")
	if err != nil {
		return nil, err
	}
	limit := newHalfCore()
	defer limit.remove()
	half, err := c.measure(ctx, limit, "work")
	if err != nil {
		return nil, err
	}
	least := min(two[0].rate(), two[1].rate())
	fairHalf := whole / float64(2*min(tensor.Threads(), runtime.NumCPU()))
	return []sharingResult{
		{
			Sharing: "one process", Method: "alone", PerSecond: whole, Fair: whole, Share: 1,
			CPU: alone[0].CPU / alone[0].Seconds,
		},
		{
			Sharing: "two processes on the same cores", Method: "started together",
			PerSecond: two[0].rate() + two[1].rate(), Fair: whole, Share: (two[0].rate() + two[1].rate()) / whole,
			Least: 2 * least / whole, CPU: (two[0].CPU + two[1].CPU) / two[0].Seconds,
		},
		{
			Sharing: "one process on half a core", Method: limit.method(), PerSecond: half[0].rate(), Fair: fairHalf,
			Share: half[0].rate() / fairHalf, CPU: half[0].CPU / half[0].Seconds,
		},
		{Sharing: "one idle process", Method: "after work", CPU: idle[0].CPU / idle[0].Seconds},
	}, nil
}

// measure starts a process for every task, lets all begin at once when all are warm, and collects what they report.
func (c benchSharingCmd) measure(ctx context.Context, limit *halfCore, tasks ...string) ([]childReport, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	type running struct {
		cmd *exec.Cmd
		in  io.WriteCloser
		out *bufio.Reader
	}
	var all []running
	defer func() {
		for _, p := range all {
			_ = p.cmd.Process.Kill() // a process that has ended is no failure
		}
	}()
	for _, task := range tasks {
		cmd := exec.CommandContext(ctx, self, "bench", "sharing", "--child", task, "--seconds",
			strconv.FormatFloat(c.Seconds, 'g', -1, 64), "--threads", strconv.Itoa(tensor.Threads()))
		cmd.Stderr = os.Stderr
		endWithParent(cmd)
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, fmt.Errorf("starting a measuring process: %w", err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, fmt.Errorf("starting a measuring process: %w", err)
		}
		if err := cmd.Start(); err != nil {
			return nil, fmt.Errorf("starting a measuring process: %w", err)
		}
		p := running{cmd, in, bufio.NewReader(out)}
		all = append(all, p)
		if _, err := p.out.ReadString('\n'); err != nil {
			return nil, fmt.Errorf("a measuring process did not get ready: %w", err)
		}
	}
	if limit != nil {
		stop := limit.take(all[0].cmd.Process)
		defer stop()
	}
	for _, p := range all {
		if _, err := io.WriteString(p.in, "go\n"); err != nil {
			return nil, fmt.Errorf("a measuring process ended early: %w", err)
		}
	}
	reports := make([]childReport, len(all))
	for i, p := range all {
		if err := json.NewDecoder(p.out).Decode(&reports[i]); err != nil {
			return nil, fmt.Errorf("a measuring process gave no report: %w", err)
		}
		if err := p.cmd.Wait(); err != nil {
			return nil, fmt.Errorf("a measuring process failed: %w", err)
		}
	}
	return reports, nil
}

// child is a measuring process: it says when it is warm, waits for a line, then works or idles.
func (c benchSharingCmd) child(ctx context.Context, g *Globals) error {
	run := bench.Sharing()
	for begin := time.Now(); time.Since(begin) < 300*time.Millisecond; {
		run()
	}
	fmt.Fprintln(g.out, "ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return fmt.Errorf("waiting for the start: %w", err)
	}
	used, begin := cpuTime(), time.Now()
	length := time.Duration(c.Seconds * float64(time.Second))
	var r childReport
	if c.Child == "idle" {
		time.Sleep(length)
	}
	for ctx.Err() == nil && time.Since(begin) < length {
		r.Products += run()
	}
	r.Seconds, r.CPU = time.Since(begin).Seconds(), (cpuTime() - used).Seconds()
	return json.NewEncoder(g.out).Encode(r)
}

// halfCore limits a process to half a core: by a control group where the system lets us make one, otherwise by stopping
// and continuing it.
type halfCore struct{ dir string }

const quotaPeriod = 100 * time.Millisecond

// newHalfCore makes the control group, of version 2 or 1.
func newHalfCore() *halfCore {
	period, half := quotaPeriod.Microseconds(), quotaPeriod.Microseconds()/2
	name := fmt.Sprintf("%s%d", halfCorePrefix, os.Getpid())
	for _, v := range []struct{ root, file, value string }{
		{"/sys/fs/cgroup", "cpu.max", fmt.Sprintf("%d %d", half, period)},
		{"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", strconv.FormatInt(half, 10)},
	} {
		removeStale(v.root)
		dir := filepath.Join(v.root, name)
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, v.file), os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(v.value)
			err = errors.Join(err, f.Close())
		}
		if err == nil {
			return &halfCore{dir}
		}
		_ = os.Remove(dir) // a plain folder, or a group without the limit
	}
	return &halfCore{}
}

// halfCorePrefix begins the names of control groups; the number of their process follows.
const halfCorePrefix = "manifold-bench-"

// removeStale removes the groups of processes that were killed before they could.
func removeStale(root string) {
	old, _ := filepath.Glob(filepath.Join(root, halfCorePrefix+"*")) // the pattern is well formed
	for _, dir := range old {
		pid := strings.TrimPrefix(filepath.Base(dir), halfCorePrefix)
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, fs.ErrNotExist) {
			_ = os.Remove(dir) // a group that is in use after all cannot be removed
		}
	}
}

func (h *halfCore) method() string {
	if h.dir != "" {
		return "control group " + filepath.Base(filepath.Dir(h.dir)) + ", 50 ms of 100 ms"
	}
	return "stopped and continued"
}

func (h *halfCore) remove() {
	if h.dir != "" {
		_ = os.Remove(h.dir) // the group is empty by now; a leftover is named after this process
	}
}

// take puts a process under the limit until stop is called.
func (h *halfCore) take(p *os.Process) (stop func()) {
	if h.dir != "" {
		err := os.WriteFile(filepath.Join(h.dir, "cgroup.procs"), []byte(strconv.Itoa(p.Pid)), 0o644)
		if err == nil {
			return func() {}
		}
	}
	return dutyCycle(p, quotaPeriod, quotaPeriod/time.Duration(2*runtime.NumCPU()))
}
