package rng

import (
	"fmt"
	"math/bits"
)

// Purpose separates draws that share a seed, a sample and a step.
type Purpose uint8

// The purposes. Their values are part of the numerics version.
const (
	General  Purpose = iota // a caller with one use only
	Init                    // initial weights; the sample is the parameter's index
	Latent                  // the noise a sampler starts from
	Ancestor                // the noise a sampler adds in a step
	Choice                  // a token, a hidden unit, a category
	Shuffle                 // the order of the data; the sample is the epoch
	Noise                   // training noise
	Time                    // training timesteps
	Drop                    // dropout, also of conditions
	Augment                 // flips, crops and other changes of training data
	Hidden                  // hidden units of a Gibbs sweep; the sample is the chain, the step the sweep
	Visible                 // visible units of a Gibbs sweep
	Label                   // label units of a Gibbs sweep
	Chain                   // the state that a Markov chain starts from
	Swap                    // exchanges between the temperatures of a chain
	Binarise                // binary pictures from gray ones
)

// MaxSample is the largest sample index: the counter holds 56 bits of it.
const MaxSample = 1<<56 - 1

// MaxSeed is the largest seed that a server may draw: browsers and JSON keep whole numbers up to it.
const MaxSeed = 1<<53 - 1

// Stream is a family of random numbers. The zero Stream is the one of seed 0.
type Stream struct{ Seed uint64 }

// New returns the stream of a seed.
func New(seed uint64) Stream { return Stream{Seed: seed} }

// block is the four words at index 4*i .. 4*i+3.
func (s Stream) block(i uint32, sample uint64, step uint32, p Purpose) [4]uint32 {
	ctr, key := s.counter(sample, step, p)
	ctr[0] = i
	return Philox(ctr, key)
}

// counter is that of block 0, with the key.
func (s Stream) counter(sample uint64, step uint32, p Purpose) (ctr [4]uint32, key [2]uint32) {
	return [4]uint32{0, step, uint32(sample), uint32(sample>>32) | uint32(p)<<24},
		[2]uint32{uint32(s.Seed), uint32(s.Seed >> 32)}
}

// check panics on what would not fit the counter.
func check(n int, perBlock int, sample uint64) {
	if sample > MaxSample {
		panic(fmt.Sprintf("rng: sample %d is above 2^56-1", sample))
	}
	if (n+perBlock-1)/perBlock > 1<<32 {
		panic(fmt.Sprintf("rng: %d numbers, at most %d in one stream", n, perBlock<<32))
	}
}

// Uint32s fills dst with uniform words.
func (s Stream) Uint32s(dst []uint32, sample uint64, step uint32, p Purpose) {
	check(len(dst), 4, sample)
	for i := 0; i < len(dst); i += 4 {
		w := s.block(uint32(i/4), sample, step, p)
		copy(dst[i:], w[:])
	}
}

// Uniform fills dst with uniform numbers in [0, 1): the upper 24 bits of a word each.
func (s Stream) Uniform(dst []float32, sample uint64, step uint32, p Purpose) {
	check(len(dst), 4, sample)
	ctr, key := s.counter(sample, step, p)
	for i := drawNative(dst, nil, ctr, key); i < len(dst); i += 4 {
		w := s.block(uint32(i/4), sample, step, p)
		for j := range min(4, len(dst)-i) {
			dst[i+j] = float32(w[j]>>8) * 0x1p-24
		}
	}
}

// Uniform64 fills dst with uniform numbers in [0, 1): the upper 53 bits of two words each, the first
// word above the second.
func (s Stream) Uniform64(dst []float64, sample uint64, step uint32, p Purpose) {
	check(len(dst), 2, sample)
	for i := 0; i < len(dst); i += 2 {
		w := s.block(uint32(i/2), sample, step, p)
		for j := range min(2, len(dst)-i) {
			dst[i+j] = float64(join(w[2*j], w[2*j+1])>>11) * 0x1p-53
		}
	}
}

// Ints fills dst with uniform numbers in 0..n-1: the high half of n times a word of 64 bits, so that no
// value's probability is off by more than 2^-64. It panics unless n is positive.
func (s Stream) Ints(dst []int32, n int32, sample uint64, step uint32, p Purpose) {
	if n <= 0 {
		panic(fmt.Sprintf("rng: Ints below %d, want at least 1", n))
	}
	check(len(dst), 2, sample)
	for i := 0; i < len(dst); i += 2 {
		w := s.block(uint32(i/2), sample, step, p)
		for j := range min(2, len(dst)-i) {
			hi, _ := bits.Mul64(join(w[2*j], w[2*j+1]), uint64(n))
			dst[i+j] = int32(hi)
		}
	}
}

// Perm is the order of n items in an epoch: Fisher and Yates's shuffle from the last item down, with one
// word of 64 bits of the purpose Shuffle for each exchange.
func (s Stream) Perm(n int, epoch uint64) []int32 {
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	check(n, 2, epoch)
	var w [4]uint32
	for draw, i := 0, n-1; i > 0; draw, i = draw+1, i-1 {
		if draw%2 == 0 {
			w = s.block(uint32(draw/2), epoch, 0, Shuffle)
		}
		hi, _ := bits.Mul64(join(w[draw%2*2], w[draw%2*2+1]), uint64(i+1))
		order[i], order[hi] = order[hi], order[i]
	}
	return order
}

// join puts hi above lo.
func join(hi, lo uint32) uint64 { return uint64(hi)<<32 | uint64(lo) }
