// Package batch holds what the engines of all families need to batch work: a bounded queue that knows deadlines, a
// meter of how long a batch takes, and the fair choice of who takes part in the next one.
//
// Invariants:
//   - A queue never holds more than its capacity. What is not admitted is refused at once with an error of kind
//     Overloaded that says when to come back, or Deadline when no wait could help.
//   - First in, first out; what its owner gave up is removed in any place.
//   - A Meter is outside of every promise of identical bytes: it decides who is admitted, never what is computed.
//   - Choose gives every request a turn before any request gets a second one.
package batch
