package bench

import (
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// decoderShape is a Llama (Touvron et al. 2023) with grouped-query attention (Ainslie et al. 2023): pre-norm layers of
// causal self-attention over rotated queries and keys, and a feed-forward net with SwiGLU; logits by the transpose of
// the word embedding.
type decoderShape struct {
	name           string
	layers, d, ffn int
	heads, kvHeads int
	words          int
	base, eps      float64
	bias           bool // of queries, keys and values
	types          []tensor.QuantKind
	batch          int   // sequences decoded together
	prompts        []int // rows of prefills
}

// span is the positions that decoded tokens take in turn: n of them from a first one on.
type span struct{ first, n int }

// The spans of llama.cpp's own benchmarks: 64 tokens after nothing, and 32 tokens of each of several sequences after
// prompts of 32.
var (
	alone    = span{0, 64}
	together = span{32, 32}
)

var (
	qwen05 = decoderShape{
		name: "qwen2.5-0.5b", layers: 24, d: 896, ffn: 4864, heads: 14, kvHeads: 2, words: 151936, base: 1e6, eps: 1e-6,
		bias: true, types: []tensor.QuantKind{tensor.Q80, tensor.Q40, tensor.Q4K, tensor.Q6K},
		prompts: []int{512}, batch: 8,
	}
	stories15m = decoderShape{
		name: "stories15m", layers: 6, d: 288, ffn: 768, heads: 6, kvHeads: 6, words: 32000, base: 1e4, eps: 1e-5,
		types: []tensor.QuantKind{tensor.Q80, tensor.Q40}, prompts: []int{128, 512}, batch: 8,
	}
)

// decoders are the workloads of a shape: one token of one sequence, one token of each of several sequences, and a whole
// prompt, of which the logits of the last token are computed. A run decodes the next token of a span, which begins anew
// after its end.
func decoders(s decoderShape) []Workload {
	var ws []Workload
	add := func(kind tensor.QuantKind, use string, sequences, rows int, at span) {
		b := &decoder{decoderShape: s, kind: kind}
		n := float64(sequences * rows)
		d, width, ffn := float64(s.d), float64(s.width()), float64(s.ffn)
		layer := d*(width+float64(s.d)+2*ffn) + ffn*d
		seen := float64(at.first) + float64(at.n+1)/2
		ws = append(ws, Workload{
			Name: fmt.Sprintf("%s/%s/%s", s.name, kind, use), Unit: "tokens", Items: n,
			Flops: 2*float64(s.layers)*n*(layer+2*seen*d) + 2*float64(sequences)*d*float64(s.words),
			Bytes: float64(s.layers)*(d*(width+d+2*ffn)*bytesOf(b.format(s.d))+ffn*d*bytesOf(b.format(s.ffn))) +
				d*float64(s.words)*bytesOf(b.wordFormat()),
			New: func() func() { return newDecoder(s, kind, sequences, rows, at).forward },
		})
	}
	for _, kind := range s.types {
		add(kind, "decode-1", 1, 1, alone)
		add(kind, fmt.Sprintf("decode-%d", s.batch), s.batch, 1, together)
		for _, n := range s.prompts {
			add(kind, fmt.Sprintf("prefill-%d", n), 1, n, span{0, n})
		}
	}
	return ws
}

// width is the number of columns of queries, keys and values.
func (s *decoderShape) width() int { return s.d + 2*s.kvHeads*(s.d/s.heads) }

// bytesOf is the size of a weight in a file.
func bytesOf(k tensor.QuantKind) float64 { return float64(k.BlockBytes()) / float64(k.Block()) }

// decoderLayer is one layer; queries, keys and values are one product, gate and up another.
type decoderLayer struct {
	qkv, out, gateUp, down *tensor.PackedQuant
	qkvBias                *tensor.Tensor // [width], or nil
	attnNorm, ffnNorm      *tensor.Tensor // [D]
	caches                 []*tensor.KVCache
}

// decoder is a network and the memory of one call: B sequences of T rows each.
type decoder struct {
	decoderShape
	kind            tensor.QuantKind
	b, t            int
	at              span
	word            *tensor.PackedQuant // [V, D]
	layers          []decoderLayer
	norm            *tensor.Tensor // [D]
	rope            *tensor.RoPETable
	x, y, attended  *tensor.Tensor // [B*T, D]
	qkv             *tensor.Tensor // [B*T, width]
	gateUp          *tensor.Tensor // [B*T, 2*FFN]
	last            *tensor.Tensor // [B, D]
	logits          *tensor.Tensor // [B, V]
	rows, wide, top *tensor.QuantRows
	ids, positions  []int32
	attention       tensor.AttentionSpec
}

// format is the type of a matrix with rows of k weights. Rows that are no whole number of blocks of a K format are
// stored in the next legacy one.
func (m *decoder) format(k int) tensor.QuantKind {
	switch {
	case k%m.kind.Block() == 0:
		return m.kind
	case m.kind == tensor.Q4K:
		return tensor.Q40
	default:
		return tensor.Q80
	}
}

// wordFormat is the type of the word embedding, which is the output layer too: of more bits than the layers' four, as
// llama.cpp's quantiser chooses it.
func (m *decoder) wordFormat() tensor.QuantKind {
	word := *m
	switch m.kind {
	case tensor.Q40:
		word.kind = tensor.Q80
	case tensor.Q4K:
		word.kind = tensor.Q6K
	}
	return word.format(m.d)
}

func newDecoder(s decoderShape, kind tensor.QuantKind, b, t int, at span) *decoder {
	r, past, f, d := &random{state: 1}, &random{state: 2}, tensor.Float32, s.d
	m := &decoder{decoderShape: s, kind: kind, b: b, t: t, at: at}
	head := d / s.heads
	m.word = weights(r, m.wordFormat(), s.words, d)
	m.norm = r.tensor(1, d)
	m.rope = tensor.NewRoPETable(f, at.first+at.n, head, s.base, false)
	m.x, m.y, m.attended = tensor.New(f, b*t, d), tensor.New(f, b*t, d), tensor.New(f, b*t, d)
	m.qkv, m.gateUp = tensor.New(f, b*t, s.width()), tensor.New(f, b*t, 2*s.ffn)
	m.last, m.logits = tensor.New(f, b, d), tensor.New(f, b, s.words)
	m.rows, m.wide, m.top = tensor.NewQuantRows(b*t, d), tensor.NewQuantRows(b*t, s.ffn), tensor.NewQuantRows(b, d)
	m.attention = tensor.AttentionSpec{Heads: s.heads, Scale: 1 / math.Sqrt(float64(head)), Causal: true}
	for range s.layers {
		l := decoderLayer{
			qkv: weights(r, m.format(d), s.width(), d), out: weights(r, m.format(d), d, d),
			gateUp: weights(r, m.format(d), 2*s.ffn, d), down: weights(r, m.format(s.ffn), d, s.ffn),
			attnNorm: r.tensor(1, d), ffnNorm: r.tensor(1, d),
		}
		if s.bias {
			l.qkvBias = r.tensor(0.02, s.width())
		}
		for range b {
			c := tensor.NewKVCache(f, s.kvHeads, head)
			c.Reserve(at.first + at.n)
			if n := at.first; n > 0 {
				c.Append(past.tensor(1, n, s.kvHeads*head), past.tensor(1, n, s.kvHeads*head))
			}
			l.caches = append(l.caches, c)
		}
		m.layers = append(m.layers, l)
	}
	for range b * t {
		m.ids = append(m.ids, int32(r.next()%uint64(s.words)))
	}
	m.positions = make([]int32, b*t)
	return m
}

// weights packs random blocks: digits from a counter, and scales that give weights of about 1/sqrt(k).
func weights(r *random, kind tensor.QuantKind, n, k int) *tensor.PackedQuant {
	raw := make([]byte, n*k/kind.Block()*kind.BlockBytes())
	for i := 0; i+3 <= len(raw); i += 3 {
		v := r.next()
		raw[i], raw[i+1], raw[i+2] = byte(v), byte(v>>8), byte(v>>16)
	}
	half := func(at int, x float64) { // x = 2^-e, in half precision
		e := int(math.Round(-math.Log2(x)))
		raw[at], raw[at+1] = 0, byte(max(1, 15-e)<<2)
	}
	size := kind.BlockBytes()
	for at := 0; at < len(raw); at += size {
		scale := 1 / math.Sqrt(float64(k))
		switch kind {
		case tensor.Q80:
			half(at, scale/64)
		case tensor.Q40:
			half(at, scale/4)
		case tensor.Q4K:
			half(at, scale/256)
			half(at+2, scale/64)
		case tensor.Q6K:
			half(at+208, scale/1024)
		}
	}
	w, err := tensor.PackQuant(kind, raw, n, k)
	if err != nil {
		panic(err)
	}
	return w
}

// forward is one step. It begins the span anew where the step before ended it.
func (m *decoder) forward() {
	if m.layers[0].caches[0].Len() >= m.at.first+m.at.n {
		for i := range m.layers {
			for _, c := range m.layers[i].caches {
				c.Truncate(m.at.first)
			}
		}
	}
	m.step()
}

// step computes the logits after the last row of every sequence.
func (m *decoder) step() {
	b, t, d := m.b, m.t, m.d
	for i := range m.positions {
		m.positions[i] = int32(m.layers[0].caches[0].Len() + i%t)
	}
	m.word.Rows(m.x, m.ids) // [B*T, D]
	for i := range m.layers {
		m.layer(&m.layers[i])
	}
	for i := range b { // last row of every sequence
		copy(m.last.F32()[i*d:(i+1)*d], m.x.F32()[((i+1)*t-1)*d:(i+1)*t*d])
	}
	m.top.RMSNorm(m.last, m.norm, m.eps)
	tensor.MatMulQuant(m.logits, m.top, m.word, nil) // [B, V]
}

// layer computes x + attention(norm x), then x + ffn(norm x).
func (m *decoder) layer(l *decoderLayer) {
	b, t, d, kv := m.b, m.t, m.d, m.kvHeads*(m.d/m.heads)
	m.rows.RMSNorm(m.x, l.attnNorm, m.eps)
	tensor.MatMulQuant(m.qkv, m.rows, l.qkv, &tensor.Epilogue{Bias: l.qkvBias}) // [B*T, width]
	tensor.RoPE(m.qkv, m.qkv, m.rope, m.positions, m.heads+m.kvHeads)
	for i, c := range l.caches {
		c.AppendRows(m.qkv, m.qkv, i*t, t, d, d+kv)
	}
	tensor.AttentionCached(m.attended.Reshape(b, t, d), m.qkv.Reshape(b, t, d+2*kv), l.caches, m.attention)
	m.rows.Quantize(m.attended)
	tensor.MatMulQuant(m.y, m.rows, l.out, &tensor.Epilogue{Residual: m.x}) // [B*T, D]
	m.rows.RMSNorm(m.y, l.ffnNorm, m.eps)
	tensor.MatMulQuant(m.gateUp, m.rows, l.gateUp, nil) // [B*T, 2*FFN]
	m.wide.SwiGLU(m.gateUp)
	tensor.MatMulQuant(m.x, m.wide, l.down, &tensor.Epilogue{Residual: m.y}) // [B*T, D]
}
