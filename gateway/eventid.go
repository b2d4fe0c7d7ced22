package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"google.golang.org/protobuf/proto"
)

// eventID is what a client hands back to take a stream up again. It holds the seed, so that it works after the
// gateway restarted and forgot the request.
type eventID struct {
	sequence uint64
	seed     uint64
	request  [16]byte // first half of the request's digest
}

const eventIDSize = 8 + 8 + 16 + 16 // fields, then the truncated MAC

// errEventID is all that a client learns about an id that does not verify.
var errEventID = errors.New("the event id was not issued by this fleet, or belongs to another request")

// sign encodes the id with a MAC under the fleet key.
func (e eventID) sign(key []byte) string {
	b := make([]byte, 0, eventIDSize)
	b = binary.BigEndian.AppendUint64(b, e.sequence)
	b = binary.BigEndian.AppendUint64(b, e.seed)
	b = append(b, e.request[:]...)
	b = append(b, mac(key, b)...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseEventID verifies and decodes an id.
func parseEventID(key []byte, s string) (eventID, error) {
	var e eventID
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != eventIDSize || !hmac.Equal(b[32:], mac(key, b[:32])) {
		return e, errEventID
	}
	e.sequence = binary.BigEndian.Uint64(b)
	e.seed = binary.BigEndian.Uint64(b[8:])
	copy(e.request[:], b[16:32])
	return e, nil
}

func mac(key, b []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(b)
	return h.Sum(nil)[:16]
}

// digest identifies a request by its type and all of its fields.
func digest(r proto.Message) ([16]byte, error) {
	var d [16]byte
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(r)
	if err != nil {
		return d, err
	}
	sum := sha256.Sum256(append([]byte(r.ProtoReflect().Descriptor().FullName()+"\x00"), b...))
	copy(d[:], sum[:])
	return d, nil
}
