package nn

import (
	"sync"
	"sync/atomic"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
)

// joint is the layers Q, K and V of an attention, which for inference are packed as one product. The bits are those of
// three.
type joint struct {
	mu   sync.Mutex // serialises packing
	made atomic.Pointer[jointPack]
}

// jointPack is the layers side by side.
type jointPack struct {
	w       *tensor.Packed // [D, (Heads+2*KVHeads)*E]
	bias    *tensor.Tensor
	changes [6]uint64 // of weights and biases when they were packed
}

// attention is the spec's attention among the rows of x [B, T, D].
func (j *joint) attention(
	t *autograd.Tape, x *autograd.Value, ls [3]*Linear, spec tensor.AttentionSpec,
) *autograd.Value {
	if !t.Inference() {
		q, k, v := ls[0].Forward(t, x), ls[1].Forward(t, x), ls[2].Forward(t, x)
		return autograd.AttentionEx(q, k, v, spec)
	}
	p := j.packed(ls)
	all := autograd.LinearPacked(x, p.w, autograd.Epilogue{Bias: t.Const(p.bias)})
	spec.KAt = ls[0].Weight.Dim(1)
	spec.VAt = spec.KAt + ls[1].Weight.Dim(1)
	y := autograd.AttentionEx(all, all, all, spec)
	t.Done(all)
	return y
}

// packed is the layers packed, again after one of them was changed.
func (j *joint) packed(ls [3]*Linear) *jointPack {
	now := changesOf(ls)
	if p := j.made.Load(); p != nil && p.changes == now {
		return p
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if p := j.made.Load(); p != nil && p.changes == now {
		return p
	}
	in, out, d := ls[0].Weight.Dim(0), 0, ls[0].Weight.DType()
	for _, l := range ls {
		out += l.Weight.Dim(1)
	}
	w, p := tensor.New(d, in, out), &jointPack{bias: tensor.New(d, out), changes: now}
	tensor.Concat(w, 1, ls[0].Weight.Tensor, ls[1].Weight.Tensor, ls[2].Weight.Tensor)
	var biases [3]*tensor.Tensor
	for i, l := range ls {
		if biases[i] = tensor.New(d, l.Weight.Dim(1)); l.Bias != nil {
			biases[i].CopyFrom(l.Bias.Tensor)
		}
	}
	tensor.Concat(p.bias, 0, biases[:]...)
	p.w = packMatrix(w)
	j.made.Store(p)
	return p
}

func changesOf(ls [3]*Linear) (c [6]uint64) {
	for i, l := range ls {
		c[2*i] = l.Weight.changes.Load()
		if l.Bias != nil {
			c[2*i+1] = l.Bias.changes.Load()
		}
	}
	return c
}
