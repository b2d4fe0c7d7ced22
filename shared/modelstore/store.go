package modelstore

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Root is one place where models lie. Exactly one of Dir and FS is set.
type Root struct {
	Name string // for messages and listings: "user", "starters"

	// Dir is a directory <Dir>/<name>/<version>/. One that does not exist is an empty root; Publish makes it.
	Dir string
	// Writable says whether Publish, Annotate and Delete may use Dir.
	Writable bool

	// FS holds the same layout, for instance embedded in the binary. A model is copied to <Cache>/<digest>/ when
	// its files are first asked for, checked on the way, so that its weights can be mapped.
	FS fs.FS
	// Cache is the directory for those copies.
	Cache string

	index int // among the roots of a store
}

// Entry is one model version that a Store found.
type Entry struct {
	Manifest *Manifest // shared: must not be changed; nil when Err is set
	Root     string    // name of the root it lies in
	Name     string
	Version  string
	Err      error // why the manifest could not be read, in listings; nil otherwise

	root *Root
	size int64 // bytes of all files
}

// Ref is "name@version".
func (e *Entry) Ref() string { return e.Name + "@" + e.Version }

// Store finds models in several roots. An earlier root hides equal name@version pairs of later ones. It is safe
// for concurrent use, and sees models that other processes add.
type Store struct {
	roots []Root

	mu     sync.Mutex
	parsed map[string]parsed // by root and directory
}

// parsed is a manifest as it was read, for as long as its file does not change.
type parsed struct {
	size     int64
	modified time.Time
	manifest *Manifest
	err      error
}

// Open returns a store over the roots, in order of precedence. It reads nothing yet.
func Open(roots ...Root) (*Store, error) {
	const op = "modelstore.Open"
	for i, r := range roots {
		switch {
		case (r.Dir == "") == (r.FS == nil):
			return nil, fault.E(fault.Invalid, "BAD_ROOT", op, "root %d (%s) needs a directory or an FS, not both", i, r.Name)
		case r.FS != nil && r.Writable:
			return nil, fault.E(fault.Invalid, "BAD_ROOT", op, "root %d (%s): an FS cannot be writable", i, r.Name)
		case r.FS != nil && r.Cache == "":
			return nil, fault.E(fault.Invalid, "BAD_ROOT", op, "root %d (%s): an FS needs a cache directory", i, r.Name)
		}
	}
	s := &Store{roots: slices.Clone(roots), parsed: make(map[string]parsed)}
	for i := range s.roots {
		s.roots[i].index = i
	}
	return s, nil
}

// OpenFolders opens the models in folders, in the order of precedence, and starters behind them; empty names are left
// out. Trained models go to the first folder. Starters are copied below cache when they are first used, so that they
// can be mapped.
func OpenFolders(folders []string, cache string, starters ...fs.FS) (*Store, error) {
	var roots []Root
	for i, dir := range folders {
		if dir != "" {
			roots = append(roots, Root{Name: "models-" + strconv.Itoa(i), Dir: dir, Writable: true})
		}
	}
	return Open(append(roots, StarterRoots(cache, starters...)...)...)
}

// StarterRoots are the roots of the models that a binary brings along, whose copies lie below cache.
func StarterRoots(cache string, starters ...fs.FS) []Root {
	var roots []Root
	for _, s := range starters {
		// One directory serves all: copies are kept by their digest.
		roots = append(roots, Root{Name: "starters", FS: s, Cache: filepath.Join(cache, "starters")})
	}
	return roots
}

// List returns every model version, by name and then by version, lowest first. A version whose manifest cannot
// be read is listed with Err set; it does not hide the others.
func (s *Store) List() []Entry {
	found := make(map[string]Entry)
	for i := range s.roots {
		r := &s.roots[i]
		for _, name := range r.subdirs(".") {
			for _, version := range r.subdirs(name) {
				if _, hidden := found[name+"@"+version]; hidden {
					continue
				}
				if e, ok := s.entry(r, name, version); ok {
					found[e.Ref()] = e
				}
			}
		}
	}
	all := slices.Collect(maps.Values(found))
	slices.SortFunc(all, func(a, b Entry) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return CompareVersions(a.Version, b.Version)
	})
	return all
}

// Names returns the names of all models, sorted; a folder without a version is none.
func (s *Store) Names() []string {
	seen := make(map[string]bool)
	for i := range s.roots {
		r := &s.roots[i]
		for _, name := range r.subdirs(".") {
			seen[name] = seen[name] || len(s.versions(name)) > 0
		}
	}
	maps.DeleteFunc(seen, func(_ string, ok bool) bool { return !ok })
	return slices.Sorted(maps.Keys(seen))
}

// Resolve finds a model by "name", which means its highest version, or "name@version". The errors are of kind
// Invalid for a malformed reference, NotFound, with the known names or versions in the message, and Corrupt for
// a manifest that cannot be used.
func (s *Store) Resolve(ref string) (Entry, error) {
	const op = "modelstore.Resolve"
	name, version, err := SplitRef(ref)
	if err != nil {
		return Entry{}, fault.Wrap(op, err)
	}
	versions := s.versions(name)
	if len(versions) == 0 {
		known := s.Names()
		return Entry{}, fault.E(fault.NotFound, "MODEL_NOT_FOUND", op, "no model %q; %s", name, listing("models", known)).
			With("known", strings.Join(known[:min(len(known), maxKnown)], ","))
	}
	if version == "" {
		version = versions[len(versions)-1]
	}
	for i := range s.roots {
		e, ok := s.entry(&s.roots[i], name, version)
		if !ok {
			continue
		}
		if e.Err != nil {
			return Entry{}, fault.Wrap(op, e.Err)
		}
		return e, nil
	}
	return Entry{}, fault.E(fault.NotFound, "MODEL_NOT_FOUND", op, "model %q has no version %q; %s", name, version,
		listing("versions", versions))
}

// maxKnown is how many names an error lists.
const maxKnown = 20

func listing(what string, names []string) string {
	switch {
	case len(names) == 0:
		return "there are no " + what
	case len(names) > maxKnown:
		return "known " + what + ": " + strings.Join(names[:maxKnown], ", ") + ", ..."
	}
	return "known " + what + ": " + strings.Join(names, ", ")
}

// versions returns the versions of a name in all roots, lowest first.
func (s *Store) versions(name string) []string {
	var all []string
	for i := range s.roots {
		r := &s.roots[i]
		for _, v := range r.subdirs(name) {
			if _, err := r.stat(name, v, ManifestFile); err == nil {
				all = append(all, v)
			}
		}
	}
	slices.SortFunc(all, CompareVersions)
	return slices.Compact(all)
}

// entry reads one manifest, or remembers it; ok is false where there is none.
func (s *Store) entry(r *Root, name, version string) (e Entry, ok bool) {
	info, err := r.stat(name, version, ManifestFile)
	if err != nil {
		return Entry{}, false
	}
	key := strconv.Itoa(r.index) + "\x00" + name + "\x00" + version
	s.mu.Lock()
	p, hit := s.parsed[key]
	s.mu.Unlock()
	if !hit || p.size != info.Size() || !p.modified.Equal(info.ModTime()) {
		p = parsed{size: info.Size(), modified: info.ModTime()}
		p.manifest, p.err = r.manifest(name, version)
		s.mu.Lock()
		s.parsed[key] = p
		s.mu.Unlock()
	}
	e = Entry{Manifest: p.manifest, Root: r.Name, Name: name, Version: version, Err: p.err, root: r}
	if p.manifest != nil {
		e.size = p.manifest.Bytes()
	}
	return e, true
}

// manifest reads and checks the manifest of one version.
func (r *Root) manifest(name, version string) (*Manifest, error) {
	f, err := r.open(name, version, ManifestFile)
	if err != nil {
		return nil, fault.E(fault.Corrupt, "BAD_MANIFEST", "", "model %s@%s: %s cannot be opened: %w", name, version,
			ManifestFile, bare(err))
	}
	defer f.Close()
	m, err := ParseManifest(f)
	if err != nil {
		return nil, fault.E(fault.Corrupt, fault.ReasonOf(err), "", "model %s@%s: %w", name, version, errors.Unwrap(err))
	}
	if m.Name != name || m.Version != version {
		return nil, fault.E(fault.Corrupt, "BAD_MANIFEST", "", "model %s@%s: its manifest says %s", name, version, m.Ref())
	}
	return m, nil
}

// subdirs returns the names of directories under dir that are valid model names; "." is the root itself.
func (r *Root) subdirs(dir string) []string {
	var list []fs.DirEntry
	if r.FS != nil {
		list, _ = fs.ReadDir(r.FS, path.Clean(dir))
	} else {
		list, _ = os.ReadDir(filepath.Join(r.Dir, dir))
	}
	var names []string
	for _, d := range list {
		if !validName(d.Name()) {
			continue
		}
		// A symbolic link to a directory counts: Kubernetes mounts volumes that way.
		if d.IsDir() || d.Type()&fs.ModeSymlink != 0 {
			names = append(names, d.Name())
		}
	}
	return names
}

func (r *Root) stat(name, version, file string) (fs.FileInfo, error) {
	if r.FS != nil {
		return fs.Stat(r.FS, path.Join(name, version, file))
	}
	return os.Stat(filepath.Join(r.Dir, name, version, file))
}

func (r *Root) open(name, version, file string) (fs.File, error) {
	if r.FS != nil {
		return r.FS.Open(path.Join(name, version, file))
	}
	return os.Open(filepath.Join(r.Dir, name, version, file))
}
