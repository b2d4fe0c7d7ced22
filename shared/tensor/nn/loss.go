package nn

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// MSE is the mean of (x-target)^2 over all elements.
func MSE(x, target *autograd.Value) *autograd.Value {
	return autograd.Mean(autograd.Square(autograd.Sub(x, target)))
}

// CrossEntropy is the mean of -log softmax(logits)[target] over the rows of logits [R, V], in nats. A row
// with a negative target does not count; if none counts, the loss is 0. It panics with *tensor.Error on
// a target of V or more, and unless there is one target per row.
func CrossEntropy(logits *autograd.Value, targets []int32) *autograd.Value {
	r, v := logits.Dims2()
	if len(targets) != r {
		panic(&tensor.Error{Op: "CrossEntropy", Shapes: [][]int{{r, v}}, Msg: fmt.Sprintf("%d targets", len(targets))})
	}
	t := logits.Tape()
	pick := t.Arena().New(logits.DType(), r, v) // 1 at each target
	pick.Zero()
	count := 0
	for i, id := range targets {
		if int(id) >= v {
			panic(&tensor.Error{Op: "CrossEntropy", Shapes: [][]int{{r, v}}, Msg: fmt.Sprintf("target %d", id)})
		}
		if id < 0 {
			continue
		}
		count++
		if pick.DType() == tensor.Float64 {
			pick.F64()[i*v+int(id)] = 1
		} else {
			pick.F32()[i*v+int(id)] = 1
		}
	}
	logp := autograd.LogSoftmax(logits)
	return autograd.Scale(autograd.Sum(autograd.Mul(logp, t.Const(pick))), -1/float64(max(count, 1)))
}

// BCELogits is the mean over all elements of -p log s - (1-p) log(1-s) with s = sigmoid(logits), computed
// as softplus(logits) - logits*p, which does not overflow. p is in [0, 1].
func BCELogits(logits, p *autograd.Value) *autograd.Value {
	return autograd.Mean(autograd.Sub(autograd.Softplus(logits), autograd.Mul(logits, p)))
}
