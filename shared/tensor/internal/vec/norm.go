package vec

// colPhases is the number of interleaved partial sums of the column reductions: phase p takes rows p,
// p+4, p+8, ... in this order; the result is (p0+p2) + (p1+p3). This is called "4 phases" below.
const colPhases = 4

// checkBlock panics unless x holds rows x cols elements with row stride ld.
func checkBlock[T Float](x []T, rows, cols, ld int) {
	if rows > 0 && cols > 0 {
		_ = x[(rows-1)*ld+cols-1]
	}
	if rows < 0 || ld < 0 {
		panic("vec: negative block size")
	}
}

// ColSums sets dst[c] to the sum of x[r*ld+c] over r < rows, for c < len(dst): 4 phases.
func ColSums[T Float](dst, x []T, rows, ld int) {
	checkBlock(x, rows, len(dst), ld)
	if native[T](len(dst)) {
		kColSums(p32(dst), p32(x), rows, len(dst), ld)
		return
	}
	for c := range dst {
		var a [colPhases]T
		for r := range rows {
			a[r%colPhases] += x[r*ld+c]
		}
		dst[c] = canon((a[0] + a[2]) + (a[1] + a[3]))
	}
}

// ColSquareDevs sets dst[c] to the sum of (x[r*ld+c]-mean[c])^2: d = x-mean, acc = fma(d, d, acc),
// 4 phases.
func ColSquareDevs[T Float](dst, x, mean []T, rows, ld int) {
	checkBlock(x, rows, len(dst), ld)
	mean = mean[:len(dst)]
	if native[T](len(dst)) {
		kColSquareDevs(p32(dst), p32(x), p32(mean), rows, len(dst), ld)
		return
	}
	for c := range dst {
		var a [colPhases]T
		for r := range rows {
			d := x[r*ld+c] - mean[c]
			a[r%colPhases] = fma(d, d, a[r%colPhases])
		}
		dst[c] = canon((a[0] + a[2]) + (a[1] + a[3]))
	}
}

// ColGradSums sets dsum[c] to the sum of dy[r*ld+c] and dxhat[c] to the sum of dy*xhat with
// xhat = (x-mean[c])*rstd[c], acc = fma(dy, xhat, acc): 4 phases.
func ColGradSums[T Float](dsum, dxhat, dy, x, mean, rstd []T, rows, ld int) {
	n := len(dsum)
	checkBlock(x, rows, n, ld)
	checkBlock(dy, rows, n, ld)
	dxhat, mean, rstd = dxhat[:n], mean[:n], rstd[:n]
	if native[T](n) {
		kColGradSums(p32(dsum), p32(dxhat), p32(dy), p32(x), p32(mean), p32(rstd), rows, n, ld)
		return
	}
	for c := range dsum {
		var a, b [colPhases]T
		for r := range rows {
			g := dy[r*ld+c]
			h := mul(x[r*ld+c]-mean[c], rstd[c])
			a[r%colPhases] += g
			b[r%colPhases] = fma(g, h, b[r%colPhases])
		}
		dsum[c] = canon((a[0] + a[2]) + (a[1] + a[3]))
		dxhat[c] = canon((b[0] + b[2]) + (b[1] + b[3]))
	}
}

// GroupStats computes the mean and the reciprocal standard deviation of each group of channels of a block
// x of rows x cols elements with row stride ld; cols is a multiple of len(mean), the number of groups.
//
// Channel sums are ColSums; a group's sum adds its channels ascending, starting at 0; mean = sum / count.
// Deviations are ColSquareDevs from the group's mean, added the same way; rstd = 1/sqrt(var + eps) with
// var = sum/count. scratch holds at least 2*cols elements.
func GroupStats[T Float](mean, rstd, x []T, rows, cols, ld int, eps float64, scratch []T) {
	sums, means := scratch[:cols], scratch[cols:2*cols]
	ColSums(sums, x, rows, ld)
	GroupMeans(mean, means, sums, rows)
	ColSquareDevs(sums, x, means, rows, ld)
	GroupRstds(rstd, sums, rows, eps)
}

// GroupMeans is the part of GroupStats that follows the channel sums of rows rows: mean by group, and means, the same
// by channel.
func GroupMeans[T Float](mean, means, sums []T, rows int) {
	per := len(sums) / len(mean)
	count := T(rows * per)
	for g := range mean {
		var s T
		for _, v := range sums[g*per : (g+1)*per] {
			s += v
		}
		mean[g] = canon(s / count)
		for c := g * per; c < (g+1)*per; c++ {
			means[c] = mean[g]
		}
	}
}

// GroupRstds is the part of GroupStats that follows the channel sums of squared deviations.
func GroupRstds[T Float](rstd, sums []T, rows int, eps float64) {
	per := len(sums) / len(rstd)
	count := T(rows * per)
	for g := range rstd {
		var s T
		for _, v := range sums[g*per : (g+1)*per] {
			s += v
		}
		rstd[g] = Rstd(s/count, eps)
	}
}

// Rstd is 1/sqrt(variance + eps), eps rounded to T first; three roundings.
func Rstd[T Float](variance T, eps float64) T {
	return canon(1 / sqrt(variance+T(eps)))
}

// GroupScaleShift sets, for channel c of group g, scale[c] = rstd[g]*gamma[c] and
// shift[c] = fma(-mean[g], scale[c], beta[c]), so that the normalised value is AffineRows.
func GroupScaleShift[T Float](scale, shift, mean, rstd, gamma, beta []T) {
	per := len(scale) / len(mean)
	for c := range scale {
		g := c / per
		scale[c] = canon(rstd[g] * gamma[c])
		shift[c] = canon(fma(-mean[g], scale[c], beta[c]))
	}
}

// GroupGradCoef turns the channel sums of ColGradSums over one picture into the coefficients of
// AffineGradRows. For group g with count elements, channels ascending from 0:
// m1 = (sum of dsum[c]*gamma[c])/count and m2 = (sum of dxhat[c]*gamma[c])/count, both by fma; then
// a[c] = rstd*gamma[c], b[c] = -((rstd*rstd)*m2), d[c] = -(rstd*m1).
func GroupGradCoef[T Float](a, b, d, dsum, dxhat, rstd, gamma []T, rows int) {
	groups := len(rstd)
	per := len(a) / groups
	count := T(rows * per)
	for g := range groups {
		var s1, s2 T
		for c := g * per; c < (g+1)*per; c++ {
			s1 = fma(dsum[c], gamma[c], s1)
			s2 = fma(dxhat[c], gamma[c], s2)
		}
		m1, m2 := s1/count, s2/count
		for c := g * per; c < (g+1)*per; c++ {
			a[c] = canon(rstd[g] * gamma[c])
			b[c] = canon(-(mul(rstd[g], rstd[g]) * m2))
			d[c] = canon(-(rstd[g] * m1))
		}
	}
}

// AffineGradRows sets dst = fma(dy, a[c], fma(x-mean[c], b[c], d[c])) for every row of len(a) elements:
// the input gradient of a normalisation over groups of channels. len(a) must divide len(x).
func AffineGradRows[T Float](dst, dy, x, a, mean, b, d []T) {
	var buf [4][rowBuf]T
	if len(a) < tileCut && len(x) > len(a) {
		n := min(rowBuf, len(x))
		a, mean = repeat(buf[0][:n], a), repeat(buf[1][:n], mean)
		b, d = repeat(buf[2][:n], b), repeat(buf[3][:n], d)
	}
	mean, b, d = mean[:len(a)], b[:len(a)], d[:len(a)]
	for i := 0; i < len(x); i += len(a) {
		n := min(len(a), len(x)-i)
		o, g, v := dst[i:i+n], dy[i:i+n], x[i:i+n]
		if native[T](n) {
			kAffineGrad(p32(o), p32(g), p32(v), p32(a), p32(mean), p32(b), p32(d), n)
			continue
		}
		for c := range n {
			o[c] = canon(fma(g[c], a[c], fma(v[c]-mean[c], b[c], d[c])))
		}
	}
}

// LayerNormRow normalises one row: mean = Sum(x)/n, var = SumSquareDevs(x, mean)/n, rstd = Rstd(var, eps),
// dst = fma((x-mean)*rstd, gamma, beta). It returns mean and rstd.
func LayerNormRow[T Float](dst, x, gamma, beta []T, eps float64) (mean, rstd T) {
	n := T(len(x))
	dst, gamma, beta = dst[:len(x)], gamma[:len(x)], beta[:len(x)]
	if native[T](len(x)) && len(x) <= maxCall {
		m, r := kLayerNorm(p32(dst), p32(x), p32(gamma), p32(beta), float32(n), float32(eps), len(x))
		return T(m), T(r)
	}
	mean = canon(Sum(x) / n)
	rstd = Rstd(SumSquareDevs(x, mean)/n, eps)
	if native[T](len(x)) {
		kNormApply(p32(dst), p32(x), p32(gamma), p32(beta), float32(mean), float32(rstd), len(x))
		return mean, rstd
	}
	for i, v := range x {
		dst[i] = canon(fma(mul(v-mean, rstd), gamma[i], beta[i]))
	}
	return mean, rstd
}

// LayerNormGradRow sets dst to the input gradient of one row. With xhat = (x-mean)*rstd and
// g = dy*gamma: m1 = (g added up)/n and m2 = (fma(g, xhat, acc))/n, both 16 lanes, tree;
// dst = rstd*fma(-xhat, m2, g-m1).
func LayerNormGradRow[T Float](dst, x, dy, gamma []T, mean, rstd T) {
	var acc [2][lanes]T
	dst, dy, gamma = dst[:len(x)], dy[:len(x)], gamma[:len(x)]
	n := T(len(x))
	if native[T](len(x)) {
		s1, s2 := kNormGradLanes(nil, p32(x), p32(dy), p32(gamma), float32(mean), float32(rstd), len(x))
		kNormGradApply(p32(dst), p32(x), p32(dy), p32(gamma), float32(mean), float32(rstd), s1/float32(n), s2/float32(n),
			len(x))
		return
	}
	for i, v := range x {
		h := mul(v-mean, rstd)
		g := mul(dy[i], gamma[i])
		acc[0][i%lanes] += g
		acc[1][i%lanes] = fma(g, h, acc[1][i%lanes])
	}
	m1, m2 := tree(&acc[0])/n, tree(&acc[1])/n
	for i, v := range x {
		h := mul(v-mean, rstd)
		g := mul(dy[i], gamma[i])
		dst[i] = canon(rstd * fma(-h, m2, g-m1))
	}
}

// LayerNormParamGradRow adds one row to the parameter gradients: dgamma = fma(dy, (x-mean)*rstd, dgamma),
// dbeta = dbeta + dy. Rows are to be given in ascending order.
func LayerNormParamGradRow[T Float](dgamma, dbeta, x, dy []T, mean, rstd T) {
	dgamma, dbeta, dy = dgamma[:len(x)], dbeta[:len(x)], dy[:len(x)]
	if native[T](len(x)) {
		kNormParamGrad(p32(dgamma), p32(dbeta), p32(x), p32(dy), float32(mean), float32(rstd), len(x))
		return
	}
	for i, v := range x {
		dgamma[i] = canon(fma(dy[i], mul(v-mean, rstd), dgamma[i]))
		dbeta[i] = canon(dbeta[i] + dy[i])
	}
}
