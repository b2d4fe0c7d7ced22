package vec

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// TestARM64 runs an arm64 build under qemu-user: the digest and the special values, the documented orders, and the
// NEON kernels against portable Go on ordinary and hostile input of many lengths. The machine's Go tool
// cross-compiles; MANIFOLD_REQUIRE_QEMU=1 makes a missing emulator a failure.
func TestARM64(t *testing.T) {
	if runtime.GOARCH == "arm64" {
		return
	}
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		if os.Getenv("MANIFOLD_REQUIRE_QEMU") == "1" {
			t.Fatal(err)
		}
		t.Skip("no qemu-aarch64-static; set MANIFOLD_REQUIRE_QEMU=1 to require it")
	}
	bin := filepath.Join(t.TempDir(), "vec.test")
	build := exec.Command("go", "test", "-c", "-o", bin, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "GOOS=linux", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const tests = "^(TestDigest|TestFMA32AgainstBig|TestKernelsAgree|TestUnarySweepAgrees|TestNoAllocation|TestInPlace)$|" +
		"Special|Order$"
	out, err := exec.Command(qemu, bin, "-test.short", "-test.run", tests).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
