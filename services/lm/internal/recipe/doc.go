// Package recipe reads recipes of language models, trains what they say and publishes it, and opens published models.
//
// Invariants:
//   - A recipe with its defaults filled in, and its data, decide the bytes of the model.
//   - Nothing is read of a recipe that its architecture does not know: a misspelt field is an error.
package recipe
