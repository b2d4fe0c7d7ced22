package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Every kind has its own row, survives the way to a client and back, and carries an ErrorInfo.
func TestEveryKind(t *testing.T) {
	want := map[fault.Kind]codes.Code{
		fault.Invalid: codes.InvalidArgument, fault.NotFound: codes.NotFound,
		fault.AlreadyExists: codes.AlreadyExists, fault.Precondition: codes.FailedPrecondition,
		fault.Overloaded: codes.ResourceExhausted, fault.Deadline: codes.DeadlineExceeded,
		fault.Cancelled: codes.Canceled, fault.Unauthenticated: codes.Unauthenticated,
		fault.Forbidden: codes.PermissionDenied, fault.Unavailable: codes.Unavailable,
		fault.Corrupt: codes.DataLoss, fault.Internal: codes.Internal,
	}
	kinds := fault.Kinds()
	if len(kinds) != len(kindCodes) || len(kinds) != len(want) {
		t.Fatalf("%d kinds, %d rows in the table, %d in the test", len(kinds), len(kindCodes), len(want))
	}
	for _, k := range kinds {
		e := fault.E(k, "SOME_REASON", "op", "value 7, want 1 to 5").With("key", "value").After(1500 * time.Millisecond)
		e = e.WithField("steps", "7, want 1 to 5")
		st := Status(fmt.Errorf("outer: %w", e))
		if st.Code() != want[k] || Code(k) != want[k] || KindOfCode(want[k]) != k {
			t.Errorf("%v: code %v, want %v", k, st.Code(), want[k])
		}
		if st.Message() != "value 7, want 1 to 5" {
			t.Errorf("%v: message %q", k, st.Message())
		}
		var back *fault.Error
		if !errors.As(FromStatus("client", st.Err()), &back) {
			t.Fatalf("%v: no fault", k)
		}
		if back.Kind != k || back.Reason != "SOME_REASON" || back.Metadata["key"] != "value" ||
			back.RetryAfter != 1500*time.Millisecond || len(back.Fields) != 1 || back.Fields[0].Field != "steps" {
			t.Errorf("%v came back as %#v", k, back)
		}
		info, ok := st.Details()[0].(*errdetails.ErrorInfo)
		if !ok || info.GetDomain() != "manifold" {
			t.Errorf("%v: no ErrorInfo of the domain manifold: %v", k, st.Details())
		}
	}
}

func TestStatusOfOtherErrors(t *testing.T) {
	path := &fs.PathError{Op: "open", Path: "/var/lib/secret/model.bin", Err: errors.New("is gone")}
	rows := []struct {
		name string
		err  error
		code codes.Code
		text string
	}{
		{"nil", nil, codes.OK, ""},
		{"cancelled", fmt.Errorf("x: %w", context.Canceled), codes.Canceled, "the call was cancelled"},
		{"deadline", context.DeadlineExceeded, codes.DeadlineExceeded, "the deadline of the call has passed"},
		{"foreign", errors.New("/etc/passwd line 3"), codes.Internal, "internal error"},
		{"foreign, wrapped", fault.Wrap("op", errors.New("/etc/passwd line 3")), codes.Internal, "internal error"},
		{"a status", status.Error(codes.Aborted, "again"), codes.Aborted, "again"},
		{"a path", fault.E(fault.Corrupt, "BAD_FILE", "op", "reading: %w", path), codes.DataLoss,
			"reading: open model.bin: is gone"},
		{"invalid UTF-8", fault.E(fault.Invalid, "BAD", "op", "a\xffb"), codes.InvalidArgument, "a�b"},
		{"no reason", &fault.Error{Kind: fault.NotFound, Err: errors.New("x")}, codes.NotFound, "x"},
	}
	for _, r := range rows {
		st := Status(r.err)
		if st.Code() != r.code || !strings.HasPrefix(st.Message(), r.text) {
			t.Errorf("%s: %v %q, want %v %q", r.name, st.Code(), st.Message(), r.code, r.text)
		}
		if strings.Contains(st.Message(), "/etc") || strings.Contains(st.Message(), "/var") {
			t.Errorf("%s: the message shows a path: %q", r.name, st.Message())
		}
	}
	long := Status(fault.E(fault.Invalid, "LONG", "op", "%s", strings.Repeat("é", 5000)))
	if n := len(long.Message()); n > maxMessage+4 {
		t.Errorf("a message of %d bytes", n)
	}
	if FromStatus("op", nil) != nil {
		t.Error("FromStatus(nil) is not nil")
	}
	if KindOfCode(codes.OK) != fault.None || KindOfCode(codes.OutOfRange) != fault.Invalid {
		t.Error("codes outside of the table")
	}
}
