package vae

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/manifold-gen/manifold/services/vae/internal/checkpoint"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// ImportOptions say what a checkpoint does not.
type ImportOptions struct {
	Store        *modelstore.Store // where the model goes; required
	Name         string            // of the model; "" makes one of the file's
	Architecture string            // as Importable lists them; "" finds it by the tensors
	Licence      string            // of the weights
	// Height and Width are those of the pictures that the model takes and makes; 0 for the network's own, or 256 where it
	// takes any.
	Height, Width int
}

// Importable are the kinds of published checkpoints that Import reads.
func Importable() []string { return checkpoint.Architectures() }

// Import publishes a checkpoint that others published, the file or folder at path, as a model of the store: a
// state_dict that torch.save wrote, of which nothing is executed, safetensors, or a folder of diffusers. Tensors that
// are missing, unused, of another shape or not finite are reported together, and then nothing is published. Errors are
// of kind Invalid or NotFound for the path, and those of modelstore.Publish.
func Import(ctx context.Context, path string, o ImportOptions) (modelstore.Entry, error) {
	const op = "vae.Import"
	if o.Name == "" {
		o.Name = nameOf(path)
	}
	if bad := recipe.CheckName(o.Name); bad != nil {
		return modelstore.Entry{}, fault.InvalidFields(op, bad...)
	}
	c, err := checkpoint.Open(path, checkpoint.Options{Architecture: o.Architecture, Height: o.Height, Width: o.Width})
	if err != nil {
		return modelstore.Entry{}, fault.Wrap(op, err)
	}
	var parts []string
	for _, p := range c.Parts {
		parts = append(parts, p.Name)
	}
	config, err := json.Marshal(c.Config)
	if err != nil {
		return modelstore.Entry{}, fault.Wrap(op, err)
	}
	size := c.Net.Size()
	picture := []int{-1, size.Height, size.Width, size.Channels}
	m := modelstore.Manifest{
		Family: Family, Architecture: c.Architecture, Config: config, Name: o.Name,
		Description: "Imported from " + strings.Join(parts, " and ") + ".", Licence: o.Licence,
		Numerics: tensor.NumericsVersion, Data: modelstore.Data{Name: "unknown", Licence: "unknown"},
		Inputs: []modelstore.Port{{Name: "x", Shape: picture, Description: "pictures in [0, 1]"}},
		Outputs: []modelstore.Port{
			{Name: "code", Shape: append([]int{-1}, size.Code...)},
			{Name: "picture", Shape: picture, Description: "the mean picture of a code"},
		},
	}
	if m.Licence == "" {
		m.Licence = "not stated at the import"
	}
	tensors := make([]weights.Param, 0, len(c.Params))
	for _, p := range c.Params {
		tensors = append(tensors, weights.Param{Name: p.Name, Tensor: p.Tensor})
		m.Parameters += int64(p.Len())
	}
	e, err := recipe.Publish(ctx, o.Store, m, tensors, func(m *modelstore.Manifest) string { return importCard(m, c) })
	return e, fault.Wrap(op, err)
}

// nameOf makes a model's name of a path's.
func nameOf(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	base := strings.ToLower(filepath.Base(path))
	base = strings.TrimSuffix(base, filepath.Ext(base))
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, base)
	return strings.Trim(name[:min(len(name), 63)], "-")
}

// importCard says where a model comes from.
func importCard(m *modelstore.Manifest, c *checkpoint.Model) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# %s\n\n%s", m.Ref(), m.Description)
	for _, s := range c.About {
		line("%s", s)
	}
	line("\n| | |\n|---|---|")
	for _, p := range c.Parts {
		line("| made from | %s, %d bytes, SHA-256 `%s` |", strings.ReplaceAll(p.Name, "|", "/"), p.Bytes, p.SHA256)
	}
	line("| licence of the weights | %s |", m.Licence)
	line("| parameters | %d |", m.Parameters)
	line("| digest of the model | `%s` |", m.Digest)
	line("| numerics version | %d |", m.Numerics)
	line("\nThe weights are those of the files, with their axes turned as the kernels want them. Nothing in the files " +
		"was executed.")
	return b.String()
}
