package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Part is one file that tensors come from.
type Part struct {
	Name   string
	Bytes  int64
	SHA256 string
}

// Source is the tensors of one or several files.
type Source struct {
	Path  string
	Parts []Part

	files    []*weights.File
	tensors  map[string]origin
	elements int64
}

type origin struct {
	file *weights.File
	info weights.Info
}

// torchEndings are those of files that torch.save wrote.
var torchEndings = []string{".pth", ".pt", ".th", ".ckpt", ".bin"}

// Add opens a file and adds its tensors with a prefix to their names.
func (s *Source) Add(prefix, path string) error {
	const op = "checkpoint.Add"
	part, head, err := digest(path)
	if err != nil {
		return fault.E(fault.Invalid, "CHECKPOINT_UNREADABLE", op, "%w", err)
	}
	open := weights.Open
	ending := strings.ToLower(filepath.Ext(path))
	if weights.IsTorch(head) || slices.Contains(torchEndings, ending) && (len(head) < 9 || head[8] != '{') {
		open = weights.OpenTorch
	}
	f, err := open(path)
	if err != nil {
		return fault.E(fault.Invalid, "BAD_CHECKPOINT", op, "%w", err)
	}
	s.files = append(s.files, f)
	s.Parts = append(s.Parts, part)
	if s.tensors == nil {
		s.tensors = map[string]origin{}
	}
	strip := wrapper(f)
	for _, info := range f.Infos() {
		name, ok := strings.CutPrefix(info.Name, strip)
		if !ok {
			continue // the state of an optimiser, an average
		}
		if _, twice := s.tensors[prefix+name]; twice {
			return fault.E(fault.Invalid, "BAD_CHECKPOINT", op, "tensor %.80q is in two files", prefix+name)
		}
		s.tensors[prefix+name] = origin{f, info}
		s.elements += info.Bytes / int64(info.DType.Size())
	}
	return nil
}

// wrappers are what training programs save a model under, beside the state of the training.
var wrappers = []string{"state_dict.", "model_state_dict.", "model.", "module."}

// wrapper is the prefix under which a file holds a model: that of all tensors, but those of an optimiser.
func wrapper(f *weights.File) string {
	strip := ""
	for again := true; again; {
		again = false
		for _, w := range wrappers {
			n, all := 0, true
			for _, info := range f.Infos() {
				switch {
				case strings.HasPrefix(info.Name, strip+w):
					n++
				case strip == "" && strings.HasPrefix(info.Name, "optimizer"):
				default:
					all = false
				}
			}
			if all && n > 0 {
				strip, again = strip+w, true
			}
		}
	}
	return strip
}

// digest reads all of a file.
func digest(path string) (part Part, head []byte, err error) {
	if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() {
		return part, nil, errors.Join(err, errors.New(filepath.Base(path)+" is not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return part, nil, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	h := sha256.New()
	head = make([]byte, 16)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return part, nil, err
	}
	head = head[:n]
	h.Write(head)
	rest, err := io.Copy(h, f)
	part = Part{Name: filepath.Base(path), Bytes: int64(n) + rest, SHA256: hex.EncodeToString(h.Sum(nil))}
	return part, head, err
}

// Has says whether there is a tensor of this name.
func (s *Source) Has(name string) bool {
	_, ok := s.tensors[name]
	return ok
}

// Shape is that of a tensor, nil where there is none.
func (s *Source) Shape(name string) []int { return s.tensors[name].info.Shape }

// Elements is the number of elements of all tensors.
func (s *Source) Elements() int64 { return s.elements }

// Names are those of all tensors, sorted.
func (s *Source) Names() []string {
	names := make([]string, 0, len(s.tensors))
	for name := range s.tensors {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Close unmaps the files.
func (s *Source) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
