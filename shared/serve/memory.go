package serve

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/manifold-gen/manifold/shared/fault"
)

// Memory is a server that listens in memory: for tests, and for a command that wants the service without a port.
type Memory struct {
	*Server
	conn   *grpc.ClientConn
	cancel context.CancelFunc
	done   chan struct{}
	err    error
	once   sync.Once
}

// InMemory makes a server like Run, but listens in memory and returns when it is ready or has failed. Config.Listen,
// Listener and TLS are ignored; unset shutdown waits are short, because no load balancer has to notice.
func InMemory(ctx context.Context, cfg Config, register func(*Server) error) (*Memory, error) {
	l := bufconn.Listen(1 << 20)
	cfg.Listener = l
	cfg.TLS = TLS{}
	orDefault(&cfg.PreStop, -1)
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	m := &Memory{Server: s, done: make(chan struct{})}
	if err := register(s); err != nil {
		_ = s.release()
		return nil, err
	}
	m.conn, err = grpc.NewClient("passthrough:///memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(s.cfg.MaxSend), grpc.MaxCallSendMsgSize(1<<30)),
	)
	if err != nil {
		_ = s.release()
		return nil, fault.Wrap("serve.InMemory", err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.cancel = cancel
	go func() {
		defer close(m.done)
		m.err = s.Run(run)
	}()
	select {
	case <-s.served:
		return m, nil
	case <-m.done:
		return nil, m.Close()
	case <-ctx.Done():
		_ = m.Close()
		return nil, fault.Wrap("serve.InMemory", ctx.Err())
	}
}

// Conn is a client connection to the server, closed by Close.
func (m *Memory) Conn() *grpc.ClientConn { return m.conn }

// Close shuts the server down in order and returns what Run returned.
func (m *Memory) Close() error {
	m.once.Do(func() {
		m.cancel()
		<-m.done
		_ = m.conn.Close()
	})
	return m.err
}
