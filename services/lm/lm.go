// Package lm is the family of language models: rules, n-grams, Markov chains, hidden Markov models and taggers. It
// registers lm.v1, model.v1 and training.v1 on a server, trains recipes, and measures. It is the one package of this
// module that others may import; everything else lies below internal.
//
// A program that wants text and no port uses Connect: the same services over a connection in memory.
package lm

import (
	"context"

	"go.uber.org/zap"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/services/lm/internal/engine"
	"github.com/manifold-gen/manifold/services/lm/internal/recipe"
	"github.com/manifold-gen/manifold/services/lm/internal/service"
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
	Store   *modelstore.Store  // models to serve, and where new ones go; required
	Budget  *modelstore.Budget // memory shared with other families; nil: no limit
	Preload []string           // models, as name or name@version, in memory before the server is ready; see models.Auto
	MaxRows int                // continuations of one pass; 256
	Queue   int                // requests that wait or take turns, for each model; 256

	// Jobs is the directory of training jobs and uploaded texts. Without it the server offers no training.
	Jobs string
	Data *dataset.Locator // registered texts; nil: none
}

// Register puts the services on a server, before Run. The server is ready once the preloaded models have given a first
// token; at its shutdown texts that are being written are handed over, training stops, and models are freed.
func Register(s *serve.Server, cfg Config) error {
	const op = "lm.Register"
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
	lmv1.RegisterLmServiceServer(s, service.New(loaded, cfg.Store))
	if cfg.Jobs == "" {
		return nil
	}
	return fault.Wrap(op, jobs.Register(s, service.Trainer(cfg.Store, cfg.Data, cfg.Jobs), jobs.Config{Dir: cfg.Jobs}))
}

// Connect runs the services in memory. The connection is m.Conn(); m.Close() ends them.
func Connect(ctx context.Context, cfg Config, log *zap.Logger) (*serve.Memory, error) {
	if log == nil {
		log = zap.NewNop()
	}
	sc := serve.Config{Name: Family, Family: Family, Logger: log}
	return serve.InMemory(ctx, sc, func(s *serve.Server) error { return Register(s, cfg) })
}
