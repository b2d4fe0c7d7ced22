package diffusion_test

import (
	"context"
	"errors"
	"io"
	"log"
	"os"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	"github.com/manifold-gen/manifold/services/diffusion"
)

// A program draws a seven with a starter model, without a port and without a server beside it.
func ExampleConnect() {
	ctx := context.Background()
	store, err := diffusion.OpenStore(os.TempDir())
	if err != nil {
		log.Fatal(err)
	}
	services, err := diffusion.Connect(ctx, diffusion.Config{Store: store}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer services.Close()
	seed := uint64(1)
	stream, err := diffusionv1.NewDiffusionServiceClient(services.Conn()).Generate(ctx, &diffusionv1.GenerateRequest{
		Model: "mnist", Label: "7", Seed: &seed,
	})
	if err != nil {
		log.Fatal(err)
	}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		if done := m.GetCompleted(); done != nil {
			if err := os.WriteFile("seven.png", done.GetImages()[0].GetData(), 0o644); err != nil {
				log.Fatal(err)
			}
		}
	}
}
