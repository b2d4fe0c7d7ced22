package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/vec"

// RMSNorm divides every row of x [.., C] by its root mean square: dst = (x*r)*gamma with r = 1/sqrt(s/C + eps) and s
// the sum of the squares, by fused multiply-adds in 16 lanes and a tree 8, 4, 2, 1; gamma is [C].
func RMSNorm(dst, x, gamma *Tensor, eps float64) {
	const op = "RMSNorm"
	sameShape(op, dst, x)
	r, c := rows(op, x)
	vector(op, "gamma", gamma, c, x)
	if r*c == 0 {
		return
	}
	j := newJob()
	j.t, j.i[0], j.c = [10]*Tensor{dst, x, gamma}, c, eps
	j.rows(x.dtype, r, c, cheap, rmsNormLoop[float32], rmsNormLoop[float64])
}

func rmsNormLoop[T float](j *job, lo, hi int) {
	d, x, gamma, n := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), j.i[0]
	for r := lo; r < hi; r++ {
		rmsNormRow(d[r*n:(r+1)*n], x[r*n:(r+1)*n], gamma, j.c)
	}
}

func rmsNormRow[T float](dst, x, gamma []T, eps float64) {
	vec.Scale(dst, x, vec.Rstd(vec.SumSquares(x)/T(len(x)), eps))
	vec.Zip(vec.Mul, dst, dst, gamma)
}
