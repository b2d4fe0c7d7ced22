package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Names in a run's directory.
const (
	lockFile  = "lock"
	bestFile  = "best.safetensors"
	clockFile = "clock.json"

	keepCheckpoints = 2
	stateKey        = "manifold.train" // of the metadata entry that holds counters
)

var checkpointName = regexp.MustCompile(`^step-(\d{10})\.safetensors$`)

// counters is all of a run's state that is not a tensor. Its JSON lies in the checkpoint's metadata; floats
// survive it exactly, because encoding/json writes the shortest text that reads back as the same number.
type counters struct {
	Fingerprint string             `json:"fingerprint"`
	Steps       int                `json:"steps"`    // done
	Position    uint64             `json:"position"` // in the sequence of samples
	Best        *float64           `json:"best,omitempty"`
	BestStep    int                `json:"best_step,omitempty"`
	BestMetrics map[string]float64 `json:"best_metrics,omitempty"`
	Waited      int                `json:"waited,omitempty"` // evaluations since the best one
	Evaluated   int                `json:"evaluated,omitempty"`
	Metrics     map[string]float64 `json:"metrics,omitempty"` // of the last evaluation
	LossSum     float64            `json:"loss_sum"`          // since the last Step event
	LossSteps   int                `json:"loss_steps"`
	Loss        float64            `json:"loss"` // of the last Step event
	Done        bool               `json:"done,omitempty"`
	Stopped     bool               `json:"stopped,omitempty"` // early
}

// stepFile is the name of the checkpoint after the given number of steps.
func stepFile(steps int) string { return fmt.Sprintf("step-%010d.safetensors", steps) }

// save writes a checkpoint and removes those that are older than the newest two.
func save(dir string, s []weights.Param, c *counters) (name string, err error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fault.Wrap("train.checkpoint", err)
	}
	name = stepFile(c.Steps)
	if err := write(filepath.Join(dir, name), s, string(text)); err != nil {
		return "", checkpointError(name, err)
	}
	all := checkpoints(dir)
	for _, old := range all[:max(0, len(all)-keepCheckpoints)] {
		_ = os.Remove(filepath.Join(dir, old)) // one checkpoint too many does no harm
	}
	return name, nil
}

// write stores tensors and a text, atomically.
func write(path string, s []weights.Param, text string) error {
	tensors := make(map[string]*tensor.Tensor, len(s))
	for _, p := range s {
		tensors[p.Name] = p.Tensor
	}
	return weights.Write(path, tensors, map[string]string{stateKey: text})
}

// checkpointError says which file could not be written and why, without the directory.
func checkpointError(name string, err error) error {
	return fault.E(fault.Unavailable, "CHECKPOINT_NOT_WRITTEN", "train.checkpoint",
		"%s could not be written (%w); older checkpoints are kept", name, cause(err))
}

// checkpoints returns the names of the checkpoints in dir, oldest first.
func checkpoints(dir string) []string {
	list, _ := os.ReadDir(dir) // a directory that cannot be read has no checkpoints; writing to it reports why
	var names []string
	for _, e := range list {
		if checkpointName.MatchString(e.Name()) && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names) // the numbers have leading zeros
	return names
}

// sweep removes temporary files that a killed run left behind; the directory is locked, so nobody writes one now.
func sweep(dir string) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), ".tmp") {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// load fills s from the newest checkpoint that is sound. It returns nil counters when there is none, and the
// problems of those it passed over. A checkpoint of another config or task is an error of kind Precondition.
func load(dir, fingerprint string, s []weights.Param) (*counters, []error, error) {
	var skipped []error
	names := checkpoints(dir)
	for _, name := range slices.Backward(names) {
		c, err := loadOne(filepath.Join(dir, name), fingerprint, s)
		if err == nil {
			return c, skipped, nil
		}
		if fault.KindOf(err) == fault.Precondition {
			return nil, nil, err
		}
		skipped = append(skipped, fault.E(fault.Corrupt, "CHECKPOINT_CORRUPT", "train.resume",
			"%s is passed over: %w", name, err))
	}
	if len(names) > 0 {
		// Starting again from nothing would throw away what can perhaps be repaired.
		return nil, nil, fault.E(fault.Corrupt, "CHECKPOINT_CORRUPT", "train.resume",
			"none of %d checkpoints can be read: %w", len(names), errors.Join(skipped...))
	}
	return nil, nil, nil
}

func loadOne(path, fingerprint string, s []weights.Param) (*counters, error) {
	f, err := weights.OpenRead(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := new(counters)
	if err := json.Unmarshal([]byte(f.Metadata[stateKey]), c); err != nil {
		return nil, fmt.Errorf("its counters cannot be read: %w", err)
	}
	if m := checkpointName.FindStringSubmatch(filepath.Base(path)); m != nil {
		if n, err := strconv.Atoi(m[1]); err != nil || n != c.Steps {
			return nil, fmt.Errorf("its counters are those of step %d", c.Steps)
		}
	}
	if c.Fingerprint != fingerprint {
		return nil, fault.E(fault.Precondition, "OTHER_RUN", "train.resume",
			"the directory holds a run with another recipe, data set or numerics version; "+
				"choose another directory, or delete this one to start again")
	}
	return c, weights.Bind(f, s, weights.Mapping{Copy: true})
}

// clock is clock.json. It stands apart from the checkpoint, whose bytes know no time.
type clock struct {
	Seconds float64 `json:"seconds"`
}

func readClock(dir string) time.Duration {
	var c clock
	text, err := os.ReadFile(filepath.Join(dir, clockFile))
	if err != nil || json.Unmarshal(text, &c) != nil || !(c.Seconds >= 0 && c.Seconds < 1e9) {
		return 0
	}
	return time.Duration(c.Seconds * float64(time.Second))
}

func writeClock(dir string, elapsed time.Duration) {
	text, err := json.Marshal(clock{Seconds: elapsed.Seconds()})
	if err != nil {
		return
	}
	temp := filepath.Join(dir, "."+clockFile+".tmp")
	if os.WriteFile(temp, append(text, '\n'), 0o644) == nil {
		_ = os.Rename(temp, filepath.Join(dir, clockFile)) // a report's figure, nothing depends on it
	}
}

func diskError(what string, err error) *fault.Error {
	return fault.E(fault.Unavailable, "DISK", "train.Run", "%s: %w", what, bare(err))
}

// bare strips directories from a file system's error, since messages must not show them.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}

// cause is bare for what package weights returns: the operating system's part of the message, which names no
// directory, or the whole error.
func cause(err error) error {
	var e *weights.Error
	if errors.As(err, &e) && e.Err != nil {
		return bare(e.Err)
	}
	return bare(err)
}
