// Package service turns messages into requests of the engine and events into messages: diffusion.v1 and model.v1. It
// is the only package of this module that knows the protobuf messages.
//
// Invariants:
//   - A request is checked whole before anything is computed: all fields that are wrong are reported together, with the
//     value and the allowed range, and names that exist are listed. No parameter is accepted and ignored.
//   - Events carry sequence numbers of (step, kind): step * 8 + field number.
//   - A state to resume from belongs to one request, model, seed and numerics version; any other is refused with
//     FAILED_PRECONDITION.
//   - When a call returns, its request has left the engine.
package service
