package checkpoint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/manifold-gen/manifold/shared/tensor/nn"

	"github.com/manifold-gen/manifold/services/vae/internal/taesd"
)

// defaultSide is the size of pictures of networks that take any.
const defaultSide = 256

func fitsTAESD(s *Source) bool {
	return s.Has("encoder.0.weight") && s.Has("decoder.19.weight") && s.Has("encoder.1.conv.0.weight")
}

func openTAESD(s *Source, o Options) (*Model, error) {
	out, err := s.shape("encoder.14.weight", 4)
	if err != nil {
		return nil, err
	}
	cfg := taesd.Config{Latent: out[0], Pool: s.Has("encoder.13.pool.0.weight")}
	cfg.Height, cfg.Width = o.size(defaultSide, defaultSide)
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := s.room(cfg.Parameters()); err != nil {
		return nil, err
	}
	net, err := taesd.New(cfg)
	if err != nil {
		return nil, err
	}
	params := nn.Params(net)
	err = s.Fill(params, taesdName)
	about := fmt.Sprintf("TAESD, a tiny autoencoder that stands in for the first stage of a latent diffusion model: "+
		"pictures of %dx%d to codes of %dx%dx%d. It takes any size that is a multiple of 8; import it again for another.",
		cfg.Width, cfg.Height, cfg.Height/8, cfg.Width/8, cfg.Latent)
	return &Model{Architecture: "taesd", Config: cfg, Net: net, Params: params, About: []string{about}}, err
}

// taesdName finds a parameter in the sequences of layers that TAESD numbers, activations and doublings included: the
// encoder's is 0 first, then four of each stage, and 14; the decoder's is 1, three blocks from 3 on, and five of each
// further stage, the last with one block.
func taesdName(name string) From {
	part := strings.Split(name, ".")
	at, rest := 0, part[2:]
	encoder := part[0] == "encoder"
	switch {
	case part[1] == "in" && encoder:
	case part[1] == "in", part[1] == "first":
		at = 1
	case part[1] == "out" && encoder:
		at = 14
	case part[1] == "out":
		at = 19
	case part[1] == "rise":
		at = 17
	case part[1] == "last":
		at = 18
	default: // stages.I.resample or stages.I.blocks.J
		stage := digit(part[2])
		at = 2 + 4*stage
		if !encoder {
			at = 2 + 5*stage
		}
		rest = part[4:]
		if part[3] == "blocks" {
			at, rest = at+1+digit(part[4]), part[5:]
		}
	}
	inner := strings.Join(rest, ".")
	axes := Conv
	for ours, theirs := range map[string]string{"conv1": "conv.0", "conv2": "conv.2", "conv3": "conv.4",
		"pool.in": "pool.0", "pool.norm": "pool.1", "pool.out": "pool.3"} {
		if after, ok := strings.CutPrefix(inner, ours+"."); ok {
			inner = theirs + "." + after
			if ours == "pool.in" || ours == "pool.out" {
				axes = Linear
			}
			if ours == "pool.norm" {
				axes = Same
			}
			break
		}
	}
	if strings.HasSuffix(inner, "bias") {
		axes = Same
	}
	return From{Name: part[0] + "." + strconv.Itoa(at) + "." + inner, Axes: axes}
}

func digit(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err) // names are ours
	}
	return n
}
