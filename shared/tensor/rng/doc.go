// Package rng holds counter-based random streams: every number is a function of (seed, sample, step,
// purpose, index) and of nothing else.
//
// Invariants:
//   - There is no state. A Stream is a value; drawing changes nothing, so the order of draws, the threads
//     and the other rows of a batch cannot matter, and row i of a batch equals the single run of sample i.
//   - The generator is Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as
//     1, 2, 3; SC11), checked against the published known answers. The key is the seed, low word first.
//     The counter's words are: index/4 (the block of four words of a stream), step, the low word of sample,
//     and the high word of sample (24 bits) below the purpose (8 bits).
//   - Normals are Box and Muller's, computed in float64 by the polynomials of this package: the same bits
//     on every CPU, under every compiler setting.
//
// Changing any of this changes outputs and needs a new tensor.NumericsVersion.
package rng
