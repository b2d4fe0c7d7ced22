package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"github.com/manifold-gen/manifold/services/lm/internal/text"
	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
)

// corpus is the text of a recipe, divided.
type corpus struct {
	name, licence, origin, hash string
	train, report               []byte
	split                       text.Split
}

// check fills in defaults and says what is wrong.
func (d *Data) check() []fault.Violation {
	wrong := d.Source.Check()
	if d.Documents == "" {
		d.Documents = text.Lines.String()
	}
	if _, err := text.ParseSplit(d.Documents); err != nil {
		wrong = append(wrong, fault.Violation{Field: "data.documents", Description: err.Error()})
	}
	if !(d.Report >= 0 && d.Report <= 0.5) {
		wrong = append(wrong, fault.Violation{Field: "data.report", Description: "want a share from 0 to 0.5"})
	}
	return wrong
}

// open reads the text.
func (d *Data) open(ctx context.Context, l *dataset.Locator) (*corpus, error) {
	const op = "recipe.Data"
	if l == nil {
		l = new(dataset.Locator)
	}
	c := &corpus{name: d.Name, licence: d.Licence}
	path := d.File
	if d.Name != "" {
		found, e, err := l.FindText(ctx, d.Name)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		path, c.licence, c.origin = found, e.Licence, e.Homepage
	} else {
		c.name, c.origin = filepath.Base(path), "a file of the trainer's own"
	}
	if c.licence == "" {
		c.licence = "not stated"
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.E(fault.NotFound, "DATA_NOT_FOUND", op, "the text %s cannot be opened", c.name)
	}
	defer func() { _ = f.Close() }() // opened for reading
	data, err := text.Read(f, text.MaxCorpus)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	sum := sha256.Sum256(data)
	c.hash = hex.EncodeToString(sum[:])
	c.split, _ = text.ParseSplit(d.Documents) // checked
	at := len(data) - int(d.Report*float64(len(data)))
	for at < len(data) && at > 0 && data[at-1] != '\n' && d.Report > 0 {
		at--
	}
	c.train, c.report = data[:at], data[at:]
	return c, ctx.Err()
}

// documents are those of a part of the text.
func (c *corpus) documents(part []byte, kind text.Kind) ([][]byte, error) {
	return text.Documents(part, c.split, kind)
}
