// Package gemm computes matrix products and convolutions of float32 and of float64 (assembly for AVX-512, AVX2 and
// NEON, portable Go elsewhere).
//
// # Order of arithmetic
//
// Every output element is computed alone: k ascends in fused multiply-adds inside a block, starting
// from +0, and the sums of the blocks are added in ascending order. What k is, and where blocks end,
// follows from the length of the reduction alone:
//
//   - Matrix products: k = 0..K-1 in blocks of BlockK = 256.
//   - Convolutions: k runs over (kernel row, kernel column, input channel). A block is floor(256/Ci)
//     whole taps when Ci <= 256; otherwise every tap is cut into blocks of 256 channels. So a 1x1
//     convolution equals the matrix product. Taps over the padding take part with the value +0.
//   - Convolutions of float32 by 3x3 with stride 1 in Winograd's forms (see winogradForm): the products at each
//     point run over the channels in blocks of 64; package winograd has the transforms around them.
//   - Input gradients: each output phase (row mod stride, column mod stride) is a convolution of dy,
//     stride 1, with those taps of the transposed kernel that meet the phase, in ascending order of
//     the dy position (descending kernel position); channels of dy take the place of Ci above. A
//     phase that no tap meets is +0.
//   - Weight gradients: k runs over the output pixels (picture, row, column) in blocks of 256 pixels
//     of one picture; no block spans two pictures. Pixels over the padding take part with +0. Those of float32 by
//     3x3 with stride 1 may be in a Winograd form (see winogradGradient): products run over the tiles of the batch
//     in blocks of 64.
//
// An empty reduction gives +0. Payloads of NaNs are not specified.
//
// # Invariants
//
//   - The order above is the same for every instruction set, number of rows, number of threads,
//     packed or unpacked operand, and position in a batch: all of these change speed alone.
//   - Threads split outputs only, through package pool.
//   - In steady state no call allocates: scratch memory and job headers come from free lists.
//   - No read or write leaves the operands: partial panels go through a padded tile.
package gemm
