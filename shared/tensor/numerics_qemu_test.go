package tensor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// TestNumericsSumOnARM64 computes the digests of numerics.sum, but for the large cases, on an emulated arm64: with
// the NEON kernels and with portable Go.
func TestNumericsSumOnARM64(t *testing.T) {
	if runtime.GOARCH == "arm64" || testing.Short() {
		return
	}
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		if os.Getenv("MANIFOLD_REQUIRE_QEMU") == "1" {
			t.Fatal(err)
		}
		t.Skip("no qemu-aarch64-static; set MANIFOLD_REQUIRE_QEMU=1 to require it")
	}
	bin := filepath.Join(t.TempDir(), "tensor.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", bin, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "GOOS=linux", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), qemu, bin, "-test.short", "-test.run", "^TestNumericsSum$").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
