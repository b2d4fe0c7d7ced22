package tensor

import "math"

// normShape checks x [N, .., C] with the statistics [N, G] and returns N, the pixels, and C.
func normShape(op string, x, mean, rstd, gamma, beta *Tensor, groups int) (n, p, c int) {
	if x.rank < 2 {
		panic(shapeError(op, "want [N, .., C]", x))
	}
	n, c = x.shape[0], x.shape[x.rank-1]
	p = product(x.shape[1 : x.rank-1])
	if groups < 1 || c%groups != 0 {
		panic(shapeError(op, "groups must divide the channels", x))
	}
	if p*c == 0 {
		panic(shapeError(op, "a group is empty", x))
	}
	for _, s := range []*Tensor{mean, rstd} {
		if s.dtype != x.dtype || s.rank != 2 || s.shape[0] != n || s.shape[1] != groups {
			panic(shapeError(op, "mean and rstd must be [N, G]", x, s))
		}
	}
	vector(op, "gamma", gamma, c, x)
	if beta != nil {
		vector(op, "beta", beta, c, x)
	}
	return n, p, c
}

// GroupNorm normalises x [N, .., C] over the pixels and the channels of each of the groups: dst =
// (x-mean)*rstd*gamma + beta with rstd = 1/sqrt(variance+eps), variance over the whole number of
// elements. mean and rstd [N, G] are results, for the derivative.
func GroupNorm(dst, mean, rstd, x, gamma, beta *Tensor, groups int, eps float64) {
	sameShape("GroupNorm", dst, x)
	n, p, c := normShape("GroupNorm", x, mean, rstd, gamma, beta, groups)
	if x.dtype == Float64 {
		groupNorm[float64](dst, mean, rstd, x, gamma, beta, n, p, c, groups, eps)
		return
	}
	groupNorm[float32](dst, mean, rstd, x, gamma, beta, n, p, c, groups, eps)
}

// GroupNormSiLU is GroupNorm followed by SiLU, with the same bits.
func GroupNormSiLU(dst, mean, rstd, x, gamma, beta *Tensor, groups int, eps float64) {
	GroupNorm(dst, mean, rstd, x, gamma, beta, groups, eps)
	SiLU(dst, dst)
}

func groupNorm[T float](dst, mean, rstd, x, gamma, beta *Tensor, n, p, c, groups int, eps float64) {
	d, s, ga, be := data[T](dst), data[T](x), data[T](gamma), data[T](beta)
	mu, rs := data[T](mean), data[T](rstd)
	cg := c / groups
	for i := range n {
		for g := range groups {
			var sum, sq float64
			for j := range p {
				for k := g * cg; k < (g+1)*cg; k++ {
					sum += float64(s[(i*p+j)*c+k])
				}
			}
			m := sum / float64(p*cg)
			for j := range p {
				for k := g * cg; k < (g+1)*cg; k++ {
					e := float64(s[(i*p+j)*c+k]) - m
					sq += e * e
				}
			}
			r := 1 / math.Sqrt(sq/float64(p*cg)+eps)
			mu[i*groups+g], rs[i*groups+g] = T(m), T(r)
			for j := range p {
				for k := g * cg; k < (g+1)*cg; k++ {
					at := (i*p+j)*c + k
					d[at] = T((float64(s[at])-m)*r*float64(ga[k]) + float64(be[k]))
				}
			}
		}
	}
}

// GroupNormGrad is the derivative of GroupNorm: dx like x, dgamma and dbeta [C]. mean and rstd are
// those GroupNorm returned.
func GroupNormGrad(dx, dgamma, dbeta, x, mean, rstd, gamma, dy *Tensor, groups int) {
	sameShape("GroupNormGrad", dx, x)
	sameShape("GroupNormGrad", dx, dy)
	n, p, c := normShape("GroupNormGrad", x, mean, rstd, gamma, nil, groups)
	vector("GroupNormGrad", "dgamma", dgamma, c, x)
	vector("GroupNormGrad", "dbeta", dbeta, c, x)
	if x.dtype == Float64 {
		groupNormGrad[float64](dx, dgamma, dbeta, x, mean, rstd, gamma, dy, n, p, c, groups)
		return
	}
	groupNormGrad[float32](dx, dgamma, dbeta, x, mean, rstd, gamma, dy, n, p, c, groups)
}

func groupNormGrad[T float](dx, dgamma, dbeta, x, mean, rstd, gamma, dy *Tensor, n, p, c, groups int) {
	d, s, ga, g := data[T](dx), data[T](x), data[T](gamma), data[T](dy)
	mu, rs, dg, db := data[T](mean), data[T](rstd), data[T](dgamma), data[T](dbeta)
	cg := c / groups
	clear(dg)
	clear(db)
	for i := range n {
		for q := range groups {
			m, r := mu[i*groups+q], rs[i*groups+q]
			var s1, s2 float64
			for j := range p {
				for k := q * cg; k < (q+1)*cg; k++ {
					at := (i*p+j)*c + k
					xh := (s[at] - m) * r
					dg[k] += g[at] * xh
					db[k] += g[at]
					s1 += float64(g[at] * ga[k])
					s2 += float64(g[at] * ga[k] * xh)
				}
			}
			s1, s2 = s1/float64(p*cg), s2/float64(p*cg)
			for j := range p {
				for k := q * cg; k < (q+1)*cg; k++ {
					at := (i*p+j)*c + k
					xh := (s[at] - m) * r
					d[at] = r * (g[at]*ga[k] - T(s1) - xh*T(s2))
				}
			}
		}
	}
}

// LayerNorm normalises every row of x [.., C] over its last axis; mean and rstd [R] are results, R the
// number of rows.
func LayerNorm(dst, mean, rstd, x, gamma, beta *Tensor, eps float64) {
	sameShape("LayerNorm", dst, x)
	r, c := layerShape("LayerNorm", x, mean, rstd, gamma, beta)
	if x.dtype == Float64 {
		groupNorm[float64](dst, mean, rstd, x, gamma, beta, r, 1, c, 1, eps)
		return
	}
	groupNorm[float32](dst, mean, rstd, x, gamma, beta, r, 1, c, 1, eps)
}

// LayerNormGrad is the derivative of LayerNorm: dx like x, dgamma and dbeta [C].
func LayerNormGrad(dx, dgamma, dbeta, x, mean, rstd, gamma, dy *Tensor) {
	sameShape("LayerNormGrad", dx, x)
	sameShape("LayerNormGrad", dx, dy)
	r, c := layerShape("LayerNormGrad", x, mean, rstd, gamma, nil)
	vector("LayerNormGrad", "dgamma", dgamma, c, x)
	vector("LayerNormGrad", "dbeta", dbeta, c, x)
	if x.dtype == Float64 {
		groupNormGrad[float64](dx, dgamma, dbeta, x, mean, rstd, gamma, dy, r, 1, c, 1)
		return
	}
	groupNormGrad[float32](dx, dgamma, dbeta, x, mean, rstd, gamma, dy, r, 1, c, 1)
}

func layerShape(op string, x, mean, rstd, gamma, beta *Tensor) (r, c int) {
	r, c = rows(op, x)
	if c == 0 {
		panic(shapeError(op, "the last axis is empty", x))
	}
	vector(op, "mean", mean, r, x)
	vector(op, "rstd", rstd, r, x)
	vector(op, "gamma", gamma, c, x)
	if beta != nil {
		vector(op, "beta", beta, c, x)
	}
	return r, c
}
