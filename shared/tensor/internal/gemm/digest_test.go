package gemm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

// wantDigest is over the bits of the results of digestShapes. It may change only together with the
// numerics version of package tensor.
const wantDigest = "cbfddf2456d323c6fb16aa785bda7e9208a5de04450852b2ed07894705c2dc5c"

// digestShapes is small enough for an emulated processor.
var digestShapes = struct {
	products []Product
	convs    []Conv
}{
	products: []Product{
		{M: 1, N: 40, K: 300}, {M: 7, N: 16, K: 520, TransA: true}, {M: 13, N: 21, K: 64, TransB: true},
	},
	convs: []Conv{
		same3(2, 5, 5, 1, 17), same3(1, 4, 3, 40, 8),
		{N: 1, H: 20, W: 17, Ci: 4, Co: 6, KH: 2, KW: 2},
		{N: 2, H: 6, W: 5, Ci: 5, Co: 18, KH: 4, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadBottom: 1, PadLeft: 1},
		{N: 1, H: 2, W: 2, Ci: 260, Co: 5, KH: 1, KW: 2, PadRight: 1},
		same3(1, 7, 8, 16, 32), same3(1, 3, 11, 80, 16),
	},
}

// plainRandom is a stream of float32 made by integer arithmetic alone, so that it is the same anywhere.
func plainRandom(state *uint64, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		*state = *state*6364136223846793005 + 1442695040888963407
		s[i] = float32(int32(*state>>40)-1<<23) / (1 << 22)
	}
	return s
}

func digest() string {
	h := sha256.New()
	add := func(s []float32) {
		for _, v := range s {
			_ = binary.Write(h, binary.LittleEndian, math.Float32bits(v)) // a hash never fails
		}
	}
	state := uint64(1)
	for _, p := range digestShapes.products {
		c := make([]float32, p.M*p.N)
		MatMul(c, plainRandom(&state, p.M*p.K), plainRandom(&state, p.K*p.N), p, nil)
		add(c)
	}
	for _, c := range digestShapes.convs {
		ho, wo := c.Out()
		x, w := plainRandom(&state, c.N*c.H*c.W*c.Ci), plainRandom(&state, c.KH*c.KW*c.Ci*c.Co)
		y := make([]float32, c.N*ho*wo*c.Co)
		Conv2D(y, x, w, c, nil)
		add(y)
		dx, dw := make([]float32, len(x)), make([]float32, len(w))
		InputGrad(dx, y, w, c, nil)
		add(dx)
		WeightGrad(dw, x, y, c)
		add(dw)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Every instruction set gives the recorded bits.
func TestDigest(t *testing.T) {
	defer func() { _ = cpu.Set("auto") }()
	for _, isa := range cpu.Available() {
		if err := cpu.Set(isa.String()); err != nil {
			t.Fatal(err)
		}
		if got := digest(); got != wantDigest {
			t.Errorf("%s: digest %s, want %s", isa, got, wantDigest)
		}
	}
}

// The NEON kernels and the portable ones, built for arm64 and run by an emulator, give the same bits.
func TestDigestOnARM64(t *testing.T) {
	if runtime.GOARCH == "arm64" {
		return // TestDigest ran on the real thing
	}
	emulator, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		if os.Getenv("MANIFOLD_REQUIRE_QEMU") == "1" {
			t.Fatal(err)
		}
		t.Skip("qemu-aarch64-static is not installed")
	}
	binary := filepath.Join(t.TempDir(), "gemm.test")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building for arm64: %v\n%s", err, out)
	}
	out, err := exec.Command(emulator, binary, "-test.run", "^(TestDigest|TestLayoutOfTile)$", "-test.v").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
