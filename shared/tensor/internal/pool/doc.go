// Package pool holds the one set of worker threads that every kernel of the process shares.
//
// A piece of work is a Task cut into numbered parts. The calling goroutine takes parts like any
// worker, so a call never waits for a thread that is busy elsewhere, and a call made while the pool
// serves another one simply runs all its parts itself.
//
// Invariants:
//   - Which thread runs a part, and in which order, is unspecified: a task must write disjoint outputs
//     from its parts and must not split a reduction among them. Then the number of threads never
//     changes a bit.
//   - Run allocates nothing in steady state; For allocates what its closure needs.
//   - An idle worker polls for at most 50 microseconds before it parks, so an idle process uses no CPU.
package pool
