package fault

import (
	"context"
	"errors"
	"fmt"
)

// Kind is the class of a failure: what the caller can do about it.
type Kind uint8

// The kinds. None, the zero value, is the kind of a nil error only; an Error whose Kind was left None counts
// as Internal.
const (
	None            Kind = iota
	Invalid              // the request is wrong in itself; the same request will fail again
	NotFound             // the thing named does not exist
	AlreadyExists        // the thing to be made exists
	Precondition         // the state of the system does not allow the request: another digest, not loaded
	Overloaded           // a queue, a budget or a limit is full; retry after RetryAfter
	Deadline             // the time allowed has passed, or cannot suffice
	Cancelled            // the caller gave up
	Unauthenticated      // no valid credentials
	Forbidden            // valid credentials that do not allow this
	Unavailable          // this replica cannot serve now; another one may
	Corrupt              // stored bytes are damaged: a truncated or inconsistent file
	Internal             // a bug, or a failure that the caller can do nothing about
)

var kindNames = [...]string{
	"none", "invalid", "not found", "already exists", "precondition", "overloaded", "deadline", "cancelled",
	"unauthenticated", "forbidden", "unavailable", "corrupt", "internal",
}

// Kinds returns every kind but None, in order, so that a test can walk a mapping over all of them.
func Kinds() []Kind {
	all := make([]Kind, 0, Internal)
	for k := Invalid; k <= Internal; k++ {
		all = append(all, k)
	}
	return all
}

// String is the kind in small letters, or "kind(n)" for a number that is no kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// KindOf is the kind of err: None for nil, the Kind of the outermost *Error in its chain, Cancelled and
// Deadline for the two errors of package context, otherwise Internal.
func KindOf(err error) Kind {
	if err == nil {
		return None
	}
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.kind()
	case errors.Is(err, context.Canceled):
		return Cancelled
	case errors.Is(err, context.DeadlineExceeded):
		return Deadline
	}
	return Internal
}
