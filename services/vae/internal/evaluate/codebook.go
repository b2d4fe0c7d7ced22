package evaluate

import (
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/vq"
)

// codebook measures a quantised model: how often its vectors are used, and the bound of its two stages.
type codebook struct {
	indexer              model.Indexer
	prior                *vq.Sampler // nil without
	index                []int32
	whole, picture, grid sum
}

// quantised returns the measure of a model and room for the use of every vector, nil for a model without a codebook.
func quantised(m any) (*codebook, []float64) {
	indexer, ok := m.(model.Indexer)
	if !ok {
		return nil, nil
	}
	vectors, each := indexer.Codebook()
	b := &codebook{indexer: indexer, index: make([]int32, each)}
	if s, ok := m.(vq.Sampler); ok {
		b.prior = &s
	}
	return b, make([]float64, vectors)
}

// add measures one picture with its code.
func (b *codebook) add(use []float64, x, code []float32, class []int32) {
	b.indexer.Indices(b.index, code, 1)
	for _, i := range b.index {
		use[i]++
	}
	if b.prior == nil {
		return
	}
	picture, grid := b.prior.Terms(x, class)
	b.picture.add(-picture)
	b.grid.add(-grid)
	b.whole.add(-picture - grid)
}

func (b *codebook) report(r *CodesReport, use []float64) {
	r.Vectors, r.Indices = b.indexer.Codebook()
	r.Perplexity = vq.Perplexity(use)
	for _, n := range use {
		if n > 0 {
			r.Used++
		}
	}
	if b.prior == nil {
		return
	}
	whole, picture, grid := b.whole.mean(), b.picture.mean(), b.grid.mean()
	r.TwoStage, r.Picture, r.Grid = &whole, &picture, &grid
}
