// Package bayesfit fits the distributions of a Bayesian network whose structure is given: by counting, with a Dirichlet
// prior where one is wanted, by expectation and maximisation where cells are missing, and under differential privacy.
//
// Key of letters: Q configurations of a field's categorical parents, the first changing slowest; R levels.
//
// Invariants: counts are whole numbers, so they do not depend on the order of rows and those of two parts merge
// exactly; sums of numeric fields run in the order of rows, whatever the chunks; a table is streamed, never held.
package bayesfit
