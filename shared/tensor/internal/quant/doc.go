// Package quant multiplies float32 rows by weights in the quantised formats of GGUF files: Q8_0, Q4_0, Q4_K and Q6_K.
// Weights are repacked once, at import; rows are quantised to int8 as they come. It also has the rotation of the heads
// of decoders.
//
// # Formats
//
// A row of weights is a sequence of blocks. Scales d and dmin are IEEE half precision, little-endian; q are the digits.
//
//	Q8_0  32 weights, 34 bytes:   d, 32 int8           w = d*q
//	Q4_0  32 weights, 18 bytes:   d, 32 nibbles        w = d*(q-8)
//	Q4_K  256 weights, 144 bytes: d, dmin, 12 bytes of 6-bit s and m for each 32, 256 nibbles
//	                              w = (d*s)*q - dmin*m
//	Q6_K  256 weights, 210 bytes: 256 low nibbles, 256 high pairs of bits, int8 s for each 16, d
//	                              w = (d*s)*(q-32)
//
// # Repacked layout
//
// Outputs lie in panels of 16, padded with zero scales; a panel holds all of K and is read from its first byte to its
// last. K is cut into steps of 32 and chunks of 2 steps (Q8_0, Q4_0) or 8 (the K formats). A chunk is
//
//	the K formats: 16 d (half precision), then 16 dmin or nothing: one line of 64 bytes
//	for every step 32 bytes of scales of the 16 outputs: 16 d, or 16 s and 16 m, or 16 s and 16 s of the halves
//	for every step its lines of 64 bytes: line g holds 4 k, 4g to 4g+3, of the 16 outputs
//
// A byte of a line is one digit (Q8_0, raised by 128), or two nibbles of groups g and g+4; Q6_K has for every 16 k two
// lines of nibbles of groups g and g+2, and one line of four pairs of bits. In the last chunk of a panel the scales
// keep their room, the lines of steps beyond K are left out.
//
// # Rows
//
// A row is quantised in steps of 32: the scale is a = max|x| / 127, the digits are x * (127 / max|x|), rounded to the
// nearest integer, ties to even. A step whose largest magnitude is below 2^-100 has digits 0; one that holds an
// infinity or a NaN has digits 0 and a scale that is not finite, so that every product of that row is NaN.
//
// # Order of arithmetic
//
// A product starts from +0 and takes the steps in ascending order, those of Q6_K in two halves:
//
//	i   = sum of (q - offset) * digit over the k of the step, in exact integers
//	acc = fma(float32(i), w*a, acc)           w the scale of the weights: d, or d*s, which is exact
//	acc = fma(-(dmin*m), a*float32(sum of digits), acc)    Q4_K only; dmin*m is exact
//
// w*a and a*sum are rounded to float32. The order is the same for every number of rows, kernel set and thread.
//
// # Invariants
//
//   - Threads split outputs only, through package pool; a kernel call lasts at most about half a millisecond.
//   - AVX-512 machines without VNNI run the AVX2 kernels; other machines than amd64 run portable Go, but for the
//     rotation of heads, which has NEON kernels.
//   - In steady state no call allocates.
package quant
