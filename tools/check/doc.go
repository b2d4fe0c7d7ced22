// Package check holds tests of the repository as a whole: which package may import which, and what no
// committed file may contain. It has no code of its own.
package check
