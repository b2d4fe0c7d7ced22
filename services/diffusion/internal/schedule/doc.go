// Package schedule holds the noise schedules of discrete-time diffusion models in their
// variance-preserving form, and the algebra between what a model predicts and the picture it means:
//
//	q(x_t | x_0) = N(sqrt(abar_t) x_0, (1-abar_t) I),   t = 0 .. T-1
//
// after Ho et al., "Denoising Diffusion Probabilistic Models" (2020, arXiv 2006.11239), with v prediction
// after Salimans and Ho, "Progressive Distillation" (2022, arXiv 2202.00512). Names follow diffusers.
//
// Invariants:
//   - Everything about a schedule is float64 and made of correctly rounded operations and the
//     deterministic functions of package tensor: a schedule has the same bits on every machine. A
//     float32 schedule would be wrong by parts in a thousand in 1-abar at small t.
//   - Element updates are float32: coefficients are computed in float64, rounded once, and every product
//     that is added is rounded first, float32(a*x) + float32(b*y), so that no compiler fuses it.
//   - Pictures lie in [-1, 1].
package schedule
