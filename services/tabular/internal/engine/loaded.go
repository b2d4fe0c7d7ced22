package engine

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/profile"
	"github.com/manifold-gen/manifold/shared/batch"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Kind is what a piece of work does; kinds are measured apart.
type Kind uint8

// The kinds of work.
const (
	Querying Kind = iota
	Explaining
	Sampling
	Scoring
	Reporting
	kinds
)

// Open makes a model of a manifest and its tensors, strictly, with the profile of its training data. The model must not
// use the file afterwards. Errors of kind Internal, and those without a kind, mean a damaged model.
type Open func(m *modelstore.Manifest, f *weights.File) (model.Model, *profile.Profile, error)

// Loaded is a model in memory, as a modelstore.Manager keeps it.
type Loaded struct {
	Model   model.Model
	Profile *profile.Profile // of the training data
	Entry   modelstore.Entry

	pool     *Pool
	meters   [kinds]batch.Meter
	bytes    int64
	draining atomic.Bool
}

// Load reads the model in dir.
func Load(_ context.Context, e modelstore.Entry, dir string, pool *Pool, open Open) (*Loaded, error) {
	corrupt := func(err error) error {
		// Readers of files name them with their directories, which callers must not see.
		text := strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
		return fault.E(fault.Corrupt, "BAD_MODEL", "", "%s", text) // the store says which model
	}
	file, err := weights.Open(filepath.Join(dir, modelstore.WeightsFile))
	if err != nil {
		return nil, corrupt(err)
	}
	defer func() { _ = file.Close() }() // the model has copies
	l := &Loaded{Entry: e, pool: pool, bytes: file.Size() + int64(len(e.Manifest.Config))}
	caught := batch.Guard(pool.cfg.Observer, e.Ref(), func() { l.Model, l.Profile, err = open(e.Manifest, file) })
	if caught != nil {
		err = caught
	}
	if err == nil {
		return l, nil
	}
	if fault.KindOf(err) == fault.Internal {
		return nil, corrupt(err)
	}
	return nil, err
}

// Do is Pool.Do for a piece of work on the model.
func (l *Loaded) Do(ctx context.Context, k Kind, units int, work func(context.Context) error) (Timing, error) {
	return l.pool.Do(ctx, l.Entry.Ref(), &l.meters[k], max(1, units), work)
}

// Bytes is the memory that the model holds: its tensors, once as they are and once more for tables made of them.
func (l *Loaded) Bytes() int64 { return 2 * l.bytes }

// Close frees the model.
func (l *Loaded) Close() error { return nil }

// HandOver ends the streams of rows that another replica can go on with; the others run to their end.
func (l *Loaded) HandOver() { l.draining.Store(true) }

// Draining says whether HandOver was called.
func (l *Loaded) Draining() bool { return l.draining.Load() }
