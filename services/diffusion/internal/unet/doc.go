// Package unet is the denoiser of the diffusion service: a U-Net of residual blocks that predicts, from a
// noisy picture, a timestep and a class, the noise, the picture or the velocity.
//
// Letters in shape comments: N pictures, H W height and width, C channels, D the width of the time and
// class embedding. Pictures are [N, H, W, C] with values about [-1, 1].
//
// Invariants:
//   - Row i of a batch has the bits of the same picture alone, for any number of threads and any kernels.
//   - On an inference tape a forward pass allocates nothing on the heap after the first of its shape.
//   - The last convolution of every residual branch and of the network begins at zero, so that a fresh
//     network is close to the identity in its blocks and predicts zero.
//   - Class index Classes is "no class"; training with classes must show it to the network now and then,
//     or guidance has nothing to subtract.
package unet
