package bench

import (
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// cosines are the smallest and the mean cosine of the rows of two tensors [R, C].
func cosines(a, b *tensor.Tensor) (least, mean float64) {
	r, c := a.Dims2()
	least = 1
	for i := range r {
		var ab, aa, bb float64
		for k := range c {
			x, y := float64(a.F32()[i*c+k]), float64(b.F32()[i*c+k])
			ab += x * y
			aa += x * x
			bb += y * y
		}
		cos := ab / math.Sqrt(aa*bb)
		least, mean = min(least, cos), mean+cos/float64(r)
	}
	return least, mean
}

// TestLowEncoder holds the final hidden states of a MiniLM of random weights in int8 and bf16 against float32.
func TestLowEncoder(t *testing.T) {
	const b, n = 2, 24
	f32 := newEncoder(miniLM, f32Linear, b, n)
	f32.forward()
	for _, r := range []struct {
		l             linearType
		least, pooled float64
	}{{int8Linear, 0.9985, 0.9995}, {bf16Linear, 0.9998, 0.99995}} {
		low := newEncoder(miniLM, r.l, b, n)
		low.forward()
		least, mean := cosines(f32.x.x, low.x.x)
		sentence, _ := cosines(f32.pooled, low.pooled)
		t.Logf("%s: cosine of hidden states %.6f (smallest %.6f), of sentences %.6f", r.l.name, mean, least, sentence)
		if least < r.least || sentence < r.pooled {
			t.Errorf("%s: cosines %.6f and %.6f, want at least %g and %g", r.l.name, least, sentence, r.least, r.pooled)
		}
	}
}

// TestLowEncoderRowsAlone checks that a sentence of a batch has the bits of the sentence alone, with any threads.
func TestLowEncoderRowsAlone(t *testing.T) {
	defer tensor.SetThreads(0)
	small := encoderShape{name: "small", layers: 2, d: 64, heads: 4, ffn: 256, words: 100, eps: 1e-12}
	for _, l := range []linearType{int8Linear, bf16Linear} {
		all, one := newEncoder(small, l, 7, 9), newEncoder(small, l, 1, 9)
		tensor.SetThreads(2)
		all.forward()
		tensor.SetThreads(1)
		for i := range 7 {
			copy(one.ids, all.ids[i*9:])
			one.forward()
			for k, v := range one.pooled.F32() {
				if w := all.pooled.F32()[i*64+k]; math.Float32bits(v) != math.Float32bits(w) {
					t.Fatalf("%s: sentence %d has %g, alone %g", l.name, i, w, v)
				}
			}
		}
	}
}
