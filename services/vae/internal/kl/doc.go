// Package kl holds AutoencoderKL, the first stage of latent diffusion (Rombach et al. 2022, "High-Resolution Image
// Synthesis with Latent Diffusion Models"), in the form in which diffusers publishes it: residual blocks with group
// norms, attention in the middle, halvings by convolutions, doublings by repetition and a convolution.
//
// Letters in shape comments: N pictures, H W height and width of a picture, h w those of a code, C channels of a
// picture, L channels of a code.
//
// Invariants:
//   - What a row gives does not depend on the other rows.
//   - Codes are as the encoder gives them. Diffusion models work on (code - shift) * scaling, which has a variance near
//     one; Draw makes codes that are standard normal there.
package kl
