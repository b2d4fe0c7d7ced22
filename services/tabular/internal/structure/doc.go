// Package structure finds which fields of a table depend on one another: the tree of Chow and Liu from streamed
// pairwise counts, hill-climbing on a score, the PC algorithm by tests of independence, and a structure under
// differential privacy. Fields are categorical; numeric ones are cut into intervals before.
//
// Invariants: results depend on the data and the options alone, not on threads, chunks or the order of rows (all counts
// are whole numbers); of equal choices the one with the lowest fields is taken; scores and tests use package special,
// so that the same structure is found on every processor.
package structure
