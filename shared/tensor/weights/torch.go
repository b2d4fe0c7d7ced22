package weights

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Limits of a checkpoint, all far beyond what a model of the size that fits a server has.
const (
	maxTorchDepth   = 32      // dicts and lists within one another
	maxTorchVisits  = 1 << 21 // values of all dicts and lists, each counted as often as it is reached
	maxTorchTensors = 1 << 18
	maxTorchName    = 1024
	maxTorchNames   = 64 << 20 // bytes of all names
	maxTorchScalars = 4096     // that are kept as metadata
)

// torchMagic begins a checkpoint of torch before 1.6, as a number in a pickle of its own.
const torchMagic = pickleLong("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")

// OpenTorch maps a checkpoint that torch.save wrote, the zip archive of torch 1.6 and later or the stream of earlier
// releases, and checks all of it before it returns. Nothing in it is executed: it may hold dicts, lists, numbers and
// texts, and tensors (F32, F64, F16, BF16, I64, I32, U8, Bool); whatever else its pickle asks for is refused by name.
//
// Names of tensors are the keys from the outermost dict in, joined by dots, with the position of what lies in a list
// or tuple. Numbers and texts become Metadata, the first 4096 of them. Elements that lie in row-major order in their
// storage are views of the mapping; others are copied, all together at most as many bytes as the file has, which
// bounds what an expanded tensor can claim. Errors are *Error, or wrap the operating system's.
func OpenTorch(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading: nothing can be lost
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() < 16 {
		return nil, &Error{File: path, Msg: "not a regular file of at least 16 bytes"}
	}
	data, err := mapFile(f, int(st.Size()))
	if err != nil {
		return nil, &Error{File: path, Msg: "cannot be mapped or read", Err: err}
	}
	file := &File{path: path, bytes: st.Size(), unmap: []func() error{func() error { return unmapFile(data) }}}
	if err := Guard(func() error { return file.parseTorch(data) }); err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.File = path
		}
		_ = file.Close() // the refusal is the news
		return nil, err
	}
	return file, nil
}

// parseTorch checks all of data and fills f.
func (f *File) parseTorch(data []byte) error {
	var root any
	var msg string
	switch {
	case string(data[:4]) == zipLocal:
		root, msg = torchArchive(data)
	case data[0] == 0x80:
		root, msg = torchStream(data)
	case len(data) > 262 && string(data[257:262]) == "ustar":
		msg = "a tar archive, as torch wrote it before release 0.2; load it with torch and save it again"
	default:
		msg = "neither a zip archive nor a pickle, so no checkpoint of torch"
	}
	if msg != "" {
		return &Error{Msg: msg}
	}
	t := &torchTree{copies: len(data), meta: map[string]string{}}
	t.walk(root, "", 0)
	if t.err == nil {
		t.sort()
	}
	if t.err != nil {
		return t.err
	}
	f.Metadata = t.meta
	for _, n := range t.tensors {
		f.infos = append(f.infos, n.info)
		f.data = append(f.data, n.data)
	}
	return nil
}

// torchArchive reads the pickle of an archive and finds the storages.
func torchArchive(data []byte) (root any, msg string) {
	files, msg := zipFiles(data)
	if msg != "" {
		return nil, msg
	}
	folder := ""
	for name := range files {
		if dir, ok := strings.CutSuffix(name, "/data.pkl"); ok && !strings.Contains(dir, "/") {
			if folder != "" {
				return nil, "a zip archive with two data.pkl"
			}
			folder = dir
		}
	}
	if folder == "" {
		return nil, "a zip archive without data.pkl, so no checkpoint of torch"
	}
	if _, ok := files[folder+"/constants.pkl"]; ok {
		return nil, "a TorchScript program: only state_dicts are read; load it with torch.jit.load and save " +
			"model.state_dict() with torch.save"
	}
	if order, ok := files[folder+"/byteorder"]; ok && string(order) != "little" {
		return nil, fmt.Sprintf("byte order %s, only little is read; load it with torch and save it again", quote(order))
	}
	storages := map[string]*torchStorage{}
	pkl := files[folder+"/data.pkl"]
	root, n, msg := unpickle(pkl, storages)
	if msg != "" {
		return nil, msg
	}
	if n != len(pkl) {
		return nil, fmt.Sprintf("%d bytes behind the pickle", len(pkl)-n)
	}
	for key, s := range storages {
		blob, ok := files[folder+"/data/"+key]
		if !ok {
			return nil, fmt.Sprintf("storage %s is not in the archive", quote([]byte(key)))
		}
		if int64(len(blob)) != s.n*int64(s.dtype.Size()) {
			return nil, fmt.Sprintf("storage %s has %d bytes, %d elements of %s take %d", quote([]byte(key)), len(blob),
				s.n, s.dtype, s.n*int64(s.dtype.Size()))
		}
		s.data = blob
	}
	return root, ""
}

// torchStream reads a checkpoint of five pickles (magic number, protocol, machine, state, keys of the storages), and
// the storages behind them in the order of their keys.
func torchStream(data []byte) (root any, msg string) {
	storages := map[string]*torchStorage{}
	var parts [5]any
	rest := data
	for i := range parts {
		var n int
		if parts[i], n, msg = unpickle(rest, storages); msg != "" {
			if i == 0 {
				msg = "not a checkpoint that torch.save wrote, or one that holds more than a state_dict: " + msg
			}
			return nil, msg
		}
		rest = rest[n:]
		if i == 0 && parts[0] != any(torchMagic) {
			return nil, "a pickle, but not one that torch.save wrote"
		}
	}
	if parts[1] != any(int64(1001)) {
		return nil, "written by a protocol of torch.save other than 1001"
	}
	if machine, ok := parts[2].(*pickleDict); !ok || machine.get("little_endian") != any(true) {
		return nil, "written on a machine that is not little-endian; load it with torch and save it again"
	}
	keys, ok := parts[4].(*pickleList)
	if !ok {
		return nil, "no list of storages behind the pickle"
	}
	for _, k := range keys.items {
		key, _ := k.(string)
		s := storages[key]
		if s == nil || s.data != nil {
			return nil, fmt.Sprintf("storage %s is listed, but twice or of unknown type", quote([]byte(key)))
		}
		if len(rest) < 8 {
			return nil, fmt.Sprintf("cut short before storage %s", quote([]byte(key)))
		}
		size := uint64(s.n) * uint64(s.dtype.Size())
		if n := int64(leUint64(rest)); n != s.n {
			return nil, fmt.Sprintf("storage %s has %d elements, the pickle says %d", quote([]byte(key)), n, s.n)
		}
		if rest = rest[8:]; size > uint64(len(rest)) {
			return nil, fmt.Sprintf("storage %s takes %d bytes, %d are left in the file", quote([]byte(key)), size, len(rest))
		}
		s.data, rest = rest[:size:size], rest[size:]
	}
	for key, s := range storages {
		if s.data == nil {
			return nil, fmt.Sprintf("storage %s is not in the file", quote([]byte(key)))
		}
	}
	if len(rest) > 0 {
		return nil, fmt.Sprintf("%d bytes behind the last storage", len(rest))
	}
	return parts[3], ""
}

// get returns the last value of a key.
func (d *pickleDict) get(key string) any {
	for _, p := range slices.Backward(d.pairs) {
		if p.key == any(key) {
			return p.value
		}
	}
	return nil
}

// IsTorch says whether a file begins as a checkpoint of torch does; OpenTorch says what is wrong with it.
func IsTorch(head []byte) bool {
	return bytes.HasPrefix(head, []byte(zipLocal)) || len(head) > 1 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5
}

// scalar shows a number or a text as metadata.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	}
	return "", false
}

// maxScalarsFile bounds a pickle of numbers and texts.
const maxScalarsFile = 1 << 20

// PickleScalars reads a pickle of dicts, lists, numbers and texts, such as the arguments of a model that programs keep
// beside its checkpoint, as OpenTorch reads Metadata. Nothing in it is executed.
func PickleScalars(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	data, err := io.ReadAll(io.LimitReader(f, maxScalarsFile+1))
	if err != nil {
		return nil, &Error{File: path, Msg: "cannot be read", Err: err}
	}
	if len(data) > maxScalarsFile {
		return nil, &Error{File: path, Msg: fmt.Sprintf("more than %d bytes", maxScalarsFile)}
	}
	storages := map[string]*torchStorage{}
	root, n, msg := unpickle(data, storages)
	if msg == "" && n != len(data) {
		msg = fmt.Sprintf("%d bytes behind the pickle", len(data)-n)
	}
	if msg == "" && len(storages) > 0 {
		msg = "a pickle with tensors, which lie elsewhere"
	}
	t := &torchTree{meta: map[string]string{}}
	if msg == "" {
		if t.walk(root, "", 0); t.err != nil {
			msg = t.err.Error()
		}
	}
	if msg != "" {
		return nil, &Error{File: path, Msg: msg}
	}
	return t.meta, nil
}
