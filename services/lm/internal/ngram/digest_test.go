package ngram

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

	"github.com/manifold-gen/manifold/services/lm/internal/model"
)

// want is the digest of models of every smoothing and of what they say, on every CPU.
const want = "ef25b725ee2c5881f571905cdaeb4f77"

func TestDigest(t *testing.T) {
	h := sha256.New()
	for _, s := range Smoothings() {
		for _, v := range []Config{{}, {Prune: []int{0, 1}, MinCount: 2}, {Entropy: 1e-4}} {
			v.Order, v.Unit, v.Smoothing, v.Forgets = 4, "given", s, true
			m := train(t, small, v)
			b := train(t, small, Config{Order: 1, Unit: "given", Smoothing: Laplace, MinCount: v.MinCount})
			mix, err := NewMixture([]*Model{m, b}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := mix.Learn(small[:3], 3); err != nil {
				t.Fatal(err)
			}
			cache, err := NewCached(mix, 0.1, 5)
			if err != nil {
				t.Fatal(err)
			}
			h.Write(saved(t, m))
			tok, err := m.tokens.Encode("the cat and the zebra sat on a mat")
			if err != nil {
				t.Fatal(err)
			}
			row := make([]float64, m.tokens.Size())
			for _, x := range []model.Model{m, cache} {
				c := x.Open()
				for _, w := range tok {
					if err := x.Step([]model.Context{c}, [][]int32{{w}}, [][]float64{row}); err != nil {
						t.Fatal(err)
					}
					for _, p := range row {
						_ = binary.Write(h, binary.LittleEndian, math.Float64bits(p))
					}
				}
			}
		}
	}
	if got := hex.EncodeToString(h.Sum(nil)[:16]); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestDigestElsewhere computes the digest with fused instructions, and on an emulated arm64.
func TestDigestElsewhere(t *testing.T) {
	if testing.Short() || runtime.GOARCH != "amd64" {
		t.Skip("short, or not amd64")
	}
	for _, target := range []string{"GOAMD64=v3", "GOARCH=arm64"} {
		bin := filepath.Join(t.TempDir(), "ngram.test")
		build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", bin, ".")
		build.Env = append(os.Environ(), target, "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", target, err, out)
		}
		run := []string{bin, "-test.short", "-test.run", "^TestDigest$"}
		if target == "GOARCH=arm64" {
			qemu, err := exec.LookPath("qemu-aarch64-static")
			if err != nil {
				if os.Getenv("MANIFOLD_REQUIRE_QEMU") == "1" {
					t.Fatal(err)
				}
				t.Skip("no qemu-aarch64-static; set MANIFOLD_REQUIRE_QEMU=1 to require it")
			}
			run = append([]string{qemu}, run...)
		}
		cmd := exec.CommandContext(t.Context(), run[0], run[1:]...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", target, err, out)
		}
	}
}
