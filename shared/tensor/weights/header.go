package weights

import (
	"bytes"
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// maxHeader is the largest header that the reference implementation accepts.
const maxHeader = 100_000_000

// maxRank bounds the axes of a stored tensor; PyTorch and NumPy allow 64.
const maxRank = 64

// minEntry is the length of the shortest entry, `"":{"dtype":"U8","shape":[],"data_offsets":[0,1]},`.
const minEntry = 50

const metadataKey = "__metadata__"

// span is a range of bytes of the header, which is shorter than 2^32.
type span struct{ at, end uint32 }

// entry is one tensor of a header. It is kept at 40 bytes, fewer than its JSON takes, so that refusing a header
// of nothing but tensors costs less memory than the header has bytes.
type entry struct {
	begin, end uint64 // byte range within the data section
	name       span   // the quoted name, escapes included
	shape      span   // the shape's JSON array
	dtype      DType
}

// headerError is what is wrong with a header, before the file's name is known.
func headerError(tensor []byte, format string, args ...any) *Error {
	return &Error{Tensor: string(tensor[:min(len(tensor), 256)]), Msg: fmt.Sprintf(format, args...)}
}

// parseHeader checks a header against the length of the data section that follows it and returns its entries,
// sorted by name, and the range of its metadata object. The result refers to positions in h.
func parseHeader(h []byte, dataLen uint64) ([]entry, span, *Error) {
	var meta span
	var metaKeys int
	if len(h) == 0 || h[0] != '{' {
		return nil, meta, headerError(nil, "the header does not begin with '{'")
	}
	s := &scanner{buf: h}
	entries := make([]entry, 0, min(bytes.Count(h, []byte(`"data_offsets"`)), len(h)/minEntry+1))
	s.expect('{')
	for n := 0; s.more(n, '}'); n++ {
		s.space()
		at := s.pos
		name := s.str()
		nameSpan := span{uint32(at), uint32(s.pos)}
		s.expect(':')
		if s.err == "" && string(name) == metadataKey {
			if meta.end != 0 {
				return nil, meta, headerError(nil, "%s is there twice", metadataKey)
			}
			meta, metaKeys = s.metadata()
			continue
		}
		e := s.entry()
		if s.err != "" {
			return nil, meta, headerError(name, "%s", s.err)
		}
		e.name = nameSpan
		if err := e.check(h, name); err != nil {
			return nil, meta, err
		}
		entries = append(entries, e)
	}
	s.end()
	if s.err != "" {
		return nil, meta, headerError(nil, "%s", s.err)
	}
	if err := checkMetadata(h, meta, metaKeys); err != nil {
		return nil, meta, err
	}
	if err := checkRanges(h, entries, dataLen); err != nil {
		return nil, meta, err
	}
	return entries, meta, checkNames(h, entries)
}

// metadata passes over an object of strings and returns its range and its length.
func (s *scanner) metadata() (span, int) {
	s.space()
	at := s.pos
	s.expect('{')
	n := 0
	for ; s.more(n, '}'); n++ {
		s.str()
		s.expect(':')
		s.str()
	}
	return span{uint32(at), uint32(s.pos)}, n
}

// entry reads {"dtype": ..., "shape": [...], "data_offsets": [begin, end]} with its keys in any order.
func (s *scanner) entry() entry {
	var e entry
	var dtype, shape, offsets bool
	twice := func(seen *bool, key string) {
		if *seen {
			s.fail("%s is there twice", key)
		}
		*seen = true
	}
	s.expect('{')
	for n := 0; s.more(n, '}'); n++ {
		key := s.str()
		s.expect(':')
		switch {
		case s.err != "":
		case string(key) == "dtype":
			twice(&dtype, "dtype")
			name := s.str()
			d, ok := dtypeNamed(name)
			if !ok {
				s.fail("unsupported dtype %s", quote(name))
			}
			e.dtype = d
		case string(key) == "shape":
			twice(&shape, "shape")
			s.space()
			at := s.pos
			s.ints(func(int, uint64) {}, maxRank)
			e.shape = span{uint32(at), uint32(s.pos)}
		case string(key) == "data_offsets":
			twice(&offsets, "data_offsets")
			var v [2]uint64
			if n := s.ints(func(i int, x uint64) { v[i] = x }, 2); n != 2 {
				s.fail("%d data_offsets instead of 2", n)
			}
			e.begin, e.end = v[0], v[1]
		default:
			s.fail("unknown key %s", quote(key))
		}
	}
	if !dtype || !shape || !offsets {
		s.fail("dtype, shape or data_offsets is missing")
	}
	return e
}

// ints reads an array of at most limit integers, hands each to put, and returns how many there were.
func (s *scanner) ints(put func(i int, x uint64), limit int) int {
	s.expect('[')
	n := 0
	for ; s.more(n, ']'); n++ {
		x := s.uint()
		if n == limit {
			s.fail("more than %d numbers in an array", limit)
			return n
		}
		if s.err == "" {
			put(n, x)
		}
	}
	return n
}

// dims decodes the shape of e.
func (e *entry) dims(h []byte) []int {
	s := &scanner{buf: h[e.shape.at:e.shape.end]}
	dims := make([]int, 0, 4)
	s.ints(func(_ int, x uint64) { dims = append(dims, int(x)) }, maxRank)
	return dims
}

// text decodes the name of e.
func (e *entry) text(h []byte) []byte {
	s := &scanner{buf: h[e.name.at:e.name.end]}
	return s.str()
}

// check compares the byte range with dtype times shape. Empty names stay allowed: the reference writes them.
func (e *entry) check(h []byte, name []byte) *Error {
	if e.end < e.begin {
		return headerError(name, "data_offsets [%d, %d] run backwards", e.begin, e.end)
	}
	size := uint64(e.dtype.Size())
	overflow := false
	s := scanner{buf: h[e.shape.at:e.shape.end]}
	s.ints(func(_ int, d uint64) {
		hi, lo := bits.Mul64(size, d)
		overflow = overflow || hi != 0 || lo >= 1<<63
		size = lo
	}, maxRank)
	if overflow {
		return headerError(name, "the shape %s overflows", quote(h[e.shape.at:e.shape.end]))
	}
	if e.end-e.begin != size {
		return headerError(name, "data_offsets [%d, %d] hold %d bytes, but %s of shape %s takes %d",
			e.begin, e.end, e.end-e.begin, e.dtype, h[e.shape.at:e.shape.end], size)
	}
	return nil
}

// checkRanges demands that the byte ranges, in order, cover the data section from its first byte to its last.
func checkRanges(h []byte, entries []entry, dataLen uint64) *Error {
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	at := uint64(0)
	for i := range entries {
		e := &entries[i]
		if e.end > dataLen {
			return headerError(e.text(h), "data_offsets [%d, %d] go beyond the %d bytes of data (a file cut short?)",
				e.begin, e.end, dataLen)
		}
		if e.begin != at {
			what := "leave a hole after"
			if e.begin < at {
				what = "overlap"
			}
			return headerError(e.text(h), "data_offsets [%d, %d] %s the tensor that ends at %d", e.begin, e.end, what, at)
		}
		at = e.end
	}
	if at != dataLen {
		return headerError(nil, "%d bytes of data, but the tensors end at %d", dataLen, at)
	}
	return nil
}

// checkNames sorts the entries by name and refuses two of one name.
func checkNames(h []byte, entries []entry) *Error {
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.text(h), b.text(h)) })
	for i := 1; i < len(entries); i++ {
		if name := entries[i].text(h); bytes.Equal(name, entries[i-1].text(h)) {
			return headerError(name, "the name is there twice")
		}
	}
	return nil
}

// checkMetadata refuses two metadata entries of one name among the count that are there.
func checkMetadata(h []byte, at span, count int) *Error {
	keys := make([]uint32, 0, count) // where each key begins: four bytes for the six or more of its entry
	s := &scanner{buf: h[at.at:at.end]}
	if at.end == 0 {
		return nil
	}
	s.expect('{')
	for n := 0; s.more(n, '}'); n++ {
		s.space()
		keys = append(keys, uint32(s.pos))
		s.str()
		s.expect(':')
		s.str()
	}
	text := func(at uint32) []byte { return (&scanner{buf: s.buf, pos: int(at)}).str() }
	slices.SortFunc(keys, func(a, b uint32) int { return bytes.Compare(text(a), text(b)) })
	for i := 1; i < len(keys); i++ {
		if bytes.Equal(text(keys[i]), text(keys[i-1])) {
			return headerError(nil, "the metadata key %s is there twice", quote(text(keys[i])))
		}
	}
	return nil
}

// readMetadata decodes the metadata object.
func readMetadata(h []byte, at span) map[string]string {
	meta := map[string]string{}
	if at.end == 0 {
		return meta
	}
	s := &scanner{buf: h[at.at:at.end]}
	s.expect('{')
	for n := 0; s.more(n, '}'); n++ {
		key := strings.Clone(string(s.str()))
		s.expect(':')
		meta[key] = string(s.str())
	}
	return meta
}
