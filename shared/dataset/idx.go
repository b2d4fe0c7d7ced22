package dataset

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"os"
	"strconv"

	"github.com/manifold-gen/manifold/shared/fault"
)

// ReadIDX reads a file of unsigned bytes in the IDX format of MNIST, plain or gzip-packed: two zero bytes, type 8,
// the number of axes, each axis as a big-endian 32-bit number, then the elements in row-major order and nothing
// behind them. Errors are of kind fault.Corrupt, or of the reader.
//
// Format: http://yann.lecun.com/exdb/mnist/.
func ReadIDX(r io.Reader, limits Limits) (data []byte, dims []int, err error) {
	const op = "dataset.ReadIDX"
	limits = limits.orDefault()
	in := bufio.NewReader(r)
	if magic, _ := in.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, corrupt(op, "bad gzip header: %w", err)
		}
		in = bufio.NewReader(z)
	}
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, nil, corrupt(op, "no header of 4 bytes: %w", err)
	}
	if head[0] != 0 || head[1] != 0 || head[2] != 8 || head[3] < 1 || head[3] > 4 {
		return nil, nil, corrupt(op, "header % x, expected 00 00 08 and 1 to 4 axes", head)
	}
	n := int64(1)
	for i := range int(head[3]) {
		var b [4]byte
		if _, err := io.ReadFull(in, b[:]); err != nil {
			return nil, nil, corrupt(op, "axis %d is missing: %w", i, err)
		}
		d := binary.BigEndian.Uint32(b[:])
		hi, lo := bits.Mul64(uint64(n), uint64(d))
		if hi != 0 || lo > uint64(limits.Bytes) {
			return nil, nil, corrupt(op, "axes %v x %d hold more than %d bytes", dims, d, limits.Bytes)
		}
		n = int64(lo)
		dims = append(dims, int(d))
	}
	if dims[0] > limits.Items {
		return nil, nil, corrupt(op, "%d items, at most %d are allowed", dims[0], limits.Items)
	}
	data, err = readExactly(in, n)
	if err != nil {
		return nil, nil, corrupt(op, "%d of %d bytes are there: %w", len(data), n, err)
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, nil, corrupt(op, "after the last element: %w", err) // gzip's checksum among others
		}
		return nil, nil, corrupt(op, "more than the %d bytes that the header names", n)
	}
	return data, dims, nil
}

// OpenIDX reads gray pictures from one IDX file of three axes and, unless labels is "", their labels from one of
// one axis. The classes are named "0" up to the largest label.
func OpenIDX(pictures, labels string, limits Limits) (*Pictures, error) {
	const op = "dataset.OpenIDX"
	data, dims, err := openIDX(pictures, limits)
	if err != nil {
		return nil, err
	}
	if len(dims) != 3 {
		return nil, corrupt(op, "%s has %d axes, pictures have 3", pictures, len(dims))
	}
	if labels == "" {
		return NewPictures(data, dims[1], dims[2], 1, nil, nil)
	}
	raw, ldims, err := openIDX(labels, limits)
	if err != nil {
		return nil, err
	}
	if len(ldims) != 1 || ldims[0] != dims[0] {
		return nil, corrupt(op, "labels of shape %v for %d pictures", ldims, dims[0])
	}
	ids := make([]int32, len(raw))
	top := -1
	for i, l := range raw {
		ids[i] = int32(l)
		top = max(top, int(l))
	}
	classes := make([]string, top+1)
	for i := range classes {
		classes[i] = strconv.Itoa(i)
	}
	return NewPictures(data, dims[1], dims[2], 1, ids, classes)
}

func openIDX(path string, limits Limits) ([]byte, []int, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fault.E(fault.NotFound, "DATA_NOT_FOUND", "dataset.OpenIDX", "%w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading
	data, dims, err := ReadIDX(f, limits)
	if err != nil {
		return nil, nil, fault.Wrap("dataset.OpenIDX "+path, err)
	}
	return data, dims, nil
}
