package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Deps is what a run needs from its surroundings.
type Deps struct {
	Store *modelstore.Store // takes the finished model
	Data  *dataset.Locator  // finds data sets; nil finds those that are drawn and the user's own
	// Runs is the directory under which every recipe gets one of its own for checkpoints: <name>-<hash of the recipe>.
	// The same recipe goes on where it was stopped.
	Runs string
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// CheckName says what is wrong with the name of a model, or nothing.
func CheckName(name string) []fault.Violation {
	if namePattern.MatchString(name) {
		return nil
	}
	return []fault.Violation{{Field: "name", Description: fmt.Sprintf(
		"%.80q, want 1 to 63 lower-case letters, digits and dashes, not beginning with a dash", name)}}
}

// Family is what the recipe's field of that name says; empty where it has none or is no recipe at all.
func Family(text []byte) string {
	var doc yaml.Node
	if len(text) > MaxText || yaml.Unmarshal(text, &doc) != nil || len(doc.Content) != 1 {
		return ""
	}
	fields := doc.Content[0]
	for i := 0; i+1 < len(fields.Content); i += 2 {
		if k, v := fields.Content[i], fields.Content[i+1]; k.Value == "family" && v.Kind == yaml.ScalarNode {
			return v.Value
		}
	}
	return ""
}

// CheckFamily refuses a recipe that names another family than the one that reads it; whoever asked can try that one.
func CheckFamily(text []byte, family string) error {
	if f := Family(text); f != "" && f != family {
		return fault.E(fault.Invalid, "WRONG_FAMILY", "recipe.CheckFamily", "family: %.80q, this service trains %s", f,
			family)
	}
	return nil
}

// RunDir is the name of the directory, below Deps.Runs, that the checkpoints of a recipe lie in: that of the model
// and a hash of the recipe's text with its defaults filled in.
func RunDir(name string, text []byte) string {
	sum := sha256.Sum256(text)
	return name + "-" + hex.EncodeToString(sum[:6])
}

// Once returns the model that a recipe led to before, or has it made in the recipe's directory and remembers it.
func (d Deps) Once(name string, text []byte, build func(dir string) (modelstore.Entry, error)) (modelstore.Entry,
	error) {
	dir := filepath.Join(d.Runs, RunDir(name, text))
	if e, ok := Published(dir, d.Store); ok {
		return e, nil
	}
	e, err := build(dir)
	if err != nil {
		return modelstore.Entry{}, err
	}
	NotePublished(dir, e)
	return e, nil
}

// publishedFile, in a run's directory, names the model that it led to.
const publishedFile = "published"

// Published is the model that a run's directory led to, if it is still there.
func Published(dir string, store *modelstore.Store) (modelstore.Entry, bool) {
	text, err := os.ReadFile(filepath.Join(dir, publishedFile))
	if err != nil {
		return modelstore.Entry{}, false
	}
	var ref, digest string
	if _, err := fmt.Sscan(string(text), &ref, &digest); err != nil {
		return modelstore.Entry{}, false
	}
	e, err := store.Resolve(ref)
	if err != nil || e.Manifest.Digest != digest {
		return modelstore.Entry{}, false // deleted since
	}
	return e, true
}

// NotePublished remembers the model that a run's directory led to. Losing the note costs a second version of the same
// model, no more.
func NotePublished(dir string, e modelstore.Entry) {
	_ = os.WriteFile(filepath.Join(dir, publishedFile), []byte(e.Ref()+" "+e.Manifest.Digest+"\n"), 0o644)
}

// Publish stores tensors as a model with a manifest and a card.
func Publish(ctx context.Context, store *modelstore.Store, m modelstore.Manifest, tensors []weights.Param,
	card func(*modelstore.Manifest) string) (modelstore.Entry, error) {
	return store.Publish(ctx, m, modelstore.Contents{
		Weights: func(path string) error {
			named := make(map[string]*tensor.Tensor, len(tensors))
			for _, w := range tensors {
				named[w.Name] = w.Tensor
			}
			return weights.Write(path, named, map[string]string{"format": "pt"})
		},
		Card: card,
	})
}

// Describe fills in what a manifest says of the pictures, and the licence of the weights, which is that of the data
// unless the recipe states another.
func (p *Pictures) Describe(m *modelstore.Manifest, licence string) {
	m.Licence = licence
	if licence == "" {
		m.Licence = p.Licence
	}
	m.Labels = p.Classes
	m.Data = modelstore.Data{Name: p.Name, SHA256: p.Train.Hash(), Licence: p.Licence, Samples: p.Train.Len()}
}
