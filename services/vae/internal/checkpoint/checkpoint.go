package checkpoint

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"

	"github.com/manifold-gen/manifold/services/vae/internal/model"
)

// Options say what the files do not.
type Options struct {
	Architecture  string // as Architectures lists them; "" finds it by the names of the tensors
	Height, Width int    // of pictures; 0 for the network's own
}

// Model is what a checkpoint became.
type Model struct {
	Architecture string // in manifests
	Config       any    // for the manifest
	Net          model.Model
	Params       []*nn.Param
	Parts        []Part
	About        []string // sentences for the card
}

// format is one kind of checkpoints.
type format struct {
	name  string
	words string
	fits  func(s *Source) bool
	open  func(s *Source, o Options) (*Model, error)
}

// formats are asked in this order.
var formats = []format{
	{"autoencoderkl", "a folder as diffusers writes it, with config.json of class AutoencoderKL", fitsKL, openKL},
	{"taesd", "a folder with the encoder and the decoder of TAESD", fitsTAESD, openTAESD},
	{"conformer", "the MNIST VAE of sofia-dominguezc/MNIST-diffusion", fitsConformer, openConformer},
	{"mlp", "a VAE of dense layers fc1, fc21, fc22, fc3 and fc4, as in PyTorch's examples", fitsMLP, openMLP},
}

// Architectures are the kinds of checkpoints that can be read.
func Architectures() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// Open reads the checkpoint at path, a file or a folder. The model has its own
// memory.
func Open(path string, o Options) (*Model, error) {
	const op = "checkpoint.Open"
	s := &Source{Path: path}
	defer func() { _ = s.Close() }()
	if err := s.find(path); err != nil {
		return nil, fault.Wrap(op, err)
	}
	i := slices.IndexFunc(formats, func(f format) bool {
		return f.name == o.Architecture || o.Architecture == "" && f.fits(s)
	})
	if i < 0 && o.Architecture != "" {
		return nil, fault.InvalidField(op, "architecture", "%.40q, want one of %s", o.Architecture,
			strings.Join(Architectures(), ", "))
	}
	if i < 0 {
		var known []string
		for _, f := range formats {
			known = append(known, f.name+": "+f.words)
		}
		names := s.Names()
		return nil, fault.E(fault.Invalid, "UNKNOWN_CHECKPOINT", op,
			"%s holds %d tensors (%.200s ...), which are of no model that is known here:\n  %s", filepath.Base(path),
			len(names), strings.Join(names[:min(5, len(names))], ", "), strings.Join(known, "\n  "))
	}
	var m *Model
	var err error
	if caught := tensor.Catch(func() { m, err = formats[i].open(s, o) }); caught != nil {
		err = caught
	}
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	m.Parts = s.Parts
	return m, nil
}

// room refuses a model that the files cannot fill, before it is made.
func (s *Source) room(parameters int64) error {
	if parameters > 2*s.elements+1_000_000 {
		return fault.E(fault.Invalid, "BAD_CHECKPOINT", "checkpoint.Open",
			"the configuration describes a network of %d parameters, the files hold %d numbers", parameters, s.elements)
	}
	return nil
}

// size is the options' size of pictures, or the network's own.
func (o Options) size(height, width int) (int, int) {
	if o.Height > 0 {
		height = o.Height
	}
	if o.Width > 0 {
		width = o.Width
	}
	return height, width
}

// fixed refuses a size that a network cannot have.
func (o Options) fixed(height, width int) error {
	if h, w := o.size(height, width); h != height || w != width {
		return fault.InvalidField("checkpoint.Open", "size", "%dx%d, but the network makes pictures of %dx%d", w, h, width,
			height)
	}
	return nil
}

// shape is a tensor's shape of the given rank with no axis of 0, or an error.
func (s *Source) shape(name string, rank int) ([]int, error) {
	shape := s.Shape(name)
	if len(shape) != rank || slices.Contains(shape, 0) {
		return nil, fault.E(fault.Invalid, "BAD_CHECKPOINT", "checkpoint.Open",
			"tensor %s has shape %v, want %d axes that are not empty", name, shape, rank)
	}
	return shape, nil
}

func invalid(format string, args ...any) error {
	return fault.E(fault.Invalid, "BAD_CHECKPOINT", "checkpoint.Open", "%s", fmt.Sprintf(format, args...))
}
