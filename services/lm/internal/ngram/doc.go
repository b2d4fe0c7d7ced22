// Package ngram holds n-gram models of language: counted, smoothed, pruned, mixed, stored, and read and written in the
// ARPA format.
//
// Invariants:
//   - A model is a function of the multiset of its training documents and of its configuration. Counts can be merged
//     and taken away exactly, so that a model without some documents has the bytes of one that never saw them.
//   - The probabilities of all tokens but <s>, which is never predicted, add up to 1 in every context: to 1e-12 as
//     estimated in float64, to 1e-6 as stored in float32.
//   - Sums run in the order of token numbers. Logarithms are the tensor package's own, so equal counts give equal bytes
//     on every CPU.
//   - A model that is read from a file is checked whole before it is used.
package ngram
