package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// sse writes server-sent events. Its lock guards the writer against the keep-alive.
type sse struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	c       *http.ResponseController
	started bool
}

// start sends the headers; errors before it become an ordinary HTTP status.
func (s *sse) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startLocked()
}

func (s *sse) startLocked() error {
	if s.started {
		return nil
	}
	s.started = true
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("Cache-Control", "no-store")
	s.w.Header().Set("X-Accel-Buffering", "no")
	s.w.WriteHeader(http.StatusOK)
	return s.c.Flush()
}

// event sends v as JSON; the name and the id may be empty.
func (s *sse) event(name, id string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.data(name, id, b)
}

// data sends one event.
func (s *sse) data(name, id string, b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.startLocked(); err != nil {
		return err
	}
	if id != "" {
		if _, err := fmt.Fprintf(s.w, "id: %s\n", id); err != nil {
			return err
		}
	}
	if name != "" {
		if _, err := fmt.Fprintf(s.w, "event: %s\n", name); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(s.w, "data: %s\n\n", b); err != nil {
		return err
	}
	return s.c.Flush()
}

// fail reports an error: as an HTTP status while nothing was sent, as an event afterwards.
func (s *sse) fail(err error) {
	if !s.started {
		writeOpenAIError(s.w, err)
		return
	}
	_, body := openAIError(err)
	_ = s.event("error", "", struct {
		Type string `json:"type"`
		openAIErrorBody
	}{"error", body})
}

// keepAlive sends a comment line now and then so that silent streams stay open. The returned function stops it and
// waits until it has.
func (s *sse) keepAlive(ctx context.Context, every time.Duration) func() {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.mu.Lock()
				if s.started {
					_, _ = fmt.Fprint(s.w, ": keep-alive\n\n")
					_ = s.c.Flush()
				}
				s.mu.Unlock()
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
