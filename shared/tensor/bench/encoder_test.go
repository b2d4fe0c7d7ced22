package bench

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/internal/golden"
)

// TestEncoderGolden runs the encoder on the weights of a small BERT and compares its sentence vectors with PyTorch's:
// tools/reference/attention.py.
func TestEncoderGolden(t *testing.T) {
	cases, err := golden.Read("../testdata/attention.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range cases {
		if c.Op != "encoder" {
			continue
		}
		found = true
		e := goldenEncoder(c)
		for range 2 { // the second time in memory that has been used
			e.forward()
			if err := c.Compare(0, e.pooled); err != nil {
				t.Error(err)
			}
		}
	}
	if !found {
		t.Error("no case")
	}
}

// goldenEncoder is an encoder of the weights of a case.
func goldenEncoder(c *golden.Case) *encoder {
	in := c.In // without the words' numbers
	next := func() *tensor.Tensor {
		x := in[0]
		in = in[1:]
		return x
	}
	word, place, gamma, beta := next(), next(), next(), next()
	t, d := place.Dims2()
	b := len(c.IDs) / t
	s := encoderShape{
		layers: c.Int("layers"), d: d, heads: c.Int("heads"), ffn: in[6].Dim(1), words: word.Dim(0), eps: 1e-12,
	}
	e := newEncoder(s, f32Linear, b, t)
	copy(e.ids, c.IDs)
	e.word, e.place, e.norm.gamma, e.norm.beta = word, place, gamma, beta
	layer := func() linear {
		w := next()
		return &packedLinear{w: tensor.PackB(w, false), ep: tensor.Epilogue{Bias: next()}}
	}
	for i := range e.layers {
		l := &e.layers[i]
		l.qkv, l.out = layer(), layer()
		l.attnNorm.gamma, l.attnNorm.beta = next(), next()
		l.up, l.down = layer(), layer()
		l.ffnNorm.gamma, l.ffnNorm.beta = next(), next()
	}
	return e
}
