// Package bayesnet holds Bayesian networks: a directed graph without cycles over the fields of a table, and for every
// field its distribution given its parents, so that
//
//	p(x_1, ..., x_n) = prod_i p(x_i | parents(x_i))
//
// (Pearl, "Probabilistic Reasoning in Intelligent Systems", 1988; Koller and Friedman, "Probabilistic Graphical
// Models", 2009). A categorical field has a table of probabilities over the configurations of its parents, which are
// categorical. A numeric field is a linear function of its numeric parents plus Gaussian noise, with other coefficients
// for each configuration of its categorical parents (Lauritzen and Wermuth's conditional Gaussian networks); with no
// categorical field the network is a multivariate normal distribution.
//
// What is exact: variable elimination and the junction tree, with any evidence on categorical fields, and with numeric
// fields that are equal to numbers; within each group of numeric fields that are linked, one may instead be given an
// interval. Everything else is answered by likelihood weighting and Gibbs sampling.
//
// Key of letters: Q configurations of the categorical parents, the first parent changing slowest; R levels; N numeric
// parents.
//
// Invariants:
//   - A Network does not change after New; its methods may be called from many goroutines at a time.
//   - Tables are sized before they are made: a query that would need more than MaxCells cells is an error that says so.
//   - Row i of a sample depends on the stream and on i alone. Sums run in the order of fields, configurations, levels,
//     and results are the same bits on every processor.
package bayesnet
