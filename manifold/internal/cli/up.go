package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/manifold-gen/manifold/gateway"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/serve"
	"github.com/manifold-gen/manifold/shared/wire/jobs"
)

type upCmd struct {
	Addr     string   `default:"127.0.0.1:8080" help:"Address of the page and the APIs. A taken port moves to the next free one."`
	Side     string   `default:"127.0.0.1:9464" help:"Address of metrics, probes and pprof; moves like --addr; empty: none."`
	Preload  []string `help:"Models to have in memory from the start."`
	LogLevel string   `default:"warn" help:"debug, info, warn or error." name:"log"`
}

// portsTried is how many ports after a taken one are tried.
const portsTried = 20

// listen opens addr, or the next free port after it.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: want host:port, such as 127.0.0.1:8080", addr)
	}
	port, err := strconv.Atoi(service)
	if err != nil || port < 0 || port > 65535 {
		return nil, fmt.Errorf("address %q: the port must be a number from 0 to 65535", addr)
	}
	var lc net.ListenConfig
	var first error
	for p := port; p <= min(port+portsTried, 65535); p++ {
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(p)))
		if err == nil {
			return l, nil
		}
		if first == nil {
			first = err
		}
		if port == 0 {
			break
		}
	}
	return nil, fmt.Errorf("no free port from %s on: %w", addr, first)
}

// Run starts everything and waits until it is told to stop.
func (c upCmd) Run(ctx context.Context, g *Globals) error {
	begun := time.Now()
	log, err := serve.NewLogger(c.LogLevel)
	if err != nil {
		return err
	}
	store, err := g.store()
	if err != nil {
		return err
	}
	data, err := g.locator()
	if err != nil {
		return err
	}
	door, err := listen(ctx, c.Addr)
	if err != nil {
		return err
	}
	if door.Addr().String() != c.Addr && !isPortZero(c.Addr) {
		fmt.Fprintf(g.err, "%s is taken; using %s instead.\n", c.Addr, door.Addr())
	}
	side := ""
	if c.Side != "" {
		l, err := listen(ctx, c.Side)
		if err != nil {
			return errors.Join(err, door.Close())
		}
		side = l.Addr().String()
		_ = l.Close()
	}

	// On a laptop nobody balances load, so the waits of an orderly shutdown would only be felt as slowness.
	base := serve.Config{Version: g.version, Logger: log, PreStop: -1, Drain: 2 * time.Second, Stop: time.Second}
	servers, backends, err := c.families(g, base, familyConfig{store: store, data: data})
	if err != nil {
		return err
	}
	gs := base
	gs.Name, gs.Listener, gs.Side = "gateway", door, side
	front, err := serve.New(gs)
	if err != nil {
		return err
	}
	for _, s := range servers {
		front.Expose(s.Metrics())
	}
	if err := gateway.Register(front, gateway.Config{Backends: backends}); err != nil {
		return err
	}
	servers = append(servers, front)

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	errs := make([]error, len(servers))
	for i, s := range servers {
		wg.Go(func() {
			errs[i] = s.Run(ctx)
			stop()
		})
	}
	for _, s := range servers {
		select {
		case <-ctx.Done():
			wg.Wait()
			return errors.Join(errs...)
		case <-s.Served():
		}
	}
	fmt.Fprintf(g.out, "Manifold is ready after %.2f s: http://%s\n", time.Since(begun).Seconds(), door.Addr())
	fmt.Fprintf(g.out, "OpenAI-shaped: http://%s/v1  gRPC, gRPC-Web, Connect: the same port", door.Addr())
	if side != "" {
		fmt.Fprintf(g.out, "  metrics: http://%s/metrics", side)
	}
	fmt.Fprintln(g.out, "\nCtrl-C stops it.")
	wg.Wait()
	return errors.Join(errs...)
}

// families makes a server for every family, each on a port of its own that only this machine reaches, and says where
// the gateway finds them.
func (c upCmd) families(g *Globals, base serve.Config, common familyConfig) ([]*serve.Server, map[string]string,
	error) {
	preload, err := preloads(common.store, c.Preload)
	if err != nil {
		return nil, nil, err
	}
	var servers []*serve.Server
	backends := make(map[string]string)
	taken := false
	for _, f := range families {
		sc, config := base, common
		sc.Name, sc.Family, sc.Listen = f.name, f.name, "127.0.0.1:0"
		config.preload = preload[f.name]
		if config.jobs, err = jobs.DirOf(g.Home, f.name); err != nil {
			return nil, nil, fmt.Errorf("--home %s: %s", g.Home, words(err))
		}
		s, err := newFamily(sc, f, config)
		if fault.ReasonOf(err) == "DATA_DIR_IN_USE" {
			taken = true
			config.jobs = ""
			s, err = newFamily(sc, f, config)
		}
		if reason := fault.ReasonOf(err); reason == "NO_DATA_DIR" || reason == "BAD_JOB_STORE" {
			return nil, nil, fmt.Errorf("--home %s: %s", g.Home, words(err))
		}
		if err != nil {
			return nil, nil, err
		}
		if err := s.Listen(); err != nil {
			return nil, nil, err
		}
		servers, backends[f.name] = append(servers, s), s.Addr()
	}
	if taken {
		fmt.Fprintln(g.err, "Another manifold of yours keeps the training jobs: this one serves without training.")
	}
	return servers, backends, nil
}

// newFamily makes the server of one family.
func newFamily(sc serve.Config, f family, c familyConfig) (*serve.Server, error) {
	s, err := serve.New(sc)
	if err != nil {
		return nil, err
	}
	return s, f.register(s, c)
}

func isPortZero(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	return err == nil && port == "0"
}
