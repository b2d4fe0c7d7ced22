package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Info describes one stored tensor.
type Info struct {
	Name  string
	DType DType
	Shape []int
	Bytes int64 // length of its elements in the file
}

// File is an open set of weights: one safetensors file, or the shards of one index. It is safe for concurrent
// reading; Close ends the life of every tensor that views it.
type File struct {
	// Metadata is the header's __metadata__; for shards it is the first shard's that has any.
	Metadata map[string]string

	path  string
	infos []Info // sorted by name
	data  [][]byte
	bytes int64
	unmap []func() error
}

// Open maps the safetensors file at path and checks it; a path that ends in ".index.json" opens every shard
// that the index names. Errors are *Error, or wrap the operating system's.
func Open(path string) (*File, error) {
	if strings.HasSuffix(path, ".index.json") {
		return openShards(path)
	}
	return open(path, mapFile, unmapFile)
}

// OpenRead is Open, but reads the file into memory, so that later changes of the file do no harm.
func OpenRead(path string) (*File, error) {
	return open(path, readFile, func([]byte) error { return nil })
}

func readFile(f *os.File, size int) ([]byte, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(f, data)
	return data, err
}

func open(path string, load func(*os.File, int) ([]byte, error), unload func([]byte) error) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading: nothing can be lost
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	size := st.Size()
	if !st.Mode().IsRegular() {
		return nil, &Error{File: path, Msg: "not a regular file"}
	}
	if _, err := headerLength(f, size); err != nil {
		err.File = path
		return nil, err
	}
	data, err := load(f, int(size))
	if err != nil {
		return nil, &Error{File: path, Msg: "cannot be mapped or read", Err: err}
	}
	file := &File{path: path, bytes: size, unmap: []func() error{func() error { return unload(data) }}}
	err = Guard(func() error { return file.parse(data) })
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.File = path
		}
		_ = file.Close() // the refusal is the news
		return nil, err
	}
	return file, nil
}

// headerLength reads the length of the header and compares it with the file's, before anything is allocated.
func headerLength(r io.ReaderAt, size int64) (int64, *Error) {
	var b [8]byte
	if size < 8 {
		return 0, &Error{Msg: fmt.Sprintf("%d bytes, a safetensors file has at least 8", size)}
	}
	if uint64(size) > math.MaxInt {
		return 0, &Error{Msg: fmt.Sprintf("%d bytes are more than can be mapped", size)}
	}
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return 0, &Error{Msg: "cannot be read", Err: err}
	}
	n := binary.LittleEndian.Uint64(b[:])
	if n > maxHeader {
		return 0, &Error{Msg: fmt.Sprintf("a header of %d bytes, at most %d are allowed", n, maxHeader)}
	}
	if n > uint64(size-8) {
		return 0, &Error{Msg: fmt.Sprintf("a header of %d bytes in a file of %d", n, size)}
	}
	return int64(n), nil
}

// parse checks all of data and fills f.
func (f *File) parse(data []byte) error {
	n := binary.LittleEndian.Uint64(data)
	if n > uint64(len(data)-8) {
		return &Error{Msg: "the header changed while the file was opened"}
	}
	h, body := data[8:8+n], data[8+n:]
	if _, _, err := parseHeader(h, uint64(len(body))); err != nil {
		return err
	}
	// The header is sound. From here on its copy counts, checked again, so that a writer of the mapped file cannot
	// slip anything past the checks; names are slices of the copy.
	text := string(h)
	h = unsafe.Slice(unsafe.StringData(text), len(text))
	entries, meta, err := parseHeader(h, uint64(len(body)))
	if err != nil {
		return err
	}
	f.Metadata = readMetadata(h, meta)
	f.infos = make([]Info, len(entries))
	f.data = make([][]byte, len(entries))
	for i := range entries {
		e := &entries[i]
		f.infos[i] = Info{Name: string(e.text(h)), DType: e.dtype, Shape: e.dims(h), Bytes: int64(e.end - e.begin)}
		f.data[i] = body[e.begin:e.end:e.end]
	}
	return nil
}

// Path is the path that was opened.
func (f *File) Path() string { return f.path }

// Size is the number of bytes of the file, or of all shards together.
func (f *File) Size() int64 { return f.bytes }

// Close unmaps the file. Tensors that view it must not be used any more.
func (f *File) Close() error {
	var errs []error
	for _, unmap := range f.unmap {
		errs = append(errs, unmap())
	}
	f.unmap, f.data, f.infos = nil, nil, nil
	return errors.Join(errs...)
}

// Names returns the names of all tensors, sorted.
func (f *File) Names() []string {
	names := make([]string, len(f.infos))
	for i := range f.infos {
		names[i] = f.infos[i].Name
	}
	return names
}

// Infos describes all tensors, sorted by name. The result is shared and must not be changed.
func (f *File) Infos() []Info { return f.infos }

// Info describes one tensor.
func (f *File) Info(name string) (Info, bool) {
	i, ok := f.find(name)
	if !ok {
		return Info{}, false
	}
	return f.infos[i], true
}

func (f *File) find(name string) (int, bool) {
	return slices.BinarySearchFunc(f.infos, name, func(i Info, name string) int { return strings.Compare(i.Name, name) })
}

// Bytes returns the little-endian row-major elements of a tensor of any dtype, shared with the mapping.
func (f *File) Bytes(name string) ([]byte, error) {
	i, ok := f.find(name)
	if !ok {
		return nil, f.missing(name)
	}
	return f.data[i], nil
}

// Tensor returns an F32 or F64 tensor as it is stored: a read-only view of the mapping where the bytes lie
// aligned for the host, a copy otherwise. Other dtypes are refused; Float32 widens the half types, Ints reads
// the integer types.
func (f *File) Tensor(name string) (*tensor.Tensor, error) {
	i, err := f.findFor(name, F32, F64)
	if err != nil {
		return nil, err
	}
	return f.float(i), nil
}

// Float32 returns an F32, F16 or BF16 tensor as float32, exactly: F32 is a view as in Tensor, the half types are
// widened into a copy. F64 is refused, because narrowing it rounds.
func (f *File) Float32(name string) (*tensor.Tensor, error) {
	i, err := f.findFor(name, F32, F16, BF16)
	if err != nil {
		return nil, err
	}
	return f.float(i), nil
}

// Ints returns the elements of an I64, I32, U8 or BOOL tensor; true is 1.
func (f *File) Ints(name string) ([]int64, error) {
	i, err := f.findFor(name, I64, I32, U8, Bool)
	if err != nil {
		return nil, err
	}
	src := f.data[i]
	out := make([]int64, len(src)/f.infos[i].DType.Size())
	for j := range out {
		switch f.infos[i].DType {
		case I64:
			out[j] = int64(binary.LittleEndian.Uint64(src[8*j:]))
		case I32:
			out[j] = int64(int32(binary.LittleEndian.Uint32(src[4*j:])))
		case U8:
			out[j] = int64(src[j])
		case Bool:
			if src[j] > 1 {
				return nil, &Error{File: f.path, Tensor: name, Msg: fmt.Sprintf("element %d of BOOL is %d", j, src[j])}
			}
			out[j] = int64(src[j])
		}
	}
	return out, nil
}

func (f *File) missing(name string) error {
	return &Error{File: f.path, Tensor: name, Msg: "not in the file"}
}

// findFor finds a tensor and checks that its dtype is one of the allowed and its rank fits tensor.Tensor.
func (f *File) findFor(name string, allowed ...DType) (int, error) {
	i, ok := f.find(name)
	if !ok {
		return 0, f.missing(name)
	}
	info := f.infos[i]
	if !slices.Contains(allowed, info.DType) {
		msg := fmt.Sprintf("stored as %s, wanted one of %v", info.DType, allowed)
		return 0, &Error{File: f.path, Tensor: name, Msg: msg}
	}
	if info.DType.Float() && !fits(info.Shape) {
		return 0, &Error{File: f.path, Tensor: name, Msg: fmt.Sprintf("shape %v has too large or more than %d axes",
			info.Shape, tensor.MaxRank)}
	}
	return i, nil
}

// fits reports whether tensor.New takes the shape: an axis may be oversized only in a stored tensor that is empty.
func fits(shape []int) bool {
	n := 1
	for _, d := range shape {
		if d > 0 && n > (1<<40)/d {
			return false
		}
		n *= max(d, 1)
	}
	return len(shape) <= tensor.MaxRank
}

// float makes a tensor of entry i, which is of a float type.
func (f *File) float(i int) *tensor.Tensor {
	src, info := f.data[i], f.infos[i]
	n := len(src) / info.DType.Size()
	aligned := hostLittleEndian && n > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(src)))%uintptr(info.DType.Size()) == 0
	switch {
	case info.DType == F64 && aligned:
		return tensor.FromFloat64(unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(src))), n), info.Shape...)
	case info.DType == F64:
		data := make([]float64, n)
		for j := range data {
			data[j] = math.Float64frombits(binary.LittleEndian.Uint64(src[8*j:]))
		}
		return tensor.FromFloat64(data, info.Shape...)
	case info.DType == F32 && aligned:
		return tensor.FromFloat32(unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(src))), n), info.Shape...)
	}
	data := make([]float32, n)
	widen(data, src, info.DType)
	return tensor.FromFloat32(data, info.Shape...)
}

var hostLittleEndian = func() bool {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], 1)
	return b[0] == 1
}()
