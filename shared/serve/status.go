package serve

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Domain is the domain of every ErrorInfo that Manifold sends.
const Domain = "manifold"

// maxMessage bounds a status message: it travels in a header, and intermediaries refuse long ones.
const maxMessage = 2048

// kindCodes is the one table between kinds and codes.
var kindCodes = [...]struct {
	kind fault.Kind
	code codes.Code
}{
	{fault.Invalid, codes.InvalidArgument},
	{fault.NotFound, codes.NotFound},
	{fault.AlreadyExists, codes.AlreadyExists},
	{fault.Precondition, codes.FailedPrecondition},
	{fault.Overloaded, codes.ResourceExhausted},
	{fault.Deadline, codes.DeadlineExceeded},
	{fault.Cancelled, codes.Canceled},
	{fault.Unauthenticated, codes.Unauthenticated},
	{fault.Forbidden, codes.PermissionDenied},
	{fault.Unavailable, codes.Unavailable},
	{fault.Corrupt, codes.DataLoss},
	{fault.Internal, codes.Internal},
}

// Code is the gRPC code of a kind: OK for None, Internal for a kind that is not in the table.
func Code(k fault.Kind) codes.Code {
	if k == fault.None {
		return codes.OK
	}
	for _, row := range kindCodes {
		if row.kind == k {
			return row.code
		}
	}
	return codes.Internal
}

// KindOfCode is the kind of a gRPC code; codes outside of the table become the nearest kind.
func KindOfCode(c codes.Code) fault.Kind {
	for _, row := range kindCodes {
		if row.code == c {
			return row.kind
		}
	}
	switch c {
	case codes.OK:
		return fault.None
	case codes.OutOfRange:
		return fault.Invalid
	case codes.Aborted:
		return fault.Unavailable
	}
	return fault.Internal
}

// Status turns an error into the status that leaves a server. A *fault.Error gives its code, message, ErrorInfo
// (reason, domain, metadata), BadRequest and RetryInfo; a context's error gives CANCELLED or DEADLINE_EXCEEDED; an
// error that is a status already is kept. Any other error gives INTERNAL with a message that says nothing of it: its
// text may hold paths, and belongs in the log.
func Status(err error) *status.Status {
	if err == nil {
		return status.New(codes.OK, "")
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		if s, ok := status.FromError(err); ok {
			return s
		}
		f = &fault.Error{Kind: fault.KindOf(err), Reason: fault.ReasonOf(err), Err: plain(err)}
	}
	reason := f.Reason
	if reason == "" {
		reason = reasonOfKind(fault.KindOf(f))
	}
	message := withoutPath(f)
	if reason == reasonInternal {
		message = plain(f.Err).Error()
	}
	s := status.New(Code(fault.KindOf(f)), clip(message))
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: reason, Domain: Domain, Metadata: f.Metadata}}
	if len(f.Fields) > 0 {
		bad := &errdetails.BadRequest{}
		for _, v := range f.Fields {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field:       v.Field,
				Description: clip(v.Description),
				Reason:      reason,
			})
		}
		details = append(details, bad)
	}
	if f.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(f.RetryAfter)})
	}
	full, err := s.WithDetails(details...)
	if err != nil {
		return s
	}
	return full
}

// FromStatus turns an error that a gRPC client returned into a *fault.Error with kind, reason, metadata, fields and
// retry hint taken from its status. nil gives nil. Statuses that gRPC itself made carry no ErrorInfo: a message over
// the limit gets the reason MESSAGE_TOO_LARGE, one that is no protobuf MALFORMED_MESSAGE, others their kind's name.
func FromStatus(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return fault.Wrap(op, err)
	}
	s, ok := status.FromError(err)
	if !ok {
		s = status.FromContextError(err)
	}
	f := &fault.Error{Op: op, Kind: KindOfCode(s.Code()), Err: errors.New(s.Message())}
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			f.Reason = d.GetReason()
			f.Metadata = d.GetMetadata()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				f.Fields = append(f.Fields, fault.Violation{Field: v.GetField(), Description: v.GetDescription()})
			}
		case *errdetails.RetryInfo:
			f.RetryAfter = d.GetRetryDelay().AsDuration()
		}
	}
	if f.Reason != "" {
		return f
	}
	switch {
	case strings.Contains(s.Message(), "message larger than max"):
		f.Reason = "MESSAGE_TOO_LARGE"
		f.Kind = fault.Invalid
	case strings.Contains(s.Message(), "failed to unmarshal"):
		f.Reason = "MALFORMED_MESSAGE"
		f.Kind = fault.Invalid
	default:
		f.Reason = reasonOfKind(f.Kind)
	}
	return f
}

// reasonInternal marks errors whose text was not written for clients: see fault.Wrap.
const reasonInternal = "INTERNAL"

// reasonOfKind is the reason of an error that states none: its kind in UPPER_SNAKE.
func reasonOfKind(k fault.Kind) string {
	return strings.ReplaceAll(strings.ToUpper(k.String()), " ", "_")
}

// withoutPath is the message with the directories of a wrapped file error cut off.
func withoutPath(f *fault.Error) string {
	message := f.Message()
	var p *fs.PathError
	if errors.As(f, &p) && p.Path != "" {
		message = strings.ReplaceAll(message, p.Path, filepath.Base(p.Path))
	}
	return message
}

// plain is what a client may read of an error whose text was not written for clients.
func plain(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("the call was cancelled")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("the deadline of the call has passed")
	}
	return errors.New("internal error; the server's log has it under this request's id")
}

// clip bounds a message and makes it valid UTF-8, as a protobuf string must be.
func clip(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "�")
	}
	if len(s) <= maxMessage {
		return s
	}
	cut := maxMessage
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Codes lists every code that Status can give, in the order of the table.
func Codes() []codes.Code {
	all := make([]codes.Code, 0, len(kindCodes))
	for _, row := range kindCodes {
		all = append(all, row.code)
	}
	return slices.Clip(all)
}
