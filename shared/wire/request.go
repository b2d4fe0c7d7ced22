package wire

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Limits of requests, as the protobuf comments state them.
const (
	maxRequestID = 128
	maxLabel     = 200
	listed       = 20 // labels that an error message lists
)

// Unconditional is the class of a picture that is made without one.
const Unconditional = -1

// Violations collects the fields of a request that are wrong.
type Violations []fault.Violation

// Addf adds one.
func (v *Violations) Addf(field, format string, args ...any) {
	*v = append(*v, fault.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
}

// Err is the error that lists them, or nil.
func (v Violations) Err(op string) error { return fault.InvalidFields(op, v...).AsError() }

// RequestID checks the id that a client chose.
func (v *Violations) RequestID(id string) {
	if len(id) > maxRequestID {
		v.Addf("request_id", "%d characters, want at most %d", len(id), maxRequestID)
	}
}

// Seed checks a seed, or draws one where none is given.
func (v *Violations) Seed(seed *uint64) uint64 {
	if seed == nil {
		return DrawSeed()
	}
	if *seed > rng.MaxSeed {
		v.Addf("seed", "%d, want 0 to %d (2^53-1)", *seed, uint64(rng.MaxSeed))
	}
	return *seed
}

// Encoding checks the encoding of an answer's pictures and fills in the default.
func (v *Violations) Encoding(e tensorv1.ImageEncoding) tensorv1.ImageEncoding {
	encoding, err := CheckEncoding("", "encoding", e)
	if err != nil {
		*v = append(*v, err.Fields...)
	}
	return encoding
}

// Labels checks that labels are not absurdly long.
func (v *Violations) Labels(labels []string) {
	for i, l := range labels {
		if len(l) > maxLabel {
			v.Addf(labelField(i, len(labels)), "%d bytes, want at most %d", len(l), maxLabel)
			return
		}
	}
}

// Classes finds labels among those of a model; an empty one is Unconditional.
func (v *Violations) Classes(labels, known []string, ref string) []int32 {
	ids := make([]int32, len(labels))
	for i, l := range labels {
		k := slices.Index(known, l)
		if l == "" {
			k = Unconditional
		} else if k < 0 {
			if field := labelField(i, len(labels)); len(known) == 0 {
				v.Addf(field, "%q, but model %s is unconditional: it has no labels", l, ref)
			} else {
				v.Addf(field, "%q, model %s has %s", l, ref, list(known))
			}
			return ids
		}
		ids[i] = int32(k)
	}
	return ids
}

func labelField(i, n int) string {
	if n == 1 {
		return "label"
	}
	return fmt.Sprintf("labels[%d]", i)
}

func list(names []string) string {
	if len(names) > listed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:listed], ", "), len(names)-listed)
	}
	return strings.Join(names, ", ")
}

// DrawSeed draws a seed that browsers and JSON keep.
func DrawSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	return binary.LittleEndian.Uint64(b[:]) & rng.MaxSeed
}
