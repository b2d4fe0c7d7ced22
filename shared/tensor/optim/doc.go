// Package optim holds optimisers, learning-rate schedules, gradient clipping and moving averages.
//
// Invariants:
//   - An update is element by element, so its bits do not depend on threads. Norms are added in float64
//     in the order of the parameters.
//   - Numbers that depend on the step (bias corrections, schedules) are computed in float64 from the step
//     alone, by products and the deterministic functions of package tensor, never carried along.
//   - State lists everything that a later update depends on, as named tensors: writing them to a file and
//     binding them back continues with the same bits.
//   - After the first step nothing is allocated.
//   - Weight decay touches matrices, tables and kernels only, never parameters of one axis or none
//     (biases, norms).
package optim
