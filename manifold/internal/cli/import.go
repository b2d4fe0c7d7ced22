package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/manifold-gen/manifold/services/vae"
)

type modelsImportCmd struct {
	Path         string `arg:"" help:"File that torch.save wrote (.pth, .pt, .ckpt), .safetensors, a folder of diffusers, or a folder with an encoder and a decoder. Nothing in it is executed."`
	Name         string `help:"Name of the model; by default made of the file's."`
	Architecture string `help:"Kind of the checkpoint: autoencoderkl, taesd, conformer or mlp; by default found by its tensors."`
	Licence      string `help:"Licence of the weights, for the card, such as MIT."`
	Size         string `help:"Size of pictures, such as 64 or 96x64 (width x height), where the network takes any."`
}

// Run imports and says what to do next.
func (c modelsImportCmd) Run(ctx context.Context, g *Globals) error {
	width, height, err := pictureSize(c.Size)
	if err != nil {
		return err
	}
	s, err := g.store()
	if err != nil {
		return err
	}
	e, err := vae.Import(ctx, c.Path, vae.ImportOptions{
		Store: s, Name: c.Name, Architecture: c.Architecture, Licence: c.Licence, Width: width, Height: height,
	})
	if err != nil {
		return err
	}
	if g.JSON {
		return g.printJSON(e.Manifest)
	}
	fmt.Fprintf(g.out, "imported %s: %d parameters, digest %.12s; see manifold models show %s\n", e.Ref(),
		e.Manifest.Parameters, e.Manifest.Digest, e.Manifest.Name)
	return nil
}

// pictureSize reads "64" or "96x64", width before height; 0 stands for none.
func pictureSize(text string) (width, height int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	w, h, both := strings.Cut(text, "x")
	width, err = strconv.Atoi(w)
	height = width
	if err == nil && both {
		height, err = strconv.Atoi(h)
	}
	if err != nil || width < 1 || height < 1 {
		return 0, 0, fmt.Errorf("--size %.20q: want a number of pixels, or width and height as in 96x64", text)
	}
	return width, height, nil
}
