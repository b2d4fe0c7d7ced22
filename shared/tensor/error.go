package tensor

import (
	"fmt"
	"strings"
)

// Error is what misuse of a tensor operation panics with: the operation, the shapes it was given and
// what is wrong with them. Data from disk, network or a request never causes it: their readers
// validate first and return ordinary errors.
type Error struct {
	Op     string
	Shapes [][]int
	Msg    string
}

// Error formats the operation, the shapes and the message.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tensor.%s", e.Op)
	for i, s := range e.Shapes {
		if i == 0 {
			b.WriteString(" ")
		} else {
			b.WriteString(" and ")
		}
		fmt.Fprint(&b, s)
	}
	if e.Msg != "" {
		b.WriteString(": " + e.Msg)
	}
	return b.String()
}

// Catch runs f and turns a panic with *Error into a returned error; any other panic goes on. It belongs
// at the boundary of an engine, nowhere deeper.
func Catch(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	f()
	return nil
}
