// Command go-client draws digits over gRPC, prints every denoising step as it happens and writes the pictures.
//
// Start a server in another terminal, then run the client from the folder examples:
//
//	make run
//	go run ./go-client 127.0.0.1:8080 7 pictures
//
// All three arguments may be left out: the address, the label (empty draws any digit) and the folder to write to.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop() // an interrupt cancels the call, and the server stops computing
	if err != nil {
		fmt.Fprintln(os.Stderr, "go-client:", err)
		os.Exit(1)
	}
}

// argument is argument i, or a default.
func argument(args []string, i int, otherwise string) string {
	if i < len(args) {
		return args[i]
	}
	return otherwise
}

func run(ctx context.Context, args []string) error {
	address, label := argument(args, 0, "127.0.0.1:8080"), argument(args, 1, "7")
	// The door of a server on this machine speaks plain text. Elsewhere use credentials.NewTLS, and for API keys send
	// the metadata "authorization: Bearer KEY" with every call.
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute) // the server refuses at once what it cannot do in time
	defer cancel()
	req := &diffusionv1.GenerateRequest{
		Model: "mnist", Label: label, Sampler: "ddim", Steps: proto.Int32(50), N: proto.Int32(4),
		Seed: proto.Uint64(1), PreviewEvery: 10,
	}
	if label != "" {
		req.GuidanceScale = proto.Float64(2) // guidance pushes towards a label, so it needs one
	}
	p := &printer{dir: argument(args, 2, "pictures")}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	return stream(ctx, diffusionv1.NewDiffusionServiceClient(conn), req, p.event)
}

// printer shows events and writes pictures.
type printer struct {
	dir   string
	model string
}

// event handles one event of a generation.
func (p *printer) event(e *diffusionv1.GenerateResponse) error {
	switch {
	case e.GetStarted() != nil:
		s := e.GetStarted()
		p.model = s.GetModel()
		fmt.Printf("%s: %d steps of %s, %dx%d pixels, seed %d\n", s.GetModel(), s.GetSteps(), s.GetSampler(), s.GetWidth(),
			s.GetHeight(), s.GetSeed())
	case e.GetStep() != nil:
		s := e.GetStep()
		fmt.Printf("step %3d of %d: noise %8.3f, %v\n", s.GetStep(), s.GetSteps(), s.GetNoiseLevel(),
			s.GetDuration().AsDuration().Round(10*time.Microsecond))
	case e.GetPreview() != nil:
		for i, picture := range e.GetPreview().GetImages() {
			if err := p.write(fmt.Sprintf("%d-step-%03d.png", i, e.GetPreview().GetStep()), picture.GetData()); err != nil {
				return err
			}
		}
	case e.GetCompleted() != nil:
		c := e.GetCompleted()
		for i, picture := range c.GetImages() {
			if err := p.write(fmt.Sprintf("%d.png", i), picture.GetData()); err != nil {
				return err
			}
		}
		fmt.Printf("%d pictures in %v, model digest %.12s\n", len(c.GetImages()),
			c.GetTimings().GetTotal().AsDuration().Round(time.Millisecond), c.GetModelDigest())
	}
	return nil
}

func (p *printer) write(name string, data []byte) error {
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	fmt.Println("wrote", path)
	return nil
}
