package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"

	"golang.org/x/time/rate"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Key is one API key with its limits. Only its hash is kept.
type Key struct {
	// Name appears in logs.
	Name string
	// Hash is the SHA-256 of the key in lower-case hex.
	Hash string
	// RequestsPerSecond bounds the rate; 0 means no bound.
	RequestsPerSecond float64
	// Concurrent bounds requests under way; 0 means no bound.
	Concurrent int
}

// door is a key's state.
type door struct {
	name    string
	limiter *rate.Limiter
	slots   chan struct{}
}

// doors finds the state of a key by its hash. Without keys every request passes.
type doors map[string]*door

func newDoors(keys []Key) (doors, error) {
	d := doors{}
	for _, k := range keys {
		if b, err := hex.DecodeString(k.Hash); err != nil || len(b) != sha256.Size {
			return nil, fmt.Errorf("API key %q: the hash must be the SHA-256 of the key, 64 hex digits", k.Name)
		}
		x := &door{name: k.Name}
		if k.RequestsPerSecond > 0 {
			x.limiter = rate.NewLimiter(rate.Limit(k.RequestsPerSecond), max(1, int(k.RequestsPerSecond)))
		}
		if k.Concurrent > 0 {
			x.slots = make(chan struct{}, k.Concurrent)
		}
		d[strings.ToLower(k.Hash)] = x
	}
	return d, nil
}

// guard lets requests with a valid key through, within the key's limits. The page itself and the probes need none:
// they show nothing that a key protects.
func (d doors) guard(next http.Handler) http.Handler {
	if len(d) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") && !strings.HasPrefix(r.URL.Path, "/manifold.") {
			next.ServeHTTP(w, r)
			return
		}
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		sum := sha256.Sum256([]byte(token))
		x := d[hex.EncodeToString(sum[:])]
		if !ok || x == nil {
			refuse(w, r, fault.E(fault.Unauthenticated, "INVALID_API_KEY", "gateway.Authenticate",
				"send a valid API key in the header Authorization: Bearer KEY"))
			return
		}
		if x.limiter != nil && !x.limiter.Allow() {
			refuse(w, r, fault.E(fault.Overloaded, "RATE_LIMITED", "gateway.Authenticate",
				"the key %q allows %g requests per second", x.name, float64(x.limiter.Limit())))
			return
		}
		if x.slots != nil {
			select {
			case x.slots <- struct{}{}:
				defer func() { <-x.slots }()
			default:
				refuse(w, r, fault.E(fault.Overloaded, "TOO_MANY_REQUESTS", "gateway.Authenticate",
					"the key %q allows %d requests at a time", x.name, cap(x.slots)))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// ReadKeys reads a file of API keys, one a line: name, SHA-256 of the key in hex, requests per second, concurrent
// requests, separated by spaces; 0 means no bound; lines that begin with # are comments. An empty path gives none.
func ReadKeys(path string) ([]Key, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys []Key
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var k Key
		n, err := fmt.Sscan(line, &k.Name, &k.Hash, &k.RequestsPerSecond, &k.Concurrent)
		if err != nil || k.RequestsPerSecond < 0 || k.Concurrent < 0 {
			return nil, fmt.Errorf("API keys, line %d: want NAME SHA256 REQUESTS_PER_SECOND CONCURRENT, read %d of them",
				i+1, n)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("the file of API keys %s names no key: the door would be open", path)
	}
	return keys, nil
}
