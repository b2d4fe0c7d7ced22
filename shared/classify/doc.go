// Package classify trains, stores and runs small convolutional classifiers of pictures. Their features judge generated
// pictures (package metric), and their classes say whether a picture shows what was asked for.
//
// A network is one file, cnn.go. Train makes one from a Recipe, reports its accuracy on the split that training never
// saw, and publishes it as a model of the family "classifier"; Load brings it back. Starters holds the trained ones
// that come with this project, and Recipes how they were made.
//
// Key of letters: n pictures of H x W x C elements in [-1, 1], D features a picture, K classes.
//
// Invariants:
//   - What a Classifier says of a picture depends on the weights and the picture alone, not on the other pictures of a
//     call, the threads or the kernels.
//   - The weights that a recipe gives are a function of the recipe, the data and the numerics version; every draw is
//     from a counter of the recipe's seed.
//   - Weights bind strictly; nothing runs on weights that were not trained.
package classify
