// Package tensor holds dense arrays of float32 and float64 and the operations on them that models are made of.
// It is the bottom of the numeric stack: no gradients (package autograd), no layers (package nn), no files
// (package weights).
//
// # Letters
//
// Shapes in comments use one key throughout the module:
//
//	N  pictures or rows of a batch     B  sequences of a batch
//	H  height in pixels                T  positions of a sequence (queries)
//	W  width in pixels                 S  positions of keys and values
//	C  channels, always the last axis  D  width of a model; heads divide it
//	G  groups of channels              V  rows of a table, words of a vocabulary
//	R  rows: all axes but the last     M, K, N  a product of [M, K] by [K, N]
//	KH, KW, Ci, Co  a convolution's kernel and its channels in and out; Ho, Wo its result
//
// Tensors are contiguous and row-major; pictures are NHWC. A Tensor is a header, views are headers that share
// elements.
//
// # Use
//
// An operation takes its result first, reads its operands, writes every element of its result, and returns
// nothing: Conv2D(y, x, w, spec). Results come from an Arena, so that a step of training or sampling allocates
// nothing once it has run before. Element-wise operations, Softmax and the norms may work in place; others panic if
// a result begins where an operand begins. No operand may overlap a result in part. Wrong shapes and types panic
// with *Error before any work starts; Catch turns that into an error at the boundary of an engine.
//
// # Determinism
//
// The bits of a result are a function of the operation, its operands and NumericsVersion. They do not depend on
// the kernels (AVX-512, AVX2, NEON, portable Go), on the number of threads, on the other rows of a batch, on
// packed or unpacked weights, or on fused or single operations:
//
//   - Threads and vectors divide outputs. A reduction is never divided by the number of threads or the size of
//     the batch; its order follows from its own length and is written at the operation.
//   - Contiguous reductions keep 16 lanes and join them in a tree 8, 4, 2, 1. Products add ascending k by fused
//     multiply-adds in blocks of 256. Reductions down columns keep 4 phases.
//   - exp, log, tanh, erf, sin, cos and what is made of them are this module's own polynomials.
//   - Wherever a comment says fma, the product is not rounded; everywhere else every operation is. The code
//     writes float64(x*y) + z where a compiler could fuse, and a test looks at the machine code of two builds.
//   - Every NaN that is computed, other than by a product, is the positive quiet one; the payload of a product's NaN
//     is open. Zeros, infinities and ties are specified at the operations where they matter.
//
// On arm64 everything of float32 runs on NEON; products of bf16, int8 and GGUF weights are portable Go there for
// now: the same bits, slowly.
//
// numerics.sum records a digest of every operation. A change that alters a digest raises NumericsVersion.
//
// # Concurrency
//
// Operations may be called from several goroutines at once; they share one pool of threads, and a call that finds
// it busy runs alone. SetKernels and SetThreads are for start-up. Arenas belong to one goroutine.
package tensor
