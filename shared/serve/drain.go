package serve

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// shutdown ends the server in the one order that loses nothing:
//
//  1. Health turns NOT_SERVING and /readyz 503, so that load balancers stop choosing this replica.
//  2. Everything is served for another PreStop, because endpoints take time to drain.
//  3. New calls are refused with UNAVAILABLE, which tells the gateway to go elsewhere.
//  4. Running calls finish, or hand over by a resume state, within Drain.
//  5. Health watches are closed; they would hold up the next step for ever.
//  6. GracefulStop closes the connections, within Stop.
//  7. Stop cuts what is left.
//
// When the listener itself broke, orderly is false and the waits of steps 2 and 4 are skipped.
func (s *Server) shutdown(orderly bool) {
	begun := time.Now()
	wasReady := s.ready.Load()
	s.setReady(false)
	s.log.Info("shutdown: not serving", zap.Int("running", s.gate.count()))
	if orderly && wasReady {
		time.Sleep(s.cfg.PreStop)
	}
	s.gate.close()
	for _, f := range s.handOver {
		f()
	}
	if orderly {
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Drain)
		if !s.gate.wait(ctx) {
			s.log.Warn("shutdown: calls outlived the drain", zap.Int("running", s.gate.count()))
		}
		cancel()
	}
	s.health.Shutdown()
	s.closeWatches()
	s.stop()
	s.log.Info("shutdown: done", zap.Duration("took", time.Since(begun)))
}

// stop closes the public port: gracefully within Config.Stop, then not.
func (s *Server) stop() {
	if s.handler != nil {
		s.stopHTTP()
		return
	}
	graceful := make(chan struct{})
	go func() {
		defer close(graceful)
		s.grpc.GracefulStop()
	}()
	timer := time.NewTimer(s.cfg.Stop)
	defer timer.Stop()
	select {
	case <-graceful:
	case <-timer.C:
		s.grpc.Stop()
		<-graceful
	}
}
