// Package vq is the vector quantised autoencoder of van den Oord, Vinyals and Kavukcuoglu, "Neural Discrete
// Representation Learning" (2017): every position of a small map is replaced by the nearest vector of a codebook. A
// PixelCNN (van den Oord, Kalchbrenner and Kavukcuoglu, "Pixel Recurrent Neural Networks", 2016) over the grid of
// indices is the prior that makes it a generative model.
//
// Letters in shape comments: N pictures, D numbers of a picture, h w the size of the grid, R = N*h*w positions, V
// vectors of the codebook, E numbers of a vector, C channels of the prior.
//
// Invariants:
//   - The nearest vector is the one of the lowest index among equals.
//   - Sums run over positions and numbers, means over pictures.
//   - A dead vector is revived by a position of the batch that is drawn by a counter: its index and the step.
package vq
