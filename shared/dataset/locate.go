package dataset

import (
	"archive/zip"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Locator finds the files of registered sets: in Dirs, then in Cache, then by download into Cache. The caller fills
// it from its flags and environment; a zero Locator opens drawn sets and the user's own files only.
type Locator struct {
	Dirs    []string // data folders that are only read
	Cache   string   // where downloads go, "" for nowhere
	Offline bool     // never download
	Client  *http.Client
	// Progress, if not nil, is told of a download: its path below the cache, and its bytes so far and in all, or -1
	// where the server does not say. It is called from the goroutine that called Open, a few times a second.
	Progress func(path string, done, total int64)

	pause time.Duration // the first wait between attempts; 0 is 200 ms
}

// Request names the data for a training or a measurement: a registered set, or files of the user.
type Request struct {
	Name string // a registered set, or ""
	// Path is the user's own data when Name is "": a folder of pictures, a .zip of pictures, a .csv of pixels, or an
	// IDX file of pictures (its name must hold "idx3"; the labels are looked for beside it, with "idx1" and "labels"
	// in the place of "idx3" and "images"). A .csv without a size in Format is one of square pictures.
	Path   string
	Split  string // a split of the registered set; "" or "all" is all of it, and the only one of the user's data
	Format Format // size, channels, background
	Table  CSV    // how a .csv is read
}

// Open opens a data set. The Format holds for every kind of data: pictures that cannot be resized are padded with -1
// to a larger size, and what cannot be honoured is an error. The errors are of kind fault.NotFound when files are
// neither there nor to be had, fault.Unavailable when they could be had but Offline is set or the network fails,
// fault.Corrupt when their content is not the registered one, and fault.Invalid for a bad request.
func (l *Locator) Open(ctx context.Context, r Request) (Dataset, error) {
	const op = "dataset.Open"
	if (r.Name == "") == (r.Path == "") {
		return nil, fault.InvalidField(op, "name", "name %q and path %q, exactly one must be given", r.Name, r.Path)
	}
	if _, err := r.Format.orDefault(); err != nil {
		return nil, err
	}
	var d Dataset
	var err error
	e := Entry{Name: r.Path}
	if r.Path != "" {
		d, err = openPath(r)
	} else {
		e, err = Lookup(r.Name)
		if err == nil {
			d, err = l.openEntry(ctx, e, r.Format)
		}
	}
	if err == nil {
		d, err = honour(d, r.Format)
	}
	if err != nil {
		return nil, err
	}
	s, err := e.split(r.Split, d.Len())
	if err != nil {
		return nil, err
	}
	return Range(d, s.From, s.To)
}

// openPath opens the user's own data.
func openPath(r Request) (Dataset, error) {
	st, err := os.Stat(r.Path)
	base := filepath.Base(r.Path)
	switch lower := strings.ToLower(base); {
	case err != nil:
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err // without the folders, which callers from afar must not see
		}
		return nil, fault.E(fault.NotFound, "DATA_NOT_FOUND", "dataset.Open", "the data %q: %w", base, err)
	case st.IsDir():
		return OpenFolder(r.Path, r.Format, nil)
	case strings.HasSuffix(lower, ".zip"):
		return OpenZip(r.Path, r.Format, nil)
	case strings.HasSuffix(lower, ".csv"):
		t, err := OpenCSV(r.Path, r.Table)
		if err != nil {
			return nil, err
		}
		h, w, c := r.Format.Height, r.Format.Width, max(r.Format.Channels, 1)
		if h == 0 {
			h, c, err = t.square(r.Format.Channels)
			w = h
		}
		if err != nil {
			return nil, err
		}
		return t.Pictures(h, w, c)
	case strings.Contains(lower, "idx3"):
		labels := strings.NewReplacer("idx3", "idx1", "images", "labels").Replace(base)
		labels = filepath.Join(filepath.Dir(r.Path), labels)
		if _, err := os.Stat(labels); errors.Is(err, fs.ErrNotExist) {
			labels = ""
		}
		return OpenIDX(r.Path, labels, r.Format.Limits)
	}
	return nil, fault.E(fault.Invalid, "UNKNOWN_DATA", "dataset.Open",
		"%q is neither a folder nor a .zip, .csv or idx3 file", base)
}

// honour pads or refuses what has not the format that was asked for.
func honour(d Dataset, f Format) (Dataset, error) {
	h, w, c := d.Shape()
	if f.Channels != 0 && f.Channels != c {
		return nil, fault.E(fault.Invalid, "BAD_SHAPE", "dataset.Open", "the pictures have %d channels, not %d", c,
			f.Channels)
	}
	if f.Height == 0 || (f.Height == h && f.Width == w) {
		return d, nil
	}
	return Pad(d, f.Height, f.Width, -1)
}

func (l *Locator) openEntry(ctx context.Context, e Entry, f Format) (Dataset, error) {
	paths := make([]string, len(e.Sources))
	for i, s := range e.Sources {
		p, err := l.Find(ctx, e, s)
		if err != nil {
			return nil, err
		}
		paths[i] = p
	}
	return e.open(paths, f)
}

// Find returns the path of a source of e, with its checksum verified, after downloading it if need be.
func (l *Locator) Find(ctx context.Context, e Entry, s Source) (string, error) {
	op := "dataset.Find " + s.Path
	for _, dir := range append(append([]string(nil), l.Dirs...), l.Cache) {
		if dir == "" {
			continue
		}
		file := filepath.Join(dir, filepath.FromSlash(s.Path))
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return file, verify(op, file, e, s)
	}
	if l.Offline || l.Cache == "" {
		kind, why := fault.Unavailable, "downloads are switched off"
		if !l.Offline {
			kind, why = fault.NotFound, "there is no cache to download to"
		}
		return "", fault.E(kind, "DATA_NOT_FOUND", op, "%s of %s is in none of %d data folders, and %s; it is at %s",
			s.Path, e.Name, len(l.Dirs), why, s.URL)
	}
	file := filepath.Join(l.Cache, filepath.FromSlash(s.Path))
	check := func(part string) error { return verify(op, part, e, s) }
	if err := l.download(ctx, s, file, check); err != nil {
		return "", err
	}
	return file, nil
}

// verify compares the checksum of a file's content with the registered one.
func verify(op, file string, e Entry, s Source) error {
	got, err := sum(file, s.Packing, e.sel)
	if err != nil {
		return fault.Wrap(op, err)
	}
	if got != s.SHA256 {
		return fault.E(fault.Corrupt, "CHECKSUM_MISMATCH", op,
			"the content of %s has the SHA-256 %s, that of %s is %s", s.Path, got, e.Name, s.SHA256)
	}
	return nil
}

func sum(file string, p Packing, sel Select) (string, error) {
	if p == Archive {
		return zipSum(file, sel)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // opened for reading
	var r io.Reader = f
	if p == Gzip {
		z, err := gzip.NewReader(f)
		if err != nil {
			return "", corrupt("sum", "%w", err)
		}
		r = z
	}
	h := sha256.New()
	limit := Limits{}.orDefault().Bytes
	n, err := io.Copy(h, io.LimitReader(r, limit+1))
	if err != nil {
		return "", corrupt("sum", "%w", err)
	}
	if n > limit {
		return "", corrupt("sum", "unpacks to more than %d bytes", limit)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// zipSum is the SHA-256 over the selected files of an archive, in the order of their class and base name: for each,
// the length and bytes of "class/base", then the length and bytes of its content. So it is the same wherever in the
// archive, and in whichever order and packing, the files lie.
func zipSum(file string, sel Select) (string, error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return "", corrupt("sum", "%w", err)
	}
	defer func() { _ = z.Close() }() // opened for reading
	items, err := zipItems(&z.Reader, sel)
	if err != nil {
		return "", err
	}
	limits := Limits{}.orDefault()
	if len(items) > limits.Items {
		return "", corrupt("sum", "%d files, at most %d are allowed", len(items), limits.Items)
	}
	for i := range items {
		items[i].name = items[i].label + "/" + items[i].name[strings.LastIndexByte(items[i].name, '/')+1:]
	}
	sortItems(items)
	d := newDigest("zip", len(items))
	left := limits.Bytes
	for _, it := range items {
		b, err := it.read(min(limits.File, left))
		if err != nil {
			return "", err
		}
		left -= int64(len(b))
		d.text(it.name)
		d.number(len(b))
		d.h.Write(b)
	}
	return d.sum(), nil
}
