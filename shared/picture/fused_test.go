package picture

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
)

func TestNothingIsFused(t *testing.T) { fusedtest.Check(t, nil, ".") }
