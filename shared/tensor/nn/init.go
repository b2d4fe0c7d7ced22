package nn

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// start says how Init fills a parameter: spread times a unit draw plus center.
type start struct {
	draw   draw
	spread float64
	center float64
}

type draw uint8

const (
	drawNothing draw = iota // every element is the center
	drawUniform             // in [-1, 1)
	drawNormal              // mean 0, variance 1
)

// Uniform makes Init draw the parameter uniformly from [-bound, bound). It returns p.
func (p *Param) Uniform(bound float64) *Param {
	p.start = start{draw: drawUniform, spread: bound}
	return p
}

// Normal makes Init draw the parameter from a normal distribution of mean 0. It returns p.
func (p *Param) Normal(deviation float64) *Param {
	p.start = start{draw: drawNormal, spread: deviation}
	return p
}

// Constant makes Init fill the parameter with c, as its elements are at once. It returns p.
func (p *Param) Constant(c float64) *Param {
	p.start = start{center: c}
	p.Fill(c)
	p.Changed()
	return p
}

// fanIn is PyTorch's default for weights and biases of linear layers and convolutions: uniform within
// 1/sqrt(fan in), which is Kaiming's with a = sqrt(5).
func (p *Param) fanIn(n int) *Param { return p.Uniform(1 / math.Sqrt(float64(max(n, 1)))) }

// Init draws the weights of a model. Parameter i in the order of Params takes the numbers of sample i,
// step 0, purpose rng.Init of the seed's stream; Float64 parameters take the Float32 numbers. Layers
// begin as in PyTorch: weights and biases of Linear and Conv2D uniform within 1/sqrt(fan in), embeddings
// normal of deviation 1, norms 1 and 0; layers after Zero begin at zero.
func Init(model any, seed uint64) {
	s := rng.New(seed)
	for i, p := range Params(model) {
		p.init(s, uint64(i))
	}
}

func (p *Param) init(s rng.Stream, sample uint64) {
	defer p.Changed()
	if p.start.draw == drawNothing {
		p.Fill(p.start.center)
		return
	}
	t := p.Tensor
	if t.DType() != tensor.Float32 {
		t = tensor.New(tensor.Float32, p.Shape()...)
	}
	x, c := t.F32(), float32(p.start.spread)
	if p.start.draw == drawNormal {
		s.Normal(x, sample, 0, rng.Init)
	} else {
		s.Uniform(x, sample, 0, rng.Init)
		for i, u := range x {
			x[i] = 2*u - 1 // exact: u is a multiple of 2^-24
		}
	}
	for i := range x {
		x[i] *= c
	}
	p.CopyFrom(t)
}
