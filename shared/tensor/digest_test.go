package tensor_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// digest is a prefix of the SHA-256 of the shapes and the elements' bits, those of NaN included.
func digest(ts ...*tensor.Tensor) string {
	h := sha256.New()
	var buf []byte
	for _, t := range ts {
		buf = buf[:0]
		for _, d := range t.Shape() {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(d))
		}
		if t.DType() == tensor.Float64 {
			for _, v := range t.F64() {
				buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(v))
			}
		} else {
			for _, v := range t.F32() {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
			}
		}
		h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
