// Package attn computes attention of float32 and float64, and its derivative, block by block: no matrix of all scores
// is ever in memory. Products run on the tiles of package gemm, rows on the functions of package vec.
//
// # Order of arithmetic
//
// A query row sees the first n keys of its sequence; n follows from its position and the sequence's length. With q' =
// q*scale, and keys in blocks of Block = 256 counted from position 0, it keeps a maximum m = -Inf, a sum l = 0 and a
// row o = 0. For every block that has keys below n, in ascending order:
//
//	s[j] = q' k[j]          over the block's keys below n; the order of a product: fused, ascending, blocks of 256
//	m'   = max(m, max s)    by the rules of vec.Max
//	p[j] = exp(s[j]-m')     0 if m' is -Inf
//	c    = exp(m-m')        1 if m' is -Inf
//	l    = fma(l, c, sum p) the sum in 16 lanes and a tree 8, 4, 2, 1
//	o    = o*c + p v        every o*c rounded; p v fused from 0 with ascending keys, then added
//	m    = m'
//
// The result is fma(o, 1/l, 0), and 0 if m is -Inf at the end; the row's log-sum-exp is m + log(l), or -Inf.
//
// So a row's bits depend on its query, the scale and its n keys and values alone: not on the other rows, on how queries
// are cut into calls, on whether keys come from a cache, on threads or kernels. Values at positions from n to the end
// of the last block that some row of the same call and sequence sees are multiplied by 0: a NaN or infinity there may
// show. Nothing else beyond n is looked at.
//
// The derivative follows FlashAttention-2 (Dao 2023): with D = sum of y*dy (16 lanes, tree) per row, p[j] =
// exp(s[j]-lse), ds[j] = p[j]*(dp[j]-D) and dp = dy v', for query blocks of max(1, 64/G) positions, of which the G
// heads that share keys are rows one after the other, and the key blocks above, both counted from 0:
//
//	dv = sum over query blocks, ascending, of p' dy      dk = the same of ds' q'
//	dq = fma(scale, sum over key blocks, ascending, of ds k, 0)
//
// each block's product fused from 0 and added to a sum that begins at 0. Pairs of blocks of which no row sees a key are
// left out.
//
// # Invariants
//
//   - Threads split sequences, heads and query blocks, never a reduction.
//   - In steady state nothing is allocated; memory of a part is independent of the number of keys squared.
package attn
