package dataset_test

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/dataset"
)

func ExampleLocator_Open() {
	var l dataset.Locator // drawn sets need neither a folder nor a network
	set, err := l.Open(context.Background(), dataset.Request{Name: "glyphs", Split: "train"})
	if err != nil {
		fmt.Println(err)
		return
	}
	h, w, c := set.Shape()
	picture := make([]float32, h*w*c)
	if err := set.Picture(7, picture); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(set.Len(), h, w, c, set.Classes()[set.Label(7)], picture[0])
	// Output: 50000 28 28 1 7 -1
}
