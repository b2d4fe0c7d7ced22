// Package evaluate measures what the family's models are worth on pictures that no training has seen: bounds and
// likelihoods, reconstructions beside principal components, codes beside raw pixels. Reports are JSON, with the number
// of pictures, the standard error, and the baselines that a figure must be held against.
package evaluate
