package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/manifold-gen/manifold/services/diffusion/internal/sampler"
	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
	"github.com/manifold-gen/manifold/services/diffusion/internal/unet"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Architecture is the one architecture that Load knows.
const Architecture = "unet"

// net runs a U-Net on an arena that is reused from pass to pass.
type net struct {
	unet *unet.UNet
	tape *autograd.Tape
}

// newNet makes a Denoiser of a network whose weights are in place.
func newNet(u *unet.UNet) *net {
	return &net{unet: u, tape: autograd.NewInference(tensor.NewArena())}
}

// Denoise runs one forward pass.
func (n *net) Denoise(dst, x, timestep []float32, class []int32) {
	n.tape.Reset()
	c := n.unet.Config
	for i, k := range class {
		if k == Unconditional {
			class[i] = int32(c.Classes) // what the network calls it, without an allocation
		}
	}
	in := n.tape.Arena().New(tensor.Float32, len(class), c.ImageSize, c.ImageSize, c.InChannels)
	copy(in.F32(), x)
	out := n.unet.Forward(n.tape, n.tape.Const(in), timestep, class)
	copy(dst, out.F32())
}

// NewModel describes a U-Net whose weights are in place to New.
func NewModel(name string, u *unet.UNet) (Model, error) {
	c := u.Config
	sch, err := schedule.Parse(c.Schedule, c.Steps)
	if err != nil {
		return Model{}, err
	}
	prediction, err := schedule.ParsePrediction(c.Prediction)
	if err != nil {
		return Model{}, err
	}
	return Model{
		Name: name, Height: c.ImageSize, Width: c.ImageSize, Channels: c.InChannels, Classes: c.Classes,
		Schedule: sch, Prediction: prediction, Clip: true, Denoiser: newNet(u),
	}, nil
}

// Loaded is a model in memory with its engine, as a modelstore.Manager keeps it.
type Loaded struct {
	*Engine
	Model Model
	Entry modelstore.Entry
	FLOPs int64 // of one row, a multiplication and an addition counting as two

	file  *weights.File
	bytes int64
}

// Load maps the weights in dir, binds them strictly and runs a warm-up forward pass.
func Load(_ context.Context, e modelstore.Entry, dir string, cfg Config) (*Loaded, error) {
	const op = "engine.Load"
	if e.Manifest.Architecture != Architecture {
		return nil, fault.E(fault.Precondition, "UNKNOWN_ARCHITECTURE", op, "model %s is a %q, this service runs %q",
			e.Ref(), e.Manifest.Architecture, Architecture)
	}
	corrupt := func(err error) error {
		// Readers of files name them with their directories, which callers must not see.
		text := strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
		return fault.E(fault.Corrupt, "BAD_MODEL", "", "%s", text) // the store says which model
	}
	var c unet.Config
	if err := json.Unmarshal(e.Manifest.Config, &c); err != nil {
		return nil, corrupt(err)
	}
	if err := c.Validate(); err != nil {
		return nil, corrupt(err)
	}
	if c.Classes != len(e.Manifest.Labels) {
		return nil, fault.E(fault.Corrupt, "BAD_MODEL", op, "model %s has %d classes and %d labels", e.Ref(), c.Classes,
			len(e.Manifest.Labels))
	}
	file, err := weights.Open(filepath.Join(dir, modelstore.WeightsFile))
	if err != nil {
		return nil, corrupt(err)
	}
	l := &Loaded{Entry: e, FLOPs: c.FLOPs(), file: file}
	if err := l.start(c, cfg); err != nil {
		_ = file.Close()
		if fault.KindOf(err) == fault.Internal {
			return nil, corrupt(err)
		}
		return nil, err
	}
	return l, nil
}

// passElements bounds the activations of one forward pass, 4 GiB; at least one picture under guidance passes.
const passElements = 1 << 30

func (l *Loaded) start(c unet.Config, cfg Config) error {
	// A weight has at least one byte: the file bounds the network before its memory is taken.
	if n := c.Parameters(); n > l.file.Size() {
		return fmt.Errorf("the network of the manifest has %d parameters, the weights file only %d bytes", n,
			l.file.Size())
	}
	u, err := unet.New(c)
	if err != nil {
		return err
	}
	cfg.defaults()
	cfg.MaxRows = min(cfg.MaxRows, max(2, int(passElements/c.Elements())))
	if err := nn.Bind(u, l.file, weights.Mapping{}); err != nil {
		return err
	}
	m, err := NewModel(l.Entry.Ref(), u)
	if err != nil {
		return err
	}
	l.Model = m
	l.Engine, err = New(m, cfg)
	if err != nil {
		return err
	}
	// Weights are mapped and, for products and convolutions, packed once more; the arena held is that of the warm-up.
	l.bytes = 2 * l.file.Size()
	if n, ok := m.Denoiser.(*net); ok {
		l.bytes += n.tape.Arena().Bytes()
	}
	return nil
}

// Bytes is the memory that the model holds, mapped weights included, as measured after the warm-up.
func (l *Loaded) Bytes() int64 { return l.bytes }

// Memory is what the last forward pass needed for its activations; zero for a network that does not say.
func (l *Loaded) Memory() autograd.Memory {
	if n, ok := l.Model.Denoiser.(*net); ok {
		return n.tape.Memory()
	}
	return autograd.Memory{}
}

// Close stops the engine and unmaps the weights.
func (l *Loaded) Close() error {
	l.Engine.Close()
	return l.file.Close()
}

// Samplers are the samplers that every model can be sampled with.
func Samplers() []string { return sampler.Names() }
