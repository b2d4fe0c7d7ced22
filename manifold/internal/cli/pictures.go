package cli

import (
	"fmt"
	"os"
	"path/filepath"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	"github.com/manifold-gen/manifold/shared/picture"
)

// pictureFiles are the flags of commands that make pictures: where they go.
type pictureFiles struct {
	Out    string `default:"grid.png" help:"File for all pictures in a grid." type:"path"`
	Frames string `help:"Also an animation of how they came about, as GIF." type:"path"`
	OutDir string `help:"Also every picture on its own, pixel for pixel, into this folder." type:"path"`
	Scale  int    `help:"Enlarge grid and animation by this factor; 0 picks one that people can see." default:"0"`
}

// writable finds out before any work whether the pictures can be saved.
func (f *pictureFiles) writable() error {
	if f.Scale < 0 || f.Scale > 64 {
		return fmt.Errorf("--scale %d: want 0 to 64", f.Scale)
	}
	names := []string{f.Out}
	if f.Frames != "" {
		names = append(names, f.Frames)
	}
	if f.OutDir != "" {
		if err := os.MkdirAll(f.OutDir, 0o755); err != nil {
			return fmt.Errorf("the folder %s cannot be made: %w", f.OutDir, bare(err))
		}
		names = append(names, filepath.Join(f.OutDir, "000.png"))
	}
	for _, name := range names {
		if err := writable(name); err != nil {
			return err
		}
	}
	return nil
}

// save writes whatever was asked for and returns the names of the files. The texts go into the grid; pictures on their
// own have those that the service gave them.
func (f *pictureFiles) save(images []*tensorv1.Image, film *film, text ...picture.Text) (files []string, err error) {
	pictures, err := decodeAll(images)
	if err != nil {
		return nil, err
	}
	write := func(name string, data []byte) error {
		files = append(files, name)
		return writeFile(name, data)
	}
	if err := f.grid(write, pictures, 0, text...); err != nil {
		return nil, err
	}
	if f.OutDir != "" {
		for i, im := range images {
			if err := write(filepath.Join(f.OutDir, fmt.Sprintf("%03d.png", i)), im.GetData()); err != nil {
				return nil, err
			}
		}
	}
	if f.Frames != "" {
		data, err := film.gif(pictures)
		if err != nil {
			return nil, err
		}
		if err := write(f.Frames, data); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// grid writes the grid alone, with that many columns, or as square as it gets for 0.
func (f *pictureFiles) grid(write func(string, []byte) error, pictures []*picture.Picture, columns int,
	text ...picture.Text) error {
	grid, err := picture.Grid(pictures, columns, 1)
	if err != nil {
		return err
	}
	png, err := picture.EncodePNG(enlarge(grid, f.Scale), text...)
	if err != nil {
		return err
	}
	return write(f.Out, png)
}

func decodeAll(images []*tensorv1.Image) ([]*picture.Picture, error) {
	var l []*picture.Picture
	for _, im := range images {
		p, err := picture.Decode(im.GetData(), int(im.GetChannels()), picture.MaxPixels)
		if err != nil {
			return nil, err
		}
		l = append(l, p)
	}
	return l, nil
}
