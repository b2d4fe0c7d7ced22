package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/vec"

// GroupNorm normalises x [N, .., C] over the pixels and the channels of each group: dst is
// (x-mean)*rstd*gamma + beta with rstd = 1/sqrt(variance+eps), the variance over all P elements of the
// group divided by P. mean and rstd [N, G] are results, for the derivative. gamma and beta are [C].
//
// Order: channels are added down the pixels in 4 phases (phase p takes pixels p, p+4, ...;
// (p0+p2) + (p1+p3)), then the channels of a group ascending from 0; mean = sum/P. The squares of x-mean
// are added the same way, each by a fused multiply-add. scale = rstd*gamma, shift = fma(-mean, scale,
// beta), dst = fma(x, scale, shift). Groups are independent, and so are pictures.
func GroupNorm(dst, mean, rstd, x, gamma, beta *Tensor, groups int, eps float64) {
	groupNorm("GroupNorm", dst, mean, rstd, x, gamma, beta, groups, eps, false)
}

// GroupNormSiLU is GroupNorm followed by SiLU in one pass, with the same bits.
func GroupNormSiLU(dst, mean, rstd, x, gamma, beta *Tensor, groups int, eps float64) {
	groupNorm("GroupNormSiLU", dst, mean, rstd, x, gamma, beta, groups, eps, true)
}

// normSizes are the sizes of a normalisation: pictures, pixels, channels, groups.
type normSizes struct{ n, p, c, g int }

// normShape checks x [N, .., C] with the statistics [N, G].
func normShape(op string, x, mean, rstd, gamma, beta *Tensor, groups int) normSizes {
	if x.rank < 2 {
		panic(shapeError(op, "want [N, .., C]", x))
	}
	z := normSizes{n: x.shape[0], p: product(x.shape[1 : x.rank-1]), c: x.shape[x.rank-1], g: groups}
	if groups < 1 || z.c%groups != 0 {
		panic(shapeError(op, "the groups must divide the channels", x))
	}
	if z.p*z.c == 0 {
		panic(shapeError(op, "a group is empty", x))
	}
	sameShape(op, mean, rstd)
	if mean.dtype != x.dtype || mean.rank != 2 || mean.shape[0] != z.n || mean.shape[1] != groups {
		panic(shapeError(op, "mean and rstd must be [N, G]", x, mean))
	}
	vector(op, "gamma", gamma, z.c, x)
	if beta != nil {
		vector(op, "beta", beta, z.c, x)
	}
	return z
}

func groupNorm(op string, dst, mean, rstd, x, gamma, beta *Tensor, groups int, eps float64, silu bool) {
	sameShape(op, dst, x)
	z := normShape(op, x, mean, rstd, gamma, beta, groups)
	if x.dtype == Float64 {
		groupNormOf[float64](dst, mean, rstd, x, gamma, beta, z, eps, silu)
		return
	}
	groupNormOf[float32](dst, mean, rstd, x, gamma, beta, z, eps, silu)
}

// groupNormOf runs two passes over all threads: statistics by picture and stretch of groups, then the
// affine map by pixel. Between them scale and shift are made, [N, C] each, in scratch.
func groupNormOf[T float](dst, mean, rstd, x, gamma, beta *Tensor, z normSizes, eps float64, silu bool) {
	b, s := scratch[T](4 * z.n * z.c)
	defer b.release()
	nc := z.n * z.c
	stretch := groupStretch(z)

	j := newJob()
	j.t = [10]*Tensor{mean, rstd, x, gamma, beta}
	dt := wrap(j, s[:nc], s[nc:2*nc], s[2*nc:])
	j.i, j.c = [8]int{z.p, z.c, z.g, stretch}, eps
	perPicture := (z.g + stretch - 1) / stretch
	j.rows(dt, z.n*perPicture, z.p*stretch*(z.c/z.g), cheap, groupStatsLoop[float32], groupStatsLoop[float64])

	j = newJob()
	j.t = [10]*Tensor{dst, x}
	wrap(j, s[:nc], s[nc:2*nc])
	j.i, j.ok = [8]int{z.p, z.c}, silu
	j.rows(dt, z.n*z.p, z.c, cheap, affineLoop[float32], affineLoop[float64])
}

// groupStretch is how many groups one piece of work takes: enough for whole cache lines of channels, few
// enough to share a single picture among threads.
func groupStretch(z normSizes) int {
	per := z.c / z.g
	return min(z.g, max(1, (32+per-1)/per))
}

func groupStatsLoop[T float](j *job, lo, hi int) {
	mean, rstd, x := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2])
	gamma, beta := data[T](j.t[3]), data[T](j.t[4])
	scale, shift, tmp := data[T](&j.own[0]), data[T](&j.own[1]), data[T](&j.own[2])
	p, c, groups, stretch := j.i[0], j.i[1], j.i[2], j.i[3]
	perPicture, per := (groups+stretch-1)/stretch, c/groups
	for u := lo; u < hi; u++ {
		n, g0 := u/perPicture, u%perPicture*stretch
		g1 := min(g0+stretch, groups)
		c0, c1 := g0*per, g1*per
		m, r := mean[n*groups+g0:n*groups+g1], rstd[n*groups+g0:n*groups+g1]
		at := n*c + c0
		vec.GroupStats(m, r, x[n*p*c+c0:], p, c1-c0, c, j.c, tmp[2*at:2*at+2*(c1-c0)])
		vec.GroupScaleShift(scale[at:n*c+c1], shift[at:n*c+c1], m, r, gamma[c0:c1], beta[c0:c1])
	}
}

func affineLoop[T float](j *job, lo, hi int) {
	d, x, scale, shift := data[T](j.t[0]), data[T](j.t[1]), data[T](&j.own[0]), data[T](&j.own[1])
	p, c := j.i[0], j.i[1]
	for r := lo; r < hi; {
		n := r / p
		end := min(hi, (n+1)*p)
		if j.ok {
			vec.AffineSiLURows(d[r*c:end*c], x[r*c:end*c], scale[n*c:(n+1)*c], shift[n*c:(n+1)*c])
		} else {
			vec.AffineRows(d[r*c:end*c], x[r*c:end*c], scale[n*c:(n+1)*c], shift[n*c:(n+1)*c])
		}
		r = end
	}
}

// GroupNormGrad is the derivative of GroupNorm: dx like x, dgamma and dbeta [C]. mean and rstd are
// those GroupNorm returned. dx may be x or dy.
//
// Order: for each picture and channel the sums of dy and of dy*xhat, xhat = (x-mean)*rstd, run down the
// pixels in 4 phases; dbeta and dgamma add them over the pictures, ascending from the first. A group's
// m1 and m2 are the sums over its channels, ascending by fused multiply-adds with gamma, divided by the
// number of its elements; dx = fma(dy, rstd*gamma, fma(x-mean, -(rstd*rstd*m2), -(rstd*m1))).
func GroupNormGrad(dx, dgamma, dbeta, x, mean, rstd, gamma, dy *Tensor, groups int) {
	sameShape("GroupNormGrad", dx, x)
	sameShape("GroupNormGrad", dx, dy)
	z := normShape("GroupNormGrad", x, mean, rstd, gamma, nil, groups)
	vector("GroupNormGrad", "dgamma", dgamma, z.c, x)
	vector("GroupNormGrad", "dbeta", dbeta, z.c, x)
	if x.dtype == Float64 {
		groupNormGrad[float64](dx, dgamma, dbeta, x, mean, rstd, gamma, dy, z)
		return
	}
	groupNormGrad[float32](dx, dgamma, dbeta, x, mean, rstd, gamma, dy, z)
}

func groupNormGrad[T float](dx, dgamma, dbeta, x, mean, rstd, gamma, dy *Tensor, z normSizes) {
	nc := z.n * z.c
	b, s := scratch[T](7 * nc)
	defer b.release()
	stretch := groupStretch(z)

	j := newJob()
	j.t = [10]*Tensor{mean, rstd, x, gamma, dy}
	dt := wrap(j, s)
	j.i = [8]int{z.p, z.c, z.g, stretch, nc}
	perPicture := (z.g + stretch - 1) / stretch
	j.rows(dt, z.n*perPicture, z.p*stretch*(z.c/z.g), cheap, gradSumsLoop[float32], gradSumsLoop[float64])

	j = newJob()
	j.t = [10]*Tensor{dx, x, dy}
	wrap(j, s)
	j.i = [8]int{z.p, z.c, nc}
	j.rows(dt, z.n*z.p, z.c, cheap, affineGradLoop[float32], affineGradLoop[float64])

	addPictures(data[T](dbeta), s[:nc], z)
	addPictures(data[T](dgamma), s[nc:2*nc], z)
}

// addPictures adds the rows of x [N, C] into dst [C], ascending from the first.
func addPictures[T float](dst, x []T, z normSizes) {
	if z.n == 0 {
		clear(dst)
		return
	}
	copy(dst, x[:z.c])
	vec.SumRows(dst, x[z.c:], z.n-1, z.c)
}

// The scratch of groupNormGrad is seven stretches of [N, C]: the sums of dy, the sums of dy*xhat, then a, b
// and d of vec.AffineGradRows, then mean and rstd repeated for every channel of their group.
func gradSumsLoop[T float](j *job, lo, hi int) {
	mean, rstd, x := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2])
	gamma, dy, s := data[T](j.t[3]), data[T](j.t[4]), data[T](&j.own[0])
	p, c, groups, stretch, nc := j.i[0], j.i[1], j.i[2], j.i[3], j.i[4]
	perPicture, per := (groups+stretch-1)/stretch, c/groups
	for u := lo; u < hi; u++ {
		n, g0 := u/perPicture, u%perPicture*stretch
		g1 := min(g0+stretch, groups)
		c0, c1 := g0*per, g1*per
		part := func(k int) []T { return s[k*nc+n*c+c0 : k*nc+n*c+c1] }
		means, rstds := part(5), part(6)
		for g := g0; g < g1; g++ {
			fill(means[(g-g0)*per:(g-g0+1)*per], mean[n*groups+g])
			fill(rstds[(g-g0)*per:(g-g0+1)*per], rstd[n*groups+g])
		}
		at := n*p*c + c0
		vec.ColGradSums(part(0), part(1), dy[at:], x[at:], means, rstds, p, c)
		vec.GroupGradCoef(part(2), part(3), part(4), part(0), part(1), rstd[n*groups+g0:n*groups+g1], gamma[c0:c1], p)
	}
}

func affineGradLoop[T float](j *job, lo, hi int) {
	d, x, dy, s := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), data[T](&j.own[0])
	p, c, nc := j.i[0], j.i[1], j.i[2]
	for r := lo; r < hi; {
		n := r / p
		end := min(hi, (n+1)*p)
		part := func(k int) []T { return s[k*nc+n*c : k*nc+(n+1)*c] }
		vec.AffineGradRows(d[r*c:end*c], dy[r*c:end*c], x[r*c:end*c], part(2), part(5), part(3), part(4))
		r = end
	}
}

// GroupNormSiLUGrad is the derivative of GroupNormSiLU: SiLUGrad at the normalised values, which are computed again
// as the forward computed them, and then GroupNormGrad. dx must not be x or dy.
func GroupNormSiLUGrad(dx, dgamma, dbeta, x, mean, rstd, gamma, beta, dy *Tensor, groups int) {
	const op = "GroupNormSiLUGrad"
	sameShape(op, dx, x)
	sameShape(op, dx, dy)
	apart(op, dx, x, dy)
	z := normShape(op, x, mean, rstd, gamma, beta, groups)
	vector(op, "dgamma", dgamma, z.c, x)
	vector(op, "dbeta", dbeta, z.c, x)
	if x.dtype == Float64 {
		throughSiLU[float64](dx, x, mean, rstd, gamma, beta, dy, z)
		groupNormGrad[float64](dx, dgamma, dbeta, x, mean, rstd, gamma, dx, z)
		return
	}
	throughSiLU[float32](dx, x, mean, rstd, gamma, beta, dy, z)
	groupNormGrad[float32](dx, dgamma, dbeta, x, mean, rstd, gamma, dx, z)
}

// throughSiLU sets dst to dy times the slope of SiLU at the normalised x.
func throughSiLU[T float](dst, x, mean, rstd, gamma, beta, dy *Tensor, z normSizes) {
	nc := z.n * z.c
	b, s := scratch[T](2 * nc)
	defer b.release()
	for n := range z.n {
		at, g := n*z.c, n*z.g
		vec.GroupScaleShift(s[at:at+z.c], s[nc+at:nc+at+z.c], data[T](mean)[g:g+z.g], data[T](rstd)[g:g+z.g],
			data[T](gamma), data[T](beta))
	}
	j := newJob()
	j.t = [10]*Tensor{dst, x, dy}
	dt := wrap(j, s[:nc], s[nc:])
	j.i = [8]int{z.p, z.c}
	j.rows(dt, z.n*z.p, z.c, dear, throughLoop[float32], throughLoop[float64])
}

// throughLoop keeps what it normalises in cache.
func throughLoop[T float](j *job, lo, hi int) {
	d, x, dy, scale, shift := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), data[T](&j.own[0]), data[T](&j.own[1])
	p, c := j.i[0], j.i[1]
	few := max(dear/c, 1)
	for r := lo; r < hi; {
		n := r / p
		end := min(hi, (n+1)*p, r+few)
		vec.AffineRows(d[r*c:end*c], x[r*c:end*c], scale[n*c:(n+1)*c], shift[n*c:(n+1)*c])
		vec.SiLUGrad(d[r*c:end*c], d[r*c:end*c], dy[r*c:end*c])
		r = end
	}
}
