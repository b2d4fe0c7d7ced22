// Package vec holds the loops of the tensor module that are not matrix products: element-wise
// functions, reductions, softmax, normalisation pieces and optimiser updates, on plain slices.
//
// Every function runs on the calling goroutine; package tensor splits work over threads by splitting
// outputs. Float32 has assembly for AVX-512, AVX2 with FMA and NEON, from one description each (tools/asm/vec);
// everything else, and all of float64, is portable Go.
//
// Invariants:
//   - The bits of a result depend on the arguments alone: not on the kernels in use, nor on where a
//     slice starts in memory or how a caller cuts element-wise work into pieces.
//   - The order of operations is written in each doc comment. fma(a, b, c) means a*b + c rounded once;
//     any other product and sum is rounded on its own.
//   - Reductions along a slice keep 16 lanes: lane l starts at its neutral value and takes elements l,
//     l+16, l+32, ... in this order; then lanes l and l+8 are combined for l < 8, l and l+4 for l < 4,
//     l and l+2 for l < 2, and last 0 and 1. This is called "16 lanes, tree" below.
//   - Every NaN that a function of this package computes is the positive quiet NaN without payload
//     (0x7FC00000, or 0x7FF8000000000000 in float64). Neg, Abs and Where move bits and may hand on
//     other NaNs.
//   - Subnormal numbers are kept, both as inputs and as results.
//   - dst may be the same slice as an input (equal start); partial overlap is not allowed. Slices of one
//     call have equal length unless the comment says otherwise; a shorter one panics.
package vec
