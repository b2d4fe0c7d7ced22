package modelstore

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
)

// SplitRef splits "name" or "name@version" and checks both parts; version is "" where none is given. The error
// is of kind Invalid.
func SplitRef(ref string) (name, version string, err error) {
	const op = "modelstore.SplitRef"
	name, version, at := strings.Cut(ref, "@")
	if !validName(name) {
		return "", "", fault.InvalidField(op, "model", "name %.80q, want %s", name, nameRule)
	}
	if at && !validName(version) {
		return "", "", fault.InvalidField(op, "model", "version %.80q, want %s", version, nameRule)
	}
	return name, version, nil
}

// CompareVersions orders versions as people do: runs of digits by their number, everything else byte by byte, so
// 2 < 10 and 1.9 < 1.10. Numbers that differ in leading zeros alone are ordered by their text.
func CompareVersions(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		nx, ny := digits(x), digits(y)
		if nx > 0 && ny > 0 {
			dx := strings.TrimLeft(x[:nx], "0")
			dy := strings.TrimLeft(y[:ny], "0")
			// Without leading zeros the longer number is the larger one.
			if c := cmp.Or(cmp.Compare(len(dx), len(dy)), strings.Compare(dx, dy)); c != 0 {
				return c
			}
			x, y = x[nx:], y[ny:]
			continue
		}
		if x[0] != y[0] {
			return cmp.Compare(x[0], y[0])
		}
		x, y = x[1:], y[1:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

// digits is the length of the run of digits at the start of s.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// bare strips the path from a file system's error, since messages must not show directories.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}
