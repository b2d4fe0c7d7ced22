// Package copula holds the Gaussian copula: every field keeps its own distribution, and a multivariate normal says how
// they go together,
//
//	z ~ N(0, R),   x_j = F_j^-1(Phi(z_j)),
//
// (Nelsen, "An Introduction to Copulas", 2006; Patki, Wedge and Veeramachaneni, "The Synthetic Data Vault", 2016). A
// numeric field's F is its empirical distribution at knots with straight lines between them; a categorical field takes
// the level in whose part of the line Phi(z_j) falls. R is the correlation of normal scores; that of a level is
// the mean of the normal over its part. Fields are missing by chance, apart from all
// else.
//
// Invariants: R is positive definite; row i of a sample depends on the stream and on i alone; sums run in the order of
// rows and fields, and results are the same bits on every processor.
package copula
