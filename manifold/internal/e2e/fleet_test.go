package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
)

// build compiles the daemons once for all tests of the package.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "manifold-e2e-*")
	if err != nil {
		return "", err
	}
	for name, pkg := range map[string]string{
		"diffusiond": "github.com/manifold-gen/manifold/services/diffusion/cmd/diffusiond",
		"vaed":       "github.com/manifold-gen/manifold/services/vae/cmd/vaed",
		"gatewayd":   "github.com/manifold-gen/manifold/gateway/cmd/gatewayd",
		"manifold":   "github.com/manifold-gen/manifold/manifold/cmd/manifold",
	} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := build(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// binary is the path of a daemon, built now if need be.
func binary(t *testing.T, name string) string {
	t.Helper()
	dir, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// freePort finds a loopback address that nobody uses at the moment.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// daemon is a process of ours with its two ports.
type daemon struct {
	name, addr, side string
	args             []string
	env              []string
	cmd              *exec.Cmd
	log              *os.File
}

// newDaemon prepares a process; start runs it.
func newDaemon(t *testing.T, name string, args ...string) *daemon {
	t.Helper()
	home := t.TempDir()
	d := &daemon{name: name, addr: freePort(t), side: freePort(t)}
	d.args = append([]string{"--listen", d.addr, "--side", d.side}, args...)
	d.env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"))
	log, err := os.Create(filepath.Join(home, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	d.log = log
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			if b, err := os.ReadFile(log.Name()); err == nil {
				t.Logf("%s wrote:\n%.4000s", name, b)
			}
		}
		_ = log.Close()
	})
	return d
}

// start runs the process and waits until it is ready.
func (d *daemon) start(t *testing.T) {
	t.Helper()
	d.cmd = exec.Command(binary(t, d.name), d.args...)
	d.cmd.Env = d.env
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(2 * time.Minute)
	for time.Now().Before(deadline) {
		res, err := http.Get("http://" + d.side + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s is not ready after two minutes", d.name)
}

// kill ends the process as kill -9 does.
func (d *daemon) kill() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Kill()
	_, _ = d.cmd.Process.Wait()
	d.cmd = nil
}

// metric sums all series of a metric on the side port.
func (d *daemon) metric(t *testing.T, name string) float64 {
	t.Helper()
	res, err := http.Get("http://" + d.side + "/metrics")
	if err != nil {
		return 0 // a killed process counts nothing
	}
	defer res.Body.Close()
	sum := 0.0
	in := bufio.NewScanner(res.Body)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line := in.Text()
		if line == "" || line[0] == '#' || !strings.HasPrefix(line, name) {
			continue
		}
		if rest := line[len(name):]; rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		v, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	return sum
}

// dial connects a stock gRPC client.
func dial(t *testing.T, addr string) diffusionv1.DiffusionServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return diffusionv1.NewDiffusionServiceClient(conn)
}

// received is an event with the time of its arrival.
type received struct {
	ev *diffusionv1.GenerateResponse
	at time.Time
}

// generate runs a request to its end; seen is told of every event when it arrives.
func generate(
	ctx context.Context, t *testing.T, c diffusionv1.DiffusionServiceClient, q *diffusionv1.GenerateRequest,
	seen func(*diffusionv1.GenerateResponse),
) []received {
	t.Helper()
	stream, err := c.Generate(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	var l []received
	for {
		ev, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return l
		}
		if err != nil {
			t.Fatalf("after %d events: %v", len(l), err)
		}
		l = append(l, received{ev, time.Now()})
		seen(ev)
	}
}

// bare is an event without what stands outside the promise of identical bytes: times.
func bare(ev *diffusionv1.GenerateResponse) *diffusionv1.GenerateResponse {
	c := proto.CloneOf(ev)
	if s := c.GetStep(); s != nil {
		s.Duration = nil
	}
	if d := c.GetCompleted(); d != nil {
		d.Timings = nil
	}
	return c
}
