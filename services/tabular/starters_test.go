package tabular_test

import (
	"flag"
	"os"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
)

var update = flag.String("update-starters", "", "folder to make the starters in anew")

// starterNames are the recipes whose models come with the binary.
var starterNames = []string{"asia", "dice", "sprinkler", "straws", "titanic", "titanic-bayes",
	"titanic-like", "titanic-like-bayes", "titanic-logistic", "titanic-network"}

// TestUpdateStarters makes the starters when it is told to.
func TestUpdateStarters(t *testing.T) {
	if *update == "" {
		t.Skip("no -update-starters")
	}
	store, err := modelstore.OpenFolders([]string{*update}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range starterNames {
		if err := os.RemoveAll(*update + "/" + name); err != nil {
			t.Fatal(err)
		}
		text, err := tabular.Recipe(name)
		if err != nil {
			t.Fatal(err)
		}
		e, err := tabular.Train(t.Context(), text, recipe.Deps{Store: store, Runs: t.TempDir()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(e.Ref(), e.Manifest.Digest)
	}
}
