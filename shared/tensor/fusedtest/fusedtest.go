// Package fusedtest is the test that a package computes the same bits under every compiler setting: that the
// compiler joined no product with the sum it goes into.
//
// Invariants:
//   - The Go specification lets a compiler turn x*y + z into one fused multiply-add, even across statements.
//     It does so for arm64 and for amd64 from GOAMD64=v3 on, not for GOAMD64=v1. A conversion, as in
//     float64(x*y) + z, forbids it.
//   - Each package is built for both targets. Where the compiler reports that it fused something, the package is
//     built again as usual and with fusing switched off, and the assembly is compared. Calls of math.FMA are fused
//     in both builds; a function that has more fused instructions in the usual build was changed by the compiler,
//     and fails the test.
package fusedtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// target is a build whose compiler fuses.
type target struct {
	name string
	env  []string
}

var targets = []target{
	{"arm64", []string{"GOARCH=arm64"}},
	{"amd64 v3", []string{"GOARCH=amd64", "GOAMD64=v3"}},
}

// instruction matches the fused instructions of both architectures in Go's assembly.
var instruction = regexp.MustCompile(`\s(FN?M(ADD|SUB)[SD]|VFN?M(ADD|SUB)\w+)\s`)

// Check fails t for every function of the packages, import paths or ./ paths, that the compiler gave fused
// instructions. allowed names functions, by the end of their name without type arguments, whose result is the
// same either way (because a product is exact) or decides no output.
func Check(t testing.TB, allowed []string, packages ...string) {
	t.Helper()
	dir := t.TempDir()
	for _, tg := range targets {
		for _, pkg := range packages {
			if !strings.Contains(build(t, tg, dir, pkg, "-d=fmahash=y"), "fmahash triggered") {
				continue // the compiler says that it fused nothing
			}
			usual := fused(t, tg, dir, pkg, "-S")
			off := fused(t, tg, dir, pkg, "-S -d=fmahash=n")
			for name, n := range usual {
				if n > off[name] && !isAllowed(name, allowed) {
					t.Errorf("%s: %s has %d fused instructions that its source does not ask for: write T(x*y) + z",
						tg.name, name, n-off[name])
				}
			}
		}
	}
}

func isAllowed(name string, allowed []string) bool {
	name, _, _ = strings.Cut(name, "[")
	for _, e := range allowed {
		if strings.HasSuffix(name, e) {
			return true
		}
	}
	return false
}

// build compiles the package and returns what the compiler prints.
func build(t testing.TB, tg target, dir, pkg, flags string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-gcflags="+flags, "-o", filepath.Join(dir, "package.a"), pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Env = append(cmd.Env, tg.env...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: go build %s: %v\n%s", tg.name, pkg, err, text[:min(len(text), 2000)])
	}
	return string(text)
}

// fused counts fused instructions by function in the compiler's assembly listing. (The disassembler of the go
// command does not know the fused instructions of amd64.)
func fused(t testing.TB, tg target, dir, pkg, flags string) map[string]int {
	t.Helper()
	text := build(t, tg, dir, pkg, flags)
	count := map[string]int{}
	name, functions := "", 0
	for line := range strings.Lines(text) {
		if head, _, ok := strings.Cut(line, " STEXT"); ok && !strings.HasPrefix(line, "\t") {
			name = head
			functions++
			continue
		}
		if instruction.MatchString(line) {
			count[name]++
		}
	}
	if functions == 0 {
		t.Fatalf("%s: go build -gcflags=-S %s listed no functions", tg.name, pkg)
	}
	return count
}
