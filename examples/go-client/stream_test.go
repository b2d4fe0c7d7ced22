package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
)

// door counts to ten and breaks off after every third event.
type door struct {
	diffusionv1.UnimplementedDiffusionServiceServer
	streams int
}

// Generate implements the service.
func (d *door) Generate(
	req *diffusionv1.GenerateRequest, out grpc.ServerStreamingServer[diffusionv1.GenerateResponse],
) error {
	d.streams++
	from := 0
	if md, _ := metadata.FromIncomingContext(out.Context()); len(md.Get("last-event-id")) > 0 {
		from, _ = strconv.Atoi(md.Get("last-event-id")[0])
	}
	if from == 0 {
		e := &diffusionv1.GenerateResponse{Event: &diffusionv1.GenerateResponse_Started{
			Started: &diffusionv1.Started{Model: req.GetModel(), Steps: 10}}}
		if err := out.Send(e); err != nil {
			return err
		}
	}
	for step := from + 1; step <= 10; step++ {
		if step == from+4 {
			return status.Error(codes.Unavailable, "broken")
		}
		e := &diffusionv1.GenerateResponse{EventId: strconv.Itoa(step), Event: &diffusionv1.GenerateResponse_Step{
			Step: &diffusionv1.Step{Step: int32(step), Steps: 10}}}
		if err := out.Send(e); err != nil {
			return err
		}
	}
	return out.Send(&diffusionv1.GenerateResponse{Event: &diffusionv1.GenerateResponse_Completed{
		Completed: &diffusionv1.Completed{Images: []*tensorv1.Image{{Data: []byte("picture")}}}}})
}

func TestClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, d := grpc.NewServer(), &door{}
	diffusionv1.RegisterDiffusionServiceServer(s, d)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	dir := filepath.Join(t.TempDir(), "new")
	if err := run(t.Context(), []string{l.Addr().String(), "7", dir}); err != nil {
		t.Fatal(err)
	}
	if d.streams != 4 {
		t.Errorf("%d streams, want 4: three breaks", d.streams)
	}
	b, err := os.ReadFile(filepath.Join(dir, "0.png"))
	if err != nil || !bytes.Equal(b, []byte("picture")) {
		t.Errorf("%q %v", b, err)
	}
}
