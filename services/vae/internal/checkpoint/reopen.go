package checkpoint

import (
	"bytes"
	"encoding/json"

	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/vae/internal/conformer"
	"github.com/manifold-gen/manifold/services/vae/internal/kl"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/taesd"
)

// Reopen makes a model that was imported of its manifest and its weights, bound strictly; ok is false for an
// architecture of another package.
func Reopen(m *modelstore.Manifest, f *weights.File) (net model.Model, ok bool, err error) {
	switch m.Architecture {
	case "kl":
		net, err = reopen(m, f, kl.NewModel)
	case "taesd":
		net, err = reopen(m, f, taesd.New)
	case "conformer":
		net, err = reopen(m, f, conformer.New)
	default:
		return nil, false, nil
	}
	return net, true, err
}

// config is the configuration of a network, as a pointer to it.
type config[C any] interface {
	*C
	Validate() error
	Parameters() int64
}

func reopen[C any, P config[C], M model.Model](
	m *modelstore.Manifest, f *weights.File, build func(C) (M, error),
) (model.Model, error) {
	var cfg C
	dec := json.NewDecoder(bytes.NewReader(m.Config))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&cfg); err != nil {
		return nil, err
	}
	if err := P(&cfg).Validate(); err != nil {
		return nil, err
	}
	var elements int64
	for _, info := range f.Infos() {
		elements += info.Bytes / int64(info.DType.Size())
	}
	if err := (&Source{elements: elements}).room(P(&cfg).Parameters()); err != nil {
		return nil, err
	}
	net, err := build(cfg)
	if err != nil {
		return nil, err
	}
	return net, nn.Bind(net, f, weights.Mapping{})
}
