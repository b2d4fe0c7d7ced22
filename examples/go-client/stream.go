package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
)

const (
	attempts = 5 // to reach the door without an event in between
	pause    = 200 * time.Millisecond
)

// stream calls handle for every event of a generation, each once. When the connection to the door breaks, it sends the
// same request again with the id of the last event, and the door goes on after that one.
func stream(
	ctx context.Context, client diffusionv1.DiffusionServiceClient, req *diffusionv1.GenerateRequest,
	handle func(*diffusionv1.GenerateResponse) error,
) error {
	last := ""
	for failed := 0; ; {
		before := last
		err := once(ctx, client, req, &last, handle)
		if status.Code(err) != codes.Unavailable {
			return err
		}
		if last != before {
			failed = 0
		}
		if failed++; failed >= attempts {
			return err
		}
		fmt.Fprintln(os.Stderr, "the stream broke, taking it up again:", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(failed) * pause):
		}
	}
}

// once runs one stream to its end and keeps the id of the last event in last.
func once(
	ctx context.Context, client diffusionv1.DiffusionServiceClient, req *diffusionv1.GenerateRequest, last *string,
	handle func(*diffusionv1.GenerateResponse) error,
) error {
	ctx, cancel := context.WithCancel(ctx) // leaving early stops the computation
	defer cancel()
	if *last != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "last-event-id", *last)
	}
	events, err := client.Generate(ctx, req)
	if err != nil {
		return err
	}
	for {
		e, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := handle(e); err != nil {
			return err
		}
		if e.GetEventId() != "" {
			*last = e.GetEventId()
		}
	}
}
