package tensor

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor/internal/attn"
)

// KVCache is the keys and values of one sequence in the layout that attention reads: keys in panels of 16. Results
// over a cache have the bits of those over tensors, however the sequence was appended. It must not change while a call
// reads it.
type KVCache struct {
	f32      *attn.Cache[float32]
	f64      *attn.Cache[float64]
	kvHeads  int
	headSize int
}

// NewKVCache returns an empty cache of vectors of headSize numbers for kvHeads heads.
func NewKVCache(d DType, kvHeads, headSize int) *KVCache {
	if kvHeads < 1 || headSize < 1 {
		panic(&Error{Op: "NewKVCache", Msg: fmt.Sprintf("%d heads of %d numbers", kvHeads, headSize)})
	}
	c := &KVCache{kvHeads: kvHeads, headSize: headSize}
	if d == Float64 {
		c.f64 = attn.NewCache[float64](kvHeads, headSize)
	} else {
		c.f32 = attn.NewCache[float32](kvHeads, headSize)
	}
	return c
}

// Len is the number of positions held.
func (c *KVCache) Len() int {
	if c.f64 != nil {
		return c.f64.Len()
	}
	return c.f32.Len()
}

// DType is the element type.
func (c *KVCache) DType() DType {
	if c.f64 != nil {
		return Float64
	}
	return Float32
}

// Reserve makes room for n positions in all; Append makes room by itself, doubling what there is.
func (c *KVCache) Reserve(n int) {
	if c.f64 != nil {
		c.f64.Reserve(n)
		return
	}
	c.f32.Reserve(n)
}

// Append adds positions: k and v are [T, kvHeads*headSize].
func (c *KVCache) Append(k, v *Tensor) { c.AppendRows(k, v, 0, k.Dim(0), 0, 0) }

// AppendRows adds n positions: rows row .. row+n-1 of k and v, both [R, ..], whose heads begin at the columns kAt and
// vAt. k and v may be one tensor.
func (c *KVCache) AppendRows(k, v *Tensor, row, n, kAt, vAt int) {
	const op = "KVCache.Append"
	sameType(op, k, v)
	if k.rank != 2 || v.rank != 2 || k.shape[0] != v.shape[0] || row < 0 || n < 0 || row+n > k.shape[0] {
		panic(shapeError(op, fmt.Sprintf("want k and v [R, ..] with rows %d to %d", row, row+n), k, v))
	}
	if k.dtype != c.DType() {
		panic(shapeError(op, "types "+c.DType().String()+" and "+k.dtype.String(), k))
	}
	columns(op, "k", k, kAt, c.kvHeads*c.headSize)
	columns(op, "v", v, vAt, c.kvHeads*c.headSize)
	if n == 0 {
		return
	}
	ka, va := row*k.shape[1]+kAt, row*v.shape[1]+vAt
	if c.f64 != nil {
		c.f64.Append(rowsAt[float64](k, ka), rowsAt[float64](v, va), n)
		return
	}
	c.f32.Append(rowsAt[float32](k, ka), rowsAt[float32](v, va), n)
}

// Truncate forgets the positions from n on; the memory stays.
func (c *KVCache) Truncate(n int) {
	if c.f64 != nil {
		c.f64.Truncate(max(n, 0))
		return
	}
	c.f32.Truncate(max(n, 0))
}

// Clone returns a copy, for sequences that go on from a common beginning.
func (c *KVCache) Clone() *KVCache {
	d := *c
	if c.f64 != nil {
		d.f64 = c.f64.Clone()
	} else {
		d.f32 = c.f32.Clone()
	}
	return &d
}

// AttentionCached is AttentionEx over caches, one for each of B sequences: dst [B, T, Heads*E], q [B, T, ..]. With
// Causal, the queries are the last T positions of every sequence, which have been appended before; without, they see
// all positions. KVHeads, Start, Lengths, KAt and VAt of the spec are ignored. The bits are those of AttentionEx on the
// whole sequence.
func AttentionCached(dst, q *Tensor, caches []*KVCache, spec AttentionSpec) {
	const op = "AttentionCached"
	if len(caches) != dst.Dim(0) {
		panic(shapeError(op, fmt.Sprintf("%d caches", len(caches)), dst))
	}
	if len(caches) == 0 {
		return
	}
	spec.KVHeads = caches[0].kvHeads
	s := spec.shape(op, dst, q, nil, nil)
	for _, c := range caches {
		if c.kvHeads != s.KVHeads || c.headSize != s.E || c.DType() != dst.dtype {
			panic(shapeError(op, fmt.Sprintf("a cache of %d heads of %d %s", c.kvHeads, c.headSize, c.DType()), dst))
		}
	}
	if dst.Len() == 0 {
		return
	}
	if dst.dtype == Float64 {
		attn.ForwardCached(s, rowsAt[float64](dst, 0), rowsAt[float64](q, spec.QAt), caches, cache64, nil)
		return
	}
	attn.ForwardCached(s, rowsAt[float32](dst, 0), rowsAt[float32](q, spec.QAt), caches, cache32, nil)
}

func cache32(c *KVCache) *attn.Cache[float32] { return c.f32 }

func cache64(c *KVCache) *attn.Cache[float64] { return c.f64 }
