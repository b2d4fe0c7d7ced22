// Package winograd holds the transforms of Winograd's minimal filtering for 3x3 convolutions with stride 1 in
// float32: F(2x2, 3x3) and F(4x4, 3x3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks"
// (2016). A tile of 2x2 or 4x4 outputs costs 16 or 36 products a channel instead of 36 or 144.
//
// # Order of arithmetic
//
// With ^ for the transformed, a row of one dimension goes through (fma is fused, everything else rounds):
//
//	F(2): x^ = x0-x2, x1+x2, x2-x1, x1-x3
//	      w^ = w0, 0.5*((w0+w2)+w1), 0.5*((w0+w2)-w1), w2
//	      y  = (m0+m1)+m2, (m1-m2)-m3
//
//	F(4), at the points 0, +-a, +-b and infinity, a = 5/8, b = 3/2:
//	      e = fma(-b^2, x2, x4)   o = fma(-b^2, x1, x3)   f = fma(-a^2, x2, x4)   p = fma(-a^2, x1, x3)
//	      x^ = fma(a^2 b^2, x0, fma(-(a^2+b^2), x2, x4)), fma(a, o, e), fma(-a, o, e), fma(b, p, f), fma(-b, p, f),
//	           fma(a^2 b^2, x1, fma(-(a^2+b^2), x3, x5))
//	      t = fma(a^2, w2, w0)   s = fma(b^2, w2, w0)
//	      w^ = g0*w0, ga*fma(a, w1, t), ga*fma(-a, w1, t), gb*fma(b, w1, s), gb*fma(-b, w1, s), w2
//	           with g0 = 1/(a^2 b^2), ga = 1/(2 a^2 (a^2-b^2)), gb = 1/(2 b^2 (b^2-a^2)), rounded once
//	      s = m1+m2   d = m1-m2   t = m3+m4   e = m3-m4
//	      y  = (m0+s)+t, fma(a, d, b*e), fma(a^2, s, b^2*t), fma(a^3, d, fma(b^3, e, m5))
//
// and for the gradient of the weights, transposed, from gradients dy of 4x4 results to those of 3x3 taps:
//
//	t = fma(a^2, dy2, dy0)   p = fma(a^2, dy3, dy1)   s = fma(b^2, dy2, dy0)   q = fma(b^2, dy3, dy1)
//	dy^ = dy0, fma(a, p, t), fma(-a, p, t), fma(b, q, s), fma(-b, q, s), dy3
//	s = ga*(m1+m2)   d = ga*(m1-m2)   t = gb*(m3+m4)   e = gb*(m3-m4)
//	dw = fma(g0, m0, s)+t, fma(a, d, b*e), fma(a^2, s, fma(b^2, t, m5))
//
// Pixels and dy go down the columns first, then along the rows; weights, results and dw along the rows first. The
// products between the transforms belong to the caller.
//
// The transforms are assembly for AVX2, AVX-512 and NEON, and portable Go elsewhere, all with the same bits.
//
// # Error
//
// Norm-wise against float64, on 128 and 256 channels in blocks of 64, unit normals after SiLU: F(2) 2.6e-7, F(4)
// 7.1e-7; a direct convolution has 2.8e-7 in blocks of 256 and 5.6e-7 or 8.7e-7 as a single sum. The points of
// F(4) were chosen for that: 0, +-1, +-2 have 1.5e-6. Gradients of weights over 12 thousand pixels: 8.1e-7, directly
// 3.1e-7. All coefficients but g0, ga and gb are exact.
package winograd
