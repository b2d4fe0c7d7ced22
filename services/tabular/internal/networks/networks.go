// Package networks holds small Bayesian networks of the literature, to begin with and to measure against. Each file
// says where its numbers come from.
package networks

import (
	"embed"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/services/tabular/internal/bayesnet"
	"github.com/manifold-gen/manifold/services/tabular/internal/bif"
	"github.com/manifold-gen/manifold/shared/fault"
)

//go:embed *.bif
var files embed.FS

// Names lists the networks, in alphabetical order.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".bif")
	}
	return names
}

// Text is the BIF file of a network.
func Text(name string) ([]byte, error) {
	if !slices.Contains(Names(), name) {
		return nil, fault.E(fault.NotFound, "UNKNOWN_NETWORK", "networks.Text", "there is no network %q; there are %s",
			name,
			strings.Join(Names(), ", "))
	}
	return files.ReadFile(name + ".bif")
}

// Load is a network by its name.
func Load(name string) (*bayesnet.Network, error) {
	text, err := Text(name)
	if err != nil {
		return nil, err
	}
	f, err := bif.Read(strings.NewReader(string(text)))
	if err != nil {
		return nil, err
	}
	return f.Network, nil
}
