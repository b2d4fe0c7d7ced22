// Package recipe turns YAML into models of tables and back: a recipe names rows and an architecture, Run makes a model
// of them and publishes it, Open makes the model again of what was published.
//
// Invariants:
//   - Which rows are held out is a function of the recipe's data and seed, not of how the rows were read.
//   - What is published is read back strictly: every tensor has the shape that the schema asks for, and none is left
//     over.
//   - A published model does not change; more rows make a new version.
package recipe
