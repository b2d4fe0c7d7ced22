package evaluate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// Neighbours says what to measure of the nearest neighbours of pictures: raw pixels against codes.
type Neighbours struct {
	Store      *modelstore.Store
	Models     []string // that encode; name or name@version
	Data       *dataset.Locator
	Name       string // of a registered set with classes and the splits train, select and report
	Size       int    // height and width; 0 for the set's own
	Components int    // principal components; 0 for as many as the first model's codes have numbers, 32 without models
	// Train, Select and Report are numbers of pictures; 0 for all of a split.
	Train, Select, Report int
	Rounds                int                             // timed passes over TimedQueries in turns; 5
	Progress              func(what string, done, of int) // may be nil
}

// NeighboursRow is one representation.
type NeighboursRow struct {
	Name    string `json:"name"`
	Model   string `json:"model,omitempty"`
	Digest  string `json:"digest,omitempty"`
	Numbers int    `json:"numbers"` // of a picture
	K       int    `json:"k"`       // neighbours that vote, the best on the split select
	Select  Share  `json:"select_accuracy"`
	Report  Share  `json:"accuracy"`
	// Below is by how many percentage points the accuracy is below that of pixels, with the standard error of the
	// difference over the same pictures.
	Below Mean `json:"points_below_pixels"`
	// Search is the time of finding the neighbours of a query and counting their votes, in microseconds: the median of
	// the rounds, which measure the rows in turns. Encode is that of making the code of a query, Faster by what factor
	// the search is faster than that of pixels, FasterWhole the same with making the codes.
	Search      float64 `json:"search_us"`
	Encode      float64 `json:"encode_us"`
	Faster      float64 `json:"times_faster"`
	FasterWhole float64 `json:"times_faster_with_encoding"`
	Bytes       int64   `json:"bytes"`            // of the training pictures' rows, as they are searched
	Prepare     float64 `json:"prepare_seconds"`  // for making those
	PerSecond   float64 `json:"queries_a_second"` // of the search
}

// NeighboursReport is what was measured.
type NeighboursReport struct {
	Data     string          `json:"data"`
	Train    int             `json:"training_pictures"`
	Select   int             `json:"pictures_for_selection"`
	Report   int             `json:"pictures"`
	Threads  int             `json:"threads"`
	Kernels  string          `json:"kernels"`
	Numerics int             `json:"numerics"`
	Rows     []NeighboursRow `json:"rows"`
	Seconds  float64         `json:"seconds"`
}

// TimedQueries is how many queries a timed pass has.
const TimedQueries = 512

// space is one representation of all pictures.
type space struct {
	row             NeighboursRow
	encode          func(dst, x []float32, n int) // of rows of pixels
	index           *index
	selects, report *tensor.Tensor
	votes           []bool // of the split report: right
	times           []float64
	tell            func(what string, done, of int)
}

// Run measures.
func (c Neighbours) Run(ctx context.Context) (*NeighboursReport, error) {
	const op = "evaluate.Neighbours"
	r, err := c.run(ctx)
	return r, fault.Wrap(op, err)
}

func (c Neighbours) run(ctx context.Context) (*NeighboursReport, error) {
	start := time.Now()
	if c.Rounds == 0 {
		c.Rounds = 5
	}
	if c.Progress == nil {
		c.Progress = func(string, int, int) {}
	}
	train, err := c.open(ctx, "train", c.Train)
	if err != nil {
		return nil, err
	}
	selects, err := c.open(ctx, "select", c.Select)
	if err != nil {
		return nil, err
	}
	report, err := c.open(ctx, "report", c.Report)
	if err != nil {
		return nil, err
	}
	if len(train.Classes()) == 0 {
		return nil, fault.E(fault.Invalid, "NO_CLASSES", "", "the pictures of %s have no classes to find", c.Name)
	}
	r := &NeighboursReport{
		Data: c.Name, Train: train.Len(), Select: selects.Len(), Report: report.Len(), Threads: tensor.Threads(),
		Kernels: tensor.Kernels(), Numerics: tensor.NumericsVersion,
	}
	spaces, done, err := c.spaces(ctx, train)
	defer done()
	if err != nil {
		return nil, err
	}
	for _, s := range spaces {
		if err := s.fill(ctx, train, selects, report); err != nil {
			return nil, err
		}
		if err := s.accuracy(ctx, train, selects, report); err != nil {
			return nil, err
		}
	}
	for i := range c.Rounds {
		for _, s := range spaces {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			s.time(len(train.Classes()))
		}
		c.Progress("timing", i+1, c.Rounds)
	}
	for _, s := range spaces {
		s.compare(spaces[0])
		r.Rows = append(r.Rows, s.row)
	}
	r.Seconds = math.Round(10*time.Since(start).Seconds()) / 10
	return r, nil
}

func (c Neighbours) open(ctx context.Context, split string, limit int) (dataset.Dataset, error) {
	set, err := c.Data.Open(ctx, dataset.Request{
		Name: c.Name, Split: split, Format: dataset.Format{Height: c.Size, Width: c.Size},
	})
	if err != nil || limit == 0 || limit >= set.Len() {
		return set, err
	}
	return dataset.Range(set, 0, limit)
}

// spaces are the representations: pixels first, then principal components, then models.
func (c Neighbours) spaces(ctx context.Context, train dataset.Dataset) (all []*space, closeAll func(), err error) {
	var closers []func()
	closeAll = func() {
		for _, f := range closers {
			f()
		}
	}
	h, w, channels := train.Shape()
	d := h * w * channels
	pixels := &space{row: NeighboursRow{Name: "pixels", Numbers: d}}
	pixels.encode = func(dst, x []float32, _ int) { copy(dst, x) }
	var coded []*space
	for _, ref := range c.Models {
		m, head, done, err := Source{Store: c.Store, Model: ref}.open()
		if err != nil {
			return nil, closeAll, err
		}
		closers = append(closers, done)
		enc, ok := m.(model.Encoder)
		size := m.Size()
		switch {
		case !ok || size.CodeLen() == 0:
			return nil, closeAll, fault.E(fault.Invalid, "NO_CODES", "", "the model %s has no codes", head.Model)
		case size.Classes > 0:
			return nil, closeAll, fault.E(fault.Invalid, "CONDITIONAL", "", "the model %s wants to be told the class",
				head.Model)
		case size.Height != h || size.Width != w || size.Channels != channels:
			return nil, closeAll, fault.E(fault.Invalid, "WRONG_SIZE", "",
				"the model %s takes other pictures than those of %s", head.Model, c.Name)
		}
		coded = append(coded, &space{
			row: NeighboursRow{
				Name: "codes of " + head.Model, Model: head.Model, Digest: head.Digest, Numbers: size.CodeLen(),
			},
			encode: func(dst, x []float32, n int) { enc.Encode(dst, nil, x, n, nil) },
		})
	}
	if c.Components == 0 {
		c.Components = 32
		if len(coded) > 0 {
			c.Components = coded[0].row.Numbers
		}
	}
	c.Progress("principal components", 0, 1)
	begin := time.Now()
	p, err := NewPCA(ctx, train, c.Components)
	if err != nil {
		return nil, closeAll, fault.E(fault.Invalid, "NO_PCA", "", "%w", err)
	}
	c.Progress("principal components", 1, 1)
	pca := &space{row: NeighboursRow{Name: fmt.Sprintf("%d principal components", c.Components), Numbers: c.Components}}
	pca.row.Prepare = time.Since(begin).Seconds()
	pca.encode = p.encoder()
	all = append([]*space{pixels, pca}, coded...)
	for _, s := range all {
		s.tell = func(what string, done, of int) { c.Progress(s.row.Name+": "+what, done, of) }
	}
	return all, closeAll, nil
}

// encoder is the projection on the components in float32: (x - mean) V^T = x V^T - mean V^T.
func (p *PCA) encoder() func(dst, x []float32, n int) {
	d, k := len(p.mean), len(p.vectors)
	v, shift := tensor.New(tensor.Float32, k, d), tensor.New(tensor.Float32, k)
	for i, vector := range p.vectors {
		var s float64
		for j, a := range vector {
			v.F32()[i*d+j] = float32(a)
			s += float64(a * p.mean[j])
		}
		shift.F32()[i] = -float32(s)
	}
	packed := tensor.PackB(v, true)
	return func(dst, x []float32, n int) {
		tensor.MatMulPacked(tensor.FromFloat32(dst[:n*k], n, k), tensor.FromFloat32(x[:n*d], n, d), packed,
			&tensor.Epilogue{Bias: shift})
	}
}

// fill makes the rows of all pictures.
func (s *space) fill(ctx context.Context, train, selects, report dataset.Dataset) error {
	begin := time.Now()
	rows, _, err := s.rows(ctx, train)
	if err != nil {
		return err
	}
	s.index = newIndex(rows)
	s.row.Bytes = s.index.bytes
	s.row.Prepare += time.Since(begin).Seconds()
	if s.selects, _, err = s.rows(ctx, selects); err != nil {
		return err
	}
	var seconds float64
	s.report, seconds, err = s.rows(ctx, report)
	s.row.Encode = 1e6 * seconds / float64(report.Len())
	return err
}

// rows represents a set, and says how long the representation alone took.
func (s *space) rows(ctx context.Context, set dataset.Dataset) (*tensor.Tensor, float64, error) {
	h, w, c := set.Shape()
	d, k, n := h*w*c, s.row.Numbers, set.Len()
	out, x := tensor.New(tensor.Float32, n, k), make([]float32, chunk*d)
	var seconds float64
	for from := 0; from < n; from += chunk {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		m := min(chunk, n-from)
		for i := range m {
			if err := set.Picture(from+i, x[i*d:(i+1)*d]); err != nil {
				return nil, 0, err
			}
		}
		dataset.ToUnit(x[:m*d])
		begin := time.Now()
		err := tensor.Catch(func() { s.encode(out.F32()[from*k:(from+m)*k], x[:m*d], m) })
		if err != nil {
			return nil, 0, err
		}
		seconds += time.Since(begin).Seconds()
		s.tell("making", from+m, n)
	}
	return out, seconds, nil
}

// maxVotes is the most neighbours that vote.
const maxVotes = 15

// accuracy chooses the number of votes on one split and measures on the other.
func (s *space) accuracy(ctx context.Context, train, selects, report dataset.Dataset) error {
	classes := len(train.Classes())
	near, err := s.nearest(ctx, s.selects, maxVotes)
	if err != nil {
		return err
	}
	best := -1
	for k := 1; k <= min(maxVotes, train.Len()); k += 2 {
		right := 0
		for i, l := range near {
			if vote(train, l[:k], classes) == selects.Label(i) {
				right++
			}
		}
		if right > best {
			best, s.row.K = right, k
		}
	}
	s.row.Select = share(best, selects.Len())
	if near, err = s.nearest(ctx, s.report, s.row.K); err != nil {
		return err
	}
	right := 0
	s.index.labels = labelsOf(train)
	for i, l := range near {
		s.votes = append(s.votes, vote(train, l, classes) == report.Label(i))
		if s.votes[i] {
			right++
		}
	}
	s.row.Report = share(right, report.Len())
	return nil
}

// nearest searches part by part, and tells how far it is.
func (s *space) nearest(ctx context.Context, queries *tensor.Tensor, k int) ([][]int32, error) {
	const part = 8 * queryRows
	n, d := queries.Dims2()
	near := make([][]int32, 0, n)
	for from := 0; from < n; from += part {
		to := min(from+part, n)
		some, err := s.index.nearest(ctx, tensor.FromFloat32(queries.F32()[from*d:to*d], to-from, d), k)
		if err != nil {
			return nil, err
		}
		near = append(near, some...)
		s.tell("searching", to, n)
	}
	return near, nil
}

func labelsOf(set dataset.Dataset) []int32 {
	l := make([]int32, set.Len())
	for i := range l {
		l[i] = int32(set.Label(i))
	}
	return l
}

// vote is the class of most of the pictures; of several, the one whose picture is nearest.
func vote(set dataset.Dataset, near []int32, classes int) int {
	counts, best := make([]int, classes), -1
	for _, i := range near {
		counts[set.Label(int(i))]++
	}
	for _, i := range near {
		if l := set.Label(int(i)); best < 0 || counts[l] > counts[best] {
			best = l
		}
	}
	return best
}

// time searches for the first queries once more.
func (s *space) time(classes int) {
	n := min(TimedQueries, s.report.Dim(0))
	queries := tensor.FromFloat32(s.report.F32()[:n*s.row.Numbers], n, s.row.Numbers)
	begin := time.Now()
	near, _ := s.index.nearest(context.Background(), queries, s.row.K)
	counts := make([]int, classes)
	for _, l := range near {
		clear(counts)
		for _, i := range l {
			counts[s.index.labels[i]]++
		}
	}
	s.times = append(s.times, time.Since(begin).Seconds()/float64(n))
}

// compare fills in the figures that are held against those of pixels.
func (s *space) compare(pixels *space) {
	slices.Sort(s.times)
	slices.Sort(pixels.times)
	search, raw := s.times[len(s.times)/2], pixels.times[len(pixels.times)/2]
	s.row.Search, s.row.PerSecond, s.row.Faster = 1e6*search, 1/search, raw/search
	if s == pixels {
		s.row.Encode = 0 // there is nothing to make
	}
	s.row.FasterWhole = raw / (search + 1e-6*s.row.Encode)
	var lost sum
	for i, right := range s.votes {
		d := 0.0
		if pixels.votes[i] {
			d++
		}
		if right {
			d--
		}
		lost.add(100 * d)
	}
	s.row.Below = lost.mean()
}
