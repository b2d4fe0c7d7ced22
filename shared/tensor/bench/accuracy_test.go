package bench

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// TestLowDecoder holds the logits of a decoder of the formats of GGUF, whose products are of integers, against those of
// float32 products with the same weights. Rows of activations have 8 bits a number, whatever the weights have.
func TestLowDecoder(t *testing.T) {
	shape := decoderShape{
		name: "tiny", layers: 2, d: 256, ffn: 512, heads: 4, kvHeads: 2, words: 300, base: 1e4, eps: 1e-5, bias: true,
	}
	for _, kind := range []tensor.QuantKind{tensor.Q80, tensor.Q40, tensor.Q4K, tensor.Q6K} {
		a := lowDecoder(shape, kind, kind.String(), 9)
		t.Logf("%s: cosine %.6f, relative error %.1e", a.Name, a.Cosine, a.Error)
		if a.Cosine < 0.999 || a.Error > 0.04 || a.Error == 0 {
			t.Errorf("%+v", a)
		}
	}
}

func TestCompare(t *testing.T) {
	x := tensor.FromFloat32([]float32{3, 4, 0, 2}, 2, 2)
	y := tensor.FromFloat32([]float32{3, 4, 2, 0}, 2, 2)
	if a := compare(x, y); a.Cosine != 0.5 || a.Least != 0 || a.Error != 0.5252257314388902 {
		t.Errorf("%+v", a) // sqrt(8/29)
	}
}
