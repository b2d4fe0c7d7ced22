package dataset

import (
	"math"

	"github.com/manifold-gen/manifold/shared/fault"
)

// padded is a set with a border around its pictures.
type padded struct {
	Dataset
	h, w  int
	value float32
	hash  string
}

// Pad puts every picture of d in the middle of one of h x w whose border has the given value in [-1, 1] in every
// channel. An odd border is larger at the bottom and on the right. Errors are of kind fault.Invalid.
func Pad(d Dataset, h, w int, value float32) (Dataset, error) {
	dh, dw, _ := d.Shape()
	if h < dh || w < dw || h > maxSide || w > maxSide || !(value >= -1 && value <= 1) {
		return nil, fault.E(fault.Invalid, "BAD_SHAPE", "dataset.Pad",
			"%dx%d to %dx%d with %v, allowed are larger sides up to %d and -1 to 1", dh, dw, h, w, value, maxSide)
	}
	if h == dh && w == dw {
		return d, nil
	}
	g := newDigest("pad", h, w, int(math.Float32bits(value)))
	g.text(d.Hash())
	return &padded{Dataset: d, h: h, w: w, value: value, hash: g.sum()}, nil
}

func (p *padded) Shape() (h, w, c int) {
	_, _, c = p.Dataset.Shape()
	return p.h, p.w, c
}

func (p *padded) Hash() string { return p.hash }

func (p *padded) Picture(i int, dst []float32) error {
	if err := checkPicture(p, i, len(dst)); err != nil {
		return err
	}
	h, w, c := p.Dataset.Shape()
	// The picture is read into the end of dst and moved up row by row: no row overtakes one not moved yet, because
	// its place lies at or before where it was read.
	src := dst[len(dst)-h*w*c:]
	if err := p.Dataset.Picture(i, src); err != nil {
		return err
	}
	top, left := (p.h-h)/2, (p.w-w)/2
	at := 0
	put := func(n int) {
		for range n {
			dst[at] = p.value
			at++
		}
	}
	put(top * p.w * c)
	for y := range h {
		put(left * c)
		at += copy(dst[at:], src[y*w*c:(y+1)*w*c])
		put((p.w - w - left) * c)
	}
	put((p.h - h - top) * p.w * c)
	return nil
}
