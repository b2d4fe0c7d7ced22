package bench

import (
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// encoderShape is a BERT (Devlin et al. 2019): post-norm layers of self-attention and a feed-forward net with GELU,
// over the sum of word, position and type embeddings.
type encoderShape struct {
	name                           string
	layers, d, heads, ffn          int
	words, positions, types        int
	eps                            float64
	batchesOfSequences, sequenceOf []int
}

// miniLM is the shape of sentence-transformers' all-MiniLM-L6-v2, whose sentence vectors are the means of the tokens'
// vectors, of length 1.
var miniLM = encoderShape{
	name: "minilm-l6", layers: 6, d: 384, heads: 12, ffn: 1536, words: 30522, positions: 512, types: 2, eps: 1e-12,
	batchesOfSequences: []int{1, 32}, sequenceOf: []int{16, 64, 128},
}

// signal is activations [R, ..] between layers: as float32 and, if a product of a narrower type made it for another
// one, as rows of that type.
type signal struct {
	x    *tensor.Tensor // [R, ..]; nil where only narrow rows are wanted
	rows *tensor.Tensor // x as [B, T, ..]
	low  tensor.LowRows
	kept bool // whether low holds what x does
}

// linear is a layer dst = norm(residual + act(x W + b)), whatever its weights are stored in.
type linear interface {
	apply(dst, x *signal, s step)
}

// step is what follows a product; its zero value does nothing.
type step struct {
	act      tensor.Activation
	residual *tensor.Tensor // shape of dst, or nil
	norm     *norm          // or nil
	narrow   bool           // whether a product of the same type reads dst
}

// linearType is a kind of linear layers: its name in workloads, the bytes of a weight, and how one of random weights
// is made.
type linearType struct {
	name   string
	bytes  float64
	hidden bool // whether float32 is needed between two products
	make   func(r *random, in, out int) linear
}

// encoderLayer is one layer of an encoder; q, k and v are one product.
type encoderLayer struct {
	qkv, out, up, down linear
	attnNorm, ffnNorm  *norm
}

// encoder is a network and the memory of one batch.
type encoder struct {
	encoderShape
	word      *tensor.Tensor // [V, D]
	place     *tensor.Tensor // [T, D], position and type
	norm      *norm
	layers    []encoderLayer
	b, t      int
	x, y, z   *signal        // [B*T, D]
	qkv       *signal        // [B*T, 3D]
	hidden    *signal        // [B*T, FFN]
	pooled    *tensor.Tensor // [B, D]
	square    *tensor.Tensor // [B, D]
	length    *tensor.Tensor // [B, 1]
	ids       []int32
	attention tensor.AttentionSpec
}

// encoders are the workloads of a shape with linear layers of one type.
func encoders(s encoderShape, l linearType) []Workload {
	var ws []Workload
	for _, b := range s.batchesOfSequences {
		for _, t := range s.sequenceOf {
			rows, d := float64(b*t), float64(s.d)
			weights := float64(s.layers) * (4*d*d + 2*d*float64(s.ffn))
			ws = append(ws, Workload{
				Name: fmt.Sprintf("%s/%s/%dx%d", s.name, l.name, b, t), Unit: "sentences", Items: float64(b),
				Flops: 2*rows*weights + float64(s.layers)*4*rows*float64(t)*d,
				Bytes: weights * l.bytes,
				New:   func() func() { return newEncoder(s, l, b, t).forward },
			})
		}
	}
	return ws
}

// f32Linear are layers of float32 weights in panels.
var f32Linear = linearType{name: "f32", bytes: 4, hidden: true,
	make: func(r *random, in, out int) linear {
		w := r.tensor(1/math.Sqrt(float64(in)), in, out)
		return &packedLinear{w: tensor.PackB(w, false), ep: tensor.Epilogue{Bias: r.tensor(0.02, out)}}
	}}

type packedLinear struct {
	w  *tensor.Packed
	ep tensor.Epilogue
}

func (l *packedLinear) apply(dst, x *signal, s step) {
	l.ep.Act, l.ep.Residual = s.act, s.residual
	tensor.MatMulPacked(dst.x, x.x, l.w, &l.ep)
	if s.norm != nil {
		s.norm.apply(dst.x, dst.x)
	}
}

// follow tells a product of float32 which one comes next.
func follow(l, next linear) {
	if p, ok := l.(*packedLinear); ok {
		p.ep.Next = next.(*packedLinear).w
	}
}

func newEncoder(s encoderShape, l linearType, b, t int) *encoder {
	r := &random{state: 1}
	f, d := tensor.Float32, s.d
	rows := func(c int) *signal {
		x := tensor.New(f, b*t, c)
		return &signal{x: x, rows: x.Reshape(b, t, c)}
	}
	e := &encoder{
		encoderShape: s, b: b, t: t,
		word: r.tensor(0.02, s.words, d), place: r.tensor(0.02, t, d), norm: newNorm(r, b*t, d, s.eps),
		x: rows(d), y: rows(d), z: rows(d), qkv: rows(3 * d), hidden: &signal{},
		pooled: tensor.New(f, b, d), square: tensor.New(f, b, d), length: tensor.New(f, b, 1),
		ids: make([]int32, b*t),
		attention: tensor.AttentionSpec{
			Heads: s.heads, Scale: 1 / math.Sqrt(float64(d/s.heads)), KAt: d, VAt: 2 * d,
		},
	}
	if l.hidden {
		e.hidden = rows(s.ffn)
	}
	for range s.layers {
		e.layers = append(e.layers, encoderLayer{
			qkv: l.make(r, d, 3*d), out: l.make(r, d, d), up: l.make(r, d, s.ffn), down: l.make(r, s.ffn, d),
			attnNorm: newNorm(r, b*t, d, s.eps), ffnNorm: newNorm(r, b*t, d, s.eps),
		})
	}
	for i := range e.layers {
		l := &e.layers[i]
		follow(l.qkv, l.out)
		follow(l.out, l.up)
		follow(l.up, l.down)
		follow(l.down, e.layers[(i+1)%s.layers].qkv)
	}
	for i := range e.ids {
		e.ids[i] = int32(r.next() % uint64(s.words))
	}
	return e
}

// forward computes one vector of length 1 for every sentence.
func (e *encoder) forward() {
	tensor.Gather(e.x.x, e.word, e.ids)
	tensor.Add(e.x.rows, e.x.rows, e.place)
	e.norm.apply(e.x.x, e.x.x)
	for i := range e.layers {
		l := &e.layers[i]
		l.qkv.apply(e.qkv, e.x, step{})
		tensor.AttentionEx(e.y.rows, nil, e.qkv.rows, e.qkv.rows, e.qkv.rows, e.attention)
		l.out.apply(e.z, e.y, step{residual: e.x.x, norm: l.attnNorm, narrow: true})
		l.up.apply(e.hidden, e.z, step{act: tensor.ActGELU, narrow: true})
		l.down.apply(e.x, e.hidden, step{residual: e.z.x, norm: l.ffnNorm, narrow: i+1 < len(e.layers)})
	}
	tensor.Mean(e.pooled, e.x.rows, 1)
	tensor.Square(e.square, e.pooled)
	tensor.Sum(e.length, e.square, 1)
	tensor.Rsqrt(e.length, e.length)
	tensor.Mul(e.pooled, e.pooled, e.length)
}

// norm is a layer norm and the memory of its statistics.
type norm struct {
	gamma, beta, mean, rstd *tensor.Tensor
	eps                     float64
}

func newNorm(r *random, rows, d int, eps float64) *norm {
	gamma := r.tensor(0.02, d)
	tensor.AddScalar(gamma, gamma, 1)
	return &norm{gamma: gamma, beta: r.tensor(0.02, d), mean: tensor.New(tensor.Float32, rows),
		rstd: tensor.New(tensor.Float32, rows), eps: eps}
}

func (n *norm) apply(dst, x *tensor.Tensor) {
	tensor.LayerNorm(dst, n.mean, n.rstd, x, n.gamma, n.beta, n.eps)
}

// random draws the weights of workloads.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state = r.state*6364136223846793005 + 1442695040888963407
	return r.state >> 33
}

// tensor is a tensor of numbers of mean 0 and the given standard deviation.
func (r *random) tensor(std float64, shape ...int) *tensor.Tensor {
	x := tensor.New(tensor.Float32, shape...)
	for i := range x.F32() {
		x.F32()[i] = float32((float64(r.next())/(1<<30) - 1) * std * math.Sqrt(3))
	}
	return x
}
