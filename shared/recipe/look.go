package recipe

import (
	"image"
	"image/color"
	_ "image/jpeg" // decoders for the pictures of a folder
	_ "image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Looks is what a glance at some pictures tells.
type Looks struct {
	Seen  int  // pictures looked at
	All28 bool // all of them are 28x28
	Grey  bool // none of them has a colour
}

// glances is how many pictures of a folder are looked at: the first ones of every directory walked, in order.
const glances = 64

// LookAt looks at the first pictures of a folder or zip archive, for a recipe for which somebody gave nothing else.
func LookAt(path string) (Looks, error) {
	l := Looks{All28: true, Grey: true}
	info, err := os.Stat(path)
	if err != nil {
		return l, fault.E(fault.NotFound, "DATA_NOT_FOUND", "", "there is no folder or archive %q", path)
	}
	if !info.IsDir() {
		return lookInto(path)
	}
	err = filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if _, ok := dataset.ByFolder(filepath.ToSlash(strings.TrimPrefix(file, path))); !ok || !d.Type().IsRegular() {
			return nil
		}
		if l.Seen++; l.Seen > glances {
			return fs.SkipAll
		}
		return l.glance(file)
	})
	if err != nil {
		return l, fault.E(fault.Invalid, "BAD_IMAGES", "", "%w", err)
	}
	if l.Seen == 0 {
		return l, fault.E(fault.Invalid, "NO_DATA", "", "there are no PNG or JPEG files in %q", path)
	}
	return l, nil
}

// lookInto opens a zip archive as a data set twice: as it is, to learn the size, which fails for mixed sizes, and
// in colour.
func lookInto(path string) (Looks, error) {
	set, err := dataset.OpenZip(path, dataset.Format{}, nil)
	if err != nil {
		set, err = dataset.OpenZip(path, dataset.Format{Height: 32, Width: 32}, nil)
	}
	if err != nil {
		return Looks{}, err
	}
	h, w, c := set.Shape()
	l := Looks{Seen: set.Len(), All28: h == 28 && w == 28, Grey: true}
	for i := range min(set.Len(), glances) {
		px := set.Bytes(i)
		for j := 0; j+2 < len(px) && c == 3; j += 3 {
			if px[j] != px[j+1] || px[j] != px[j+2] {
				l.Grey = false
				return l, nil
			}
		}
	}
	return l, nil
}

func (l *Looks) glance(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading
	cfg, _, err := image.DecodeConfig(f)
	if err != nil || cfg.Width > 4096 || cfg.Height > 4096 {
		return nil // opening the set reports it, or shrinks it
	}
	l.All28 = l.All28 && cfg.Width == 28 && cfg.Height == 28
	if cfg.ColorModel == color.GrayModel || cfg.ColorModel == color.Gray16Model {
		return nil
	}
	if _, err := f.Seek(0, 0); err != nil {
		return err
	}
	img, _, err := image.Decode(f)
	if err != nil {
		return nil
	}
	l.Grey = l.Grey && isGrey(img)
	return nil
}

// isGrey says whether no pixel has a colour.
func isGrey(m image.Image) bool {
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if r, g, b, _ := m.At(x, y).RGBA(); r>>8 != g>>8 || g>>8 != b>>8 {
				return false
			}
		}
	}
	return true
}
