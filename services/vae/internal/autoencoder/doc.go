// Package autoencoder is the autoencoder without a distribution over codes: dense or convolutional, and regularised in
// one of three ways: it must remove noise (Vincent et al., "Extracting and Composing Robust Features with Denoising
// Autoencoders", 2008), use few units of its code at a time (Ng, "Sparse autoencoder", CS294A lecture notes, 2011), or
// have a code that changes little with its input (Rifai et al., "Contractive Auto-Encoders", 2011).
//
// Letters in shape comments: N pictures, D numbers of a picture, K numbers of a code.
//
// Invariants:
//   - Losses are sums over the numbers of a picture and of a code, and means over pictures.
//   - Noise depends on (stream, draw, step) alone.
//   - What a row gives does not depend on the other rows, except in training with a sparsity target, which is about
//     means over the batch.
package autoencoder
