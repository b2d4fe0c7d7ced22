package tensor

import (
	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// This file holds operations on the channels of two tensors, side by side, that are not copied into one first.

// sides checks a [N, .., Ca] and b [N, .., Cb] and returns the header of their concatenation, which has no elements.
func sides(op string, a, b *Tensor) Tensor {
	sameType(op, a, b)
	if a.rank < 2 || a.rank != b.rank {
		panic(shapeError(op, "want [N, .., Ca] and [N, .., Cb]", a, b))
	}
	both := Tensor{shape: a.shape, rank: a.rank, dtype: a.dtype}
	last := a.rank - 1
	both.shape[last] += b.shape[last]
	for i := range last {
		if a.shape[i] != b.shape[i] {
			panic(shapeError(op, "sizes do not agree", a, b))
		}
	}
	return both
}

// Conv2DConcatPacked is Conv2DPacked of a [N, H, W, Ca] and b [N, H, W, Cb] concatenated along their channels, with
// the same bits. Ca must be a multiple of 16.
func Conv2DConcatPacked(dst, a, b *Tensor, w *Packed, spec ConvSpec, ep *Epilogue) {
	const op = "Conv2DConcatPacked"
	both := sides(op, a, b)
	w.like(op, a)
	apart(op, dst, a, b)
	c := convShape(op, &both, w.shape, dst, spec)
	ep.check(op, dst)
	split := a.Dim(-1)
	if split%16 != 0 || split == 0 || b.Dim(-1) == 0 {
		panic(shapeError(op, "want a multiple of 16 channels in the first operand, and some in both", a, b))
	}
	if dst.dtype == Float64 {
		convolveConcat(dst.f64, a.f64, b.f64, w.c64, c, split, ep)
		return
	}
	convolveConcat(dst.f32, a.f32, b.f32, w.c32, c, split, ep)
}

func convolveConcat[T float](dst, a, b []T, w *gemm.PackedConv[T], c gemm.Conv, split int, ep *Epilogue) {
	if len(dst) == 0 {
		return
	}
	f := newItemFinisher[T](ep, len(dst), c.Co)
	gemm.Conv2DConcatPacked(dst, a, b, w, c, split, f.epilogue())
	f.release()
}

// GroupNormSiLUConcat is GroupNormSiLU of a [N, .., Ca] and b [N, .., Cb] concatenated along their channels, with the
// same bits: dst is [N, .., Ca+Cb], mean and rstd are [N, G].
func GroupNormSiLUConcat(dst, mean, rstd, a, b, gamma, beta *Tensor, groups int, eps float64) {
	const op = "GroupNormSiLUConcat"
	both := sides(op, a, b)
	sameShape(op, dst, &both)
	apart(op, dst, a, b)
	z := normShape(op, &both, mean, rstd, gamma, beta, groups)
	if a.dtype == Float64 {
		groupNormConcat[float64](dst, mean, rstd, a, b, gamma, beta, z, eps)
		return
	}
	groupNormConcat[float32](dst, mean, rstd, a, b, gamma, beta, z, eps)
}

// groupNormConcat is groupNormOf for two operands.
func groupNormConcat[T float](dst, mean, rstd, a, b, gamma, beta *Tensor, z normSizes, eps float64) {
	buf, s := scratch[T](4 * z.n * z.c)
	defer buf.release()
	nc := z.n * z.c
	stretch := groupStretch(z)

	j := newJob()
	j.t = [10]*Tensor{mean, rstd, a, b, gamma, beta}
	dt := wrap(j, s[:nc], s[nc:2*nc], s[2*nc:])
	j.i, j.c = [8]int{z.p, z.c, z.g, stretch, a.Dim(-1)}, eps
	perPicture := (z.g + stretch - 1) / stretch
	j.rows(dt, z.n*perPicture, z.p*stretch*(z.c/z.g), cheap, concatStatsLoop[float32], concatStatsLoop[float64])

	j = newJob()
	j.t = [10]*Tensor{dst, a, b}
	wrap(j, s[:nc], s[nc:2*nc])
	j.i = [8]int{z.p, z.c, a.Dim(-1)}
	j.rows(dt, z.n*z.p, z.c, cheap, concatAffineLoop[float32], concatAffineLoop[float64])
}

// concatStatsLoop is groupStatsLoop for two operands: channels from j.i[4] on are those of the second.
func concatStatsLoop[T float](j *job, lo, hi int) {
	mean, rstd, a, b := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), data[T](j.t[3])
	gamma, beta := data[T](j.t[4]), data[T](j.t[5])
	scale, shift, tmp := data[T](&j.own[0]), data[T](&j.own[1]), data[T](&j.own[2])
	p, c, groups, stretch, split := j.i[0], j.i[1], j.i[2], j.i[3], j.i[4]
	perPicture, per := (groups+stretch-1)/stretch, c/groups
	for u := lo; u < hi; u++ {
		n, g0 := u/perPicture, u%perPicture*stretch
		g1 := min(g0+stretch, groups)
		c0, c1 := g0*per, g1*per
		m, r := mean[n*groups+g0:n*groups+g1], rstd[n*groups+g0:n*groups+g1]
		at := n*c + c0
		sums, means := tmp[2*at:2*at+c1-c0], tmp[2*at+c1-c0:2*at+2*(c1-c0)]
		cut := min(max(split-c0, 0), c1-c0) // channels of the first operand
		x, y := a[n*p*split+min(c0, split):], b[n*p*(c-split)+max(c0-split, 0):]
		if cut > 0 {
			vec.ColSums(sums[:cut], x, p, split)
		}
		if cut < c1-c0 {
			vec.ColSums(sums[cut:], y, p, c-split)
		}
		vec.GroupMeans(m, means, sums, p)
		if cut > 0 {
			vec.ColSquareDevs(sums[:cut], x, means[:cut], p, split)
		}
		if cut < c1-c0 {
			vec.ColSquareDevs(sums[cut:], y, means[cut:], p, c-split)
		}
		vec.GroupRstds(r, sums, p, j.c)
		vec.GroupScaleShift(scale[at:n*c+c1], shift[at:n*c+c1], m, r, gamma[c0:c1], beta[c0:c1])
	}
}

func concatAffineLoop[T float](j *job, lo, hi int) {
	d, a, b := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2])
	scale, shift := data[T](&j.own[0]), data[T](&j.own[1])
	p, c, split := j.i[0], j.i[1], j.i[2]
	rest := c - split
	for r := lo; r < hi; r++ {
		n := r / p
		s, t, o := scale[n*c:(n+1)*c], shift[n*c:(n+1)*c], d[r*c:(r+1)*c]
		vec.AffineSiLURows(o[:split], a[r*split:(r+1)*split], s[:split], t[:split])
		vec.AffineSiLURows(o[split:], b[r*rest:(r+1)*rest], s[split:], t[split:])
	}
}
