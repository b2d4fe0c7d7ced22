package attn

import "fmt"

// Case is attention of a published shape, to be measured on random operands.
type Case struct {
	Name  string
	Flops float64 // of the products, two for a multiply-add, masked ones not counted
	Bytes float64 // of operands and results
	New   func() func()
}

// Cases lists the shapes: a small U-Net's, that of google/ddpm-cifar10-32, MiniLM's, causal prefill of a decoder with
// shared heads, and its decoding over caches.
func Cases() []Case {
	var cs []Case
	for _, c := range []struct {
		name  string
		s     Shape
		cache int
	}{
		{"unet7", Shape{B: 16, T: 49, S: 49, Heads: 1, E: 64}, 0},
		{"ddpm16", Shape{B: 1, T: 256, S: 256, Heads: 1, E: 256}, 0},
		{"minilm", Shape{B: 1, T: 16, S: 16, Heads: 12, E: 32}, 0},
		{"minilm", Shape{B: 1, T: 64, S: 64, Heads: 12, E: 32}, 0},
		{"minilm", Shape{B: 32, T: 64, S: 64, Heads: 12, E: 32}, 0},
		{"minilm", Shape{B: 32, T: 128, S: 128, Heads: 12, E: 32}, 0},
		{"prefill", Shape{B: 1, T: 512, S: 512, Heads: 14, KVHeads: 2, E: 64, Causal: true}, 0},
		{"decode", Shape{B: 1, T: 1, Heads: 14, KVHeads: 2, E: 64, Causal: true}, 512},
		{"decode", Shape{B: 1, T: 1, Heads: 14, KVHeads: 2, E: 64, Causal: true}, 2048},
		{"decode", Shape{B: 8, T: 1, Heads: 14, KVHeads: 2, E: 64, Causal: true}, 2048},
	} {
		s := c.s
		if s.KVHeads == 0 {
			s.KVHeads = s.Heads
		}
		s.Scale, s.S = 0.125, max(s.S, c.cache)
		cs = append(cs, newCase(c.name, s, c.cache))
		if c.cache == 0 {
			cs = append(cs, newGradCase(c.name, s))
		}
	}
	return cs
}

func newCase(name string, s Shape, cached int) Case {
	pairs := 0.0
	for t := range s.T {
		if cached == 0 {
			pairs += float64(s.keys(0, t))
		} else {
			pairs += float64(cached)
		}
	}
	d, kv := s.Heads*s.E, s.KVHeads*s.E
	c := Case{
		Name:  fmt.Sprintf("%s/%dx%dx%d/h%d-%dx%d", name, s.B, s.T, s.S, s.Heads, s.KVHeads, s.E),
		Flops: 4 * float64(s.B*d) * pairs,
		Bytes: 4 * float64(s.B) * float64(2*s.T*d+2*s.S*kv),
	}
	c.New = func() func() {
		q, dst := noise(s.B*s.T, d), noise(s.B*s.T, d)
		k, v := noise(s.B*s.S, kv), noise(s.B*s.S, kv)
		if cached == 0 {
			return func() { Forward(s, dst, q, k, v, nil) }
		}
		caches := make([]*Cache[float32], s.B)
		for b := range caches {
			caches[b] = NewCache[float32](s.KVHeads, s.E)
			caches[b].Append(Rows[float32]{k.at(b*s.S, 0, s.E), kv}, Rows[float32]{v.at(b*s.S, 0, s.E), kv}, cached)
		}
		return func() { ForwardCached(s, dst, q, caches, same, nil) }
	}
	return c
}

// newGradCase is the derivative, with five products where the attention has two.
func newGradCase(name string, s Shape) Case {
	c := newCase(name+"-grad", s, 0)
	d, kv := s.Heads*s.E, s.KVHeads*s.E
	c.Flops *= 2.5
	c.Bytes = 4 * float64(s.B) * float64(4*s.T*d+4*s.S*kv)
	c.New = func() func() {
		q, k, v, y := noise(s.B*s.T, d), noise(s.B*s.S, kv), noise(s.B*s.S, kv), noise(s.B*s.T, d)
		g := Grads[float32]{
			Q: q, K: k, V: v, Y: y, DY: q, LSE: make([]float32, s.B*s.Heads*s.T),
			DQ: noise(s.B*s.T, d), DK: noise(s.B*s.S, kv), DV: noise(s.B*s.S, kv),
		}
		Forward(s, y, q, k, v, g.LSE)
		return func() { Backward(s, g) }
	}
	return c
}

// same is c, for calls that take caches out of something.
func same(c *Cache[float32]) *Cache[float32] { return c }

// noise is rows of numbers between -1 and 1.
func noise(rows, cols int) Rows[float32] {
	x, state := make([]float32, rows*cols), uint32(1)
	for i := range x {
		state = state*1664525 + 1013904223
		x[i] = float32(int32(state)) / (1 << 31)
	}
	return Rows[float32]{x, cols}
}
