// Package diffusion is the family of denoising diffusion models: it registers diffusion.v1, model.v1 and training.v1
// on a server, trains recipes, and measures. It is the one package of this module that others may import; everything
// else lies below internal.
//
// A program that wants pictures and no port uses Connect: the same services over a connection in memory.
package diffusion

import (
	"context"
	"slices"

	"go.uber.org/zap"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/services/diffusion/internal/service"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/serve"
	"github.com/manifold-gen/manifold/shared/wire/jobs"
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
	if cfg.Store == nil {
		return fault.InvalidField(op, "store", "missing")
	}
	models := newModels(s, cfg)
	svc := service.New(models, s.Metrics())
	diffusionv1.RegisterDiffusionServiceServer(s, svc)
	modelv1.RegisterModelServiceServer(s, svc)
	s.OnClose(func() error {
		models.Close()
		return nil
	})
	s.OnWarm(func(ctx context.Context) error { return preload(ctx, s, models, cfg.Preload) })
	s.OnHandOver(svc.HandOver)
	if cfg.Jobs == "" {
		return nil
	}
	loss := s.Metrics().TrainingLoss
	training, err := jobs.Open(service.Trainer{Store: cfg.Store, Data: cfg.Data, Dir: cfg.Jobs}, jobs.Config{
		Dir: cfg.Jobs, Logger: s.Logger(),
		Loss: func(name string, v float64) { loss.WithLabelValues(Family, name).Set(v) },
	})
	if err != nil {
		return fault.Wrap(op, err)
	}
	trainingv1.RegisterTrainingServiceServer(s, training)
	s.OnHandOver(training.HandOver)
	s.OnClose(training.Close)
	return nil
}

func newModels(s *serve.Server, cfg Config) *service.Models {
	observer := service.Observer{Metrics: s.Metrics(), Log: s.Logger()}
	return modelstore.NewManager(cfg.Store, Family, cfg.Budget,
		func(ctx context.Context, e modelstore.Entry, dir string) (*engine.Loaded, error) {
			l, err := engine.Load(ctx, e, dir, engine.Config{MaxRows: cfg.MaxRows, Queue: cfg.Queue, Observer: observer})
			if err != nil {
				s.Logger().Error("loading a model", zap.String("model", e.Ref()), zap.Error(err))
				return nil, err
			}
			s.Logger().Info("loaded", zap.String("model", e.Ref()), zap.String("digest", e.Manifest.Digest),
				zap.Int64("bytes", l.Bytes()))
			return l, nil
		})
}

// Auto in Config.Preload stands for the newest versions of the first few models, by name. One that cannot be loaded is
// logged and left out, while a model that was named keeps the server from becoming ready.
const Auto = "auto"

const autoModels = 4

// preload loads models; they stay in memory as long as nobody needs their room.
func preload(ctx context.Context, s *serve.Server, models *service.Models, refs []string) error {
	for _, ref := range refs {
		if ref == Auto {
			preloadAuto(ctx, s, models)
			continue
		}
		h, err := models.Acquire(ctx, ref)
		if err != nil {
			return err
		}
		h.Release()
	}
	return nil
}

func preloadAuto(ctx context.Context, s *serve.Server, models *service.Models) {
	var names []string
	for _, e := range models.Store().List() {
		if e.Err == nil && e.Manifest.Family == Family && !slices.Contains(names, e.Name) && len(names) < autoModels {
			names = append(names, e.Name)
		}
	}
	for _, name := range names {
		h, err := models.Acquire(ctx, name)
		if err != nil {
			s.Logger().Warn("a model is left out", zap.String("model", name), zap.Error(err))
			continue
		}
		h.Release()
	}
}

// Connect runs the services in memory. The connection is m.Conn(); m.Close() ends them.
func Connect(ctx context.Context, cfg Config, log *zap.Logger) (*serve.Memory, error) {
	if log == nil {
		log = zap.NewNop()
	}
	sc := serve.Config{Name: "diffusion", Family: Family, Logger: log}
	return serve.InMemory(ctx, sc, func(s *serve.Server) error { return Register(s, cfg) })
}
