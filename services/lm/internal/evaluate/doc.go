// Package evaluate measures the counting rungs of the language family. Reports are JSON with the numbers that a figure
// must be held against: baselines on the same data, intervals, sizes and times.
package evaluate
