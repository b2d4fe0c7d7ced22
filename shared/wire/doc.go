// Package wire turns tensors, pictures, models and training events into protobuf messages and back, so that every
// family says the same things in the same way.
//
// Invariants:
//   - What comes from outside is measured before anything is allocated; errors are *fault.Error values of kind
//     Invalid that name the field.
//   - With serve, this is the only package of shared that imports proto/gen.
package wire
