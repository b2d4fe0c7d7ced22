// Package depthwise computes convolutions whose every channel is filtered alone, and their gradients: x [N, H, W, C],
// w [KH, KW, C, M], y [N, Ho, Wo, C*M], where channel c*M+m of y is channel c of x under filter m. A shape is a
// gemm.Conv with Ci = C and Co = C*M.
//
// # Order of arithmetic
//
// Taps over the padding are left out; an empty sum is +0.
//
//   - Forward: an output is the sum over the taps (kernel row, kernel column), ascending, in fused multiply-adds from
//     +0.
//   - Input gradient: for every m the sum over the taps that meet a pixel, in ascending order of the pixel of dy
//     (descending order of the tap), in fused multiply-adds from +0; with M above 1 those sums are added, m ascending.
//   - Weight gradient: the output lines of a picture are cut into bands of max(1, floor(256/Wo)) lines. A band's sum
//     runs over its pixels, ascending, in fused multiply-adds from +0; the sums of the bands are added in ascending
//     order, picture by picture.
//
// # Invariants
//
//   - Channels lie in the lanes of a vector and threads take lines or bands, so that neither changes a bit.
//   - The kernels want 16 channels or more; fewer channels, and M above 1, go through copies.
//   - In steady state no call allocates.
package depthwise
