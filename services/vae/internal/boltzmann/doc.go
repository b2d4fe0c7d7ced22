// Package boltzmann holds small Boltzmann machines in which every unit may be joined to every other one (Ackley, Hinton
// and Sejnowski, "A Learning Algorithm for Boltzmann Machines", 1985):
//
//	E(s) = -sum_{i<j} s_i w_ij s_j - sum_i b_i s_i,   p_T(s) = exp(-E(s)/T) / Z_T,   s in {0, 1}^N.
//
// The first V units are visible, the others hidden. The less energy a state has, the likelier it is: the odds of two
// states are exp of the difference of their energies over T.
//
// Key of letters in shapes: B rows, N units, V visible units.
//
// Invariants:
//   - Weights are symmetric with a diagonal of zeros, held in the triangle above the diagonal of a parameter [N, N];
//     what lies elsewhere is never read.
//   - Everything here runs in float64, in a fixed order; a draw is a function of (seed, chain, sweep, unit).
package boltzmann
