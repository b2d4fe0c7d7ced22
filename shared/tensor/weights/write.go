package weights

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// align is the boundary on which the data section begins, so that tensors whose sizes are multiples of a cache
// line, as packed panels are, lie on lines of the mapping.
const align = 64

// Raw is a tensor as it is stored: its elements in little-endian row-major order.
type Raw struct {
	DType DType
	Shape []int
	Data  []byte
}

// Encode stores t as d: F32 and F64 tensors as they are (sharing t's memory on a little-endian host), Float32
// tensors also as F16 or BF16, rounded to nearest even. Any other pair is an *Error.
func Encode(t *tensor.Tensor, d DType) (Raw, error) {
	r := Raw{DType: d, Shape: slices.Clone(t.Shape())}
	if d == dtypeOf(t.DType()) {
		r.Data = littleEndian(t)
		return r, nil
	}
	if t.DType() != tensor.Float32 || (d != F16 && d != BF16) {
		return r, &Error{Msg: fmt.Sprintf("a tensor of %s cannot be stored as %s", t.DType(), d)}
	}
	narrow := Float32ToF16
	if d == BF16 {
		narrow = Float32ToBF16
	}
	r.Data = make([]byte, 2*t.Len())
	for i, v := range t.F32() {
		binary.LittleEndian.PutUint16(r.Data[2*i:], narrow(v))
	}
	return r, nil
}

// littleEndian returns the elements of t as bytes, without a copy where the host's order allows it.
func littleEndian(t *tensor.Tensor) []byte {
	n := t.Len()
	if t.DType() == tensor.Float64 {
		if hostLittleEndian && n > 0 {
			return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(t.F64()))), 8*n)
		}
		b := make([]byte, 0, 8*n)
		for _, v := range t.F64() {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		return b
	}
	if hostLittleEndian && n > 0 {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(t.F32()))), 4*n)
	}
	b := make([]byte, 0, 4*n)
	for _, v := range t.F32() {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// Write stores tensors and metadata at path, in their own dtype. It writes a temporary file beside path, syncs
// it, renames it over path and syncs the folder; after any error the temporary file is gone and what was at
// path is untouched. The bytes depend on the arguments alone: tensors are ordered by the size of their elements,
// largest first, then by name, as the reference implementation orders them.
func Write(path string, tensors map[string]*tensor.Tensor, metadata map[string]string) error {
	raws := make(map[string]Raw, len(tensors))
	for name, t := range tensors {
		raws[name] = Raw{DType: dtypeOf(t.DType()), Shape: t.Shape(), Data: littleEndian(t)}
	}
	return WriteRaw(path, raws, metadata)
}

// WriteRaw is Write for tensors of any dtype.
func WriteRaw(path string, raws map[string]Raw, metadata map[string]string) error {
	return writeAtomic(path, func(w io.Writer) error { return encode(w, path, raws, metadata) })
}

// encode writes the whole file to w.
func encode(w io.Writer, path string, raws map[string]Raw, metadata map[string]string) error {
	names := slices.Sorted(maps.Keys(raws))
	for _, name := range names {
		if msg := raws[name].wrong(name); msg != "" {
			return &Error{File: path, Tensor: name, Msg: msg}
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return raws[b].DType.Size() - raws[a].DType.Size() })
	header, err := encodeHeader(names, raws, metadata)
	if err != nil {
		return &Error{File: path, Err: err}
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := w.Write(raws[name].Data); err != nil {
			return err
		}
	}
	return nil
}

func (r Raw) wrong(name string) string {
	if name == metadataKey || !utf8.ValidString(name) {
		return "the name is reserved or not UTF-8"
	}
	if r.DType == 0 || int(r.DType) >= len(dtypes) {
		return "no such dtype"
	}
	n := r.DType.Size()
	for _, d := range r.Shape {
		if d < 0 || (d > 0 && n > math.MaxInt/d) {
			return fmt.Sprintf("bad shape %v", r.Shape)
		}
		n *= d
	}
	if n != len(r.Data) {
		return fmt.Sprintf("%d bytes of data, but %s of shape %v takes %d", len(r.Data), r.DType, r.Shape, n)
	}
	return ""
}

// encodeHeader returns the length and the JSON header, padded with spaces so that the data begins on a
// multiple of align.
func encodeHeader(names []string, raws map[string]Raw, metadata map[string]string) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 8))
	b.WriteByte('{')
	if len(metadata) > 0 {
		fmt.Fprintf(b, "%q:{", metadataKey)
		for i, key := range slices.Sorted(maps.Keys(metadata)) {
			if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
				return nil, fmt.Errorf("the metadata entry %q is not UTF-8", key)
			}
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, key)
			b.WriteByte(':')
			writeString(b, metadata[key])
		}
		b.WriteByte('}')
	}
	at := 0
	for i, name := range names {
		if i > 0 || len(metadata) > 0 {
			b.WriteByte(',')
		}
		r := raws[name]
		writeString(b, name)
		shape := strings.ReplaceAll(fmt.Sprint(r.Shape), " ", ",")
		end := at + len(r.Data)
		fmt.Fprintf(b, `:{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`, r.DType, shape, at, end)
		at = end
	}
	b.WriteByte('}')
	for b.Len()%align != 0 {
		b.WriteByte(' ')
	}
	header := b.Bytes()
	if len(header)-8 > maxHeader {
		return nil, fmt.Errorf("a header of %d bytes, at most %d are allowed", len(header)-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(header, uint64(len(header)-8))
	return header, nil
}

// writeString writes s, which is valid UTF-8, as a JSON string without the escapes that HTML would need.
func writeString(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)       // a string always encodes, and a Buffer takes every write
	b.Truncate(b.Len() - 1) // Encode ends with a new line
}

// writeAtomic calls fill with a writer to a temporary file beside path and puts it in the place of path when
// all of it is on the disk.
func writeAtomic(path string, fill func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()           // may be closed already; the first error is the one that counts
			_ = os.Remove(f.Name()) // may be renamed already
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := fill(w); err != nil {
		return wrapWrite(path, err)
	}
	if err := w.Flush(); err != nil {
		return wrapWrite(path, err)
	}
	if err := f.Chmod(0o644); err != nil {
		return wrapWrite(path, err)
	}
	if err := f.Sync(); err != nil {
		return wrapWrite(path, err)
	}
	if err := f.Close(); err != nil {
		return wrapWrite(path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return wrapWrite(path, err)
	}
	return syncDir(dir)
}

func wrapWrite(path string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	return &Error{File: path, Msg: "cannot be written", Err: err}
}
