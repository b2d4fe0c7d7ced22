// Package diffusion is the family of denoising diffusion models: it registers diffusion.v1, model.v1 and training.v1
// on a server, trains recipes, and measures. It is the one package of this module that others may import; everything
// else lies below internal.
//
// A program that wants pictures and no port uses Connect: the same services over a connection in memory.
package diffusion

import (
	"context"

	"go.uber.org/zap"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/services/diffusion/internal/recipe"
	"github.com/manifold-gen/manifold/services/diffusion/internal/service"
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
	Preload []string           // models, as name or name@version, in memory before the server is ready; see Auto
	MaxRows int                // of one forward pass; 128
	Queue   int                // requests that wait, for each model; 256

	// Jobs is the directory of training jobs and uploaded data sets. Without it the server offers no training.
	Jobs string
	Data *dataset.Locator // data sets for training; nil: those that need no files
}

// Register puts the services on a server, before Run. The server is ready once the preloaded models have passed their
// warm-up; at its shutdown streams are handed over, training stops with a checkpoint, and models are freed.
func Register(s *serve.Server, cfg Config) error {
	const op = "diffusion.Register"
	loaded, err := models.Register(s, models.Config[*engine.Loaded]{
		Family: Family, Store: cfg.Store, Budget: cfg.Budget, Preload: cfg.Preload,
		Load: func(ctx context.Context, e modelstore.Entry, dir string) (*engine.Loaded, error) {
			return engine.Load(ctx, e, dir, engine.Config{MaxRows: cfg.MaxRows, Queue: cfg.Queue, Observer: s.Observer()})
		},
		Describe: func(_ modelstore.Entry, m *modelv1.Model) { m.Samplers = engine.Samplers() },
	})
	if err != nil {
		return fault.Wrap(op, err)
	}
	diffusionv1.RegisterDiffusionServiceServer(s, service.New(loaded))
	if cfg.Jobs == "" {
		return nil
	}
	parse := func(text []byte) (jobs.Recipe, error) { return recipe.Parse(text) }
	trainer := jobs.Pictures{Store: cfg.Store, Data: cfg.Data, Dir: cfg.Jobs, Parse: parse}
	return fault.Wrap(op, jobs.Register(s, trainer, jobs.Config{Dir: cfg.Jobs}))
}

// Auto in Config.Preload stands for the newest versions of the first few models, by name. One that cannot be loaded is
// logged and left out, while a model that was named keeps the server from becoming ready.
const Auto = models.Auto

// Connect runs the services in memory. The connection is m.Conn(); m.Close() ends them.
func Connect(ctx context.Context, cfg Config, log *zap.Logger) (*serve.Memory, error) {
	if log == nil {
		log = zap.NewNop()
	}
	sc := serve.Config{Name: "diffusion", Family: Family, Logger: log}
	return serve.InMemory(ctx, sc, func(s *serve.Server) error { return Register(s, cfg) })
}
