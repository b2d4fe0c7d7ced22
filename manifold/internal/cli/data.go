package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/picture"
)

type dataCmd struct {
	List dataListCmd `cmd:"" default:"1" help:"List the data sets that recipes can name."`
	Get  dataGetCmd  `cmd:"" help:"Find a data set locally or download it, and check it."`
	Show dataShowCmd `cmd:"" help:"Write a contact sheet of a data set's pictures."`
}

// locator looks in the folder of local copies, then in the cache, then on the network.
func (g *Globals) locator() (*dataset.Locator, error) {
	cache, err := g.cache()
	if err != nil {
		return nil, err
	}
	l := &dataset.Locator{Cache: filepath.Join(cache, "data"), Offline: g.Offline}
	if g.Data != "" {
		l.Dirs = []string{g.Data}
	}
	return l, nil
}

type dataListCmd struct{}

// Run prints the registry.
func (dataListCmd) Run(g *Globals) error {
	type row struct {
		Name    string `json:"name"`
		Title   string `json:"title"`
		Licence string `json:"licence"`
		Source  string `json:"homepage"`
	}
	rows := []row{}
	for _, n := range dataset.Names() {
		e, err := dataset.Lookup(n)
		if err != nil {
			return err
		}
		rows = append(rows, row{e.Name, e.Title, e.Licence, e.Homepage})
	}
	if g.JSON {
		return g.printJSON(rows)
	}
	w := tabwriter.NewWriter(g.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "DATA\tLICENCE\tWHAT")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, r.Licence, r.Title)
	}
	return w.Flush()
}

type dataGetCmd struct {
	Name string `arg:"" help:"Name of the data set; manifold data lists them."`
}

// Run finds or downloads every file of the set.
func (c dataGetCmd) Run(ctx context.Context, g *Globals) error {
	e, err := dataset.Lookup(c.Name)
	if err != nil {
		return err
	}
	l, err := g.locator()
	if err != nil {
		return err
	}
	var b *bar
	l.Progress = func(path string, done, total int64) {
		if b == nil || b.what != path {
			b = newBar(g.err, int(max(total, 1)), path)
		}
		b.set(int(done), "")
	}
	if len(e.Sources) == 0 {
		fmt.Fprintf(g.out, "%s is drawn when it is used: there is nothing to fetch\n", e.Name)
	}
	for _, s := range e.Sources {
		path, err := l.Find(ctx, e, s)
		if err != nil {
			return err
		}
		fmt.Fprintln(g.out, path)
	}
	return nil
}

type dataShowCmd struct {
	Data string `arg:"" help:"Name of a data set, or path of a folder, zip, csv or idx file."`
	N    int    `default:"100" help:"Pictures on the sheet."`
	Out  string `default:"sheet.png" help:"File to write." type:"path"`
}

// Run writes the sheet.
func (c dataShowCmd) Run(ctx context.Context, g *Globals) error {
	if c.N < 1 || c.N > 10000 {
		return fmt.Errorf("--n %d: want 1 to 10000", c.N)
	}
	l, err := g.locator()
	if err != nil {
		return err
	}
	d, err := l.Open(ctx, g.request(c.Data))
	if err != nil {
		return err
	}
	h, w, ch := d.Shape()
	var pictures []*picture.Picture
	x := make([]float32, h*w*ch)
	for i := range min(c.N, d.Len()) {
		if err := d.Picture(i, x); err != nil {
			return err
		}
		pictures = append(pictures, picture.FromSamples(x, w, h, ch))
	}
	grid, err := picture.Grid(pictures, 0, 1)
	if err != nil {
		return err
	}
	png, err := picture.EncodePNG(grid, picture.Text{Keyword: picture.KeySoftware, Value: "manifold " + g.version})
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.Out, png, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(g.out, "%s: %d of %d pictures of %dx%dx%d, %d classes\n",
		c.Out, len(pictures), d.Len(), w, h, ch, len(d.Classes()))
	return nil
}

// request names registered data, or a file or folder where something of that name exists.
func (g *Globals) request(name string) dataset.Request {
	if _, err := dataset.Lookup(name); err == nil {
		return dataset.Request{Name: name}
	}
	if _, err := os.Stat(name); err == nil {
		return dataset.Request{Path: name}
	}
	return dataset.Request{Name: name}
}
