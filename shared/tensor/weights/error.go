package weights

import (
	"fmt"
	"strings"
)

// Error is what is wrong with a weights file. It carries no stack; File is the path as the caller gave it.
type Error struct {
	File   string // path of the file
	Tensor string // name of the tensor, or ""
	Msg    string // what is wrong, with the values
	Err    error  // cause, or nil
}

// Error is `file: tensor "name": message: cause`, without the parts that are empty.
func (e *Error) Error() string {
	var parts []string
	if e.File != "" {
		parts = append(parts, e.File)
	}
	if e.Tensor != "" {
		parts = append(parts, fmt.Sprintf("tensor %s", quote([]byte(e.Tensor))))
	}
	if e.Msg != "" {
		parts = append(parts, e.Msg)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// quote shows at most 80 bytes of s, so that a hostile name cannot make a message as long as the file.
func quote(s []byte) string {
	if len(s) > 80 {
		return fmt.Sprintf("%q...", s[:80])
	}
	return fmt.Sprintf("%q", s)
}
