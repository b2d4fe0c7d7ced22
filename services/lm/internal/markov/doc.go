// Package markov is Markov chains: what happens next depends on the present state alone, or on the last k symbols,
// which together are the state.
//
// Letters: n states; P the n x n matrix of transitions, P[i][j] the probability that j follows i; pi a row vector with
// pi P = pi; Q the part of P among transient states; N = (I-Q)^-1 the fundamental matrix (Kemeny and Snell, Finite
// Markov Chains, 1960).
//
// Invariants:
//   - A Chain does not change once made. Its rows and its start add up to 1.
//   - Whether something is possible is decided on the graph of transitions that are not zero, never by a small number:
//     infinite times are infinite, and probabilities of 0 and 1 that follow from the graph are exact.
//   - Reducible and periodic chains are answered as what they are: one stationary distribution for every closed class,
//     the period of every class.
package markov
