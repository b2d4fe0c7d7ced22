package tensor_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

var update = flag.Bool("update", false, "rewrite numerics.sum")

// TestNumericsSum computes every operation on fixed inputs, on every kernel set this CPU has, with 1, 2 and 8
// threads, and compares the digests with numerics.sum. A digest may change only together with
// NumericsVersion; then "go test -run NumericsSum -update" rewrites the file. With -short, for emulated CPUs, the
// large cases are left out.
func TestNumericsSum(t *testing.T) {
	defer restore(t)()
	const path = "numerics.sum"
	head := fmt.Sprintf("numerics version %d", NumericsVersion)
	want := map[string]string{}
	if !*update {
		want = readSums(t, path, head)
	}
	var lines []string
	skipped := 0
	for _, c := range numericsCases() {
		if c.large && testing.Short() {
			skipped++
			continue
		}
		for _, d := range []DType{Float32, Float64} {
			key := fmt.Sprintf("%s %s %s", c.op, c.shape, d)
			sum := ""
			for i, kernels := range AvailableKernels() {
				if kernels == "portable" && c.large && d == Float32 {
					continue
				}
				if i > 0 && d == Float64 {
					continue // portable Go under every name
				}
				for _, threads := range []int{1, 2, 8} {
					if err := SetKernels(kernels); err != nil {
						t.Fatal(err)
					}
					SetThreads(threads)
					got := digest(c.run(d)...)
					if sum == "" {
						sum = got
					}
					if got != sum {
						t.Errorf("%s: %s with %d threads gives %s, want %s", key, kernels, threads, got, sum)
					}
				}
			}
			if sum == "" {
				continue // a large case where there is only portable Go
			}
			if w, ok := want[key]; !*update && w != sum {
				t.Errorf("%s: %s, %s holds %q (present: %v)", key, sum, path, w, ok)
			}
			delete(want, key)
			lines = append(lines, key+" "+sum)
		}
	}
	if *update && skipped > 0 {
		t.Fatal("-update writes every line: leave -short out")
	}
	for key := range want {
		if skipped > 0 {
			break // the lines of the large cases
		}
		t.Errorf("%s: %s holds it, the test does not compute it", key, path)
	}
	if *update {
		text := head + "\n" + strings.Join(lines, "\n") + "\n"
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readSums(t *testing.T, path, head string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	if first != head {
		t.Fatalf("%s begins with %q, want %q: rewrite it with -update", path, first, head)
	}
	want := map[string]string{}
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		i := strings.LastIndex(line, " ")
		want[line[:i]] = line[i+1:]
	}
	return want
}

// restore returns what puts the kernels and the threads back.
func restore(t *testing.T) func() {
	kernels := Kernels()
	return func() {
		SetThreads(0)
		if err := SetKernels(kernels); err != nil {
			t.Error(err)
		}
	}
}

// TestEveryOperationHasNumerics checks that numerics.sum speaks of every exported operation.
func TestEveryOperationHasNumerics(t *testing.T) {
	have := map[string]bool{"PackB": true, "PackConv": true, "PackConvTranspose": true, "PackInt8": true, "PackBF16": true} // by the products of packed weights
	for _, c := range numericsCases() {
		have[c.op] = true
	}
	for _, name := range exportedOperations(t) {
		if !have[name] {
			t.Errorf("%s has no digest", name)
		}
	}
}
