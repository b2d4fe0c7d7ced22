package lm_test

import (
	"os"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/lm"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
)

// TestStartersAreWhatTheirRecipesMake trains every starter again; those of texts where the texts are.
func TestStartersAreWhatTheirRecipesMake(t *testing.T) {
	kept, err := lm.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	store, err := modelstore.OpenFolders([]string{t.TempDir()}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	deps := recipe.Deps{Store: store, Runs: t.TempDir(), Data: &dataset.Locator{Offline: true}}
	dir := os.Getenv("MANIFOLD_DATA")
	if dir != "" {
		deps.Data.Dirs = []string{dir}
	}
	withText := []string{"names", "shakespeare-chain", "shakespeare-characters", "shakespeare-words", "tagger"}
	for _, name := range lm.Recipes() {
		t.Run(name, func(t *testing.T) {
			if dir == "" && slices.Contains(withText, name) {
				if os.Getenv("MANIFOLD_REQUIRE_DATA") == "1" {
					t.Fatal("MANIFOLD_DATA is not set")
				}
				t.Skip("its text is not here")
			}
			want, err := kept.Resolve(name)
			if err != nil {
				t.Fatal(err)
			}
			text, err := lm.Recipe(name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := lm.Train(t.Context(), text, deps, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Manifest.Digest != want.Manifest.Digest {
				t.Errorf("digest %s, the starter has %s", got.Manifest.Digest, want.Manifest.Digest)
			}
		})
	}
}
