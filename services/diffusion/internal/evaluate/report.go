package evaluate

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Kind is what Report.Kind says.
const Kind = "diffusion-evaluation"

// Report is what an evaluation writes, as JSON.
type Report struct {
	Kind       string     `json:"kind"`
	Model      Model      `json:"model"`
	Classifier Classifier `json:"classifier"`
	Data       Data       `json:"data"`
	Sizes      Sizes      `json:"sizes"`
	Numerics   int        `json:"numerics"`
	Runs       []Run      `json:"runs"` // the commands that made the rows, oldest first
	Rows       []Row      `json:"rows"` // in the order of the plan
}

// Model names what is measured.
type Model struct {
	Ref        string `json:"ref"`
	Digest     string `json:"digest"`
	Parameters int64  `json:"parameters"`
	FLOPs      int64  `json:"flops"` // of one evaluation of one picture, a multiplication and an addition counting as two
	Classes    int    `json:"classes"`
}

// Classifier names what measures.
type Classifier struct {
	Ref      string `json:"ref"`
	Digest   string `json:"digest"`
	Features int    `json:"features"`
	Accuracy *Match `json:"accuracy"` // on all of the split report
}

// Data names the real pictures.
type Data struct {
	Name      string `json:"name"`
	Train     string `json:"train_sha256"`
	Report    string `json:"report_sha256"`
	Trained   int    `json:"train_pictures"`
	Reference int    `json:"reference_pictures"` // m, of the split report, after the real sample
}

// Run is one call of the command.
type Run struct {
	Command string    `json:"command"`
	Version string    `json:"version"`
	Commit  string    `json:"commit,omitempty"`
	Go      string    `json:"go"`
	Machine string    `json:"machine"`
	Kernels string    `json:"kernels"`
	Threads int       `json:"threads"`
	Date    time.Time `json:"date"`
}

// Row is one line of the report. What does not apply is left out.
type Row struct {
	ID    string `json:"id"`
	Group string `json:"group"` // baseline, quality, steps, steps-classes, guidance, memory
	Title string `json:"title"`
	N     int    `json:"n"`
	Run   int    `json:"run"` // index into Report.Runs

	Draw       *Draw     `json:"draw,omitempty"`
	Frechet    *Estimate `json:"frechet,omitempty"`
	KID        *KID      `json:"kid,omitempty"`
	Precision  *float64  `json:"precision,omitempty"`
	Recall     *float64  `json:"recall,omitempty"`
	ClassMatch *Match    `json:"class_match,omitempty"`
	Nearest    *Nearest  `json:"nearest,omitempty"`
}

// Draw says how generated pictures were made.
type Draw struct {
	Sampler     string  `json:"sampler"`
	Steps       int     `json:"steps"`
	Evaluations int     `json:"evaluations"` // of the network a picture, twice as many rows under guidance
	Guidance    float64 `json:"guidance"`    // 1: none
	Classes     string  `json:"classes"`     // "none", or "even": class i mod K of picture i
	Seconds     float64 `json:"seconds"`     // of the whole draw, of which a row may use the first n
	PerSecond   float64 `json:"pictures_per_second"`
}

// Estimate is a number with what a bootstrap over the n measured pictures says of its spread: the standard deviation,
// and 1.96 of them to each side. Where classes take turns, resamples keep their balance. The bootstrap's own mean is
// biased for this distance and is not used.
type Estimate struct {
	Value float64 `json:"value"`
	Std   float64 `json:"std"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Draws int     `json:"bootstrap"`
}

// KID is the kernel distance: mean and deviation over pairs of subsets.
type KID struct {
	Mean    float64 `json:"mean"`
	Std     float64 `json:"std"`
	Subsets int     `json:"subsets"`
	Size    int     `json:"size"`
}

// Match is a share with Wilson's 95 % interval.
type Match struct {
	Hits  int     `json:"hits"`
	N     int     `json:"n"`
	Share float64 `json:"share"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	// PerClass are the hits of each class, of as many tries each.
	PerClass []int `json:"per_class,omitempty"`
}

// Nearest compares distances to the nearest training picture, Euclidean, pixels in [-1, 1].
type Nearest struct {
	Training  int     `json:"training_pictures"` // that were searched
	Generated Spread  `json:"generated"`
	Real      Spread  `json:"real"` // of as many pictures of the split report
	Closer    float64 `json:"closer_share"`
	// Closest are a generated picture and the training picture that is most like it.
	Closest [2]int `json:"closest"`
}

// Spread describes some distances.
type Spread struct {
	Mean   float64 `json:"mean"`
	Min    float64 `json:"min"`
	First  float64 `json:"percentile_1"`
	Median float64 `json:"median"`
}

// Read reads a report; one that is not there is nil without an error. Errors are Corrupt for a file that is no report.
func Read(path string) (*Report, error) {
	const op = "evaluate.Read"
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.E(fault.Unavailable, "CANNOT_READ", op, "%s cannot be read", filepath.Base(path))
	}
	r := new(Report)
	if err := json.Unmarshal(text, r); err != nil || r.Kind != Kind {
		return nil, fault.E(fault.Corrupt, "NOT_A_REPORT", op,
			"%s is not a report of this command; name another file, or remove it", filepath.Base(path))
	}
	return r, nil
}

// Write stores the report at path, whole or not at all.
func (r *Report) Write(path string) error {
	const op = "evaluate.Write"
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fault.E(fault.Internal, "NOT_A_NUMBER", op, "%w", err)
	}
	err = func() error {
		f, err := os.CreateTemp(filepath.Dir(path), ".report-*")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name()) // nothing there after the rename
		if _, err := f.Write(append(text, '\n')); err != nil {
			_ = f.Close()
			return err
		}
		if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
			return err
		}
		return os.Rename(f.Name(), path)
	}()
	if err != nil {
		return fault.E(fault.Unavailable, "CANNOT_WRITE", op, "%s cannot be written", filepath.Base(path))
	}
	return nil
}

// Row finds a row by its id, or nil.
func (r *Report) Row(id string) *Row {
	for i := range r.Rows {
		if r.Rows[i].ID == id {
			return &r.Rows[i]
		}
	}
	return nil
}

// put adds a row or replaces the one with its id, keeping the order of the plan.
func (r *Report) put(row Row, order []string) {
	if old := r.Row(row.ID); old != nil {
		*old = row
		return
	}
	r.Rows = append(r.Rows, row)
	slices.SortStableFunc(r.Rows, func(a, b Row) int { return slices.Index(order, a.ID) - slices.Index(order, b.ID) })
}

// sameSubject says in words why old cannot be continued by r; "" when it can.
func (r *Report) sameSubject(old *Report) string {
	switch {
	case old.Model.Digest != r.Model.Digest:
		return "another model"
	case old.Classifier.Digest != r.Classifier.Digest:
		return "another classifier"
	case old.Data != r.Data:
		return "other data"
	case old.Sizes != r.Sizes:
		return "other sizes or another seed"
	case old.Numerics != r.Numerics:
		return "another numerics version"
	}
	return ""
}
