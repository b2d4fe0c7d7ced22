package rbm

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
)

// TestNoFusedMultiplyAdd builds the family's packages of energies for targets whose compiler may join a product and a
// sum.
func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".", "../boltzmann", "../dbn") }
