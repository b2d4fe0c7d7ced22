package tensor_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// attentionCase is a shape of attention; e numbers a head.
type attentionCase struct {
	b, t, s, heads, kv, e int
	causal                bool
	start                 int
	lengths               []int
}

func (c attentionCase) String() string {
	return fmt.Sprintf("%dx%dx%d h%d/%d e%d causal=%v+%d %v",
		c.b, c.t, c.s, c.heads, c.kv, c.e, c.causal, c.start, c.lengths)
}

func (c attentionCase) spec() AttentionSpec {
	return AttentionSpec{
		Heads: c.heads, KVHeads: c.kv, Scale: 0.37, Causal: c.causal, Start: c.start, Lengths: c.lengths,
	}
}

func (c attentionCase) keys(b, t int) int {
	n := c.s
	if c.lengths != nil {
		n = min(n, c.lengths[b])
	}
	if c.causal {
		n = min(n, c.start+t+1)
	}
	return n
}

// inputs are q, k and v.
func (c attentionCase) inputs(d DType) (q, k, v *Tensor) {
	return input(d, 1, c.b, c.t, c.heads*c.e), input(d, 2, c.b, c.s, c.kv*c.e), input(d, 3, c.b, c.s, c.kv*c.e)
}

var attentionCases = []attentionCase{
	{1, 1, 1, 1, 1, 1, false, 0, nil},
	{1, 16, 16, 12, 12, 32, false, 0, nil},
	{2, 49, 49, 1, 1, 64, false, 0, nil},
	{1, 7, 300, 2, 1, 20, false, 0, nil},
	{2, 37, 37, 3, 3, 17, true, 0, nil},
	{1, 5, 530, 7, 1, 64, true, 525, nil},
	{3, 33, 40, 4, 2, 24, false, 0, []int{40, 1, 17}},
	{2, 130, 130, 14, 2, 16, true, 0, []int{130, 60}},
	{2, 9, 9, 2, 2, 8, true, 0, []int{0, 9}},
	{1, 20, 600, 1, 1, 300, true, 580, nil},
	{1, 256, 256, 1, 1, 256, false, 0, nil},
}

// naiveAttention is the definition in float64.
func naiveAttention(c attentionCase, q, k, v *Tensor) (y, lse []float64) {
	y, lse = make([]float64, c.b*c.t*c.heads*c.e), make([]float64, c.b*c.heads*c.t)
	for b := range c.b {
		for h := range c.heads {
			kh := h / (c.heads / c.kv)
			for t := range c.t {
				n := c.keys(b, t)
				p, sum, top := make([]float64, n), 0.0, math.Inf(-1)
				for j := range p {
					for i := range c.e {
						p[j] += q.At(b, t, h*c.e+i) * k.At(b, j, kh*c.e+i) * 0.37
					}
					top = max(top, p[j])
				}
				for j := range p {
					p[j] = math.Exp(p[j] - top)
					sum += p[j]
				}
				lse[(b*c.heads+h)*c.t+t] = top + math.Log(sum)
				for j := range p {
					for i := range c.e {
						y[((b*c.t+t)*c.heads+h)*c.e+i] += p[j] / sum * v.At(b, j, kh*c.e+i)
					}
				}
			}
		}
	}
	return y, lse
}

// TestAttentionAgainstNaive compares AttentionEx with the definition in float64, norm-wise.
func TestAttentionAgainstNaive(t *testing.T) {
	for _, c := range attentionCases {
		for _, d := range []DType{Float32, Float64} {
			q, k, v := c.inputs(d)
			y, lse := fresh(d, c.b, c.t, c.heads*c.e), fresh(d, c.b, c.heads, c.t)
			AttentionEx(y, lse, q, k, v, c.spec())
			wantY, wantL := naiveAttention(c, q, k, v)
			limit := 4e-6 // heads of 300 numbers have scores of 6, of which this is the rounding
			if d == Float64 {
				limit = 1e-14
			}
			for i, pair := range [][2][]float64{{values(y), wantY}, {values(lse), wantL}} {
				if e := normError(pair[0], pair[1]); !(e < limit) {
					t.Errorf("%v %s, result %d: error %.2g", c, d, i, e)
				}
			}
		}
	}
}

// values are x's elements in float64.
func values(x *Tensor) []float64 {
	if x.DType() == Float64 {
		return x.F64()
	}
	y := make([]float64, x.Len())
	for i, v := range x.F32() {
		y[i] = float64(v)
	}
	return y
}

// normError is |a-b| / |b|; equal infinities differ by nothing.
func normError(a, b []float64) float64 {
	var e, n float64
	for i := range b {
		if a[i] == b[i] {
			continue
		}
		e += (a[i] - b[i]) * (a[i] - b[i])
		n += b[i] * b[i]
	}
	if e == 0 {
		return 0
	}
	return math.Sqrt(e / n)
}

// cut is positions from .. to of x [B, T, D].
func cut(x *Tensor, from, to int) *Tensor {
	b, _, w := x.Dims3()
	y := New(x.DType(), b, to-from, w)
	Slice(y, x, 1, from)
	return y
}

// TestAttentionChunksAndCaches checks that queries in chunks, and over caches filled in chunks, give the bits of the
// whole.
func TestAttentionChunksAndCaches(t *testing.T) {
	for _, c := range []attentionCase{
		{2, 300, 300, 4, 2, 32, true, 0, nil},
		{1, 70, 70, 3, 3, 24, true, 0, nil},
		{2, 40, 300, 2, 2, 16, false, 0, nil},
	} {
		for _, d := range []DType{Float32, Float64} {
			q, k, v := c.inputs(d)
			want := fresh(d, c.b, c.t, c.heads*c.e)
			AttentionEx(want, nil, q, k, v, c.spec())
			for _, size := range []int{1, 7, 64} {
				attentionChunks(t, c, size, q, k, v, want)
			}
		}
	}
}

func attentionChunks(t *testing.T, c attentionCase, size int, q, k, v, want *Tensor) {
	t.Helper()
	d := q.DType()
	caches := make([]*KVCache, c.b)
	fill := func(from, to int) {
		for b := range caches {
			rows := k.Reshape(c.b*c.s, -1)
			caches[b].AppendRows(rows, v.Reshape(c.b*c.s, -1), b*c.s+from, to-from, 0, 0)
		}
	}
	for b := range caches {
		caches[b] = NewKVCache(d, c.kv, c.e)
	}
	if !c.causal {
		fill(0, c.s)
	}
	for from := 0; from < c.t; from += size {
		to := min(from+size, c.t)
		got := fresh(d, c.b, to-from, c.heads*c.e)
		s := c.spec()
		s.Start = from
		AttentionEx(got, nil, cut(q, from, to), k, v, s)
		same(t, fmt.Sprintf("%v chunk %d of %d", c, from, size), cut(want, from, to), got)
		if c.causal {
			fill(from, to)
		}
		AttentionCached(got, cut(q, from, to), caches, s)
		same(t, fmt.Sprintf("%v cache %d of %d", c, from, size), cut(want, from, to), got)
		if from == 0 { // wrong continuations leave no trace
			extra := caches[0].Clone()
			before := extra.Len()
			extra.AppendRows(k.Reshape(c.b*c.s, -1), k.Reshape(c.b*c.s, -1), 0, 3, 0, 0)
			extra.Truncate(before)
			caches[0] = extra
		}
	}
}

// TestAttentionColumns checks that q, k and v may be columns of one tensor.
func TestAttentionColumns(t *testing.T) {
	const B, T, H, KV, E = 2, 21, 4, 2, 12
	c := attentionCase{B, T, T, H, KV, E, true, 0, nil}
	for _, d := range []DType{Float32, Float64} {
		q, k, v := c.inputs(d)
		want, got := fresh(d, B, T, H*E), fresh(d, B, T, H*E)
		AttentionEx(want, nil, q, k, v, c.spec())
		all := New(d, B, T, (H+2*KV)*E)
		Concat(all, 2, v, q, k)
		s := c.spec()
		s.VAt, s.QAt, s.KAt = 0, KV*E, (KV+H)*E
		AttentionEx(got, nil, all, all, all, s)
		same(t, "columns", want, got)
	}
}

// TestAttentionRowsAlone checks that a sequence of a batch has the bits that it has alone, that keys beyond its length
// do not matter, and that a NaN in one sequence shows in no other.
func TestAttentionRowsAlone(t *testing.T) {
	c := attentionCase{3, 66, 66, 4, 2, 16, false, 0, []int{66, 20, 50}}
	for _, causal := range []bool{false, true} {
		c.causal = causal
		q, k, v := c.inputs(Float32)
		want := fresh(Float32, c.b, c.t, c.heads*c.e)
		AttentionEx(want, nil, q, k, v, c.spec())
		n := float32(math.NaN())
		for i := range c.kv * c.e { // padding of sequence 1, and all of sequence 0
			for s := range c.s {
				if s >= c.lengths[1] {
					k.F32()[(c.s+s)*c.kv*c.e+i], v.F32()[(c.s+s)*c.kv*c.e+i] = n, n
				}
				k.F32()[s*c.kv*c.e+i], v.F32()[s*c.kv*c.e+i] = n, n
			}
		}
		got := fresh(Float32, c.b, c.t, c.heads*c.e)
		AttentionEx(got, nil, q, k, v, c.spec())
		half := want.Len() / c.b
		if !slices.Equal(want.F32()[half:], got.F32()[half:]) {
			t.Errorf("causal %v: a NaN elsewhere changes a sequence", causal)
		}
		if got.F32()[0] == got.F32()[0] {
			t.Errorf("causal %v: a NaN is lost", causal)
		}
		for b := 1; b < c.b; b++ {
			at := func(x *Tensor) *Tensor {
				_, s, w := x.Dims3()
				return FromFloat32(x.F32()[b*s*w:(b+1)*s*w], 1, s, w)
			}
			one := fresh(Float32, 1, c.t, c.heads*c.e)
			s := c.spec()
			s.Lengths = c.lengths[b : b+1]
			AttentionEx(one, nil, at(q), at(k), at(v), s)
			same(t, "alone", at(want), one)
		}
	}
}
