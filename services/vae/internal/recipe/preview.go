package recipe

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// coder is a model that reconstructs.
type coder interface {
	model.Model
	model.Encoder
	model.Decoder
}

// reconstructions shows pictures for selection above what the model makes of them.
func (b *base) reconstructions(m coder, step int) (train.Preview, error) {
	n := min(b.recipe.Preview.Count, b.data.Selection.Len())
	x := tensor.New(tensor.Float32, n, b.size())
	class, err := b.slice(x, &b.data.Selection, 0)
	if err != nil {
		return train.Preview{}, err
	}
	k := m.Size().CodeLen()
	z, y := make([]float32, n*k), make([]float32, n*b.size())
	var variance []float32
	if !m.Deterministic() {
		variance = make([]float32, n*k)
	}
	m.Encode(z, variance, x.F32(), n, class)
	m.Decode(y, z, n, class)
	return b.show(fmt.Sprintf("reconstructions-%d", step), append(x.F32(), y...), n)
}

// samples shows draws from the model's prior, from the same noise every time, class by class.
func (b *base) samples(m interface {
	coder
	model.Prior
}, step int) (train.Preview, error) {
	n := b.recipe.Preview.Count
	k := m.Size().CodeLen()
	z, y, class := make([]float32, n*k), make([]float32, n*b.size()), make([]int32, n)
	for i := range n {
		class[i] = model.Unconditional
		if b.labelled {
			class[i] = int32(i % len(b.data.Classes))
		}
		m.Draw(z[i*k:(i+1)*k], b.evalStream(), uint64(i), float32(b.recipe.Preview.Temperature), class[i])
	}
	if !b.labelled {
		class = nil
	}
	m.Decode(y, z, n, class)
	return b.show(fmt.Sprintf("samples-%d", step), y, columns(n))
}

// columns is how many pictures lie side by side: ten, five, or what makes a square.
func columns(n int) int {
	switch {
	case n%10 == 0:
		return 10
	case n%5 == 0:
		return 5
	}
	c := 1
	for c*c < n {
		c++
	}
	return c
}

// noise fills eps with the normals of a batch's rows, the same number for each.
func noise(eps *tensor.Tensor, in train.Batch) {
	each := eps.Len() / len(in.Samples)
	for i, d := range in.Draws {
		in.Rng.Normal(eps.F32()[i*each:(i+1)*each], d, uint32(in.Step), rng.Noise)
	}
}
