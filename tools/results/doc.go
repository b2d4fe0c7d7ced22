// Command results makes the tables of docs/results: <name>.md from every <name>.json that a command of manifold wrote,
// and the figures in README.md between a line `<!-- figures: <name> -->` and the next `<!-- end -->`.
//
//	go run ./tools/results         writes them
//	go run ./tools/results check   fails where a file differs from what it would write
//
// Invariant: a figure in a table is one of its JSON file, rounded, or a ratio of two of them; nothing is typed by hand.
package main
