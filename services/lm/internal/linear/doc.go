// Package linear solves small dense systems of equations for chains and hidden Markov models, in float64.
//
// Invariants:
//   - Matrices are row-major slices of n*n values. Nothing here reads a clock, a map or the number of threads: the same
//     input gives the same bits on every processor. Products that are added are rounded first, but where math.FMA
//     stands.
//   - Every sum runs over its index in ascending order, unless its comment says otherwise.
package linear
