package gateway

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // client-side health checking is registered by this import alone
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	trainingv1 "github.com/manifold-gen/manifold/proto/gen/manifold/training/v1"
	"github.com/manifold-gen/manifold/shared/serve"
)

// maxMessage bounds one message in either direction, in bytes.
const maxMessage = 64 << 20

// backend is one family's service, with all its replicas behind one connection object.
type backend struct {
	family   string
	conn     *grpc.ClientConn
	models   modelv1.ModelServiceClient
	training trainingv1.TrainingServiceClient
}

// dial connects to the replicas of one family. target is a gRPC target such as dns:///diffusion:9000, one
// host:port, or several of them separated by commas.
func dial(f family, target string, creds credentials.TransportCredentials) (*backend, error) {
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultServiceConfig(fmt.Sprintf(
			`{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":%q}}`, f.service)),
		// A replica whose host vanished is noticed within Time + Timeout; the services permit pings that often.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithUnaryInterceptor(func(
			ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker,
			opts ...grpc.CallOption,
		) error {
			return next(passRequestID(ctx), method, req, reply, cc, opts...)
		}),
		grpc.WithStreamInterceptor(func(
			ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer,
			opts ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			return next(passRequestID(ctx), desc, cc, method, opts...)
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second,
			},
			MinConnectTimeout: 2 * time.Second,
		}),
	}
	if addresses := strings.Split(target, ","); len(addresses) > 1 {
		r := manual.NewBuilderWithScheme("replicas")
		state := resolver.State{}
		for _, a := range addresses {
			address := resolver.Address{Addr: strings.TrimSpace(a)}
			state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{address}})
		}
		r.InitialState(state)
		opts = append(opts, grpc.WithResolvers(r))
		target = "replicas:///" + f.name
	}
	conn, err := grpc.NewClient(target, opts...)
	if err != nil {
		return nil, fmt.Errorf("backend %s at %q: %w", f.name, target, err)
	}
	conn.Connect()
	return &backend{
		family:   f.name,
		conn:     conn,
		models:   modelv1.NewModelServiceClient(conn),
		training: trainingv1.NewTrainingServiceClient(conn),
	}, nil
}

// passRequestID gives the services the id under which the door logs the request.
func passRequestID(ctx context.Context) context.Context {
	id := serve.RequestID(ctx)
	if id == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, serve.RequestIDKey, id)
}
