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

// ForImages writes the recipe for a folder or zip archive of pictures for which somebody gave nothing else. The size
// is 28 for pictures of 28x28 and 32 for all others, grey when the pictures that were looked at are grey; classes
// come from the folders. The steps follow from the size of the network, so that training takes about minutes on two
// cores that together do 100 billion operations a second: the same pictures give the same recipe anywhere.
func ForImages(path, name string, minutes float64) (*Recipe, error) {
	const op = "recipe.ForImages"
	if !(minutes > 0 && minutes <= 100_000) {
		return nil, fault.InvalidField(op, "minutes", "%v, want above 0 and up to 100000", minutes)
	}
	look, err := lookAt(path)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	r := &Recipe{Name: name, Seed: 1, Data: Data{Images: path, Size: 32, Channels: 3}}
	if look.all28 {
		r.Data.Size = 28
	}
	if look.grey {
		r.Data.Channels = 1
	}
	r.Train.Batch, r.Train.Micro = 64, 32
	r.Train.LearningRate, r.Train.WeightDecay, r.Train.Clip, r.Train.EMA = 1e-3, 0.01, 1, 0.999
	r.Train.Steps = 1 // replaced below, but validate wants it
	r.setDefaults()
	if err := r.validate(); err != nil {
		return nil, fault.Wrap(op, err)
	}
	net, err := r.network(r.Data.Size, r.Data.Channels, 0)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	// A training step costs about three forward passes.
	const speed = 100e9 * 60
	steps := int(minutes * speed / (3 * float64(net.FLOPs()) * float64(r.Train.Batch)))
	r.Train.Steps = min(max(steps, 100), 1_000_000)
	r.Train.Warmup = min(500, r.Train.Steps/10)
	r.Train.PreviewEvery = max(r.Train.Steps/20, 50)
	r.Train.EvalEvery = r.Train.PreviewEvery
	return r, nil
}

// looks is what a glance at some pictures tells.
type looks struct {
	seen        int
	all28, grey bool
}

// glances is how many pictures of a folder are looked at: the first ones of every directory walked, in order.
const glances = 64

func lookAt(path string) (looks, error) {
	l := looks{all28: true, grey: true}
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
		if l.seen++; l.seen > glances {
			return fs.SkipAll
		}
		return l.glance(file)
	})
	if err != nil {
		return l, fault.E(fault.Invalid, "BAD_IMAGES", "", "%w", err)
	}
	if l.seen == 0 {
		return l, fault.E(fault.Invalid, "NO_DATA", "", "there are no PNG or JPEG files in %q", path)
	}
	return l, nil
}

// lookInto opens a zip archive as a data set twice: as it is, to learn the size, which fails for mixed sizes, and
// in colour.
func lookInto(path string) (looks, error) {
	set, err := dataset.OpenZip(path, dataset.Format{}, nil)
	if err != nil {
		set, err = dataset.OpenZip(path, dataset.Format{Height: 32, Width: 32}, nil)
	}
	if err != nil {
		return looks{}, err
	}
	h, w, c := set.Shape()
	l := looks{seen: set.Len(), all28: h == 28 && w == 28, grey: true}
	for i := range min(set.Len(), glances) {
		px := set.Bytes(i)
		for j := 0; j+2 < len(px) && c == 3; j += 3 {
			if px[j] != px[j+1] || px[j] != px[j+2] {
				l.grey = false
				return l, nil
			}
		}
	}
	return l, nil
}

func (l *looks) glance(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading
	cfg, _, err := image.DecodeConfig(f)
	if err != nil || cfg.Width > 4096 || cfg.Height > 4096 {
		return nil // opening the set reports it, or shrinks it
	}
	l.all28 = l.all28 && cfg.Width == 28 && cfg.Height == 28
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
	l.grey = l.grey && isGrey(img)
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
