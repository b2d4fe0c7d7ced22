// Package vae is the family of energy and latent-variable models: Boltzmann machines, restricted Boltzmann machines,
// deep belief networks, autoencoders and variational autoencoders. It is the one package of this module that others
// may import; everything else lies below internal.
package vae

// Family is the name of this family in manifests, metrics and addresses.
const Family = "vae"
