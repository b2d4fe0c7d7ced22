package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/vae/internal/conformer"
)

func fitsConformer(s *Source) bool {
	return s.Has("encoder.5.attn.q_proj.weight") && s.Has("decoder.1.conv.network.0.weight")
}

func openConformer(s *Source, o Options) (*Model, error) {
	if err := o.fixed(28, 28); err != nil {
		return nil, err
	}
	cfg := conformer.Config{Channels: []int{0, 0}}
	second, err := s.shape("encoder.2.weight", 4)
	if err != nil {
		return nil, err
	}
	wide, err := s.shape("encoder.5.conv.network.0.weight", 4)
	if err != nil {
		return nil, err
	}
	q, err := s.shape("encoder.5.attn.q_proj.weight", 2)
	if err != nil {
		return nil, err
	}
	cfg.Channels[0], cfg.Channels[1] = second[1], second[0]
	cfg.Multiple = wide[0] / second[0]
	for s.Has(fmt.Sprintf("encoder.%d.attn.q_proj.weight", 5+cfg.Layers)) {
		cfg.Layers++
	}
	var about []string
	if cfg.Heads, about, err = s.heads(); err != nil {
		return nil, err
	}
	if cfg.HeadDim = q[0] / cfg.Heads; cfg.HeadDim*cfg.Heads != q[0] {
		return nil, invalid("%d heads do not divide the %d columns of encoder.5.attn.q_proj.weight", cfg.Heads, q[0])
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := s.room(cfg.Parameters()); err != nil {
		return nil, err
	}
	net, err := conformer.New(cfg)
	if err != nil {
		return nil, err
	}
	params := nn.Params(net)
	err = s.Fill(params, func(name string) From { return conformerName(name, cfg.Layers) })
	about = append([]string{fmt.Sprintf("A variational autoencoder of 28x28 pictures whose codes are maps of 6x6 "+
		"numbers: two convolutions, then %d blocks of attention and convolutions, and their mirror image.",
		cfg.Layers)}, about...)
	return &Model{Architecture: "conformer", Config: cfg, Net: net, Params: params, About: about}, err
}

// heads is the number of heads, which no tensor shows: the file NAME.pickle beside NAME.pth has it.
func (s *Source) heads() (n int, about []string, err error) {
	path := strings.TrimSuffix(s.Path, filepath.Ext(s.Path)) + ".pickle"
	args, err := weights.PickleScalars(path)
	if errors.Is(err, os.ErrNotExist) {
		return 3, []string{"The number of heads of attention was not beside the checkpoint and taken to be 3."}, nil
	}
	if err != nil {
		return 0, nil, invalid("%v", err)
	}
	n, err = strconv.Atoi(args["n_heads"])
	if err != nil || n < 1 {
		return 0, nil, invalid("%s: n_heads is %.20q", filepath.Base(path), args["n_heads"])
	}
	return n, nil, nil
}

// conformerName finds a parameter in the sequences of layers of the checkpoint.
func conformerName(name string, layers int) From {
	part := strings.Split(name, ".")
	encoder := part[0] == "encoder"
	at, axes := 0, Conv
	inner := part[len(part)-1]
	switch {
	case part[1] == "blocks":
		at = 1 + digit(part[2])
		if encoder {
			at += 4
		}
		layer := map[string]string{"q": "attn.q_proj", "k": "attn.k_proj", "v": "attn.v_proj", "out": "attn.out_proj",
			"wide": "conv.network.0", "each": "conv.network.2", "slim": "conv.network.4"}[part[3]]
		axes = Linear
		if part[3] == "each" {
			axes = Depthwise
		}
		inner = layer + "." + inner
	case part[1] == "second" && encoder:
		at = 2
	case part[1] == "second":
		at = 2 + layers
	case part[1] == "out" && encoder:
		at, axes = 5+layers, Linear
	case part[1] == "out":
		at = 4 + layers
	case part[1] == "in" && !encoder:
		axes = Linear
	}
	if part[len(part)-1] == "bias" {
		axes = Same
	}
	return From{Name: part[0] + "." + strconv.Itoa(at) + "." + inner, Axes: axes}
}
