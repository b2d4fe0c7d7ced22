package autograd

import (
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// twice is a segment that uses a value beside its inputs, and one of them two times.
type twice struct{ w *Value }

func (s twice) Forward(t *Tape, in []*Value) *Value {
	h := Tanh(Mul(in[0], s.w))
	y := Mul(Exp(h), in[0])
	t.Done(h)
	return y
}

// block is a residual block with weights of its own, as a U-Net has them.
type block struct{ w, gamma, beta *tensor.Tensor }

func (b *block) Forward(t *Tape, in []*Value) *Value {
	x, e := in[0], in[1]
	a := GroupNormSiLU(x, t.Leaf(b.gamma), t.Leaf(b.beta), 2, 1e-5)
	h := Conv2D(a, t.Leaf(b.w), tensor.Same(3), Epilogue{})
	g := Add(h, e)
	t.Done(a, h)
	return Add(SiLU(g), x)
}

// The gradients have the same bits with and without checkpoints, walked once or twice, and the checkpoints need less
// memory; a second step needs no more than the first.
func TestCheckpointBits(t *testing.T) {
	const depth = 6
	var blocks []*block
	for i := range depth {
		blocks = append(blocks, &block{
			w: in(3, 3, 4, 4).tensor(uint64(i)), gamma: in(4).tensor(50 + uint64(i)), beta: in(4).tensor(90 + uint64(i)),
		})
	}
	x, e := in(2, 8, 8, 4).tensor(7), in(2, 1, 1, 4).tensor(8)
	run := func(checkpoint, once bool) (grads [][]float64, m Memory) {
		t := NewTape(nil)
		for range 2 {
			grads = nil
			t.Reset()
			h := t.Const(x)
			shift := Tanh(t.Leaf(e))
			for _, b := range blocks {
				if checkpoint {
					h = Checkpoint(t, b, h, shift)
				} else {
					h = b.Forward(t, []*Value{h, shift})
				}
			}
			loss := Mean(Square(h))
			wrt := []*Value{t.Leaf(e)}
			for _, b := range blocks {
				wrt = append(wrt, t.Leaf(b.w), t.Leaf(b.gamma), t.Leaf(b.beta))
			}
			if once {
				t.Once()
			}
			for _, g := range t.Grad(loss, wrt, false) {
				grads = append(grads, slices.Clone(g.F64()))
			}
		}
		return grads, t.Memory()
	}
	want, plain := run(false, false)
	for _, row := range []struct{ checkpoint, once bool }{{false, true}, {true, false}, {true, true}} {
		got, m := run(row.checkpoint, row.once)
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("%+v: gradient %d differs", row, i)
			}
		}
		if m.Live >= plain.Live || m.Peak >= plain.Peak || m.Live > m.Peak {
			t.Errorf("%+v: %+v, without %+v", row, m, plain)
		}
	}
}
