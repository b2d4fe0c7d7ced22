// Package evaluate measures the models of tables: classifiers by cross-validation in stratified folds and by learning
// curves, with the trivial rules beside them; structures that are learned back from rows of networks that are known,
// held-out likelihoods beside one another, and speed.
//
// Invariant: folds, rows and restarts follow from a seed, so that all figures but times come out the same again.
package evaluate
