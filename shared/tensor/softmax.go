package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/vec"

// rows splits x into rows along its last axis.
func rows(op string, x *Tensor) (r, c int) {
	if x.rank == 0 {
		panic(shapeError(op, "want at least one axis", x))
	}
	c = x.shape[x.rank-1]
	return product(x.shape[:x.rank-1]), c
}

// byRow runs a loop over the rows of up to three tensors of one shape; j.i[0] is the row's length.
func byRow(op string, dst, x, y *Tensor, f32, f64 func(j *job, lo, hi int)) {
	sameShape(op, dst, x)
	sameShape(op, dst, y)
	r, c := rows(op, x)
	if r*c == 0 {
		return
	}
	j := newJob()
	j.t[0], j.t[1], j.t[2], j.i[0] = dst, x, y, c
	j.rows(x.dtype, r, c, dear, f32, f64)
}

// Softmax is exp(x-m)/sum over the last axis, m the largest element: the exponentials are added in 16
// lanes and a tree 8, 4, 2, 1, and multiplied by the sum's reciprocal. A row of -Inf gives zeros; +Inf
// or NaN in a row makes it NaN.
func Softmax(dst, x *Tensor) {
	byRow("Softmax", dst, x, x, softmaxLoop[float32], softmaxLoop[float64])
}

func softmaxLoop[T float](j *job, lo, hi int) {
	d, x, n := data[T](j.t[0]), data[T](j.t[1]), j.i[0]
	for r := lo; r < hi; r++ {
		vec.SoftmaxRow(d[r*n:(r+1)*n], x[r*n:(r+1)*n])
	}
}

// LogSoftmax is (x-m) - log(sum of exp(x-m)) over the last axis, with m and the sum as in Softmax. A row
// of -Inf gives -Inf. dst must not be x.
func LogSoftmax(dst, x *Tensor) {
	apart("LogSoftmax", dst, x)
	byRow("LogSoftmax", dst, x, x, logSoftmaxLoop[float32], logSoftmaxLoop[float64])
}

func logSoftmaxLoop[T float](j *job, lo, hi int) {
	d, x, n := data[T](j.t[0]), data[T](j.t[1]), j.i[0]
	for r := lo; r < hi; r++ {
		vec.LogSoftmaxRow(d[r*n:(r+1)*n], x[r*n:(r+1)*n])
	}
}

// SoftmaxGrad is y*(dy - sum of y*dy) over the last axis, the derivative of Softmax from its result y.
func SoftmaxGrad(dst, y, dy *Tensor) {
	byRow("SoftmaxGrad", dst, y, dy, softmaxGradLoop[float32], softmaxGradLoop[float64])
}

func softmaxGradLoop[T float](j *job, lo, hi int) {
	d, y, dy, n := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), j.i[0]
	for r := lo; r < hi; r++ {
		vec.SoftmaxGradRow(d[r*n:(r+1)*n], y[r*n:(r+1)*n], dy[r*n:(r+1)*n])
	}
}

// LogSoftmaxGrad is dy - exp(y)*sum of dy over the last axis, the derivative of LogSoftmax from its
// result y.
func LogSoftmaxGrad(dst, y, dy *Tensor) {
	byRow("LogSoftmaxGrad", dst, y, dy, logSoftmaxGradLoop[float32], logSoftmaxGradLoop[float64])
}

func logSoftmaxGradLoop[T float](j *job, lo, hi int) {
	d, y, dy, n := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), j.i[0]
	for r := lo; r < hi; r++ {
		vec.LogSoftmaxGradRow(d[r*n:(r+1)*n], y[r*n:(r+1)*n], dy[r*n:(r+1)*n])
	}
}
