// Package special holds the functions of mathematical statistics that decide stored models and answers: the logarithm
// of the gamma function, the incomplete gamma function with the tail of the chi-square distribution, and the normal
// distribution with its inverse.
//
// Invariants: results are the same bits on every processor, because only IEEE operations, square roots and package
// tensor's functions are used, with a number of steps that depends on the arguments alone; arguments outside a
// function's domain give NaN, never a panic.
package special
