package recipe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor/rng"

	"github.com/manifold-gen/manifold/services/tabular/internal/profile"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// Data says which rows a recipe is about and what their columns are. Exactly one of Name and File is set.
type Data struct {
	recipe.Source     `yaml:",inline"`
	table.Declaration `yaml:",inline"`

	Comma    string   `yaml:"comma,omitempty"`     // of a CSV; ","
	NoHeader bool     `yaml:"no_header,omitempty"` // the first line of a CSV is a row
	Header   []string `yaml:"header,omitempty"`    // names of the columns of a CSV without a header
	Licence  string   `yaml:"licence,omitempty"`   // of File
	// Select is the share of the rows that are held out to measure on, 0 to 0.5, at most 100,000 of them. The counting
	// rungs and networks that are given hold none out, others one in ten, unless this says otherwise.
	Select *float64 `yaml:"select,omitempty"`
}

const (
	mostHeldOut = 100_000
	mostRows    = 50_000_000 // of a model that needs them in memory
	chunk       = 4096
)

func (d *Data) none() bool { return d.Name == "" && d.File == "" }

// Check returns what is wrong with the fields as they stand in a recipe.
func (d *Data) Check() []fault.Violation {
	wrong := d.Source.Check()
	bad := func(field, format string, args ...any) {
		wrong = append(wrong, fault.Violation{Field: "data." + field, Description: fmt.Sprintf(format, args...)})
	}
	if len([]rune(d.Comma)) > 1 {
		bad("comma", "%.20q, want one character", d.Comma)
	}
	if d.Header != nil && !d.NoHeader {
		bad("header", "given; it is for files with no_header")
	}
	if s := d.Select; s != nil && !(*s >= 0 && *s <= 0.5) {
		bad("select", "%g, want 0 to 0.5", *s)
	}
	var invalid *fault.Error
	if err := d.Validate(); errors.As(err, &invalid) {
		for _, f := range invalid.Fields {
			wrong = append(wrong, fault.Violation{Field: "data." + f.Field, Description: f.Description})
		}
	}
	return wrong
}

// holdOut sets the share that is held out where the recipe does not say.
func (d *Data) holdOut(share float64) {
	if d.Select == nil {
		d.Select = &share
	}
}

// Table is the data of a recipe, opened.
type Table struct {
	Schema  *table.Schema
	Rows    int64 // in all
	Notes   []table.Note
	Name    string
	Licence string
	Origin  string // where the rows come from, for the card
	SHA256  string
	Own     bool // the trainer's own rows

	file *table.File
	held []bool // rows that are held out; nil for none
	in   io.Closer
}

// Close closes the file.
func (t *Table) Close() error {
	if t.in == nil {
		return nil
	}
	return t.in.Close()
}

// Open finds the rows, and infers their schema unless one is given. l may be nil, which finds what is drawn and the
// user's own files.
func (d *Data) Open(ctx context.Context, l *dataset.Locator, seed uint64, given *table.Schema) (*Table, error) {
	const op = "recipe.Data"
	if l == nil {
		l = new(dataset.Locator)
	}
	t := &Table{Name: "rows", Licence: d.Licence, Origin: "the trainer's own rows", Own: true}
	if t.Licence == "" {
		t.Licence = "not stated"
	}
	spec := *d
	var in io.ReaderAt
	var size int64
	path := d.File
	if d.Name != "" {
		e, err := lookup(d.Name)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		t.Name, t.Licence, t.Origin, t.Own = e.name, e.licence, e.origin, false
		e.describe(&spec)
		if e.draw != nil {
			b := e.draw()
			in, size = bytes.NewReader(b), int64(len(b))
		} else if path, _, err = l.FindTable(ctx, e.name); err != nil {
			return nil, fault.Wrap(op, err)
		}
	}
	if in == nil {
		f, n, err := openFile(path)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		in, size, t.in = f, n, f
	}
	if err := t.read(ctx, &spec, in, size, given); err != nil {
		_ = t.Close()
		return nil, fault.Wrap(op, err)
	}
	if s := d.Select; s != nil && *s > 0 {
		t.holdOut(*s, seed)
	}
	return t, nil
}

func openFile(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err // without the folders, which callers from afar must not see
		}
		return nil, 0, fault.E(fault.NotFound, "DATA_NOT_FOUND", "", "the rows cannot be opened: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.E(fault.Invalid, "UNKNOWN_DATA", "", "the rows are not in a file")
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func (t *Table) read(ctx context.Context, d *Data, in io.ReaderAt, size int64, given *table.Schema) error {
	h := sha256.New()
	if _, err := io.Copy(h, readerOf(ctx, io.NewSectionReader(in, 0, size))); err != nil {
		return err
	}
	t.SHA256 = hex.EncodeToString(h.Sum(nil))
	o := table.Options{NoHeader: d.NoHeader, Names: d.Header}
	for _, r := range d.Comma {
		o.Comma = r
	}
	var err error
	if t.file, err = table.Open(in, size, o); err != nil {
		return err
	}
	if given != nil {
		t.Schema = given
		return t.count(ctx)
	}
	found, err := t.file.Infer(d.Declaration)
	if err != nil {
		return err
	}
	t.Schema, t.Rows, t.Notes = found.Schema, found.Rows, found.Notes
	return nil
}

// count counts the rows of a table whose schema was given.
func (t *Table) count(ctx context.Context) error {
	s, err := t.file.Source(t.Schema)
	if err != nil {
		return err
	}
	rows := table.New(t.Schema, chunk)
	for {
		n, err := s.Next(rows)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		t.Rows += int64(n)
	}
	if t.Rows == 0 {
		return fault.E(fault.Corrupt, "EMPTY_TABLE", "", "the file has no rows")
	}
	return nil
}

// readerOf is a reader that ends with ctx.
func readerOf(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context //nolint:containedctx // of one copy
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// blockOfRows is how many rows share one draw of what is held out.
const blockOfRows = 4096

// holdOut draws the rows that are held out: row i by the seed and i alone. Of more than mostHeldOut the share is less.
func (t *Table) holdOut(share float64, seed uint64) {
	share = min(share, mostHeldOut/float64(t.Rows))
	t.held = make([]bool, t.Rows)
	s, u := rng.New(seed), make([]float64, blockOfRows)
	for at := 0; at < len(t.held); at += blockOfRows {
		s.Uniform64(u, uint64(at/blockOfRows), 0, rng.Augment)
		for i := range t.held[at:min(at+blockOfRows, len(t.held))] {
			t.held[at+i] = u[i] < share
		}
	}
}

// HeldOut is the number of rows that are held out.
func (t *Table) HeldOut() int {
	n := 0
	for _, h := range t.held {
		if h {
			n++
		}
	}
	return n
}

// Train reads the rows that are for training, from the start.
func (t *Table) Train() (table.Source, error) { return t.rows(false) }

// Selection are the rows that are held out.
func (t *Table) Selection() (*table.Table, error) {
	s, err := t.rows(true)
	if err != nil {
		return nil, err
	}
	return table.ReadAll(s, mostHeldOut*2)
}

func (t *Table) rows(held bool) (table.Source, error) {
	s, err := t.file.Source(t.Schema)
	if err != nil || t.held == nil && !held {
		return s, err
	}
	return &part{Source: s, held: t.held, want: held}, nil
}

// part is the rows of a source that are held out, or the others.
type part struct {
	table.Source
	held []bool
	want bool
	at   int
	rows *table.Table
	keep []int
}

// Next gives the rows of the next chunk that belong to the part; it may be that none does, and then it goes on.
func (p *part) Next(t *table.Table) (int, error) {
	if p.rows == nil || p.rows.Rows != t.Rows {
		p.rows = table.New(p.Schema(), t.Rows)
	}
	for {
		n, err := p.Source.Next(p.rows)
		if err != nil {
			return 0, err
		}
		p.keep = p.keep[:0]
		for i := range n {
			if held := p.held != nil && p.held[p.at+i]; held == p.want {
				p.keep = append(p.keep, i)
			}
		}
		p.at += n
		if len(p.keep) == 0 {
			continue
		}
		for c := range t.Columns {
			from, to := &p.rows.Columns[c], &t.Columns[c]
			for j, r := range p.keep {
				if from.Codes != nil {
					to.Codes[j] = from.Codes[r]
				} else {
					to.Numbers[j] = from.Numbers[r]
				}
			}
		}
		return len(p.keep), nil
	}
}

// readRows is Open for rows that a request brings along.
func (t *Table) readRows(ctx context.Context, r *Recipe, csv []byte, before *previous) error {
	var given *table.Schema
	if before != nil {
		given = before.model.Schema()
	}
	if err := t.read(ctx, &r.Data, bytes.NewReader(csv), int64(len(csv)), given); err != nil {
		return fault.Wrap("recipe.Data", err)
	}
	if s := r.Data.Select; s != nil && *s > 0 {
		t.holdOut(*s, r.Seed)
	}
	return nil
}

// Files is what a caller from afar works with: where data lie, and where models go.
type Files struct {
	Store   *modelstore.Store
	Data    *dataset.Locator
	Resolve func(*recipe.Source) error // finds what the caller named; an upload takes the place of its name
}

// OpenNamed opens a registered table, or an upload, for whoever asks from afar, as rows of a schema or, without one, of
// what is inferred.
func OpenNamed(ctx context.Context, files Files, name string, given *table.Schema) (*Table, error) {
	d := Data{Source: recipe.Source{Name: name}}
	if err := files.Resolve(&d.Source); err != nil {
		return nil, err
	}
	return d.Open(ctx, files.Data, 0, given)
}

// ProfileNamed summarises a registered table, or an upload.
func ProfileNamed(ctx context.Context, files Files, name string) (*profile.Profile, *table.Schema, error) {
	t, err := OpenNamed(ctx, files, name, nil)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = t.Close() }() // opened for reading
	s, err := t.Train()
	if err != nil {
		return nil, nil, err
	}
	p, err := profile.Of(ctx, s)
	return p, t.Schema, err
}
