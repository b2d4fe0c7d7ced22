package modelstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/shared/fault"
)

// The files of a model directory, and limits on what is read of them.
const (
	ManifestFile = "manifest.json"
	WeightsFile  = "model.safetensors"
	CardFile     = "README.md"

	MaxManifestBytes = 1 << 20 // of manifest.json
	MaxCardBytes     = 1 << 20 // of README.md
	MaxFiles         = 64      // listed in a manifest
	MaxLabels        = 1 << 16

	// Format is the version of manifest.json that this package reads and writes.
	Format = 1
)

// Port describes one input or output of a model.
type Port struct {
	Name        string `json:"name"`
	Shape       []int  `json:"shape"` // -1 where any size is accepted
	Description string `json:"description,omitempty"`
}

// Data says what a model was trained on.
type Data struct {
	Name    string `json:"name"`
	SHA256  string `json:"sha256,omitempty"` // of the data set's files, lower-case hex
	Licence string `json:"licence,omitempty"`
	Samples int    `json:"samples,omitempty"` // training samples used
}

// File is one file of a model, checked by size at every opening and by hash in Verify.
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // lower-case hex
}

// Manifest is manifest.json. The first group of fields is the functional part: the digest covers it.
type Manifest struct {
	Format       int             `json:"format"`
	Family       string          `json:"family"`       // "diffusion", "vae", ...
	Architecture string          `json:"architecture"` // within the family: "unet"
	Config       json.RawMessage `json:"config"`       // hyper-parameters as the architecture defines them
	Labels       []string        `json:"labels,omitempty"`
	Inputs       []Port          `json:"inputs,omitempty"`
	Outputs      []Port          `json:"outputs,omitempty"`
	Files        []File          `json:"files"` // set by Publish

	Digest      string             `json:"digest"` // set by Publish
	Name        string             `json:"name"`
	Version     string             `json:"version"`
	Description string             `json:"description,omitempty"`
	Licence     string             `json:"licence"` // of the weights, as an SPDX expression or in words
	Data        Data               `json:"data"`
	Recipe      string             `json:"recipe,omitempty"` // text of the recipe it was trained from
	Seed        uint64             `json:"seed,string"`      // of the training run; a string, so that JSON keeps it
	Numerics    int                `json:"numerics"`         // numerics version it was trained under
	Parameters  int64              `json:"parameters"`
	Metrics     map[string]float64 `json:"metrics,omitempty"`
	Created     time.Time          `json:"created"`
}

// Ref is "name@version".
func (m *Manifest) Ref() string { return m.Name + "@" + m.Version }

// Bytes is the size of all files that the manifest lists.
func (m *Manifest) Bytes() int64 {
	var n int64
	for _, f := range m.Files {
		n += f.Bytes
	}
	return n
}

// functional is what the digest covers, in the order it is written.
type functional struct {
	Format       int             `json:"format"`
	Family       string          `json:"family"`
	Architecture string          `json:"architecture"`
	Config       json.RawMessage `json:"config"`
	Labels       []string        `json:"labels"`
	Inputs       []Port          `json:"inputs"`
	Outputs      []Port          `json:"outputs"`
	Files        []File          `json:"files"`
}

// ComputeDigest returns the SHA-256, in lower-case hex, of the functional part in canonical JSON: fields in the
// order of Manifest, no white space, the keys of Config sorted, its numbers as they were written, files by name.
func (m *Manifest) ComputeDigest() (string, error) {
	config, err := canonicalJSON(m.Config)
	if err != nil {
		return "", fault.E(fault.Invalid, "BAD_MANIFEST", "modelstore.ComputeDigest", "config: %w", err)
	}
	files := slices.Clone(m.Files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	f := functional{
		Format: m.Format, Family: m.Family, Architecture: m.Architecture, Config: config,
		Labels: m.Labels, Inputs: m.Inputs, Outputs: m.Outputs, Files: files,
	}
	// A nil list and an empty one say the same, and must have the same digest.
	f.Labels = orEmpty(f.Labels)
	f.Inputs = orEmpty(f.Inputs)
	f.Outputs = orEmpty(f.Outputs)
	text, err := json.Marshal(f)
	if err != nil {
		return "", fault.E(fault.Invalid, "BAD_MANIFEST", "modelstore.ComputeDigest", "%w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// canonicalJSON sorts the keys of all objects and drops white space; numbers keep their text.
func canonicalJSON(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return json.RawMessage("null"), nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// ParseManifest reads manifest.json strictly: at most MaxManifestBytes, no unknown fields, nothing after the
// object, and every check that Publish would make. The error is of kind Corrupt.
func ParseManifest(r io.Reader) (*Manifest, error) {
	const op = "modelstore.ParseManifest"
	text, err := io.ReadAll(io.LimitReader(r, MaxManifestBytes+1))
	if err != nil {
		return nil, fault.E(fault.Corrupt, "BAD_MANIFEST", op, "%s cannot be read: %w", ManifestFile, bare(err))
	}
	if len(text) > MaxManifestBytes {
		return nil, fault.E(fault.Corrupt, "BAD_MANIFEST", op, "%s has more than %d bytes", ManifestFile,
			MaxManifestBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	m := new(Manifest)
	if err := dec.Decode(m); err != nil {
		return nil, fault.E(fault.Corrupt, "BAD_MANIFEST", op, "%s is not valid: %w", ManifestFile, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fault.E(fault.Corrupt, "BAD_MANIFEST", op, "%s goes on after its object", ManifestFile)
	}
	if err := m.check(); err != nil {
		return nil, fault.E(fault.Corrupt, "BAD_MANIFEST", op, "%s: %w", ManifestFile, err)
	}
	digest, err := m.ComputeDigest()
	if err != nil {
		return nil, fault.E(fault.Corrupt, "BAD_MANIFEST", op, "%w", err)
	}
	if digest != m.Digest {
		return nil, fault.E(fault.Corrupt, "DIGEST_MISMATCH", op, "%s states the digest %.12s, its contents have %.12s",
			ManifestFile, m.Digest, digest)
	}
	return m, nil
}

// check returns what is wrong with the manifest, the digest excepted.
func (m *Manifest) check() error {
	switch {
	case m.Format != Format:
		return fmt.Errorf("format is %d, want %d", m.Format, Format)
	case !validName(m.Family):
		return fmt.Errorf("family is %.80q, want %s", m.Family, nameRule)
	case !validName(m.Architecture):
		return fmt.Errorf("architecture is %.80q, want %s", m.Architecture, nameRule)
	case !validName(m.Name):
		return fmt.Errorf("name is %.80q, want %s", m.Name, nameRule)
	case !validName(m.Version):
		return fmt.Errorf("version is %.80q, want %s", m.Version, nameRule)
	case len(m.Labels) > MaxLabels:
		return fmt.Errorf("%d labels, at most %d", len(m.Labels), MaxLabels)
	case len(m.Files) == 0 || len(m.Files) > MaxFiles:
		return fmt.Errorf("%d files, want 1 to %d", len(m.Files), MaxFiles)
	case m.Parameters < 0:
		return fmt.Errorf("parameters is %d, want at least 0", m.Parameters)
	}
	seen := make(map[string]bool, len(m.Files))
	for _, f := range m.Files {
		switch {
		case !validName(f.Name) || f.Name == ManifestFile || f.Name == CardFile:
			return fmt.Errorf("file name %.80q, want %s, not %s or %s", f.Name, nameRule, ManifestFile, CardFile)
		case seen[f.Name]:
			return fmt.Errorf("file %q is listed twice", f.Name)
		case f.Bytes < 0 || f.Bytes > 1<<44:
			return fmt.Errorf("file %q has %d bytes, want 0 to 2^44", f.Name, f.Bytes)
		case !hexSHA256.MatchString(f.SHA256):
			return fmt.Errorf("file %q: sha256 is %.80q, want 64 hexadecimal digits", f.Name, f.SHA256)
		}
		seen[f.Name] = true
	}
	if !seen[WeightsFile] {
		return fmt.Errorf("no file %s is listed", WeightsFile)
	}
	return nil
}

const nameRule = "1 to 64 letters, digits, '.', '_', '-', beginning with a letter or digit, without '..'"

var (
	namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	hexSHA256   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func validName(s string) bool {
	return namePattern.MatchString(s) && !strings.Contains(s, "..")
}
