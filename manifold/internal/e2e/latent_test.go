package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
)

// TestUpServesBothFamilies starts the program as a person does and asks both families at its one door.
func TestUpServesBothFamilies(t *testing.T) {
	home := t.TempDir()
	door := freePort(t)
	cmd := exec.Command(binary(t, "manifold"), "up", "--addr", door, "--side", "")
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"),
		"XDG_DATA_HOME="+filepath.Join(home, "data"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.Get("http://" + door + "/")
		if err == nil {
			_ = res.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no answer after two minutes")
		}
	}
	steps := int32(2)
	q := &diffusionv1.GenerateRequest{Model: "mnist", Steps: &steps}
	if l := generate(t.Context(), t, dial(t, door), q, func(*diffusionv1.GenerateResponse) {}); len(l) < 3 {
		t.Errorf("diffusion: %d events", len(l))
	}
	conn, err := grpc.NewClient(door, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := vaev1.NewVaeServiceClient(conn)
	for _, model := range []string{"vae-mnist", "rbm-mnist"} {
		l := dream(t.Context(), t, c, &vaev1.SampleRequest{Model: model, N: proto.Int32(2)}, func(*vaev1.SampleResponse) {})
		if n := len(l[len(l)-1].GetCompleted().GetImages()); n != 2 {
			t.Errorf("%s: %d pictures", model, n)
		}
	}
}

// TestLatentCommands runs every command of the family once, with the models that come along.
func TestLatentCommands(t *testing.T) {
	home, native := t.TempDir(), []string{binary(t, "manifold")}
	in := func(name string) string { return filepath.Join(home, name) }
	command(t, home, native, "generate", "vae", "--n", "2", "--seed", "1", "--out", in("grid.png"), "--out-dir", in("each"))
	var pictures []string
	for name := range readAll(t, in("each")) {
		pictures = append(pictures, filepath.Join(in("each"), name))
	}
	codes := command(t, home, native, "latent", "encode", "--seed", "1", pictures[0])
	if err := os.WriteFile(in("codes.json"), []byte(codes), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"latent show", "latent decode " + in("codes.json") + " --out " + in("a.png"),
		"latent reconstruct " + pictures[0] + " --out " + in("b.png"), "latent walk 1 7 --out " + in("c.png"),
		"latent grid --columns 3 --rows 3 --out " + in("d.png"), "latent arithmetic 9 4 1 --out " + in("e.png"),
		"latent score --samples 5 " + pictures[0],
	} {
		if out := command(t, home, native, strings.Fields(args)...); out == "" {
			t.Errorf("%s says nothing", args)
		}
	}
	folder, err := filepath.Abs("../../../services/vae/internal/checkpoint/testdata/kl-plain")
	if err != nil {
		t.Fatal(err)
	}
	if out := command(t, home, native, "models", "import", folder); !strings.Contains(out, "imported kl-plain@1") {
		t.Error(out)
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		if b, err := os.ReadFile(in(name + ".png")); err != nil || len(b) < 100 {
			t.Errorf("%s.png: %d bytes, %v", name, len(b), err)
		}
	}
}
