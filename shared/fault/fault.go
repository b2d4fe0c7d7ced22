package fault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// Violation is one field of a request that was wrong.
type Violation struct {
	Field       string // path of the field, as in "options.guidance_scale"
	Description string // what was wrong with its value, and the allowed range
}

// Error is a failure with everything that a caller, a log line or a gRPC status needs to know of it.
type Error struct {
	Op         string            // the operation, as in "modelstore.Load"
	Kind       Kind              // the class of failure
	Reason     string            // stable word in UPPER_SNAKE, as in "MODEL_NOT_FOUND"
	Err        error             // what was wrong, in a sentence; never nil in an Error made by this package
	Metadata   map[string]string // further facts for programs, or nil
	Fields     []Violation       // the wrong fields of an Invalid request, or nil
	RetryAfter time.Duration     // zero, or how long to wait before the request may succeed
}

// E makes an Error. The format and its arguments are those of fmt.Errorf, so %w wraps a cause.
func E(kind Kind, reason, op, format string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Wrap puts op before err and keeps its kind, reason and details. A nil err gives nil. An error of another
// type becomes an Error of the kind that KindOf finds, with the reason CANCELLED, DEADLINE_EXCEEDED or
// INTERNAL. The result has the type error, so that a nil result compares equal to nil.
func Wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Op: op, Kind: KindOf(err), Reason: reasonOf(err), Err: err}
	}
	c := e.clone()
	c.Op = op
	c.Kind = e.kind()
	c.Err = err
	return c
}

// InvalidField makes an Error of kind Invalid about one field of a request, with the reason INVALID_ARGUMENT.
func InvalidField(op, field, format string, args ...any) *Error {
	v := Violation{Field: field, Description: fmt.Sprintf(format, args...)}
	return InvalidFields(op, v)
}

// InvalidFields makes an Error of kind Invalid from the violations found in one request; it returns nil when
// there are none, so a Validate function collects all of them and ends with "return InvalidFields(...).AsError()".
func InvalidFields(op string, violations ...Violation) *Error {
	if len(violations) == 0 {
		return nil
	}
	parts := make([]string, len(violations))
	for i, v := range violations {
		parts[i] = v.Field + ": " + v.Description
	}
	msg := strings.Join(parts, "; ")
	return &Error{Op: op, Kind: Invalid, Reason: "INVALID_ARGUMENT", Err: errors.New(msg), Fields: violations}
}

// AsError turns a possibly nil *Error into an error that is nil when e is.
func (e *Error) AsError() error {
	if e == nil {
		return nil
	}
	return e
}

// With returns a copy of e with one more metadata entry.
func (e *Error) With(key, value string) *Error {
	c := e.clone()
	if c.Metadata == nil {
		c.Metadata = make(map[string]string, 1)
	}
	c.Metadata[key] = value
	return c
}

// After returns a copy of e that tells the caller to wait d before it tries again.
func (e *Error) After(d time.Duration) *Error {
	c := e.clone()
	c.RetryAfter = d
	return c
}

// WithField returns a copy of e with one more field violation.
func (e *Error) WithField(field, format string, args ...any) *Error {
	c := e.clone()
	v := Violation{Field: field, Description: fmt.Sprintf(format, args...)}
	c.Fields = append(c.Fields[:len(c.Fields):len(c.Fields)], v)
	return c
}

// Error is "op: message", or the message alone when Op is empty.
func (e *Error) Error() string {
	msg := e.Message()
	if e.Op == "" {
		return msg
	}
	return e.Op + ": " + msg
}

// Message is the cause alone, without any operation in front: the sentence for the client.
func (e *Error) Message() string {
	var inner *Error
	if e.Err == nil {
		return e.kind().String()
	}
	if errors.As(e.Err, &inner) && e.Err == error(inner) { //nolint:errorlint // whether the cause itself is an Error
		return inner.Message()
	}
	return e.Err.Error()
}

// Unwrap is the cause, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

func (e *Error) kind() Kind {
	if e.Kind == None || e.Kind > Internal {
		return Internal
	}
	return e.Kind
}

func (e *Error) clone() *Error {
	c := *e
	c.Metadata = maps.Clone(e.Metadata)
	return &c
}

// ReasonOf is the Reason of the outermost *Error in err's chain; for other errors CANCELLED,
// DEADLINE_EXCEEDED or INTERNAL, and "" for nil.
func ReasonOf(err error) string {
	if err == nil {
		return ""
	}
	return reasonOf(err)
}

func reasonOf(err error) string {
	var e *Error
	switch {
	case errors.As(err, &e) && e.Reason != "":
		return e.Reason
	case errors.Is(err, context.Canceled):
		return "CANCELLED"
	case errors.Is(err, context.DeadlineExceeded):
		return "DEADLINE_EXCEEDED"
	}
	return "INTERNAL"
}
