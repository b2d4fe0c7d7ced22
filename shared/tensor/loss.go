package tensor

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// Losses and their gradients, one pass each.

// BCELogits is softplus(x) - x*p for every element, the product rounded: the binary cross-entropy of the
// probability p against sigmoid(x), in nats, which does not overflow. All three have one shape.
func BCELogits(dst, x, p *Tensor) {
	pairwise("BCELogits", dear, dst, x, p, bceLoop[float32], bceLoop[float64])
}

func bceLoop[T float](j *job, lo, hi int) {
	vec.BCELogits(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], data[T](j.t[2])[lo:hi])
}

// BCELogitsGrad is c*(sigmoid(x) - p) with the one element c: the gradient in x of c times the sum of BCELogits.
func BCELogitsGrad(dx, x, p, c *Tensor) {
	const op = "BCELogitsGrad"
	sameShape(op, dx, x)
	sameShape(op, dx, p)
	sameType(op, dx, c)
	j := newJob()
	j.t[0], j.t[1], j.t[2], j.c = dx, x, p, c.Item()
	j.elements(dx.dtype, dx.Len(), dear, bceGradLoop[float32], bceGradLoop[float64])
}

func bceGradLoop[T float](j *job, lo, hi int) {
	vec.BCELogitsGrad(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], data[T](j.t[2])[lo:hi], T(j.c))
}

// CrossEntropy is, for every row of x [R, V], -log softmax(x) at the row's target, in nats: loss [R], with the
// logarithms of LogSoftmax: l - (x[target]-m). A row with a negative target has the loss 0. top and logs [R] are
// results, the rows' m and l, for the derivative. It panics on a target of V or more.
func CrossEntropy(loss, top, logs, x *Tensor, targets []int32) {
	r, v := entropyShape("CrossEntropy", x, targets, loss, top, logs)
	j := newJob()
	j.t[0], j.t[1], j.t[2], j.t[3], j.ids, j.i[0] = loss, top, logs, x, targets, v
	j.rows(x.dtype, r, v, dear, entropyLoop[float32], entropyLoop[float64])
}

func entropyLoop[T float](j *job, lo, hi int) {
	loss, top, logs, x, v := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), data[T](j.t[3]), j.i[0]
	for r := lo; r < hi; r++ {
		loss[r], top[r], logs[r] = 0, 0, 0
		if t := int(j.ids[r]); t >= 0 {
			m, l := vec.LogSumExp(x[r*v : (r+1)*v])
			top[r], logs[r] = m, l
			loss[r] = vec.CrossEntropyAt(x[r*v+t], m, l)
		}
	}
}

// CrossEntropyGrad is the gradient in x of the sum of c times the losses that have a target, c one element:
// c*exp((x-m)-l), less c at the target; rows without one are +0. top and logs are those of CrossEntropy.
func CrossEntropyGrad(dx, x, top, logs *Tensor, targets []int32, c *Tensor) {
	const op = "CrossEntropyGrad"
	sameShape(op, dx, x)
	sameType(op, dx, c)
	r, v := entropyShape(op, x, targets, top, logs)
	j := newJob()
	j.t[0], j.t[1], j.t[2], j.t[3], j.ids, j.i[0], j.c = dx, top, logs, x, targets, v, c.Item()
	j.rows(x.dtype, r, v, dear, entropyGradLoop[float32], entropyGradLoop[float64])
}

func entropyGradLoop[T float](j *job, lo, hi int) {
	dx, top, logs, x, v := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), data[T](j.t[3]), j.i[0]
	for r := lo; r < hi; r++ {
		row := dx[r*v : (r+1)*v]
		if t := int(j.ids[r]); t >= 0 {
			vec.CrossEntropyGradRow(row, x[r*v:(r+1)*v], top[r], logs[r], T(j.c), t)
		} else {
			clear(row)
		}
	}
}

// entropyShape checks x [R, V] with its targets, and vectors of R.
func entropyShape(op string, x *Tensor, targets []int32, vs ...*Tensor) (r, v int) {
	r, v = x.Dims2()
	if len(targets) != r {
		panic(shapeError(op, fmt.Sprintf("%d targets, want one a row", len(targets)), x))
	}
	for _, t := range targets {
		if int(t) >= v {
			panic(shapeError(op, fmt.Sprintf("target %d", t), x))
		}
	}
	for _, u := range vs {
		vector(op, "the losses and their statistics", u, r, x)
	}
	return r, v
}
