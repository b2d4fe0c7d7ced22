package checkpoint

import (
	"fmt"
	"math"
	"strings"

	"github.com/manifold-gen/manifold/shared/tensor/nn"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
	"github.com/manifold-gen/manifold/services/vae/internal/vae"
)

// mlpNames are the layers of a VAE of dense layers, ours and those of PyTorch's examples.
var mlpNames = map[string]string{
	"first.encoder.dense.0": "fc1", "first.mean": "fc21", "first.log_var": "fc22",
	"first.decoder.dense.0": "fc3", "first.decoder.dense.1": "fc4",
}

func fitsMLP(s *Source) bool {
	return s.Has("fc1.weight") && s.Has("fc21.weight") && s.Has("fc4.weight")
}

func openMLP(s *Source, o Options) (*Model, error) {
	first, err := s.shape("fc1.weight", 2)
	if err != nil {
		return nil, err
	}
	code, err := s.shape("fc21.weight", 2)
	if err != nil {
		return nil, err
	}
	d := first[1]
	side := int(math.Round(math.Sqrt(float64(d))))
	height, width := o.size(side, side)
	if height*width != d {
		return nil, invalid("pictures of %d numbers are not of %dx%d pixels: name their size", d, width, height)
	}
	cfg := vae.Config{
		Config: trunk.Config{
			Height: height, Width: width, Channels: 1, Kind: trunk.MLP, Hidden: []int{first[0]}, Activation: "relu",
		},
		Likelihood: likelihood.Config{Kind: likelihood.Bernoulli}, Latent: code[0],
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	hidden := int64(first[0])
	if err := s.room(hidden*2*int64(d+code[0]) + hidden*int64(code[0])); err != nil {
		return nil, err
	}
	net, err := vae.NewModel(cfg)
	if err != nil {
		return nil, err
	}
	params := nn.Params(net)
	err = s.Fill(params, func(name string) From {
		at := strings.LastIndexByte(name, '.')
		f := From{Name: mlpNames[name[:at]] + name[at:]}
		if name[at:] == ".weight" {
			f.Axes = Linear
		}
		return f
	})
	about := fmt.Sprintf("A variational autoencoder of dense layers %d-%d-%d-%d-%d with a Bernoulli likelihood.", d,
		first[0], code[0], first[0], d)
	return &Model{Architecture: "vae", Config: cfg, Net: net, Params: params, About: []string{about}}, err
}
