package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/vec"

// LayerNorm normalises every row of x [.., C] over its last axis: dst = fma((x-mean)*rstd, gamma, beta) with
// rstd = 1/sqrt(variance+eps); sums run in 16 lanes and a tree 8, 4, 2, 1. mean and rstd [R] are results, R
// the number of rows; gamma and beta are [C].
func LayerNorm(dst, mean, rstd, x, gamma, beta *Tensor, eps float64) {
	sameShape("LayerNorm", dst, x)
	r, c := layerShape("LayerNorm", x, mean, rstd, gamma)
	vector("LayerNorm", "beta", beta, c, x)
	j := newJob()
	j.t, j.i[0], j.c = [10]*Tensor{dst, mean, rstd, x, gamma, beta}, c, eps
	j.rows(x.dtype, r, c, dear/2, layerNormLoop[float32], layerNormLoop[float64])
}

func layerNormLoop[T float](j *job, lo, hi int) {
	d, mean, rstd, x := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), data[T](j.t[3])
	gamma, beta, n := data[T](j.t[4]), data[T](j.t[5]), j.i[0]
	for r := lo; r < hi; r++ {
		mean[r], rstd[r] = vec.LayerNormRow(d[r*n:(r+1)*n], x[r*n:(r+1)*n], gamma, beta, j.c)
	}
}

// LayerNormGrad is the derivative of LayerNorm: dx like x, dgamma and dbeta [C]. With xhat = (x-mean)*rstd and
// g = dy*gamma, m1 and m2 are the means of g and of g*xhat (16 lanes, tree 8, 4, 2, 1) and dx =
// rstd*fma(-xhat, m2, g-m1). dgamma and dbeta take the rows ascending from 0, dgamma by fused multiply-adds.
// dx must not be x or dy.
func LayerNormGrad(dx, dgamma, dbeta, x, mean, rstd, gamma, dy *Tensor) {
	const op = "LayerNormGrad"
	sameShape(op, dx, x)
	sameShape(op, dx, dy)
	r, c := layerShape(op, x, mean, rstd, gamma)
	vector(op, "dgamma", dgamma, c, x)
	vector(op, "dbeta", dbeta, c, x)
	apart(op, dx, x, dy)
	j := newJob()
	j.t, j.i[0] = [10]*Tensor{dx, x, dy, gamma, mean, rstd}, c
	j.rows(x.dtype, r, c, cheap, layerGradLoop[float32], layerGradLoop[float64])

	j = newJob()
	j.t, j.i[0], j.i[1] = [10]*Tensor{dgamma, dbeta, x, dy, mean, rstd}, c, r
	// One unit is 16 columns, so that no two threads write to one cache line.
	j.run(x.dtype, (c+15)/16, cheap/(16*max(r, 1)), c, layerParamLoop[float32], layerParamLoop[float64])
}

func layerGradLoop[T float](j *job, lo, hi int) {
	d, x, dy, gamma := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), data[T](j.t[3])
	mean, rstd, n := data[T](j.t[4]), data[T](j.t[5]), j.i[0]
	for r := lo; r < hi; r++ {
		vec.LayerNormGradRow(d[r*n:(r+1)*n], x[r*n:(r+1)*n], dy[r*n:(r+1)*n], gamma, mean[r], rstd[r])
	}
}

func layerParamLoop[T float](j *job, lo, hi int) {
	dgamma, dbeta, x, dy := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), data[T](j.t[3])
	mean, rstd, n, rows := data[T](j.t[4]), data[T](j.t[5]), j.i[0], j.i[1]
	lo, hi = lo*16, min(hi*16, n)
	clear(dgamma[lo:hi])
	clear(dbeta[lo:hi])
	for r := range rows {
		vec.LayerNormParamGradRow(dgamma[lo:hi], dbeta[lo:hi], x[r*n+lo:r*n+hi], dy[r*n+lo:r*n+hi], mean[r], rstd[r])
	}
}

func layerShape(op string, x, mean, rstd, gamma *Tensor) (r, c int) {
	r, c = rows(op, x)
	if c == 0 {
		panic(shapeError(op, "the last axis is empty", x))
	}
	vector(op, "mean", mean, r, x)
	vector(op, "rstd", rstd, r, x)
	vector(op, "gamma", gamma, c, x)
	return r, c
}
