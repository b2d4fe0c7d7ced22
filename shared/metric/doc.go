// Package metric measures generated samples against real ones: Frechet distance, kernel distance, precision and
// recall of a sample, accuracy and class match.
//
// The distances work on features, n rows of dim numbers that some fixed network or projection gives; which one is
// part of the result and must be named beside it, as must n: the Frechet distance falls with n for equal
// distributions, the kernel distance is unbiased, and both have a floor that real against real shows.
//
// Invariants: sums and matrices are float64; covariances divide by n-1; nothing is drawn but from a seed that is
// given; inputs of the wrong size, or that hold NaN or infinities, are errors of kind fault.Invalid. Results are for
// people and for choosing models: they rest on gonum and may differ in the last bits between kinds of CPU.
package metric
