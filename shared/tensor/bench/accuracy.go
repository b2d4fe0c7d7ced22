package bench

import (
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Accuracy is how near a network of narrow weights and activations comes to the same network in float32: of the same
// random weights, on the same input.
type Accuracy struct {
	Name     string  `json:"name"`           // of the workload
	Of       string  `json:"of"`             // what is compared
	Cosine   float64 `json:"cosine"`         // mean over the vectors
	Least    float64 `json:"least_cosine"`   // of a vector
	Error    float64 `json:"relative_error"` // ||a-b|| / ||b|| over all vectors
	Float32  string  `json:"against"`        // what float32 multiplies
	Sentence float64 `json:"sentence_cosine,omitempty"`
	// First are the first numbers of the float32 result, by which another program shows that it has the same weights.
	First []float32 `json:"first"`
}

// AccuracyNames lists the networks that Accuracies compares.
func AccuracyNames() []string {
	var l []string
	for _, c := range comparisons() {
		l = append(l, c.name)
	}
	return l
}

// MeasureAccuracy compares the network of the given name; it returns false for an unknown name.
func MeasureAccuracy(name string) (Accuracy, bool) {
	for _, c := range comparisons() {
		if c.name == name {
			return c.run(), true
		}
	}
	return Accuracy{}, false
}

type comparison struct {
	name string
	run  func() Accuracy
}

func comparisons() []comparison {
	var l []comparison
	for _, kind := range []linearType{int8Linear, bf16Linear} {
		for _, n := range [][2]int{{1, 16}, {1, 64}, {32, 64}} {
			name := fmt.Sprintf("%s/%s/%dx%d", miniLM.name, kind.name, n[0], n[1])
			l = append(l, comparison{name, func() Accuracy { return lowEncoder(miniLM, kind, name, n[0], n[1]) }})
		}
	}
	for _, s := range []decoderShape{qwen05, stories15m} {
		for _, kind := range s.types {
			name := fmt.Sprintf("%s/%s/prefill-%d", s.name, kind, accuracyPrompt)
			l = append(l, comparison{name, func() Accuracy { return lowDecoder(s, kind, name, accuracyPrompt) }})
		}
	}
	return l
}

// accuracyPrompt is the length of the prompt after which logits are compared.
const accuracyPrompt = 32

func lowEncoder(s encoderShape, kind linearType, name string, b, t int) Accuracy {
	f32, low := newEncoder(s, f32Linear, b, t), newEncoder(s, kind, b, t)
	f32.forward()
	low.forward()
	a := compare(low.x.x, f32.x.x)
	a.Name, a.Of, a.Float32 = name, "hidden states", "the weights before they were narrowed"
	a.Sentence = compare(low.pooled, f32.pooled).Cosine
	return a
}

func lowDecoder(s decoderShape, kind tensor.QuantKind, name string, t int) Accuracy {
	low := newDecoder(s, kind, 1, t, span{0, t})
	low.step()
	a := compare(low.logits, low.float32Logits())
	a.Name, a.Of, a.Float32 = name, "logits after the last token", "the weights that the blocks mean"
	return a
}

// compare compares the rows of two tensors [R, C].
func compare(x, y *tensor.Tensor) Accuracy {
	r, c := y.Dims2()
	a := Accuracy{Least: 1, First: y.F32()[:min(c, 8)]}
	var off, all float64
	for i := range r {
		var xy, xx, yy float64
		for k := range c {
			p, q := float64(x.F32()[i*c+k]), float64(y.F32()[i*c+k])
			xy += float64(p * q)
			xx += float64(p * p)
			yy += float64(q * q)
			off += float64((p - q) * (p - q))
		}
		cos := xy / math.Sqrt(xx*yy)
		a.Least, a.Cosine, all = min(a.Least, cos), a.Cosine+cos/float64(r), all+yy
	}
	a.Error = math.Sqrt(off / all)
	return a
}

// float32Logits are the logits of a prompt by products in float32 with the weights that the blocks stand for.
func (m *decoder) float32Logits() *tensor.Tensor {
	t, d, f, kv := m.t, m.d, tensor.Float32, m.kvHeads*(m.d/m.heads)
	product := func(x *tensor.Tensor, w *tensor.PackedQuant, ep *tensor.Epilogue) *tensor.Tensor {
		rows, _ := x.Dims2()
		all, ids := tensor.New(f, w.N(), w.K()), make([]int32, w.N())
		for i := range ids {
			ids[i] = int32(i)
		}
		w.Rows(all, ids)
		y := tensor.New(f, rows, w.N())
		tensor.MatMulPacked(y, x, tensor.PackB(all, true), ep)
		return y
	}
	norm := func(x, gamma *tensor.Tensor) *tensor.Tensor {
		rows, c := x.Dims2()
		y := tensor.New(f, rows, c)
		tensor.RMSNorm(y, x, gamma, m.eps)
		return y
	}
	spec := m.attention
	spec.KVHeads, spec.KAt, spec.VAt = m.kvHeads, d, d+kv
	x := tensor.New(f, t, d)
	m.word.Rows(x, m.ids)
	for i := range m.layers {
		l := &m.layers[i]
		qkv := product(norm(x, l.attnNorm), l.qkv, &tensor.Epilogue{Bias: l.qkvBias})
		tensor.RoPE(qkv, qkv, m.rope, m.positions, m.heads+m.kvHeads)
		all, attended := qkv.Reshape(1, t, d+2*kv), tensor.New(f, t, d)
		tensor.AttentionEx(attended.Reshape(1, t, d), nil, all, all, all, spec)
		y := product(attended, l.out, &tensor.Epilogue{Residual: x})
		wide := tensor.New(f, t, m.ffn)
		tensor.SwiGLU(wide, product(norm(y, l.ffnNorm), l.gateUp, nil))
		x = product(wide, l.down, &tensor.Epilogue{Residual: y})
	}
	last := tensor.FromFloat32(x.F32()[(t-1)*d:], 1, d)
	return product(norm(last, m.norm), m.word, nil)
}
