package depthwise

import "github.com/manifold-gen/manifold/shared/tensor/internal/gemm"

// axis is a convolution in one dimension: output k meets inputs k*stride+off and on, one for each tap; those outside
// [0, in) are padding.
type axis struct{ n, stride, off, taps, in int }

// span is the taps [lo, hi) of output k that meet an input.
func (a axis) span(k int) (lo, hi int) {
	at := k*a.stride + a.off
	lo = min(max(0, -at), a.taps)
	return lo, max(lo, min(a.taps, a.in-at))
}

// inner is the outputs [k0, k1) all of whose taps meet an input.
func (a axis) inner() (k0, k1 int) {
	k0 = min((max(0, -a.off)+a.stride-1)/a.stride, a.n)
	if room := a.in - a.taps - a.off; room >= 0 && a.taps > 0 {
		k1 = min(room/a.stride+1, a.n)
	}
	return k0, max(k0, k1)
}

// phase is a set of outputs that meet the same taps, stride by stride: all of them in a forward convolution. Places
// are in pixels, of weights in taps.
type phase struct {
	rows, cols     axis
	y0, yRow, yCol int // the first output of a picture and the distances of the next ones
	w0, wRow, wTap int
}

// forward is the only phase of a forward convolution.
func forward(c gemm.Conv) phase {
	ho, wo := c.Out()
	return phase{
		rows: axis{n: ho, stride: c.StrideH, off: -c.PadTop, taps: c.KH, in: c.H},
		cols: axis{n: wo, stride: c.StrideW, off: -c.PadLeft, taps: c.KW, in: c.W},
		yRow: wo, yCol: 1, wRow: c.KW, wTap: 1,
	}
}

// backward is the phase of an input gradient that holds the pixels (ph, pw) of every stride.
func backward(c gemm.Conv, ph, pw int) phase {
	ho, wo := c.Out()
	rows, firstRow := backwardAxis(c.H, c.KH, c.StrideH, c.PadTop, ph, ho)
	cols, firstCol := backwardAxis(c.W, c.KW, c.StrideW, c.PadLeft, pw, wo)
	return phase{
		rows: rows, cols: cols,
		y0: ph*c.W + pw, yRow: c.StrideH * c.W, yCol: c.StrideW,
		w0: firstRow*c.KW + firstCol, wRow: -c.StrideH * c.KW, wTap: -c.StrideW,
	}
}

// backwardAxis is one dimension of a phase of pixels p, p+stride, ..., and the tap that meets the first input.
func backwardAxis(n, k, stride, pad, p, out int) (a axis, first int) {
	tap := (p + pad) % stride // the last one to meet an input, if there is one
	taps := 0
	if tap < k {
		taps = (k-tap-1)/stride + 1
	}
	a = axis{n: (n - p + stride - 1) / stride, stride: 1, off: (p+pad)/stride - (taps - 1), taps: taps, in: out}
	return a, tap + stride*(taps-1)
}
