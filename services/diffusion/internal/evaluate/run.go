package evaluate

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/shared/classify"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// Config says what to measure.
type Config struct {
	Store      *modelstore.Store // holds the model
	Model      string            // name or name@version
	Classifier *classify.Classifier
	Locator    *dataset.Locator // nil finds sets that are drawn
	Name       string           // of a registered set with the splits train and report
	Sizes      Sizes
	Only       []string // rows or groups to measure, also when they are there already; none: all that are not
	Command    Run      // the command, for the report

	Previous *Report             // is continued; nil: a new report
	Save     func(*Report) error // is called after every row; nil: nothing
	Progress func(Progress)      // nil: nothing; called from several goroutines, one at a time
}

// Progress tells how far an evaluation is.
type Progress struct {
	Row   string  // id of the row that is measured
	Done  int     // rows
	Of    int     // rows
	Share float64 // of the network's work, or of the rows where none needs the network; 0 to 1
	ETA   time.Duration
	Last  *Row // that was just finished; nil in between
}

// Measure measures the rows and returns the whole report. The errors are those of the store, the data and the engine;
// Invalid for sizes that the data cannot give, rows that do not exist, and a model or classifier that does not fit the
// data; Precondition for a previous report about something else.
func Measure(ctx context.Context, c Config) (*Report, error) {
	const op = "evaluate.Measure"
	fail := func(err error) (*Report, error) { return nil, fault.Wrap(op, err) }
	if err := c.Sizes.check(); err != nil {
		return fail(err)
	}
	e, err := c.Store.Resolve(c.Model)
	if err != nil {
		return fail(err)
	}
	dir, err := c.Store.Dir(e)
	if err != nil {
		return fail(err)
	}
	l, err := engine.Load(ctx, e, dir, engine.Config{})
	if err != nil {
		return fail(err)
	}
	defer l.Close()
	r, err := newRunner(ctx, c, l)
	if err != nil {
		return fail(err)
	}
	if err := r.run(ctx); err != nil {
		return fail(err)
	}
	return r.report, nil
}

// runner measures row after row.
type runner struct {
	Config
	loaded        *engine.Loaded
	train, real   dataset.Dataset
	size, classes int
	judge         *judge
	moments       *moments // of train, once a row wants them
	drawings      map[spec]*drawn
	report        *Report

	mu    sync.Mutex
	clock progress
}

func newRunner(ctx context.Context, c Config, l *engine.Loaded) (*runner, error) {
	if c.Locator == nil {
		c.Locator = new(dataset.Locator)
	}
	r := &runner{Config: c, loaded: l, classes: l.Model.Classes, drawings: map[spec]*drawn{}}
	m := l.Model
	r.size = m.Height * m.Width * m.Channels
	for _, s := range []struct {
		name string
		to   *dataset.Dataset
	}{{"train", &r.train}, {"report", &r.real}} {
		set, err := c.Locator.Open(ctx, dataset.Request{Name: c.Name, Split: s.name})
		if err != nil {
			return nil, err
		}
		if h, w, ch := set.Shape(); h != m.Height || w != m.Width || ch != m.Channels {
			return nil, fault.E(fault.Invalid, "BAD_DATA", "evaluate.Run",
				"%s has pictures of %dx%dx%d, model %s draws %dx%dx%d", c.Name, h, w, ch, m.Name, m.Height, m.Width, m.Channels)
		}
		*s.to = set
	}
	if r.classes != 0 && r.classes != c.Classifier.Config().Classes {
		return nil, fault.E(fault.Invalid, "BAD_CLASSIFIER", "evaluate.Run", "the classifier knows %d classes, model %s %d",
			c.Classifier.Config().Classes, m.Name, r.classes)
	}
	if n := c.Sizes.Train; n > 0 && n < r.train.Len() {
		part, err := dataset.Range(r.train, 0, n)
		if err != nil {
			return nil, err
		}
		r.train = part
	}
	first := max(c.Sizes.N, c.Sizes.NSteps)
	if first+8 > r.real.Len() || first > r.train.Len() {
		return nil, badSizes(
			"n %d: the split report of %s has %d pictures, which must give a sample and a reference, and train %d", first,
			c.Name, r.real.Len(), r.train.Len())
	}
	return r, r.begin(ctx, first)
}

// begin takes the reference and sets up the report.
func (r *runner) begin(ctx context.Context, first int) error {
	last := r.real.Len()
	if n := r.Sizes.Reference; n > 0 {
		last = min(last, first+n)
	}
	x, _, err := classify.Pictures(r.real, first, last)
	if err != nil {
		return err
	}
	if r.judge, err = newJudge(r.Classifier, r.Sizes, x); err != nil {
		return err
	}
	accuracy, err := r.Classifier.Accuracy(ctx, r.real)
	if err != nil {
		return err
	}
	e, c := r.loaded.Entry, r.Classifier.Entry
	r.report = &Report{
		Kind: Kind, Sizes: r.Sizes, Numerics: tensor.NumericsVersion,
		Model: Model{Ref: e.Ref(), Digest: e.Manifest.Digest, Parameters: e.Manifest.Parameters, FLOPs: r.loaded.FLOPs,
			Classes: r.classes},
		Classifier: Classifier{Features: r.Classifier.Config().Features(), Accuracy: newMatch(accuracy)},
		Data: Data{Name: r.Name, Train: r.train.Hash(), Report: r.real.Hash(), Trained: r.train.Len(),
			Reference: last - first},
	}
	if c.Manifest != nil {
		r.report.Classifier.Ref, r.report.Classifier.Digest = c.Ref(), c.Manifest.Digest
	}
	if old := r.Previous; old != nil {
		if why := r.report.sameSubject(old); why != "" {
			return fault.E(fault.Precondition, "ANOTHER_REPORT", "evaluate.Run",
				"the report that was to be continued is about %s; name another file, or start anew", why)
		}
		r.report.Runs, r.report.Rows = slices.Clone(old.Runs), slices.Clone(old.Rows)
	}
	return nil
}

// run measures what is wanted.
func (r *runner) run(ctx context.Context) error {
	all := plan(r.Sizes, r.classes)
	todo, err := choose(all, r.Only)
	if err != nil {
		return err
	}
	todo = slices.Clone(todo)
	if len(r.Only) == 0 {
		todo = slices.DeleteFunc(todo, func(p planned) bool { return r.report.Row(p.id) != nil })
	}
	if len(todo) == 0 {
		return nil
	}
	// What takes longest comes last: whoever stops early has most of the report.
	slices.SortStableFunc(todo, func(a, b planned) int { return cmp.Compare(a.slow(), b.slow()) })
	r.clock = progress{begun: time.Now(), of: len(todo)}
	seen := map[spec]int{}
	for _, p := range todo {
		if p.spec == nil || seen[*p.spec] >= p.n {
			continue
		}
		method, err := sampler.New(p.spec.sampler, r.loaded.Model.Schedule, sampler.Config{Steps: p.spec.steps})
		if err != nil {
			return err
		}
		r.clock.total += p.spec.work(method, p.n)
		seen[*p.spec] = p.n
	}
	order := make([]string, len(all))
	for i, p := range all {
		order[i] = p.id
	}
	r.report.Runs = append(r.report.Runs, r.Command)
	for i, p := range todo {
		r.tell(func() { r.clock.done, r.clock.row, r.clock.last = i, p.id, nil })
		row, err := r.measure(ctx, p)
		if err != nil {
			return err
		}
		row.Run = len(r.report.Runs) - 1
		r.report.put(row, order)
		if r.Save != nil {
			if err := r.Save(r.report); err != nil {
				return err
			}
		}
		r.tell(func() { r.clock.done, r.clock.last = i+1, &row })
	}
	return nil
}

// measure makes one row.
func (r *runner) measure(ctx context.Context, p planned) (Row, error) {
	row := Row{ID: p.id, Group: p.group, Title: p.title, N: p.n}
	if err := ctx.Err(); err != nil {
		return row, err
	}
	x, err := r.pictures(ctx, p, &row)
	if err != nil {
		return row, err
	}
	if p.group == "memory" {
		unseen, _, err := classify.Pictures(r.real, 0, p.n)
		if err != nil {
			return row, err
		}
		row.Nearest, err = compare(ctx, x, unseen, r.size, r.train)
		return row, err
	}
	strata := 1
	if p.spec != nil && p.spec.classes {
		strata = r.classes
	}
	predicted, err := r.judge.distances(&row, x, strata)
	if err != nil {
		return row, err
	}
	if p.spec != nil && p.spec.classes {
		asked := make([]int32, p.n)
		for i := range asked {
			asked[i] = int32(i % r.classes)
		}
		row.ClassMatch, err = match(predicted, asked, r.classes)
	}
	return row, err
}

// pictures are the n pictures of a row.
func (r *runner) pictures(ctx context.Context, p planned, row *Row) ([]float32, error) {
	if p.spec != nil {
		return r.generated(ctx, p, row)
	}
	seed := r.Sizes.Seed
	switch p.id {
	case "uniform-noise":
		return uniformNoise(p.n, r.size, seed), nil
	case "gaussian-noise":
		return gaussianNoise(p.n, r.size, seed), nil
	case "pixel-gaussian", "joint-gaussian":
		if r.moments == nil {
			m, err := momentsOf(ctx, r.train)
			if err != nil {
				return nil, err
			}
			r.moments = m
		}
		if p.id == "joint-gaussian" {
			return r.moments.joint(p.n, seed)
		}
		return r.moments.independent(p.n, seed), nil
	case "train":
		x, _, err := classify.Pictures(r.train, 0, p.n)
		return x, err
	}
	x, _, err := classify.Pictures(r.real, 0, p.n)
	return x, err
}

// generated draws a row's pictures, or takes the first of an equal draw that was made before.
func (r *runner) generated(ctx context.Context, p planned, row *Row) ([]float32, error) {
	d := r.drawings[*p.spec]
	if d == nil || len(d.x) < p.n*r.size {
		var err error
		worked := func(rows float64) { r.tell(func() { r.clock.work += rows }) }
		d, err = draw(ctx, r.loaded, *p.spec, p.n, r.Sizes.Seed, worked)
		if err != nil {
			return nil, err
		}
		r.drawings[*p.spec] = d
	}
	info := d.info
	row.Draw = &info
	return d.x[:p.n*r.size], nil
}

// progress is the state behind Progress.
type progress struct {
	begun       time.Time
	row         string
	done, of    int
	work, total float64
	last        *Row
}

// tell changes the progress and reports it.
func (r *runner) tell(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	if r.Progress == nil {
		return
	}
	c := &r.clock
	p := Progress{Row: c.row, Done: c.done, Of: c.of, Share: float64(c.done) / float64(c.of), Last: c.last}
	if c.total > 0 {
		p.Share = min(c.work/c.total, 1)
		if c.work > 0 {
			p.ETA = time.Duration((1 - p.Share) / p.Share * float64(time.Since(c.begun)))
		}
	}
	r.Progress(p)
	c.last = nil
}
