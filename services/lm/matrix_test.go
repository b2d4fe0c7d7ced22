package lm_test

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"hash"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	lmv1 "github.com/manifold-gen/manifold/proto/gen/manifold/lm/v1"
	"github.com/manifold-gen/manifold/shared/tensor"
)

var update = flag.Bool("update", false, "rewrite testdata/matrix.sum")

// digest is one of numbers and texts, to the bit.
type digest struct{ hash.Hash }

func (d digest) add(what ...any) {
	for _, v := range what {
		switch v := v.(type) {
		case float64:
			fmt.Fprintf(d, "%016x ", math.Float64bits(v))
		case []float64:
			for _, x := range v {
				d.add(x)
			}
		default:
			fmt.Fprintf(d, "%v ", v)
		}
	}
}

func (d digest) sum() string { return hex.EncodeToString(d.Sum(nil)) }

// TestMatrix trains every architecture and takes digests of its answers, which are the same on every
// machine. One may change only together with NumericsVersion, or with the meaning of a recipe or a call; then
// "go test -run TestMatrix -update" rewrites the file.
func TestMatrix(t *testing.T) {
	const path = "testdata/matrix.sum"
	text := fmt.Sprintf("numerics version %d\n", tensor.NumericsVersion)
	w := connect(t)
	var names []string
	for _, r := range recipes {
		names = append(names, r.name)
	}
	for _, name := range append(names, "umbrella", "weather", "fable", "listener", "invitation") {
		d, err := w.Describe(t.Context(), &lmv1.DescribeRequest{Model: name})
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range d.GetCalls() {
			if sum := w.answer(t, name, call); sum != "" {
				text += name + "-" + strings.ToLower(call) + " " + sum + "\n"
			}
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("got\n%swant\n%s", text, want)
	}
}

// prompts are what the models are asked to go on with; nothing by default.
var prompts = map[string]string{"invitation": "guest: Ada", "listener": "my aunt is sad", "fable": ""}

// answer is the digest of one call's answer.
func (w *world) answer(t *testing.T, name, call string) string {
	t.Helper()
	d := digest{sha256.New()}
	ctx := t.Context()
	prompt := prompts[name]
	for _, l := range languages {
		if l.name == name {
			prompt = l.prompt
		}
	}
	switch call {
	case "Generate":
		seed, n, most := uint64(7), int32(2), int32(40)
		for _, s := range []*lmv1.Sampling{nil, {Temperature: new(0.7), TopP: new(0.9), RepetitionPenalty: new(1.2)}} {
			if _, rules := prompts[name]; rules && s != nil {
				continue
			}
			g := w.write(t, &lmv1.GenerateRequest{Model: name, Prompt: prompt, Seed: &seed, N: &n, MaxTokens: &most, Sampling: s})
			for _, x := range g.tokens {
				d.add(x.GetId(), x.GetText(), x.GetLogprob(), x.GetFinish())
			}
		}
	case "Score":
		r, err := w.Score(ctx, &lmv1.ScoreRequest{Model: name, Texts: []string{prompt + " " + prompt}, Tokens: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range r.GetTexts()[0].GetDetails() {
			d.add(x.GetId(), x.GetLogprob())
		}
		d.add(r.GetSum().GetPerplexity())
	case "Tag":
		words := []string{"the", "dog", "purrs"}
		if name != "tags" {
			words = strings.Fields(prompt + " " + prompt)
		}
		r, err := w.Tag(ctx, &lmv1.TagRequest{Model: name, Words: words})
		if err != nil {
			t.Fatal(err)
		}
		d.add(r.GetPath(), r.GetPathLogprob(), r.GetLogprob(), r.GetPosterior(), r.GetFiltered())
	case "Chain":
		states := w.labels(t, name)
		r, err := w.Chain(ctx, &lmv1.ChainRequest{Model: name, Targets: states[:1], Steps: 5, Path: 50, Seed: new(uint64(9))})
		if err != nil {
			t.Fatal(err)
		}
		d.add(r.GetStationary(), r.GetEntropyRate(), r.GetSecondEigenvalue(), r.GetHittingTime(), r.GetDistributions(), r.GetPath())
	default:
		return ""
	}
	return d.sum()
}

func (w *world) labels(t *testing.T, name string) []string {
	t.Helper()
	r, err := w.Describe(t.Context(), &lmv1.DescribeRequest{Model: name})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetLabels()
}

// TestMatrixElsewhere computes the same digests as the compiler makes them for GOAMD64=v3, where it may fuse products
// and sums, and on an emulated arm64.
func TestMatrixElsewhere(t *testing.T) {
	if runtime.GOARCH != "amd64" || testing.Short() {
		t.Skip("this is the other machine")
	}
	var emulator []string
	qemu, err := exec.LookPath("qemu-aarch64-static")
	switch {
	case err == nil:
		emulator = []string{qemu}
	case os.Getenv("MANIFOLD_REQUIRE_QEMU") == "1":
		t.Fatal(err)
	}
	for _, target := range []struct {
		env string
		run []string
	}{{"GOAMD64=v3", nil}, {"GOARCH=arm64", emulator}} {
		if target.env == "GOARCH=arm64" && emulator == nil {
			t.Log("no qemu-aarch64-static; set MANIFOLD_REQUIRE_QEMU=1 to require it")
			continue
		}
		bin := filepath.Join(t.TempDir(), "lm.test")
		build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", bin, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", target.env)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		args := append(append([]string(nil), target.run...), bin, "-test.short", "-test.run", "^TestMatrix$")
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%.4000s", target.env, err, out)
		}
	}
}
