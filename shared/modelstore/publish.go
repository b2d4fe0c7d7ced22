package modelstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Contents are the files of a new model version.
type Contents struct {
	// Weights writes model.safetensors to the path it is given.
	Weights func(path string) error
	// Files writes further files, by name, to the paths it is given; nil where there are none.
	Files map[string]func(path string) error
	// Card is the text of README.md; it gets the manifest with digest and version.
	Card func(m *Manifest) string
}

// Publish adds a model version to the first writable root and returns its entry. m.Version "" takes the next
// whole number. Format, Files, Digest and, when it is zero, Created are set here; m itself is not changed. The
// new directory appears whole or not at all. The errors are of kind AlreadyExists for a version that exists,
// Invalid for a manifest that could not be read again, and Unavailable when the disk refuses; an error of a
// writing function is wrapped.
func (s *Store) Publish(ctx context.Context, m Manifest, c Contents) (Entry, error) {
	const op = "modelstore.Publish"
	r := s.writable()
	if r == nil {
		return Entry{}, fault.E(fault.Precondition, "NO_WRITABLE_ROOT", op, "no root of this store can be written to")
	}
	automatic := m.Version == ""
	if automatic {
		m.Version = s.nextVersion(m.Name)
	}
	m.Format = Format
	if m.Created.IsZero() {
		m.Created = time.Now().UTC().Truncate(time.Second)
	}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return Entry{}, diskError(op, "the model directory cannot be made", err)
	}
	sweep(r.Dir)
	temp, err := os.MkdirTemp(r.Dir, publishPrefix)
	if err != nil {
		return Entry{}, diskError(op, "a directory for the new version cannot be made", err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return Entry{}, diskError(op, "a directory for the new version cannot be made", err)
	}
	if m.Files, err = writeContents(ctx, temp, c); err != nil {
		return Entry{}, fault.Wrap(op, err)
	}
	if m.Digest, err = m.ComputeDigest(); err != nil {
		return Entry{}, fault.Wrap(op, err)
	}
	for {
		if err := writeManifest(temp, &m, c.Card); err != nil {
			return Entry{}, fault.Wrap(op, err)
		}
		err := install(r.Dir, temp, m.Name, m.Version)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return Entry{}, diskError(op, "the new version cannot be moved into place", err)
		}
		if !automatic {
			return Entry{}, fault.E(fault.AlreadyExists, "MODEL_EXISTS", op, "model %s exists", m.Ref())
		}
		// Another publisher took the number meanwhile.
		m.Version = s.nextVersion(m.Name)
	}
	e, ok := s.entry(r, m.Name, m.Version)
	if !ok {
		return Entry{}, fault.E(fault.Internal, "PUBLISH_LOST", op, "model %s vanished after it was published", m.Ref())
	}
	return e, fault.Wrap(op, e.Err)
}

// Prefixes of the directories that hold half-made and half-deleted versions. No model name begins with a dot.
const (
	publishPrefix = ".publish-"
	deletePrefix  = ".delete-"
	staleAfter    = 24 * time.Hour
)

// sweep removes what publishers and deleters that were killed left behind. A day is more than any of them takes.
func sweep(dir string) {
	list, _ := os.ReadDir(dir) // what cannot be listed cannot be swept; publishing reports why
	for _, d := range list {
		if !strings.HasPrefix(d.Name(), publishPrefix) && !strings.HasPrefix(d.Name(), deletePrefix) {
			continue
		}
		if info, err := d.Info(); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = os.RemoveAll(filepath.Join(dir, d.Name())) // the next one tries again
		}
	}
}

func (s *Store) writable() *Root {
	for i := range s.roots {
		if s.roots[i].Writable {
			return &s.roots[i]
		}
	}
	return nil
}

// nextVersion is one more than the highest version that is a whole number; other versions do not count.
func (s *Store) nextVersion(name string) string {
	if !validName(name) {
		return "1" // the check of the manifest reports the name
	}
	highest := 0
	for _, v := range s.versions(name) {
		if n, err := strconv.Atoi(v); err == nil && n > highest {
			highest = n
		}
	}
	return strconv.Itoa(highest + 1)
}

func writeContents(ctx context.Context, dir string, c Contents) ([]File, error) {
	if c.Weights == nil {
		return nil, fault.E(fault.Invalid, "NO_WEIGHTS", "", "a model without %s cannot be published", WeightsFile)
	}
	write := map[string]func(string) error{WeightsFile: c.Weights}
	names := []string{WeightsFile}
	for name, f := range c.Files {
		if !validName(name) || name == WeightsFile || name == ManifestFile || name == CardFile {
			return nil, fault.InvalidField("", "files", "name %.80q, want %s, and none of %s, %s, %s", name, nameRule,
				WeightsFile, ManifestFile, CardFile)
		}
		write[name] = f
		names = append(names, name)
	}
	slices.Sort(names)
	files := make([]File, 0, len(names))
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		full := filepath.Join(dir, name)
		if err := write[name](full); err != nil {
			return nil, fmt.Errorf("%s cannot be written: %w", name, err)
		}
		f, err := measure(full, name)
		if err != nil {
			return nil, diskError("", name+" cannot be read back", err)
		}
		files = append(files, f)
	}
	return files, nil
}

// measure makes a written file durable and returns its size and hash.
func measure(full, name string) (File, error) {
	f, err := os.OpenFile(full, os.O_RDWR, 0)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return File{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	sum, err := hashFile(f, io.Discard, info.Size())
	return File{Name: name, Bytes: info.Size(), SHA256: sum}, err
}

// writeManifest writes manifest and card, replacing those of an earlier attempt.
func writeManifest(dir string, m *Manifest, card func(*Manifest) string) error {
	text, err := encodeManifest(m)
	if err != nil {
		return err
	}
	if err := replaceFile(dir, ManifestFile, text); err != nil {
		return diskError("", ManifestFile+" cannot be written", err)
	}
	if card != nil {
		if err := replaceFile(dir, CardFile, []byte(card(m))); err != nil {
			return diskError("", CardFile+" cannot be written", err)
		}
	}
	return nil
}

// encodeManifest checks the manifest and returns it as indented JSON that ParseManifest accepts.
func encodeManifest(m *Manifest) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fault.E(fault.Invalid, "BAD_MANIFEST", "", "%w", err)
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fault.E(fault.Invalid, "BAD_MANIFEST", "", "the manifest cannot be written as JSON: %w", err)
	}
	text = append(text, '\n')
	if len(text) > MaxManifestBytes {
		return nil, fault.E(fault.Invalid, "BAD_MANIFEST", "", "the manifest has %d bytes, at most %d", len(text),
			MaxManifestBytes)
	}
	return text, nil
}

// replaceFile writes a file in dir atomically.
func replaceFile(dir, name string, text []byte) error {
	f, err := os.CreateTemp(dir, ".tmp-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

// install moves the finished directory to <root>/<name>/<version>; fs.ErrExist when there is one.
func install(root, temp, name, version string) error {
	if err := syncDir(temp); err != nil {
		return err
	}
	parent := filepath.Join(root, name)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	// Rename replaces an empty directory, and nothing else; the manifest makes ours non-empty, so of two
	// publishers one fails here.
	if err := os.Rename(temp, filepath.Join(parent, version)); err != nil {
		return err
	}
	if err := syncDir(parent); err != nil {
		return err
	}
	return syncDir(root)
}

// Annotate changes the parts of a published model that are not functional: metrics, description, licence and
// card. change gets a copy of the manifest; card, when not nil, replaces the card. An attempt to change the
// functional part, name or version is refused with kind Invalid.
func (s *Store) Annotate(e Entry, change func(*Manifest), card func(*Manifest) string) (Entry, error) {
	const op = "modelstore.Annotate"
	if e.Manifest == nil || e.root == nil || !e.root.Writable {
		return Entry{}, readOnly(op, e)
	}
	text, err := json.Marshal(e.Manifest)
	if err != nil {
		return Entry{}, fault.Wrap(op, err)
	}
	m := new(Manifest)
	if err := json.Unmarshal(text, m); err != nil {
		return Entry{}, fault.Wrap(op, err)
	}
	if change != nil {
		change(m)
	}
	digest, err := m.ComputeDigest()
	if err != nil {
		return Entry{}, fault.Wrap(op, err)
	}
	if digest != e.Manifest.Digest || m.Digest != digest || m.Name != e.Name || m.Version != e.Version {
		return Entry{}, fault.E(fault.Invalid, "FUNCTIONAL_CHANGE", op,
			"model %s: name, version and everything that the digest covers cannot be changed; publish a new version", e.Ref())
	}
	if err := writeManifest(filepath.Join(e.root.Dir, e.Name, e.Version), m, card); err != nil {
		return Entry{}, fault.Wrap(op, err)
	}
	s.forget(e)
	changed, _ := s.entry(e.root, e.Name, e.Version)
	return changed, fault.Wrap(op, changed.Err)
}

// Delete removes one version from a writable root. Requests that have the model loaded keep it.
func (s *Store) Delete(e Entry) error {
	const op = "modelstore.Delete"
	if e.root == nil || !e.root.Writable {
		return readOnly(op, e)
	}
	temp, err := os.MkdirTemp(e.root.Dir, deletePrefix)
	if err != nil {
		return diskError(op, "model "+e.Ref()+" cannot be deleted", err)
	}
	defer os.RemoveAll(temp)
	parent := filepath.Join(e.root.Dir, e.Name)
	if err := os.Rename(filepath.Join(parent, e.Version), filepath.Join(temp, "model")); err != nil {
		return diskError(op, "model "+e.Ref()+" cannot be deleted", err)
	}
	s.forget(e)
	// The name goes with its last version; a directory that is not empty stays.
	_ = os.Remove(parent)
	return nil
}

func (s *Store) forget(e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.parsed, e.root.Name+"\x00"+e.root.Dir+"\x00"+e.Name+"\x00"+e.Version)
}

func readOnly(op string, e Entry) *fault.Error {
	return fault.E(fault.Precondition, "READ_ONLY", op, "model %s lies in a root that cannot be written to", e.Ref())
}

func diskError(op, what string, err error) *fault.Error {
	return fault.E(fault.Unavailable, "DISK", op, "%s: %w", what, bare(err))
}
