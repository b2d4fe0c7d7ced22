// Package hmm is hidden Markov models: a chain that is not seen, and at every step an observation that depends on its
// state (Rabiner: A tutorial on hidden Markov models, 1989).
//
// Letters: T steps, N states, M symbols, D values of an observation, K components of a mixture; start [N];
// A [N, N], A[i][j] the probability that j follows i; b_t(j) the probability or density of the observation at t in
// state j; alpha, beta, gamma, xi as in Rabiner.
//
// Invariants:
//   - A Model does not change once made; fitting makes another.
//   - Forward and backward passes are scaled: alpha_t is divided by its sum c_t, and densities by the greatest of their
//     step, so that nothing overflows; the log-likelihood is the sum of the logarithms. Where a sum all but vanishes
//     (below 1e-200: a state that is far off explains the observation best) the whole sequence is computed again with
//     logarithms. Which of the two is used depends on the model and the sequence alone.
//   - Sums over states run in ascending order; sums over steps as well; sequences are added up in Chunks that depend on
//     their number alone, whatever the threads.
//   - A probability of zero stays zero in training. A sequence that no path can give is an error of reason
//     IMPOSSIBLE_SEQUENCE that names the step.
package hmm
