// Package recipe holds what the recipes of all families have in common: text that is read strictly, pictures that are
// found and divided, directories for runs, publication, and cards. What a recipe trains, and how, is its family's.
//
// Invariants:
//   - A recipe is read strictly: an unknown field is refused with the list of the known ones.
//   - Which pictures are for training and which for selection is a function of the recipe's fields and seed.
//   - A run's directory is named after the recipe's text: the same recipe goes on where it was stopped, another one
//     starts anew. The directory remembers the model that it led to, so that nothing is published twice.
//   - What is published does not say where on the trainer's machine the pictures lay.
package recipe
