// Package neon lowers kernels that avo describes in AVX-512 form to NEON.
//
// A generator writes its kernel once, with avo's instructions on vectors of 16, 8 or 4 float32 lanes (ZMM,
// YMM, XMM) and with mask registers. avo compiles that list for amd64; this package takes the same list,
// before registers are assigned, and writes it as arm64 assembly for Go's assembler. So both machines do the
// same arithmetic in the same order by construction.
//
// How it works:
//   - A vector of 16 lanes becomes four NEON registers, its parts. Every instruction is written for each
//     part; lanes never mix, but for the few instructions that fold a vector into one value.
//   - Straight-line code may be cut into strips of two parts or of one, when four parts at a time need more
//     than 32 registers. Nothing is ever spilled: a kernel that does not fit is an error.
//   - A value with the same content in all lanes (a broadcast) is one register for all parts.
//   - Mask registers become vectors of all-ones lanes. The mask of the first n lanes is an integer; masked
//     loads and stores branch on its bits, because NEON has none, so that no byte beyond n is touched.
//   - Constants are 16 bytes in one table; a fused multiply-add onto a constant loads it where the result
//     will be, which costs no move.
//
// What is the same on both machines and what is arranged: fused multiply-adds, products, sums, quotients and
// square roots are IEEE on both; subnormals are kept on both; VMAXPS is not FMAX, so that it is a comparison
// and a selection, except against a constant that is neither zero nor NaN; NaN payloads differ, which is why
// kernels make every NaN canonical before they store it.
package neon
