package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"go.uber.org/zap"
)

// serveHTTP serves the handler over HTTP/1.1 and HTTP/2, with prior knowledge where there is no TLS.
func (s *Server) serveHTTP() error {
	l := s.listener
	if s.cfg.TLS.Enabled() {
		c, err := s.cfg.TLS.Server()
		if err != nil {
			return err
		}
		c.NextProtos = []string{"h2", "http/1.1"}
		l = tls.NewListener(l, c)
	}
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// newHTTP makes the HTTP server; Run calls it before anything can stop it.
func (s *Server) newHTTP() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           s.Wrap(s.handler),
		Protocols:         protocols,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: int(s.cfg.MaxStreams)},
		BaseContext:       func(net.Listener) context.Context { return context.Background() },
	}
}

func (s *Server) stopHTTP() {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Stop)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
}

// Wrap gives an HTTP handler what gRPC calls get: a request id in and out, recovery, a log line, metrics, and refusal
// during shutdown. The method in metrics is the pattern that a http.ServeMux matched, so its values are bounded.
func (s *Server) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(RequestIDKey)
		if !validRequestID(id) {
			id = ""
		}
		ctx, c, done, err := s.enter(r.Context(), "http", id)
		if err != nil {
			w.Header().Set("Retry-After", "1")
			w.Header().Set("Connection", "close")
			http.Error(w, "this replica is shutting down", http.StatusServiceUnavailable)
			return
		}
		defer done()
		w.Header().Set(RequestIDKey, c.id)
		rec := &recorder{ResponseWriter: w, call: c}
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				c.log.Error("panic", zap.String("panic", fmt.Sprint(p)), zap.ByteString("stack", debug.Stack()))
				if rec.code == 0 {
					http.Error(rec, "internal error under request id "+c.id, http.StatusInternalServerError)
				}
			}
			s.finishHTTP(c, r, rec)
		}()
		r = r.WithContext(ctx)
		rec.request = r
		next.ServeHTTP(rec, r)
	})
}

func (s *Server) finishHTTP(c *call, r *http.Request, rec *recorder) {
	if rec.code == 0 {
		rec.code = http.StatusOK
	}
	c.method = "other"
	if rec.request != nil && rec.request.Pattern != "" {
		c.method = rec.request.Pattern
	}
	took := time.Since(c.start)
	s.metrics.request(c, strconv.Itoa(rec.code), took)
	c.log.Info("http", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Int("code", rec.code),
		zap.Duration("took", took))
}

// recorder notes the status and the first byte out.
type recorder struct {
	http.ResponseWriter
	call    *call
	request *http.Request
	code    int
}

// WriteHeader notes the code.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 && code >= http.StatusOK {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write notes the first byte.
func (r *recorder) Write(p []byte) (int, error) {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	r.call.sent()
	return r.ResponseWriter.Write(p)
}

// Flush sends what is buffered, for streams.
func (r *recorder) Flush() { _ = http.NewResponseController(r.ResponseWriter).Flush() }

// Unwrap lets http.ResponseController find the real writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
