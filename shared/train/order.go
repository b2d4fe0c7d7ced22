package train

import "github.com/manifold-gen/manifold/shared/tensor/rng"

// order is the sequence of samples of a run: one seeded permutation of the data set after another. Batches run
// across the ends of epochs, so that no sample is left out and every batch is whole.
type order struct {
	stream rng.Stream
	n      uint64
	epoch  uint64
	perm   []int32 // of epoch; nil before the first use
}

func newOrder(seed uint64, samples int) *order {
	return &order{stream: rng.New(seed), n: uint64(samples)}
}

// at is the sample in the given position of the sequence.
func (o *order) at(position uint64) int32 {
	epoch := position / o.n
	if o.perm == nil || epoch != o.epoch {
		o.perm, o.epoch = o.stream.Perm(int(o.n), epoch), epoch
	}
	return o.perm[position%o.n]
}

// fill sets b's samples to the micro-batch that begins at position.
func (o *order) fill(b *Batch, position uint64) {
	for i := range b.Samples {
		b.Draws[i] = position + uint64(i)
		b.Samples[i] = o.at(b.Draws[i])
	}
}
