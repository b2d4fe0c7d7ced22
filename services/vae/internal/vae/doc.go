// Package vae is the variational autoencoder with its bounds: the ELBO of Kingma and Welling, "Auto-Encoding
// Variational Bayes" (2014), with the beta of Higgins et al. (2017), the free bits of Kingma et al. (2016), the
// conditions of Sohn et al. (2015), the importance weighted bound of Burda, Grosse and Salakhutdinov, "Importance
// Weighted Autoencoders" (2016), and the second stage of Dai and Wipf, "Diagnosing and Enhancing VAE Models" (2019).
//
// Letters in shape comments: N pictures, D numbers of a picture, K numbers of a code, S importance samples.
//
// Invariants:
//   - Sums run over the numbers of a picture and of a code, means over pictures.
//   - Nothing is drawn here: noise comes in, so that it is the caller's business what it depends on.
//   - What a row gives does not depend on the other rows.
package vae
