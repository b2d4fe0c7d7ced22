package cli

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/manifold-gen/manifold/shared/tensor"
)

type doctorCmd struct{}

// check is one line of the report.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Run checks what commonly goes wrong, and says what to do about it.
func (doctorCmd) Run(ctx context.Context, g *Globals) error {
	checks := []check{
		{"machine", true, fmt.Sprintf("%s, %s/%s, %s", machine(), runtime.GOOS, runtime.GOARCH, runtime.Version())},
		checkKernels(),
		checkWritable("models and runs", g.Home),
		g.checkCache(),
		g.checkModels(),
		checkPort(ctx, "127.0.0.1:8080"),
	}
	bad := 0
	for _, c := range checks {
		if !c.OK {
			bad++
		}
	}
	if g.JSON {
		if err := g.printJSON(checks); err != nil {
			return err
		}
	} else {
		for _, c := range checks {
			mark := "ok  "
			if !c.OK {
				mark = "BAD "
			}
			fmt.Fprintf(g.out, "%s %-16s %s\n", mark, c.Name, c.Detail)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d checks failed", bad, len(checks))
	}
	return nil
}

func checkKernels() check {
	best := tensor.AvailableKernels()[0]
	all := strings.Join(tensor.AvailableKernels(), ", ")
	c := check{"kernels", true, fmt.Sprintf("%s in use, of %s", tensor.Kernels(), all)}
	if best == "portable" {
		c.Detail += "; this CPU has no AVX2: results are the same, but slow"
	}
	return c
}

func checkWritable(name, dir string) check {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return check{name, false, err.Error() + "; choose another folder with --home"}
	}
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return check{name, false, err.Error() + "; choose another folder with --home"}
	}
	_, err = f.Write(make([]byte, 1<<16))
	_ = f.Close()
	_ = os.Remove(f.Name())
	if err != nil {
		return check{name, false, fmt.Sprintf("%s cannot be written: %v", dir, err)}
	}
	return check{name, true, dir}
}

func (g *Globals) checkCache() check {
	d, err := g.cache()
	if err != nil {
		return check{"cache", false, err.Error() + "; set HOME or XDG_CACHE_HOME"}
	}
	return checkWritable("cache", filepath.Clean(d))
}

func (g *Globals) checkModels() check {
	s, err := g.store()
	if err != nil {
		return check{"model files", false, words(err)}
	}
	var broken []string
	entries := s.List()
	for _, e := range entries {
		if e.Err != nil {
			broken = append(broken, e.Ref()+": "+words(e.Err))
			continue
		}
		if err := s.Verify(e); err != nil {
			broken = append(broken, e.Ref()+": "+words(err))
		}
	}
	if len(broken) > 0 {
		return check{"model files", false, strings.Join(broken, "; ")}
	}
	return check{"model files", true, fmt.Sprintf("%d found, all bytes as their digests say", len(entries))}
}

func checkPort(ctx context.Context, addr string) check {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return check{"port", true, addr + " is taken: manifold up will move to the next free one and say so"}
	}
	_ = l.Close()
	return check{"port", true, addr + " is free"}
}
