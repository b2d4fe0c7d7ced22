package attn

import "github.com/manifold-gen/manifold/shared/tensor/internal/gemm"

// Cache is the keys and values of one sequence: keys in panels of 16, [heads][room/16][e][16], values in rows,
// [heads][room][padded], where padded is e rounded up to whole panels.
type Cache[T Float] struct {
	heads, e, padded int
	n, room          int // positions held, positions there is memory for
	k, v             []T
}

// NewCache returns an empty cache.
func NewCache[T Float](heads, e int) *Cache[T] {
	return &Cache[T]{heads: heads, e: e, padded: (e + gemm.Width - 1) / gemm.Width * gemm.Width}
}

// Len is the number of positions held.
func (c *Cache[T]) Len() int { return c.n }

// Reserve makes room for n positions in all.
func (c *Cache[T]) Reserve(n int) {
	if n <= c.room {
		return
	}
	room := (n + gemm.Width - 1) / gemm.Width * gemm.Width
	k, v := make([]T, c.heads*room*c.e), make([]T, c.heads*room*c.padded)
	used := (c.n + gemm.Width - 1) / gemm.Width * gemm.Width
	for h := range c.heads {
		copy(k[h*room*c.e:], c.k[h*c.room*c.e:][:used*c.e])
		copy(v[h*room*c.padded:], c.v[h*c.room*c.padded:][:c.n*c.padded])
	}
	c.k, c.v, c.room = k, v, room
}

// Append adds n positions.
func (c *Cache[T]) Append(k, v Rows[T], n int) {
	if c.n+n > c.room {
		c.Reserve(max(c.n+n, 2*c.room, 64))
	}
	for h := range c.heads {
		c.appendKeys(h, k.at(0, h, c.e), k.LD, n)
		dst := c.v[(h*c.room+c.n)*c.padded:]
		for i := range n {
			copy(dst[i*c.padded:i*c.padded+c.e], v.at(i, h, c.e))
		}
	}
	c.n += n
}

// appendKeys writes the keys of one head: whole panels at once, others element by element.
func (c *Cache[T]) appendKeys(h int, k []T, ld, n int) {
	dst := c.k[h*c.room*c.e:]
	for i := 0; i < n; {
		at := c.n + i
		if at%gemm.Width == 0 && n-i >= gemm.Width {
			whole := (n - i) / gemm.Width * gemm.Width
			gemm.PackRows(dst[at*c.e:], k[i*ld:], whole, c.e, ld)
			i += whole
			continue
		}
		panel := dst[at/gemm.Width*gemm.Width*c.e+at%gemm.Width:]
		for j, x := range k[i*ld : i*ld+c.e] {
			panel[j*gemm.Width] = x
		}
		i++
	}
}

// Truncate forgets all positions from n on.
func (c *Cache[T]) Truncate(n int) { c.n = min(c.n, n) }

// Clone returns a copy with room for as many positions.
func (c *Cache[T]) Clone() *Cache[T] {
	d := *c
	d.k, d.v = append([]T(nil), c.k...), append([]T(nil), c.v...)
	return &d
}

// source is the keys and values of a head.
func (c *Cache[T]) source(h int) source[T] {
	return source[T]{
		k: c.k[h*c.room*c.e:],
		v: gemm.Right[T]{Data: c.v[h*c.room*c.padded:], Step: c.padded, Panel: gemm.Width},
	}
}
