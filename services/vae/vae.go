// Package vae is the family of energy and latent-variable models: Boltzmann machines, restricted Boltzmann machines,
// deep belief networks, autoencoders and variational autoencoders. It registers vae.v1, model.v1 and training.v1 on a
// server, trains recipes, imports published checkpoints, and measures. It is the one package of this module that others
// may import; everything else lies below internal.
//
// A program that wants pictures and no port uses Connect: the same services over a connection in memory.
package vae

import (
	"context"

	"go.uber.org/zap"

	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae/internal/engine"
	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
	"github.com/manifold-gen/manifold/services/vae/internal/service"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/serve"
	"github.com/manifold-gen/manifold/shared/wire/jobs"
	"github.com/manifold-gen/manifold/shared/wire/models"
)

// Family is the name of this family in manifests, metrics and addresses.
const Family = service.Family

// Config is what the services need besides a server. The zero value of a field means its default.
type Config struct {
	Store   *modelstore.Store  // models to serve, and where trained ones go; required
	Budget  *modelstore.Budget // memory shared with other families; nil: no limit
	Preload []string           // models, as name or name@version, in memory before the server is ready; see models.Auto
	MaxRows int                // rows or chains of one pass; 128
	Queue   int                // requests that wait or take turns, for each model; 256

	// Jobs is the directory of training jobs and uploaded data sets. Without it the server offers no training.
	Jobs string
	Data *dataset.Locator // data sets for training; nil: those that need no files
}

// Register puts the services on a server, before Run. The server is ready once the preloaded models have passed their
// warm-up; at its shutdown chains are handed over, training stops with a checkpoint, and models are freed.
func Register(s *serve.Server, cfg Config) error {
	const op = "vae.Register"
	loaded, err := models.Register(s, models.Config[*engine.Loaded]{
		Family: Family, Store: cfg.Store, Budget: cfg.Budget, Preload: cfg.Preload, Describe: service.Describe,
		Load: func(ctx context.Context, e modelstore.Entry, dir string) (*engine.Loaded, error) {
			return engine.Load(ctx, e, dir,
				engine.Config{MaxRows: cfg.MaxRows, Queue: cfg.Queue, Observer: s.Observer()}, recipe.Open)
		},
	})
	if err != nil {
		return fault.Wrap(op, err)
	}
	vaev1.RegisterVaeServiceServer(s, service.New(loaded))
	if cfg.Jobs == "" {
		return nil
	}
	trainer := jobs.Pictures{
		Store: cfg.Store, Data: cfg.Data, Dir: cfg.Jobs,
		Parse: func(text []byte) (jobs.Recipe, error) { return recipe.Parse(text) },
	}
	return fault.Wrap(op, jobs.Register(s, trainer, jobs.Config{Dir: cfg.Jobs}))
}

// Connect runs the services in memory. The connection is m.Conn(); m.Close() ends them.
func Connect(ctx context.Context, cfg Config, log *zap.Logger) (*serve.Memory, error) {
	if log == nil {
		log = zap.NewNop()
	}
	sc := serve.Config{Name: Family, Family: Family, Logger: log}
	return serve.InMemory(ctx, sc, func(s *serve.Server) error { return Register(s, cfg) })
}
