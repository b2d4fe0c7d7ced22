package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Open makes a model of a manifest and binds its weights strictly. The statistics are nil where none were kept. It must
// not take memory for parameters that the file cannot hold. Errors of kind Internal, and those without a kind, mean a
// damaged model.
type Open func(m *modelstore.Manifest, f *weights.File) (model.Model, *model.Stats, error)

// Loaded is a model in memory with its engine, as a modelstore.Manager keeps it.
type Loaded struct {
	*Engine
	Model model.Model
	Stats *model.Stats // of the codes of the training data; nil where none were kept
	Entry modelstore.Entry

	file *weights.File
}

// Load maps the weights in dir, opens the model and warms it up.
func Load(_ context.Context, e modelstore.Entry, dir string, cfg Config, open Open) (*Loaded, error) {
	corrupt := func(err error) error {
		// Readers of files name them with their directories, which callers must not see.
		text := strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
		return fault.E(fault.Corrupt, "BAD_MODEL", "", "%s", text) // the store says which model
	}
	file, err := weights.Open(filepath.Join(dir, modelstore.WeightsFile))
	if err != nil {
		return nil, corrupt(err)
	}
	l := &Loaded{Entry: e, file: file}
	if err := l.start(cfg, open); err != nil {
		_ = file.Close()
		if fault.KindOf(err) == fault.Internal {
			return nil, corrupt(err)
		}
		return nil, err
	}
	return l, nil
}

func (l *Loaded) start(cfg Config, open Open) (err error) {
	caught := tensor.Catch(func() { l.Model, l.Stats, err = open(l.Entry.Manifest, l.file) })
	if caught != nil {
		err = caught
	}
	if err != nil {
		return err
	}
	if n := l.Model.Size().Classes; n != 0 && n != len(l.Entry.Manifest.Labels) {
		return fmt.Errorf("the model has %d classes and %d labels", n, len(l.Entry.Manifest.Labels))
	}
	l.Engine, err = New(l.Entry.Ref(), l.Model, cfg)
	return err
}

// Plane is where the codes of the model lie: its statistics, or where none were kept and the codes are trained towards
// a standard normal prior, mean 0 and deviation 1; assumed says that it is the latter. nil where nothing is known.
func (l *Loaded) Plane() (st *model.Stats, assumed bool) {
	if l.Stats != nil {
		return l.Stats, false
	}
	if m, ok := l.Model.(model.StandardNormal); !ok || !m.StandardNormal() {
		return nil, false
	}
	k := l.Model.Size().CodeLen()
	return &model.Stats{Mean: make([]float64, k), Deviation: slices.Repeat([]float64{1}, k)}, true
}

// Bytes is the memory that the model holds: its weights, mapped, and once more as the kernels want them.
func (l *Loaded) Bytes() int64 { return 2 * l.file.Size() }

// Close stops the engine and unmaps the weights.
func (l *Loaded) Close() error {
	l.Engine.Close()
	return l.file.Close()
}
