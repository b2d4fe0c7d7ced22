package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
)

func TestKindOf(t *testing.T) {
	rows := []struct {
		name   string
		err    error
		kind   Kind
		reason string
	}{
		{"nil", nil, None, ""},
		{"plain", io.EOF, Internal, "INTERNAL"},
		{"cancelled", fmt.Errorf("step 3: %w", context.Canceled), Cancelled, "CANCELLED"},
		{"deadline", context.DeadlineExceeded, Deadline, "DEADLINE_EXCEEDED"},
		{"own", E(Overloaded, "QUEUE_FULL", "batch.Submit", "64 of 64 places taken"), Overloaded, "QUEUE_FULL"},
		{"wrapped", fmt.Errorf("x: %w", E(Corrupt, "BAD_FILE", "open", "short")), Corrupt, "BAD_FILE"},
		{"outermost wins", E(Unavailable, "A", "a", "b: %w", E(Corrupt, "B", "b", "c")), Unavailable, "A"},
		{"own kind before the context's", E(Precondition, "P", "a", "b: %w", context.Canceled), Precondition, "P"},
		{"zero kind", &Error{Err: io.EOF}, Internal, "INTERNAL"},
		{"kind out of range", &Error{Kind: 99, Err: io.EOF}, Internal, "INTERNAL"},
	}
	for _, r := range rows {
		if k := KindOf(r.err); k != r.kind {
			t.Errorf("%s: kind %v, want %v", r.name, k, r.kind)
		}
		if s := ReasonOf(r.err); s != r.reason {
			t.Errorf("%s: reason %q, want %q", r.name, s, r.reason)
		}
	}
}

func TestWrap(t *testing.T) {
	if Wrap("op", nil) != nil {
		t.Fatal("Wrap of nil is not nil")
	}
	base := E(Overloaded, "QUEUE_FULL", "batch.Submit", "full").After(time.Second).With("depth", "64")
	err := Wrap("engine.Generate", fmt.Errorf("row 2: %w", base))
	var e *Error
	if !errors.As(err, &e) || e.Kind != Overloaded || e.Reason != "QUEUE_FULL" || e.RetryAfter != time.Second {
		t.Fatalf("details lost: %#v", err)
	}
	if e.Metadata["depth"] != "64" || !errors.Is(err, base) {
		t.Fatalf("metadata or chain lost: %#v", err)
	}
	if got, want := err.Error(), "engine.Generate: row 2: batch.Submit: full"; got != want {
		t.Fatalf("%q, want %q", got, want)
	}
	if e := Wrap("op", context.Canceled); KindOf(e) != Cancelled || ReasonOf(e) != "CANCELLED" {
		t.Fatalf("%#v", e)
	}
	var e2 *Error
	if !errors.As(Wrap("outer", base), &e2) {
		t.Fatal("Wrap gives no *Error")
	}
	if got := e2.Message(); got != "full" {
		t.Fatalf("message %q", got)
	}
}

func TestCopiesAreIndependent(t *testing.T) {
	a := InvalidField("v", "steps", "0, allowed are 1 to 1000")
	b := a.With("k", "1").WithField("seed", "negative")
	c := a.With("k", "2").WithField("size", "odd")
	if a.Metadata != nil || len(a.Fields) != 1 {
		t.Fatal("the original was changed")
	}
	if b.Metadata["k"] != "1" || c.Metadata["k"] != "2" || b.Fields[1].Field != "seed" || c.Fields[1].Field != "size" {
		t.Fatalf("copies share memory: %v %v", b, c)
	}
	if InvalidFields("v").AsError() != nil {
		t.Fatal("no violations are an error")
	}
	if got := a.Error(); got != "v: steps: 0, allowed are 1 to 1000" {
		t.Fatal(got)
	}
}

func TestKindNames(t *testing.T) {
	if len(kindNames) != int(Internal)+1 {
		t.Fatal("a kind has no name")
	}
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if s := k.String(); s == "" || seen[s] {
			t.Errorf("kind %d is called %q", k, s)
		} else {
			seen[s] = true
		}
	}
	if Kind(77).String() != "kind(77)" {
		t.Error("unknown kind has no name")
	}
}
