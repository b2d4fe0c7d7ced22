package evaluate

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/shared/picture"
)

// spec is what a draw of pictures depends on, beside model and seed.
type spec struct {
	sampler  string
	steps    int
	guidance float64
	classes  bool // class i mod K of picture i, otherwise none
}

// drawn are pictures in order with the time they took.
type drawn struct {
	x    []float32 // [n, P]
	info Draw
}

// work is the number of network rows for n pictures.
func (s spec) work(method sampler.Sampler, n int) float64 {
	rows := float64(n * method.Evaluations())
	if s.guidance != 1 {
		rows *= 2
	}
	return rows
}

// seedOf is the seed of request r of an evaluation.
func seedOf(seed uint64, r int) uint64 { return seed<<16 + uint64(r) }

// draw makes pictures 0 to n-1. done, which may be called from several goroutines, is told of work as it is done.
func draw(ctx context.Context, l *engine.Loaded, s spec, n int, seed uint64, done func(work float64)) (*drawn, error) {
	method, err := sampler.New(s.sampler, l.Model.Schedule, sampler.Config{Steps: s.steps})
	if err != nil {
		return nil, err
	}
	size := l.Model.Height * l.Model.Width * l.Model.Channels
	d := &drawn{x: make([]float32, n*size)}
	begun := time.Now()
	// Two requests at a time fill the engine's passes; the other order would only change the time.
	requests := (n + engine.MaxPictures - 1) / engine.MaxPictures
	next := make(chan int, requests)
	for r := range requests {
		next <- r
	}
	close(next)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make([]error, 2)
	var workers sync.WaitGroup
	for w := range failures {
		workers.Go(func() {
			for r := range next {
				from := r * engine.MaxPictures
				count := min(engine.MaxPictures, n-from)
				q := engine.Request{Seed: seedOf(seed, r), Sampler: method, Guidance: s.guidance, Classes: make([]int32, count)}
				for i := range q.Classes {
					q.Classes[i] = engine.Unconditional
					if s.classes {
						q.Classes[i] = int32((from + i) % l.Model.Classes)
					}
				}
				perStep := s.work(method, count) / float64(method.Steps())
				err := request(ctx, l, q, d.x[from*size:(from+count)*size], func() { done(perStep) })
				if err != nil {
					failures[w] = err
					cancel()
					return
				}
			}
		})
	}
	workers.Wait()
	for _, err := range failures {
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, err
		}
	}
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	seconds := time.Since(begun).Seconds()
	d.info = Draw{
		Sampler: s.sampler, Steps: s.steps, Evaluations: method.Evaluations(), Guidance: s.guidance, Classes: "none",
		Seconds: seconds, PerSecond: float64(n) / seconds,
	}
	if s.classes {
		d.info.Classes = "even"
	}
	return d, nil
}

// request runs one request to its end and writes its pictures to x.
func request(ctx context.Context, l *engine.Loaded, q engine.Request, x []float32, stepped func()) error {
	stream, err := l.Submit(ctx, q)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		e, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e.Step != nil {
			stepped()
		}
		if e.Result != nil {
			size := len(x) / len(e.Result.Pix)
			for i, p := range e.Result.Pix {
				picture.Dequantise(x[i*size:(i+1)*size], p)
			}
		}
	}
}
