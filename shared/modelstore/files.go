package modelstore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Dir returns a directory that holds the files of the model, after a check of their sizes. A model of an
// embedded root is copied to the root's cache first, unless a copy with the same digest lies there. The error is
// of kind Corrupt when a file is missing or has another size, and Unavailable when the cache cannot be written.
func (s *Store) Dir(e Entry) (string, error) {
	const op = "modelstore.Dir"
	if e.Manifest == nil || e.root == nil {
		return "", fault.E(fault.Internal, "BAD_ENTRY", op, "the entry %q was not made by a Store", e.Ref())
	}
	if e.root.FS != nil {
		dir, err := e.extract()
		return dir, fault.Wrap(op, err)
	}
	dir := filepath.Join(e.root.Dir, e.Name, e.Version)
	if err := checkSizes(dir, e.Manifest); err != nil {
		return "", fault.Wrap(op, err)
	}
	return dir, nil
}

// Card returns the text of the model's card, at most MaxCardBytes of it, or "" where there is none.
func (s *Store) Card(e Entry) (string, error) {
	const op = "modelstore.Card"
	if e.root == nil {
		return "", fault.E(fault.Internal, "BAD_ENTRY", op, "the entry %q was not made by a Store", e.Ref())
	}
	f, err := e.root.open(e.Name, e.Version, CardFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fault.E(fault.Corrupt, "BAD_CARD", op, "model %s: %s cannot be opened: %w", e.Ref(), CardFile, bare(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxCardBytes))
	if err != nil {
		return "", fault.E(fault.Corrupt, "BAD_CARD", op, "model %s: %s cannot be read: %w", e.Ref(), CardFile, bare(err))
	}
	return string(text), nil
}

// Verify reads every file of the model and compares its SHA-256, and thereby the digest, with the manifest. The
// error, of kind Corrupt, names the first file that differs.
func (s *Store) Verify(e Entry) error {
	const op = "modelstore.Verify"
	if e.Manifest == nil || e.root == nil {
		return fault.E(fault.Internal, "BAD_ENTRY", op, "the entry %q was not made by a Store", e.Ref())
	}
	for _, want := range e.Manifest.Files {
		f, err := e.root.open(e.Name, e.Version, want.Name)
		if err != nil {
			return fault.E(fault.Corrupt, "FILE_MISSING", op, "model %s: file %s cannot be opened: %w", e.Ref(), want.Name,
				bare(err))
		}
		got, err := hashFile(f, io.Discard, want.Bytes)
		f.Close()
		if err != nil {
			return fault.E(fault.Corrupt, "FILE_CORRUPT", op, "model %s: file %s: %w", e.Ref(), want.Name, bare(err))
		}
		if got != want.SHA256 {
			return fault.E(fault.Corrupt, "DIGEST_MISMATCH", op,
				"model %s: file %s has SHA-256 %.12s, the manifest says %.12s", e.Ref(), want.Name, got, want.SHA256)
		}
	}
	return nil
}

// hashFile copies src, which must have exactly size bytes, to dst and returns its SHA-256.
func hashFile(src io.Reader, dst io.Writer, size int64) (string, error) {
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(h, dst), io.LimitReader(src, size+1))
	if err != nil {
		return "", err
	}
	if n > size {
		return "", fmt.Errorf("has more than %d bytes", size)
	}
	if n < size {
		return "", fmt.Errorf("has %d bytes, want %d", n, size)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func checkSizes(dir string, m *Manifest) error {
	for _, want := range m.Files {
		info, err := os.Stat(filepath.Join(dir, want.Name))
		switch {
		case err != nil:
			return fault.E(fault.Corrupt, "FILE_MISSING", "", "model %s: file %s: %w", m.Ref(), want.Name, bare(err))
		case !info.Mode().IsRegular():
			return fault.E(fault.Corrupt, "FILE_CORRUPT", "", "model %s: %s is not a regular file", m.Ref(), want.Name)
		case info.Size() != want.Bytes:
			return fault.E(fault.Corrupt, "FILE_CORRUPT", "", "model %s: file %s has %d bytes, want %d", m.Ref(), want.Name,
				info.Size(), want.Bytes)
		}
	}
	return nil
}

// extract copies an embedded model to the cache, hashing on the way, and returns its directory.
func (e *Entry) extract() (string, error) {
	final := filepath.Join(e.root.Cache, e.Manifest.Digest)
	if checkSizes(final, e.Manifest) == nil {
		return final, nil
	}
	failed := func(err error) error {
		return fault.E(fault.Unavailable, "CACHE_NOT_WRITABLE", "", "model %s cannot be copied to the model cache: %w",
			e.Ref(), bare(err))
	}
	if err := os.MkdirAll(e.root.Cache, 0o755); err != nil {
		return "", failed(err)
	}
	temp, err := os.MkdirTemp(e.root.Cache, ".extract-")
	if err != nil {
		return "", failed(err)
	}
	defer os.RemoveAll(temp)
	for _, want := range e.Manifest.Files {
		if err := e.extractFile(filepath.Join(temp, want.Name), want); err != nil {
			return "", err
		}
	}
	if err := syncDir(temp); err != nil {
		return "", failed(err)
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", failed(err)
	}
	if err := os.Rename(temp, final); err != nil {
		// Another process was faster, or an incomplete copy lies there: a complete one serves, else it goes.
		if checkSizes(final, e.Manifest) == nil {
			return final, nil
		}
		if err := os.RemoveAll(final); err != nil {
			return "", failed(err)
		}
		if err := os.Rename(temp, final); err != nil {
			return "", failed(err)
		}
	}
	return final, nil
}

func (e *Entry) extractFile(to string, want File) error {
	src, err := e.root.open(e.Name, e.Version, want.Name)
	if err != nil {
		return fault.E(fault.Corrupt, "FILE_MISSING", "", "model %s: file %s: %w", e.Ref(), want.Name, bare(err))
	}
	defer src.Close()
	var sum string
	err = writeFile(to, func(w io.Writer) (err error) {
		sum, err = hashFile(src, w, want.Bytes)
		return err
	})
	switch {
	case err != nil && errors.As(err, new(*fs.PathError)):
		return fault.E(fault.Unavailable, "CACHE_NOT_WRITABLE", "", "model %s cannot be copied to the model cache: %w",
			e.Ref(), bare(err))
	case err != nil:
		return fault.E(fault.Corrupt, "FILE_CORRUPT", "", "model %s: file %s: %w", e.Ref(), want.Name, err)
	case sum != want.SHA256:
		return fault.E(fault.Corrupt, "DIGEST_MISMATCH", "", "model %s: file %s has SHA-256 %.12s, the manifest says %.12s",
			e.Ref(), want.Name, sum, want.SHA256)
	}
	return nil
}

// writeFile makes a new file and syncs it. It is not atomic: callers write into a directory of their own.
func writeFile(name string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := fill(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
