// Command go-table asks tables over gRPC: exact fractions, what is seen and what is set, and new rows.
//
// Start a server in another terminal, then run the client from the folder examples:
//
//	make run
//	go run ./go-table 127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	tabularv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tabular/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	address := "127.0.0.1:8080"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	err := run(ctx, address)
	stop() // an interrupt cancels the call, and the server stops computing
	if err != nil {
		fmt.Fprintln(os.Stderr, "go-table:", err)
		os.Exit(1)
	}
}

func is(field string, levels ...string) []*tabularv1.Condition {
	return []*tabularv1.Condition{{Field: field, Levels: levels}}
}

func run(ctx context.Context, address string) error {
	// The door of a server on this machine speaks plain text. Elsewhere use credentials.NewTLS, and for API keys send
	// the metadata "authorization: Bearer KEY" with every call.
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := tabularv1.NewTabularServiceClient(conn)

	r, err := c.Query(ctx, &tabularv1.QueryRequest{Model: "titanic", Event: is("survived", "yes"),
		Given: is("sex", "female")})
	if err != nil {
		return err
	}
	f := r.GetCells()[0].GetFraction()
	fmt.Printf("P(survived | female) = %d/%d, from %s\n", f.GetCount(), f.GetTotal(), r.GetAnswered().GetModel())

	on := is("sprinkler", "on")
	for _, q := range []*tabularv1.QueryRequest{
		{Model: "sprinkler", Targets: []string{"cloudy"}, Given: on},
		{Model: "sprinkler", Targets: []string{"cloudy"}, Do: on},
	} {
		if r, err = c.Query(ctx, q); err != nil {
			return err
		}
		what := "seen"
		if len(q.GetDo()) > 0 {
			what = "set"
		}
		fmt.Printf("the sprinkler is %s on: cloudy with %.4f\n", what, r.GetCells()[1].GetProbability())
	}

	in, err := c.Sample(ctx, &tabularv1.SampleRequest{Model: "titanic-network", N: proto.Int64(5), Seed: proto.Uint64(1),
		Given: is("survived", "yes")})
	if err != nil {
		return err
	}
	for {
		e, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, row := range e.GetRows().GetRows() {
			var cells []string
			for _, v := range row.GetValues() {
				cells = append(cells, v.GetCategory())
			}
			fmt.Println(strings.Join(cells, ", "))
		}
	}
}
