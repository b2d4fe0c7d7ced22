package winograd

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/internal/neontest"
)

func TestNEONWords(t *testing.T) { neontest.Check(t) }
