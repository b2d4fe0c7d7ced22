package dataset

import (
	"io"

	"github.com/manifold-gen/manifold/shared/fault"
)

// maxSide is the largest side of a picture.
const maxSide = 1 << 14

// Limits bounds what a reader takes from a file that it does not trust. Zero fields mean the defaults.
type Limits struct {
	Items int   // pictures or rows at most; default 10,000,000
	Bytes int64 // decoded bytes of all pictures together at most; default 4 GiB
	File  int64 // bytes of one packed picture at most, also after unpacking; default 64 MiB
}

func (l Limits) orDefault() Limits {
	if l.Items == 0 {
		l.Items = 10_000_000
	}
	if l.Bytes == 0 {
		l.Bytes = 4 << 30
	}
	if l.File == 0 {
		l.File = 64 << 20
	}
	return l
}

// corrupt is an error about the content of a file.
func corrupt(op, format string, args ...any) *fault.Error {
	return fault.E(fault.Corrupt, "BAD_DATA_FILE", op, format, args...)
}

// readExactly reads n bytes and no more than it gets: memory grows with what has arrived, so that a header that
// promises too much costs nothing.
func readExactly(r io.Reader, n int64) ([]byte, error) {
	const chunk = 1 << 20
	buf := make([]byte, 0, min(n, chunk))
	for int64(len(buf)) < n {
		if len(buf) == cap(buf) {
			next := make([]byte, len(buf), min(n, 2*int64(cap(buf))))
			copy(next, buf)
			buf = next
		}
		m, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+m]
		if err == io.EOF && int64(len(buf)) < n {
			return buf, io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return buf, err
		}
	}
	return buf, nil
}
