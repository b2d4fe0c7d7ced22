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
// a target of V or more, and unless there is one target per row. targets must not change before the tape's last use.
func CrossEntropy(logits *autograd.Value, targets []int32) *autograd.Value {
	if r, v := logits.Dims2(); len(targets) != r {
		panic(&tensor.Error{Op: "CrossEntropy", Shapes: [][]int{{r, v}}, Msg: fmt.Sprintf("%d targets", len(targets))})
	}
	count := 0
	for _, id := range targets {
		if id >= 0 {
			count++
		}
	}
	return autograd.Scale(autograd.CrossEntropy(logits, targets), 1/float64(max(count, 1)))
}

// BCELogits is the mean over all elements of -p log s - (1-p) log(1-s) with s = sigmoid(logits), computed
// as softplus(logits) - logits*p, which does not overflow. p is in [0, 1].
func BCELogits(logits, p *autograd.Value) *autograd.Value {
	return autograd.Scale(autograd.BCELogits(logits, p), 1/float64(max(logits.Len(), 1)))
}
