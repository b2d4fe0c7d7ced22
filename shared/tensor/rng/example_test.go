package rng_test

import (
	"fmt"
	"slices"

	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// Row 2 of a batch of three draws the noise that the single run of sample 2 draws.
func ExampleStream_Normal() {
	stream := rng.New(42)
	batch := make([]float32, 3*4)
	for sample := range 3 {
		stream.Normal(batch[4*sample:4*sample+4], uint64(sample), 0, rng.Latent)
	}
	single := make([]float32, 4)
	stream.Normal(single, 2, 0, rng.Latent)
	fmt.Println(slices.Equal(single, batch[8:]))
	// Output: true
}
