package cli

import (
	"fmt"
	"path/filepath"
	"text/tabwriter"

	"github.com/manifold-gen/manifold/shared/modelstore"
)

type modelsCmd struct {
	List   modelsListCmd   `cmd:"" default:"1" help:"List all models."`
	Show   modelsShowCmd   `cmd:"" help:"Show one model's card and figures."`
	Verify modelsVerifyCmd `cmd:"" help:"Read every byte of a model and compare it with its digest."`
	Delete modelsDeleteCmd `cmd:"" help:"Delete one version of a model of yours."`
	Import modelsImportCmd `cmd:"" help:"Make a model of a published checkpoint of PyTorch or diffusers."`
}

// store opens the models that this person has: a named folder, their own, the starters.
func (g *Globals) store() (*modelstore.Store, error) {
	cache, err := g.cache()
	if err != nil {
		return nil, err
	}
	var roots []modelstore.Root
	if g.Models != "" {
		roots = append(roots, modelstore.Root{Name: "models", Dir: g.Models, Writable: true})
	}
	roots = append(roots,
		modelstore.Root{Name: "user", Dir: filepath.Join(g.Home, "models"), Writable: true},
	)
	return modelstore.Open(append(roots, modelstore.StarterRoots(cache, starters()...)...)...)
}

type modelsListCmd struct{}

// Run prints a table, or the manifests as JSON.
func (modelsListCmd) Run(g *Globals) error {
	s, err := g.store()
	if err != nil {
		return err
	}
	entries := s.List()
	if g.JSON {
		manifests := []*modelstore.Manifest{}
		for _, e := range entries {
			if e.Err == nil {
				manifests = append(manifests, e.Manifest)
			}
		}
		return g.printJSON(manifests)
	}
	w := tabwriter.NewWriter(g.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "MODEL\tFAMILY\tPARAMETERS\tSIZE\tFROM\tDIGEST")
	for _, e := range entries {
		if e.Err != nil {
			fmt.Fprintf(w, "%s\tbroken: %s\t\t\t%s\t\n", e.Ref(), words(e.Err), e.Root)
			continue
		}
		m := e.Manifest
		fmt.Fprintf(w, "%s\t%s\t%d\t%.1f MB\t%s\t%.12s\n",
			e.Ref(), m.Family, m.Parameters, float64(m.Bytes())/1e6, e.Root, m.Digest)
	}
	return w.Flush()
}

type modelsShowCmd struct {
	Model string `arg:"" help:"name or name@version."`
}

// Run prints the card.
func (c modelsShowCmd) Run(g *Globals) error {
	s, err := g.store()
	if err != nil {
		return err
	}
	e, err := s.Resolve(c.Model)
	if err != nil {
		return err
	}
	if g.JSON {
		return g.printJSON(e.Manifest)
	}
	card, err := s.Card(e)
	if err != nil {
		return err
	}
	fmt.Fprintf(g.out, "%s, digest %s\n\n%s\n", e.Ref(), e.Manifest.Digest, card)
	return nil
}

type modelsVerifyCmd struct {
	Models []string `arg:"" optional:"" help:"Models to verify; all when none is named."`
}

// Run verifies and says so, model by model.
func (c modelsVerifyCmd) Run(g *Globals) error {
	s, err := g.store()
	if err != nil {
		return err
	}
	var entries []modelstore.Entry
	for _, ref := range c.Models {
		e, err := s.Resolve(ref)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	if len(c.Models) == 0 {
		entries = s.List()
	}
	for _, e := range entries {
		if e.Err != nil {
			return e.Err
		}
		if err := s.Verify(e); err != nil {
			return err
		}
		fmt.Fprintf(g.out, "%s: %d bytes, all as its digest %.12s says\n", e.Ref(), e.Manifest.Bytes(), e.Manifest.Digest)
	}
	return nil
}

type modelsDeleteCmd struct {
	Model string `arg:"" help:"name@version; the version is needed, so that nothing is deleted by accident."`
}

// Run deletes one version.
func (c modelsDeleteCmd) Run(g *Globals) error {
	name, version, err := modelstore.SplitRef(c.Model)
	if err != nil {
		return err
	}
	if version == "" {
		return fmt.Errorf("name the version to delete, as in %s@1", name)
	}
	s, err := g.store()
	if err != nil {
		return err
	}
	e, err := s.Resolve(c.Model)
	if err != nil {
		return err
	}
	if err := s.Delete(e); err != nil {
		return err
	}
	fmt.Fprintf(g.out, "deleted %s\n", e.Ref())
	return nil
}
