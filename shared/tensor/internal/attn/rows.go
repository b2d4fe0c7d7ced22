package attn

import (
	"math"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// The loops over rows. Float32 has assembly for AVX-512, AVX2 and NEON, of which these loops are the
// specification.

func minusInf[T Float]() T { return T(math.Inf(-1)) }

// native says whether rows of T are work for the assembly.
func native[T Float]() bool { return isF32[T]() && kernels() }

// p32 is the address of the first element of s, whose type must be float32.
func p32[T Float](s []T) *float32 { return (*float32)(unsafe.Pointer(unsafe.SliceData(s))) }

// scaleRows sets rows of dst, ldd apart, to fma(src, s, 0) for rows of src, lds apart; s moves on by next from row to
// row.
func scaleRows[T Float](dst, src []T, ldd, lds, rows, cols int, s []T, next int) {
	if rows == 0 {
		return
	}
	if native[T]() {
		_, _, _ = dst[(rows-1)*ldd+cols-1], src[(rows-1)*lds+cols-1], s[(rows-1)*next]
		kScaleRows(p32(dst), p32(src), ldd, lds, rows, cols, p32(s), next)
		return
	}
	var buf [64]T // dst may be src
	for r := range rows {
		for c := 0; c < cols; c += len(buf) {
			n := min(len(buf), cols-c)
			clear(buf[:n])
			vec.AXPY(buf[:n], s[r*next], src[r*lds+c:r*lds+c+n])
			copy(dst[r*ldd+c:], buf[:n])
		}
	}
}

// weighRows turns rows of scores into weights: the first n[r] elements x of row r of p become exp(x-top), where top[r]
// is the larger of m[r] and their maximum, and the others, up to cols, 0. sum[r] is the sum of the weights. If top is
// -Inf, all are 0.
func weighRows[T Float](p []T, ld, rows, cols int, n []int, m, top, sum []T) {
	for r := 0; r < rows; r++ {
		if native[T]() {
			_, _, _, _ = n[rows-1], m[rows-1], top[rows-1], sum[rows-1]
			_ = p[(rows-1)*ld+cols-1]
			left := kWeigh(p32(p[r*ld:]), ld, rows-r, cols, &n[r], p32(m[r:]), p32(top[r:]), p32(sum[r:]))
			if r = rows - left; left == 0 {
				return
			}
		}
		row := p[r*ld : r*ld+n[r]]
		clear(p[r*ld+n[r] : r*ld+cols])
		top[r], sum[r] = max(m[r], vec.Max(row)), 0 // NaN if one is
		if top[r] == minusInf[T]() {
			clear(row)
			continue
		}
		sum[r] = vec.ExpSub(row, row, top[r])
	}
}

// weighGradRows sets p = exp(p-lse[r]) and dp = p*(dp-d[r]) for the first n[r] elements of rows of p and dp, and both
// to 0 for the others, up to cols.
func weighGradRows[T Float](p, dp []T, ld, rows, cols int, n []int, lse, d []T) {
	if rows == 0 {
		return
	}
	if native[T]() {
		_, _, _, _, _ = p[(rows-1)*ld+cols-1], dp[(rows-1)*ld+cols-1], n[rows-1], lse[rows-1], d[rows-1]
		kWeighGrad(p32(p), p32(dp), ld, rows, cols, &n[0], p32(lse), p32(d))
		return
	}
	for r := range rows {
		row, g := p[r*ld:r*ld+cols], dp[r*ld:r*ld+cols]
		clear(row[n[r]:])
		clear(g[n[r]:])
		vec.ExpSub(row[:n[r]], row[:n[r]], lse[r])
		for i, x := range row[:n[r]] {
			g[i] = x * (g[i] - d[r])
		}
	}
}

// merge joins the sums of a block to those before: c = exp(m-top), 1 where top is -Inf; l = fma(l, c, sum); m = top.
// top is destroyed.
func merge[T Float](m, l, c, top, sum []T) {
	for r, t := range top {
		c[r] = m[r] - t
		if t == minusInf[T]() {
			c[r] = 0
		}
	}
	copy(m, top)
	vec.Map(vec.Exp, c, c)
	vec.MulAdd(l, l, c, sum)
}
