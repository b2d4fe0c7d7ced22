package dataset

import (
	"archive/zip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Select tells which files of a folder or an archive are pictures of the set, and of which class. The name has
// forward slashes and is relative to the folder or archive. An empty label is a picture without a class.
type Select func(name string) (label string, ok bool)

// ByFolder takes every file whose name ends in .png, .jpg or .jpeg, in any case, and does not begin with a dot; its
// class is the name of the folder that it lies in, and none at the top.
func ByFolder(name string) (label string, ok bool) {
	dir, base := path.Split(name)
	ext := strings.ToLower(path.Ext(base))
	if strings.HasPrefix(base, ".") || (ext != ".png" && ext != ".jpg" && ext != ".jpeg") {
		return "", false
	}
	if dir == "" {
		return "", true
	}
	return path.Base(dir), true
}

// OpenFolder reads all pictures below dir that sel selects, in the order of their names. sel nil is ByFolder. The
// classes are the labels in order; when all pictures have the same label, or none, the set is without classes, and
// some with and some without is an error. Symbolic links are not followed.
func OpenFolder(dir string, f Format, sel Select) (*Pictures, error) {
	const op = "dataset.OpenFolder"
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fault.E(fault.NotFound, "DATA_NOT_FOUND", op, "%w", err)
	}
	defer func() { _ = root.Close() }() // opened for reading
	var items []item
	sel = orByFolder(sel)
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		label, ok := sel(name)
		if !ok || !d.Type().IsRegular() {
			return nil
		}
		items = append(items, item{name, label, func() (io.ReadCloser, error) { return root.Open(name) }})
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	return assemble(op+" "+dir, items, f)
}

// OpenZip is OpenFolder for a zip archive. The size that an entry claims and the size that it unpacks to are both
// held to the limits, so that an archive cannot unpack to more than it may.
func OpenZip(file string, f Format, sel Select) (*Pictures, error) {
	op := "dataset.OpenZip " + file
	z, err := zip.OpenReader(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.E(fault.NotFound, "DATA_NOT_FOUND", op, "%w", err)
	}
	if err != nil {
		return nil, corrupt(op, "%w", err)
	}
	defer func() { _ = z.Close() }() // opened for reading
	items, err := zipItems(&z.Reader, orByFolder(sel))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	return assemble(op, items, f)
}

func zipItems(z *zip.Reader, sel Select) ([]item, error) {
	var items []item
	for _, e := range z.File {
		label, ok := sel(e.Name)
		if !ok || !e.Mode().IsRegular() {
			continue
		}
		items = append(items, item{e.Name, label, e.Open})
	}
	sortItems(items)
	for i := 1; i < len(items); i++ {
		if items[i].name == items[i-1].name {
			return nil, corrupt("zip", "%q is there twice", items[i].name)
		}
	}
	return items, nil
}

func orByFolder(sel Select) Select {
	if sel == nil {
		return ByFolder
	}
	return sel
}

// item is one packed picture that has not been read yet.
type item struct {
	name  string
	label string
	open  func() (io.ReadCloser, error)
}

func sortItems(items []item) {
	slices.SortFunc(items, func(a, b item) int { return strings.Compare(a.name, b.name) })
}

// read returns the packed bytes of an item, at most limit.
func (it item) read(limit int64) ([]byte, error) {
	r, err := it.open()
	if err != nil {
		return nil, corrupt("read", "%w", err)
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	err = errors.Join(err, r.Close())
	if err != nil {
		return nil, corrupt("read", "%w", err)
	}
	if int64(len(b)) > limit {
		return nil, corrupt("read", "more than %d bytes", limit)
	}
	return b, nil
}

// assemble unpacks all items into one set.
func assemble(op string, items []item, f Format) (*Pictures, error) {
	f, err := f.orDefault()
	if err != nil {
		return nil, err
	}
	sortItems(items)
	if len(items) == 0 {
		return nil, corrupt(op, "no pictures")
	}
	if len(items) > f.Limits.Items {
		return nil, corrupt(op, "%d pictures, at most %d are allowed", len(items), f.Limits.Items)
	}
	labels, classes, err := classify(op, items)
	if err != nil {
		return nil, err
	}
	first, h, w, err := unpackItem(items[0], f)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if total := int64(len(first)) * int64(len(items)); total > f.Limits.Bytes {
		return nil, corrupt(op, "%d pictures of %d bytes, at most %d bytes are allowed", len(items), len(first),
			f.Limits.Bytes)
	}
	data := make([]byte, len(first)*len(items))
	if err := unpackAll(data, len(first), items, f, h, w); err != nil {
		return nil, fault.Wrap(op, err)
	}
	return NewPictures(data, h, w, f.Channels, labels, classes)
}

func unpackItem(it item, f Format) (pixels []byte, h, w int, err error) {
	packed, err := it.read(f.Limits.File)
	if err == nil {
		pixels, h, w, err = Decode(packed, f)
	}
	if err != nil {
		return nil, 0, 0, corrupt("unpack", "%s: %w", it.name, err)
	}
	return pixels, h, w, nil
}

// unpackAll unpacks the items into data on all processors and returns the error of the first item that has one.
func unpackAll(data []byte, size int, items []item, f Format, h, w int) error {
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for k := range workers {
		from, to := k*len(items)/workers, (k+1)*len(items)/workers
		wg.Go(func() {
			for i := from; i < to && errs[k] == nil; i++ {
				pixels, ph, pw, err := unpackItem(items[i], f)
				if err == nil && (ph != h || pw != w) {
					err = corrupt("unpack", "%s: %dx%d, the first picture has %dx%d; give a size to resize", items[i].name,
						ph, pw, h, w)
				}
				copy(data[i*size:], pixels)
				errs[k] = err
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// classify turns the labels of the items into indices.
func classify(op string, items []item) ([]int32, []string, error) {
	var classes []string
	for _, it := range items {
		classes = append(classes, it.label)
	}
	slices.Sort(classes)
	classes = slices.Compact(classes)
	if len(classes) == 1 {
		return nil, nil, nil
	}
	if classes[0] == "" {
		return nil, nil, corrupt(op, "some pictures lie in the folder of a class (%s), others in none", classes[1])
	}
	labels := make([]int32, len(items))
	for i, it := range items {
		at, _ := slices.BinarySearch(classes, it.label)
		labels[i] = int32(at)
	}
	return labels, classes, nil
}
