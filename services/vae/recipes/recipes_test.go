package recipes

import (
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
)

// TestAllRead: every recipe that comes with the service is one, and is named after its file.
func TestAllRead(t *testing.T) {
	names := Names()
	if len(names) < 8 {
		t.Errorf("only %d recipes", len(names))
	}
	for _, name := range names {
		text, ok := Get(name)
		if !ok || !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s says nothing about itself", name)
		}
		if r, err := recipe.Parse(text); err != nil || r.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := Get("none"); ok {
		t.Error("there is a recipe that is not there")
	}
}
