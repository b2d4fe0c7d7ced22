// Package service is vae.v1: it turns messages into work for the engines and their results into messages. It is the one
// place of this module that knows proto/gen.
//
// Invariants:
//   - What a request asks for and a model cannot do is an error that says what the model can; nothing is ignored.
//   - Every answer states model, digest, numerics version and the seed in use.
package service
