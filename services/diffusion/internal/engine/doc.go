// Package engine runs denoising requests: one loop goroutine per loaded model, which in every tick gathers the
// evaluations that many requests want next, whatever their steps, samplers, classes and guidance, into one forward
// pass, and hands each picture its row.
//
// Key of letters: n pictures of a request, R rows of a forward pass, H x W x C elements of a picture.
//
// Invariants:
//   - One tick runs exactly one forward pass of at most Config.MaxRows rows. Under guidance a picture needs two rows,
//     with and without its class, and both are in the same pass.
//   - The bytes of a request's events are a function of the model, the request and its seed. A row's result does not
//     depend on the other rows; all random numbers are drawn by (seed, picture, step).
//   - The pictures of one request move together: none begins an evaluation before all have finished the one before.
//     So every event, and every state to resume from, shows all pictures at the same point.
//   - Requests take turns: Choose gives each its first picture before any gets its second, and the turn rotates.
//   - A request whose context ended takes part in no further tick; its memory is free after the tick that runs.
//   - Nobody outside can hold up the loop: what a client reads slowly waits in its Stream, where previews are dropped
//     and steps and results never are.
//   - A value that is not finite fails the request it belongs to; a panic in a pass fails the requests of that tick.
//
// Lock order: Engine.mu before Stream.mu. Neither is held during a forward pass.
package engine
