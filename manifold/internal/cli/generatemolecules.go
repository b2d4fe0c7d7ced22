package cli

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/manifold-gen/manifold/services/vae"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

type generateMoleculesCmd struct {
	Model       string  `default:"smiles-qm9" help:"name or name@version; manifold models lists them."`
	N           int     `default:"20" help:"Molecules, 1 to 100000."`
	Seed        *uint64 `help:"Seed, 0 to 2^53-1. Molecule i depends on (seed, i) alone. Default: a random one, which is printed."`
	Temperature float64 `default:"1" help:"Above 1 bolder, below 1 more careful."`
	Valid       bool    `help:"Leave out what is no molecule."`
}

// Help is shown below the flags.
func (generateMoleculesCmd) Help() string {
	return `Examples:
  manifold train smiles-qm9
  manifold generate molecules --n 20 --seed 1

One SMILES string a line; what is no molecule by grammar, valences or aromatic rings is followed by the reason. That a
string is a molecule does not say that it is stable, can be made, or is harmless.`
}

// Run draws in this process.
func (c generateMoleculesCmd) Run(ctx context.Context, g *Globals) error {
	store, err := g.store()
	if err != nil {
		return err
	}
	seed := randomSeed()
	if c.Seed != nil {
		seed = *c.Seed
	}
	if seed > rng.MaxSeed {
		return fmt.Errorf("--seed %d: want 0 to %d", seed, uint64(rng.MaxSeed))
	}
	d, err := vae.Molecules(ctx, store, c.Model, c.N, seed, c.Temperature)
	if err != nil {
		return err
	}
	if g.JSON {
		type row struct {
			SMILES string `json:"smiles"`
			Valid  bool   `json:"valid"`
			Reason string `json:"reason,omitempty"`
		}
		var rows []row
		for _, m := range d.Molecules {
			r := row{m.SMILES, m.Err == nil, ""}
			if m.Err != nil {
				r.Reason = m.Err.Error()
			}
			if m.Err == nil || !c.Valid {
				rows = append(rows, r)
			}
		}
		return g.printJSON(map[string]any{
			"model": d.Model.Ref(), "model_digest": d.Model.Manifest.Digest, "seed": strconv.FormatUint(seed, 10),
			"valid": d.Valid(), "drawn": len(d.Molecules), "molecules": rows,
		})
	}
	for _, m := range d.Molecules {
		switch {
		case m.Err == nil:
			fmt.Fprintln(g.out, m.SMILES)
		case !c.Valid:
			fmt.Fprintf(g.out, "%s\tno molecule: %v\n", m.SMILES, m.Err)
		}
	}
	fmt.Fprintf(g.err, "%s, seed %d: %d of %d are molecules\n", d.Model.Ref(), seed, d.Valid(), len(d.Molecules))
	return nil
}

// randomSeed is one that nobody chose.
func randomSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:]) & rng.MaxSeed
}
