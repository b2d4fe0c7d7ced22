package vae

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
)

// TestNoFusedMultiplyAdd builds the packages of autoencoders, and their training, for targets whose compiler may join a
// product and a sum.
func TestNoFusedMultiplyAdd(t *testing.T) {
	fusedtest.Check(t, nil, ".", "../trunk", "../likelihood", "../autoencoder", "../vq", "../recipe",
		"../service", "../engine", "../smiles")
}
