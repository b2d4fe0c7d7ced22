package serve

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// RequestIDKey is the metadata key, and in lower case the HTTP header, that carries a request's id in both directions.
const RequestIDKey = "x-request-id"

// maxRequestID bounds an id that a caller chose.
const maxRequestID = 128

// call is what the interceptors know of one running call.
type call struct {
	id     string
	method string
	start  time.Time
	log    *zap.Logger
	model  atomic.Pointer[string]
	first  atomic.Int64 // nanoseconds to the first message out; 0 while there is none
}

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// RequestID is the id of the call that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	if c := callOf(ctx); c != nil {
		return c.id
	}
	return ""
}

// Logger is the logger of the call that ctx belongs to, with its request id; outside of a call it logs nothing.
func Logger(ctx context.Context) *zap.Logger {
	if c := callOf(ctx); c != nil {
		return c.log
	}
	return zap.NewNop()
}

// SetModel says which model a call turned out to use, for its metrics and its log line. Give it names that exist
// only: the name becomes a label.
func SetModel(ctx context.Context, model string) {
	if c := callOf(ctx); c != nil {
		c.model.Store(&model)
	}
}

func (c *call) modelLabel() string {
	if m := c.model.Load(); m != nil {
		return *m
	}
	return ""
}

// sent notes that a message went out.
func (c *call) sent() {
	if c.first.Load() == 0 {
		c.first.CompareAndSwap(0, max(1, int64(time.Since(c.start))))
	}
}

// validRequestID accepts printable ASCII without spaces of at most maxRequestID bytes.
func validRequestID(s string) bool {
	if s == "" || len(s) > maxRequestID {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// newRequestID draws an id that no other call has.
func newRequestID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	return hex.EncodeToString(b[:])
}
