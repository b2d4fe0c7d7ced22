package engine

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/manifold-gen/manifold/services/lm/internal/model"
	"github.com/manifold-gen/manifold/shared/batch"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Open makes a model of a manifest and its tensors, strictly; the model may go on using them. What it can do it says by
// implementing the interfaces of package model. Errors of kind Internal, and those without a kind, mean a damaged
// model.
type Open func(m *modelstore.Manifest, f *weights.File) (any, error)

// Loaded is a model in memory, as a modelstore.Manager keeps it.
type Loaded struct {
	*Engine     // nil for a model that is no model.Model
	Model   any // see Open
	Entry   modelstore.Entry

	file *weights.File
}

// Load opens the model in dir and starts its engine.
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
	observer := cfg.Observer
	if observer == nil {
		observer = batch.Unobserved{}
	}
	caught := batch.Guard(observer, e.Ref(), func() { l.Model, err = open(e.Manifest, file) })
	if caught != nil {
		err = caught
	}
	if m, ok := l.Model.(model.Model); ok && err == nil {
		l.Engine, err = New(e.Ref(), m, cfg)
	}
	if err == nil {
		return l, nil
	}
	_ = file.Close()
	if fault.KindOf(err) == fault.Internal {
		return nil, corrupt(err)
	}
	return nil, err
}

// Bytes is the memory that the model holds: its tensors, mapped, and once more for tables made of them.
func (l *Loaded) Bytes() int64 { return 2 * l.file.Size() }

// HandOver ends the streams that another replica can go on with.
func (l *Loaded) HandOver() {
	if l.Engine != nil {
		l.Engine.HandOver()
	}
}

// Close stops the engine and unmaps the tensors.
func (l *Loaded) Close() error {
	if l.Engine != nil {
		l.Engine.Close()
	}
	return l.file.Close()
}
