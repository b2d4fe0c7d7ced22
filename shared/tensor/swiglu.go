package tensor

// SwiGLU is silu(gate)*up for the two halves of every row of x [.., 2*F], gate first: dst [.., F]. Both steps are
// rounded. dst must not overlap x.
func SwiGLU(dst, x *Tensor) {
	const op = "SwiGLU"
	sameType(op, dst, x)
	r, c := rows(op, x)
	if dr, dc := rows(op, dst); dr != r || 2*dc != c {
		panic(shapeError(op, "want dst [.., F] and x [.., 2*F]", dst, x))
	}
	apart(op, dst, x)
	if r*c == 0 {
		return
	}
	j := newJob()
	j.t, j.i[0] = [10]*Tensor{dst, x}, c/2
	j.rows(x.dtype, r, c/2, dear, swigluLoop[float32], swigluLoop[float64])
}

func swigluLoop[T float](j *job, lo, hi int) {
	d, x, n := data[T](j.t[0]), data[T](j.t[1]), j.i[0]
	for r := lo; r < hi; r++ {
		swigluRow(d[r*n:(r+1)*n], x[2*r*n:2*(r+1)*n])
	}
}
