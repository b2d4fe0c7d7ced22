// Command go-dream draws digits over gRPC, sends them through the bottleneck of an autoencoder and back, and prints the
// energies of Gibbs chains while they dream.
//
// Start a server in another terminal, then run the client from the folder examples:
//
//	make run
//	go run ./go-dream 127.0.0.1:8080 pictures
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	address, dir := "127.0.0.1:8080", "pictures"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	if len(os.Args) > 2 {
		dir = os.Args[2]
	}
	err := run(ctx, address, dir)
	stop() // an interrupt cancels the call, and the server stops computing
	if err != nil {
		fmt.Fprintln(os.Stderr, "go-dream:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address, dir string) error {
	// The door of a server on this machine speaks plain text. Elsewhere use credentials.NewTLS, and for API keys send
	// the metadata "authorization: Bearer KEY" with every call.
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // the server refuses at once what it cannot do in time
	defer cancel()
	c := vaev1.NewVaeServiceClient(conn)

	// A Gibbs chain of a deep belief network with its class clamped: one event after every fifty sweeps.
	in, err := c.Fantasy(ctx, &vaev1.FantasyRequest{Model: "dbn-mnist", Label: "4", N: proto.Int32(3),
		Seed: proto.Uint64(1), Sweeps: proto.Int32(200), PreviewEvery: 50})
	if err != nil {
		return err
	}
	var dreams []*tensorv1.Image
	for {
		e, err := in.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch s := e.GetSample(); {
		case s.GetSweep() != nil:
			fmt.Printf("sweep %3d: energies %.1f\n", s.GetSweep().GetSweep(), s.GetSweep().GetEnergies())
		case s.GetPreview() != nil:
			name := fmt.Sprintf("dream-%03d.png", s.GetPreview().GetSweep())
			if err := write(dir, name, s.GetPreview().GetImages()[0]); err != nil {
				return err
			}
		case s.GetCompleted() != nil:
			dreams = s.GetCompleted().GetImages()
		}
	}

	// The dreams through the sixteen numbers of another model's code, and back.
	r, err := c.Reconstruct(ctx, &vaev1.ReconstructRequest{Model: "vae-mnist", Images: dreams})
	if err != nil {
		return err
	}
	for i, picture := range r.GetImages() {
		fmt.Printf("dream %d through %s: squared error %.4f a pixel\n", i, r.GetAnswered().GetModel(),
			r.GetErrors()[i].GetMeanSquaredError())
		if err := write(dir, fmt.Sprintf("dream-%d.png", i), dreams[i]); err != nil {
			return err
		}
		if err := write(dir, fmt.Sprintf("dream-%d-reconstructed.png", i), picture); err != nil {
			return err
		}
	}
	return nil
}

func write(dir, name string, picture *tensorv1.Image) error {
	return os.WriteFile(filepath.Join(dir, name), picture.GetData(), 0o600)
}
