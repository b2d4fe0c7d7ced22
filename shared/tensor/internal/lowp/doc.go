// Package lowp computes products of float32 rows and weights that are both held in bf16 or in int8: assembly for
// AVX-512 (VDPBF16PS and VPDPBUSD where the CPU has them) and AVX2, portable Go elsewhere, arm64 included.
//
// # Order of arithmetic
//
// Every output element is computed alone and depends on its row and its column only.
//
//   - BF16: x and w are rounded to the nearest bf16, ties to even; results beyond the range are infinite, NaN stays
//     NaN. The sum begins at +0 and takes pairs of k in ascending order, from each the odd element first and then
//     the even one: acc = flush(fma(x, w, acc)), rounded once to 24 bits, ties to even. Denormal bf16 count as
//     zeros of their sign; flush makes zeros of results that are still denormal after the rounding at any exponent.
//     One accumulator takes the whole of K. A K that is odd ends with a pair whose odd element is +0 in both
//     operands. This is what VDPBF16PS does, as a test and a probe at first use find: a CPU that rounds otherwise
//     gets AVX2.
//   - Int8: a row x has the scale s = max|x|/127 and the integers q = round(x * (127/max|x|)), ties to even; a
//     column of w likewise. The sum of products of integers over the whole of K is exact, and the result is
//     float32(sum) * (s_row * s_column), three roundings. A row or column whose largest magnitude is below 2^-100
//     counts as zeros, with scale 0. One with a NaN or an infinity has NaN for a scale, so that this row or column
//     of the result is NaN and no other.
//
// Then follow bias, activation and residual, each rounded as the single operations are, and, on whole rows, the layer
// norm and the narrowing of the row for the next product.
//
// Payloads of NaNs are not specified.
//
// # Invariants
//
//   - The order above is the same for every instruction set, number of rows, number of threads and position in a
//     batch.
//   - Integer sums do not overflow: K is at most MaxK.
//   - Threads split outputs only, through package pool. Norm and narrowing of rows are done by whoever finishes the
//     last part of a block of rows, so that they need no barrier.
//   - In steady state no call allocates.
package lowp
