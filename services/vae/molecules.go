package vae

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"

	"github.com/manifold-gen/manifold/services/vae/internal/molecule"
	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
	"github.com/manifold-gen/manifold/services/vae/internal/smiles"
)

// MaxMolecules is the most that one call draws.
const MaxMolecules = 100_000

// Molecule is a string that a model of molecules wrote.
type Molecule struct {
	SMILES string
	Err    error // what keeps it from being a molecule; nil for one that is valid
}

// Drawn are molecules, and the model that wrote them.
type Drawn struct {
	Model     modelstore.Entry
	Molecules []Molecule
}

// Valid is the number of those that are molecules.
func (d *Drawn) Valid() int {
	n := 0
	for _, m := range d.Molecules {
		if m.Err == nil {
			n++
		}
	}
	return n
}

// Molecules draws n strings from a model of molecules. String i depends on the model, the seed, i and the temperature
// alone. The errors are those of the store, and Invalid for a number or a temperature that makes no sense and for a
// model that does not write molecules.
func Molecules(
	ctx context.Context, store *modelstore.Store, ref string, n int, seed uint64, temperature float64,
) (*Drawn, error) {
	const op = "vae.Molecules"
	if n < 1 || n > MaxMolecules {
		return nil, fault.InvalidField(op, "n", "%d, want 1 to %d", n, MaxMolecules)
	}
	if !(temperature > 0 && temperature <= 100) {
		return nil, fault.InvalidField(op, "temperature", "%v, want above 0 and up to 100", temperature)
	}
	e, err := store.Resolve(ref)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	dir, err := store.Dir(e)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	f, err := weights.Open(filepath.Join(dir, modelstore.WeightsFile))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	defer func() { _ = f.Close() }() // the model has its weights from there
	net, err := recipe.OpenSmiles(e.Manifest, f)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	d := &Drawn{Model: e}
	var l []string
	bad := tensor.Catch(func() {
		l, err = smiles.NewSampler(net).Sample(ctx, n, rng.New(seed), 0, temperature)
	})
	if err = errors.Join(bad, err); err != nil {
		return nil, fault.Wrap(op, err)
	}
	for _, s := range l {
		_, err := molecule.Parse(s)
		d.Molecules = append(d.Molecules, Molecule{s, err})
	}
	return d, nil
}
