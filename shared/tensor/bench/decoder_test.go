package bench

import (
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// TestDecoder checks on a tiny shape that tokens decoded one by one, and with other sequences beside them, give the
// logits of the prompt in one piece, bit for bit.
func TestDecoder(t *testing.T) {
	const prompt = 5
	shape := decoderShape{
		name: "tiny", layers: 2, d: 64, ffn: 96, heads: 4, kvHeads: 2, words: 50, base: 1e4, eps: 1e-5, bias: true,
	}
	for _, kind := range []tensor.QuantKind{tensor.Q80, tensor.Q40, tensor.Q4K} {
		whole := newDecoder(shape, kind, 1, prompt, span{0, prompt})
		whole.step()
		for _, b := range []int{1, 3} {
			m := newDecoder(shape, kind, b, 1, span{0, prompt})
			for p := range prompt {
				for i := range b {
					m.ids[i] = int32((i + 7*p) % shape.words)
				}
				m.ids[b-1] = whole.ids[p]
				m.forward()
			}
			if got := m.logits.F32()[(b-1)*shape.words:]; !slices.Equal(got, whole.logits.F32()) {
				t.Errorf("%s: the logits of %d sequences, token by token, differ from the prompt's", kind, b)
			}
		}
		before := slices.Clone(whole.logits.F32())
		whole.forward()
		if !slices.Equal(before, whole.logits.F32()) || whole.layers[0].caches[0].Len() != prompt {
			t.Errorf("%s: a second run differs", kind)
		}
	}
}
