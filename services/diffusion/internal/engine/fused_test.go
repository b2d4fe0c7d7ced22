package engine

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
)

// The estimates of admission decide who is served, never what is computed.
func TestNothingIsFused(t *testing.T) {
	fusedtest.Check(t, []string{"need", "room"}, ".")
}
