package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/manifold-gen/manifold/shared/fault"
)

func idx(data []byte, dims ...uint32) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, data...)
}

func packed(b []byte) []byte {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = z.Write(b) // a Buffer takes every write
	_ = z.Close()
	return buf.Bytes()
}

func TestIDX(t *testing.T) {
	plain := idx([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 3, 2, 2)
	for _, b := range [][]byte{plain, packed(plain)} {
		data, dims, err := ReadIDX(bytes.NewReader(b), Limits{})
		if err != nil || len(dims) != 3 || dims[0] != 3 || len(data) != 12 || data[11] != 12 {
			t.Fatal(data, dims, err)
		}
	}
	rotten := packed(plain)
	rotten[len(rotten)-5] ^= 1 // the checksum
	rows := map[string]struct {
		b    []byte
		want string
	}{
		"empty":         {nil, "no header"},
		"short":         {plain[:3], "no header"},
		"magic":         {append([]byte{1}, plain[1:]...), "expected 00 00 08"},
		"floats":        {append([]byte{0, 0, 0xd}, plain[3:]...), "expected 00 00 08"},
		"no axes":       {[]byte{0, 0, 8, 0}, "1 to 4 axes"},
		"five axes":     {[]byte{0, 0, 8, 5}, "1 to 4 axes"},
		"axis missing":  {plain[:10], "axis 1 is missing"},
		"cut short":     {plain[:len(plain)-1], "11 of 12 bytes"},
		"trailing":      {append(append([]byte(nil), plain...), 0), "more than the 12 bytes"},
		"huge":          {idx(nil, 1<<31, 1<<31, 1<<31), "hold more than"},
		"overflow":      {idx(nil, 1<<31, 1<<31, 1<<31, 1<<31), "hold more than"},
		"promises much": {idx(nil, 1<<20, 1<<10), "0 of 1073741824 bytes"},
		"gzip checksum": {rotten, "checksum"},
		"gzip cut":      {packed(plain)[:20], "EOF"},
		"gzip header":   {[]byte{0x1f, 0x8b, 0, 0}, "gzip"},
		"many items":    {idx(nil, 1<<30), "items"},
	}
	for name, r := range rows {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := ReadIDX(bytes.NewReader(r.b), Limits{})
		runtime.ReadMemStats(&after)
		wantFault(t, name, err, fault.Corrupt, r.want)
		if cost := after.TotalAlloc - before.TotalAlloc; cost > 4<<20 {
			t.Errorf("%s: %d bytes for a file of %d", name, cost, len(r.b))
		}
	}
	bomb := packed(idx(make([]byte, 8<<20), 1<<13, 1<<10))
	_, _, err := ReadIDX(bytes.NewReader(bomb), Limits{Bytes: 1 << 20})
	wantFault(t, "bomb", err, fault.Corrupt, "more than 1048576 bytes")
}

func TestOpenIDX(t *testing.T) {
	dir := t.TempDir()
	pics := writeFile(t, dir, "x-images-idx3-ubyte", idx(make([]byte, 12), 3, 2, 2))
	labels := writeFile(t, dir, "x-labels-idx1-ubyte.gz", packed(idx([]byte{2, 0, 1}, 3)))
	p, err := OpenIDX(pics, labels, Limits{})
	if err != nil || p.Len() != 3 || p.Label(0) != 2 || len(p.Classes()) != 3 || p.Classes()[2] != "2" {
		t.Fatal(p, err)
	}
	if p, err = OpenIDX(pics, "", Limits{}); err != nil || p.Label(0) != -1 {
		t.Fatal(p, err)
	}
	two := writeFile(t, dir, "two", idx([]byte{2, 0}, 2))
	_, err = OpenIDX(pics, two, Limits{})
	wantFault(t, "two labels", err, fault.Corrupt, "labels of shape [2] for 3 pictures")
	_, err = OpenIDX(two, "", Limits{})
	wantFault(t, "labels as pictures", err, fault.Corrupt, "1 axes")
	_, err = OpenIDX(pics+"x", "", Limits{})
	wantFault(t, "missing", err, fault.NotFound, "no such file")
}

// FuzzIDX: no input panics, and what is accepted has as many elements as its axes say.
func FuzzIDX(f *testing.F) {
	plain := idx([]byte{1, 2, 3, 4}, 1, 2, 2)
	f.Add(plain)
	f.Add(packed(plain))
	f.Add(idx(nil, 1<<31, 1<<31, 1<<31))
	f.Add(packed(plain)[:15])
	f.Fuzz(func(t *testing.T, b []byte) {
		data, dims, err := ReadIDX(bytes.NewReader(b), Limits{Bytes: 1 << 20})
		if err != nil {
			return
		}
		n := 1
		for _, d := range dims {
			n *= d
		}
		if n != len(data) {
			t.Fatalf("%d elements of shape %v", len(data), dims)
		}
	})
}
