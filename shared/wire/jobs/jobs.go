package jobs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/train"
)

// Trainer is what a family knows of training.
type Trainer interface {
	// Plan checks a recipe and returns its number of steps, 0 when it cannot be known before. It must refuse what a
	// remote caller may not ask for, such as paths on this machine.
	Plan(ctx context.Context, recipe string) (steps int64, err error)
	// Train runs a recipe in dir, going on from a checkpoint that lies there, and returns name@version of the model
	// that it published. It must return within one step after ctx ends.
	Train(ctx context.Context, recipe, dir string, events func(train.Event)) (model string, err error)
	// Inspect opens an uploaded file and returns the pictures or rows in it. The name must not be one that recipes
	// use for something else.
	Inspect(ctx context.Context, d Dataset) (items int64, err error)
}

// Config is where jobs live and how many there may be. Zero values mean the defaults.
type Config struct {
	Dir        string        // holds jobs.db, runs/<id>/ and datasets/<name>/
	Queue      int           // waiting jobs; 16
	MaxUpload  int64         // bytes of one data set; 2 GiB
	MaxStorage int64         // bytes of all data sets; 16 GiB
	UploadIdle time.Duration // an upload that is silent for so long is given up; a minute
	Logger     *zap.Logger
	Loss       func(name string, value float64) // told every loss, for metrics; may be nil
}

// Service implements training.v1.TrainingService.
type Service struct {
	trainingv1.UnimplementedTrainingServiceServer
	cfg     Config
	trainer Trainer
	store   *store
	log     *zap.Logger

	ctx     context.Context //nolint:containedctx // of the runner; its end stops the running job
	stop    context.CancelFunc
	done    chan struct{}
	wake    chan struct{} // holds a token when there may be a job to run
	leaving chan struct{} // closed when watchers have to go elsewhere
	leave   sync.Once
	uploads chan struct{} // one token for each upload that may run at a time

	create  sync.Mutex // serialises creation, so that a request_id makes one job
	mu      sync.Mutex
	running map[string]context.CancelCauseFunc
	ended   map[string]chan struct{}   // closed when the run of that job ended
	news    map[string][]chan struct{} // closed at the next event of that job
}

var (
	errCancelled = errors.New("cancelled by a call")
	errLeaving   = fault.E(fault.Unavailable, "DRAINING", "jobs", "this server is shutting down; the job goes on later")
)

// Open reads the records in cfg.Dir, queues again what was running, and starts the runner. Close ends it.
func Open(trainer Trainer, cfg Config) (*Service, error) {
	const op = "jobs.Open"
	if cfg.Queue == 0 {
		cfg.Queue = 16
	}
	if cfg.MaxUpload == 0 {
		cfg.MaxUpload = 2 << 30
	}
	if cfg.MaxStorage == 0 {
		cfg.MaxStorage = 16 << 30
	}
	if cfg.UploadIdle == 0 {
		cfg.UploadIdle = time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	for _, d := range []string{runsDir, datasetsDir} {
		if err := os.MkdirAll(filepath.Join(cfg.Dir, d), 0o755); err != nil {
			return nil, fault.E(fault.Unavailable, "NO_DATA_DIR", op, "the directory for jobs cannot be made: %w", bare(err))
		}
	}
	if err := sweepUploads(filepath.Join(cfg.Dir, datasetsDir)); err != nil {
		return nil, fault.Wrap(op, err)
	}
	st, err := openStore(filepath.Join(cfg.Dir, recordsFile))
	if err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, trainer: trainer, store: st, log: cfg.Logger,
		done: make(chan struct{}), wake: make(chan struct{}, 1), leaving: make(chan struct{}),
		uploads: make(chan struct{}, maxUploads),
		running: map[string]context.CancelCauseFunc{}, ended: map[string]chan struct{}{},
		news: map[string][]chan struct{}{},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := s.requeue(); err != nil {
		_ = st.close()
		return nil, fault.Wrap(op, err)
	}
	go s.run()
	return s, nil
}

// HandOver ends all watching streams with UNAVAILABLE; watchers come back with the number of their last event.
func (s *Service) HandOver() { s.leave.Do(func() { close(s.leaving) }) }

// Close stops the running job at its next step, with a checkpoint, and closes the records. The job is taken up again
// by the next Open.
func (s *Service) Close() error {
	s.HandOver()
	s.stop()
	<-s.done
	return s.store.close()
}

// bare strips the paths from a file system's error.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}
