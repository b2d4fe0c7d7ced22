// Package engine shares one loaded model among many requests: it batches the rows that they encode and decode and the
// Gibbs sweeps of their chains, and streams what happens.
//
// Invariants:
//   - One goroutine, the loop, calls the model. What a row or a chain gives depends on its request and number alone,
//     never on what else took part in a pass.
//   - A pass serves one kind of work; kinds with work take turns, so that a thousand sweeps do not hold up a slider.
//   - Nobody outside can hold up the loop: what a client reads slowly waits in its Stream.
//   - A request that ended, by its end, its deadline or its caller, takes part in no further pass.
package engine
