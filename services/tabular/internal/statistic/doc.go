// Package statistic holds exact fractions of counts and tests of independence. Everything is float64 built from
// shared/tensor's exponential and logarithm, so that the bits are the same on every CPU.
package statistic
