package recipe

import (
	"fmt"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/likelihood"
	"github.com/manifold-gen/manifold/services/vae/internal/trunk"
)

// How pictures become binary.
const (
	gray    = "gray"    // they do not: gray values are probabilities
	static  = "static"  // once for each picture
	dynamic = "dynamic" // anew in every pass
)

// setNetwork fills in the defaults of what all autoencoders have.
func setNetwork(network, activation, lik, binarise *string, hidden *[]int) {
	for _, d := range []struct {
		field *string
		v     string
	}{{network, trunk.MLP}, {activation, "relu"}, {lik, likelihood.Bernoulli}, {binarise, gray}} {
		if *d.field == "" {
			*d.field = d.v
		}
	}
	if *hidden == nil {
		*hidden = []int{400}
		if *network == trunk.Conv {
			*hidden = []int{32, 64}
		}
	}
}

// setMicro chooses the micro-batch for a network: as many rows as keep activations near the cache, where a picture
// takes some rows of the decoder.
func setMicro(c *train.Config, network string, perPicture int) {
	if c.Batch == 0 {
		c.Batch = 64
	}
	if c.Micro != 0 || c.Batch < 0 {
		return
	}
	limit := 1024
	if network == trunk.Conv {
		limit = 64
	}
	limit = max(1, limit/max(1, perPicture))
	for c.Micro = min(c.Batch, limit); c.Micro > 1 && c.Batch%c.Micro != 0; {
		c.Micro--
	}
}

// checkBinarise returns what is wrong with the way in which pictures become binary.
func checkBinarise(binarise, lik string) []fault.Violation {
	switch {
	case binarise != gray && binarise != static && binarise != dynamic:
		return violation("model.binarise", "%.40q, want gray, static or dynamic", binarise)
	case binarise != gray && lik != likelihood.Bernoulli:
		return violation("model.binarise", "%s pictures need a bernoulli likelihood", binarise)
	}
	return nil
}

func violation(field, format string, args ...any) []fault.Violation {
	return []fault.Violation{{Field: field, Description: fmt.Sprintf(format, args...)}}
}

// checkConfig turns the error of a configuration into a violation.
func checkConfig(err error, prefix string) []fault.Violation {
	if err == nil {
		return nil
	}
	return violation("model", "%s", strings.TrimPrefix(err.Error(), prefix+": "))
}

// probe is a size of pictures that a configuration can be checked with before any data is opened.
func (r *Recipe) probe() *recipe.Pictures {
	p := &recipe.Pictures{Height: 28, Width: 28, Channels: 1, Classes: []string{"a", "b"}}
	if s := r.Data.Size; s > 0 && s <= 1024 {
		p.Height, p.Width = s, s
	}
	if c := r.Data.Channels; c == 1 || c == 3 {
		p.Channels = c
	}
	return p
}

// classes is how many the model is told; an error where it wants some and the pictures have none.
func classes(conditional bool, p *recipe.Pictures) (int, error) {
	if !conditional {
		return 0, nil
	}
	if len(p.Classes) == 0 {
		return 0, fault.E(fault.Invalid, "NO_LABELS", "recipe.Data", "model.conditional: the pictures have no classes")
	}
	return len(p.Classes), nil
}

// ports describe a model that takes pictures and gives pictures.
func ports(p *recipe.Pictures, code []int) (in, out []modelstore.Port) {
	picture := []int{-1, p.Height, p.Width, p.Channels}
	in = []modelstore.Port{{Name: "x", Shape: picture, Description: "pictures in [0, 1]"}}
	out = []modelstore.Port{
		{Name: "code", Shape: append([]int{-1}, code...)},
		{Name: "picture", Shape: picture, Description: "the mean picture of a code"},
	}
	return in, out
}

// networkWords describes a network for people.
func networkWords(kind string, hidden []int) string {
	var b strings.Builder
	for i, n := range hidden {
		if i > 0 {
			b.WriteString("-")
		}
		fmt.Fprint(&b, n)
	}
	if kind == trunk.Conv {
		return "convolutions of " + b.String() + " channels, each of which halves the picture"
	}
	if len(hidden) == 0 {
		return "no hidden layer"
	}
	return "hidden layers of " + b.String() + " units"
}

// picturesAre describes pictures for people: how many channels, and how they become binary.
func picturesAre(binarise string, channels int) string {
	kind := "gray"
	if channels > 1 {
		kind = "colour"
	}
	switch binarise {
	case static:
		return kind + " pictures made binary once"
	case dynamic:
		return kind + " pictures made binary anew in every pass"
	}
	return kind + " pictures"
}
