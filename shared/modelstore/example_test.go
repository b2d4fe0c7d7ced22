package modelstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/manifold-gen/manifold/shared/modelstore"
)

func Example() {
	dir, err := os.MkdirTemp("", "models")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	store, err := modelstore.Open(modelstore.Root{Name: "user", Dir: dir, Writable: true})
	if err != nil {
		panic(err)
	}
	m := modelstore.Manifest{
		Family: "diffusion", Architecture: "unet", Config: json.RawMessage(`{"image_size": 28}`),
		Name: "digits", Licence: "Apache-2.0",
	}
	write := func(path string) error { return os.WriteFile(path, []byte("weights"), 0o644) }
	for range 2 {
		if _, err := store.Publish(context.Background(), m, modelstore.Contents{Weights: write}); err != nil {
			panic(err)
		}
	}
	e, err := store.Resolve("digits")
	fmt.Println(e.Ref(), err, store.Verify(e))
	_, err = store.Resolve("letters")
	fmt.Println(err)
	// Output:
	// digits@2 <nil> <nil>
	// modelstore.Resolve: no model "letters"; known models: digits
}
