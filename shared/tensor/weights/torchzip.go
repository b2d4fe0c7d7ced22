package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// Signatures and sizes of the records of a zip archive (APPNOTE.TXT of PKWARE, section 4.3).
const (
	zipLocal, zipLocalSize     = "PK\x03\x04", 30
	zipEntry, zipEntrySize     = "PK\x01\x02", 46
	zipEnd, zipEndSize         = "PK\x05\x06", 22
	zipEnd64, zipEnd64Size     = "PK\x06\x06", 56
	zipLocate64, zipLocateSize = "PK\x06\x07", 20
	maxZipEntries              = 1 << 18
)

// zipFiles returns the stored files of an archive as slices of it. torch stores its files as they are; what is
// compressed or encrypted is refused, so no file can be longer than the archive.
func zipFiles(buf []byte) (map[string][]byte, string) {
	dir, n, msg := zipDirectory(buf)
	if msg != "" {
		return nil, msg
	}
	files := make(map[string][]byte)
	for i := range n {
		if len(dir) < zipEntrySize || string(dir[:4]) != zipEntry {
			return nil, fmt.Sprintf("the zip directory ends after %d of %d entries", i, n)
		}
		nameLen, extraLen := int(binary.LittleEndian.Uint16(dir[28:])), int(binary.LittleEndian.Uint16(dir[30:]))
		size := zipEntrySize + nameLen + extraLen + int(binary.LittleEndian.Uint16(dir[32:]))
		if size > len(dir) {
			return nil, fmt.Sprintf("the zip directory is cut short in entry %d", i)
		}
		name := string(dir[zipEntrySize : zipEntrySize+nameLen])
		data, msg := zipFile(buf, dir[:zipEntrySize+nameLen+extraLen], nameLen)
		if msg == "" && badPath(name) {
			msg = "the name is no path inside the archive"
		}
		if _, twice := files[name]; twice && msg == "" {
			msg = "the name is there twice"
		}
		if msg != "" {
			return nil, fmt.Sprintf("file %s of the archive: %s", quote([]byte(name)), msg)
		}
		files[name] = data
		dir = dir[size:]
	}
	return files, ""
}

func badPath(name string) bool {
	if name == "" || name[0] == '/' || strings.ContainsAny(name, "\\\x00") {
		return true
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// zipDirectory finds the directory and the number of its entries.
func zipDirectory(buf []byte) (dir []byte, n uint64, msg string) {
	const none = "not a whole zip archive, as torch writes it: no directory at the end; is the file cut short?"
	at := len(buf) - zipEndSize
	if at < 0 {
		return nil, 0, none
	}
	// A comment may lie behind the record; torch writes none.
	if end := bytes.LastIndex(buf[max(0, at-math.MaxUint16):], []byte(zipEnd)); end < 0 {
		return nil, 0, none
	} else if at = max(0, at-math.MaxUint16) + end; len(buf)-at < zipEndSize {
		return nil, 0, none
	}
	end := buf[at:]
	n = uint64(binary.LittleEndian.Uint16(end[10:]))
	size, from := uint64(binary.LittleEndian.Uint32(end[12:])), uint64(binary.LittleEndian.Uint32(end[16:]))
	if n == math.MaxUint16 || size == math.MaxUint32 || from == math.MaxUint32 {
		if at < zipLocateSize || string(buf[at-zipLocateSize:at-zipLocateSize+4]) != zipLocate64 {
			return nil, 0, "a zip archive of more than 4 GB without the record of its size"
		}
		at64 := binary.LittleEndian.Uint64(buf[at-zipLocateSize+8:])
		if at64 > uint64(len(buf)) || uint64(len(buf))-at64 < zipEnd64Size || string(buf[at64:at64+4]) != zipEnd64 {
			return nil, 0, none
		}
		end = buf[at64:]
		n, size, from = binary.LittleEndian.Uint64(end[32:]), binary.LittleEndian.Uint64(end[40:]),
			binary.LittleEndian.Uint64(end[48:])
	}
	if from > uint64(len(buf)) || size > uint64(len(buf))-from {
		return nil, 0, fmt.Sprintf("a zip directory of %d bytes at byte %d of %d", size, from, len(buf))
	}
	if n > maxZipEntries || n > size/zipEntrySize {
		return nil, 0, fmt.Sprintf("a zip archive of %d files, whose directory has %d bytes; at most %d are read",
			n, size, maxZipEntries)
	}
	return buf[from : from+size], n, ""
}

// zipFile returns the bytes of a stored file from its entry, which ends with its extra fields.
func zipFile(buf, entry []byte, nameLen int) (data []byte, msg string) {
	if flags := binary.LittleEndian.Uint16(entry[8:]); flags&1 != 0 {
		return nil, "encrypted files are not read"
	}
	if method := binary.LittleEndian.Uint16(entry[10:]); method != 0 {
		return nil, "compressed files are not read, torch stores them as they are; unpack the archive and pack it " +
			"without compression, or load it with torch and save it again"
	}
	packed, size := uint64(binary.LittleEndian.Uint32(entry[20:])), uint64(binary.LittleEndian.Uint32(entry[24:]))
	from := uint64(binary.LittleEndian.Uint32(entry[42:]))
	extra := entry[zipEntrySize+nameLen:]
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		extra = extra[4:]
		if n > len(extra) {
			return nil, "an extra field longer than its entry"
		}
		if id == 1 { // zip64: those of the three numbers that did not fit, in this order
			long := extra[:n]
			for _, p := range []*uint64{&size, &packed, &from} {
				if *p == math.MaxUint32 && len(long) >= 8 {
					*p, long = binary.LittleEndian.Uint64(long), long[8:]
				}
			}
		}
		extra = extra[n:]
	}
	if packed != size {
		return nil, fmt.Sprintf("stored as it is, but of %d bytes and %d", packed, size)
	}
	if from > uint64(len(buf)) || uint64(len(buf))-from < zipLocalSize || string(buf[from:from+4]) != zipLocal {
		return nil, fmt.Sprintf("nothing begins at byte %d of %d", from, len(buf))
	}
	local := buf[from:]
	skip := zipLocalSize + uint64(binary.LittleEndian.Uint16(local[26:])) + uint64(binary.LittleEndian.Uint16(local[28:]))
	if skip > uint64(len(local)) || size > uint64(len(local))-skip {
		return nil, fmt.Sprintf("%d bytes from byte %d on, the archive has %d", size, from+skip, len(buf))
	}
	return local[skip : skip+size : skip+size], ""
}
