// Package tabular is the family of models of tables: counting, naive Bayes and its discriminative twin, Bayesian
// networks, and samplers of synthetic rows. It registers tabular.v1, model.v1 and training.v1 on a server, fits
// recipes, and measures. It is the one package of this module that others may import; everything else lies below
// internal.
//
// A program that wants answers and no port uses Connect: the same services over a connection in memory.
package tabular

import (
	"context"

	"go.uber.org/zap"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
	"github.com/manifold-gen/manifold/services/tabular/internal/engine"
	"github.com/manifold-gen/manifold/services/tabular/internal/recipe"
	"github.com/manifold-gen/manifold/services/tabular/internal/service"
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
	Store   *modelstore.Store  // models to serve, and where fitted ones go; required
	Budget  *modelstore.Budget // memory shared with other families; nil: no limit
	Preload []string           // models, as name or name@version, in memory before the server is ready; see models.Auto
	Workers int                // requests that are computed at a time; one a core
	Queue   int                // requests that wait; 1024

	// Jobs is the directory of training jobs and uploaded data sets. Without it the server offers no training.
	Jobs string
	Data *dataset.Locator // registered tables; nil: those that need no files
}

// Register puts the services on a server, before Run. The server is ready once the preloaded models are in memory; at
// its shutdown streams of rows are handed over, training stops, and models are freed.
func Register(s *serve.Server, cfg Config) error {
	const op = "tabular.Register"
	pool := engine.NewPool(engine.Config{Workers: cfg.Workers, Queue: cfg.Queue, Observer: s.Observer()})
	s.OnClose(func() error {
		pool.Close()
		return nil
	})
	loaded, err := models.Register(s, models.Config[*engine.Loaded]{
		Family: Family, Store: cfg.Store, Budget: cfg.Budget, Preload: cfg.Preload, Describe: service.Describe,
		Load: func(ctx context.Context, e modelstore.Entry, dir string) (*engine.Loaded, error) {
			return engine.Load(ctx, e, dir, pool, recipe.Open)
		},
	})
	if err != nil {
		return fault.Wrap(op, err)
	}
	files := service.Trainer(cfg.Store, cfg.Data, cfg.Jobs)
	tabularv1.RegisterTabularServiceServer(s, service.New(loaded, pool, service.Config{Store: cfg.Store, Files: files}))
	if cfg.Jobs == "" {
		return nil
	}
	return fault.Wrap(op, jobs.Register(s, files, jobs.Config{Dir: cfg.Jobs}))
}

// Connect runs the services in memory. The connection is m.Conn(); m.Close() ends them.
func Connect(ctx context.Context, cfg Config, log *zap.Logger) (*serve.Memory, error) {
	if log == nil {
		log = zap.NewNop()
	}
	sc := serve.Config{Name: Family, Family: Family, Logger: log}
	return serve.InMemory(ctx, sc, func(s *serve.Server) error { return Register(s, cfg) })
}
