package vae_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	vaev1 "github.com/manifold-gen/manifold/proto/gen/manifold/vae/v1"
	"github.com/manifold-gen/manifold/services/vae"
	"github.com/manifold-gen/manifold/services/vae/internal/dbn"
	"github.com/manifold-gen/manifold/services/vae/internal/engine"
	"github.com/manifold-gen/manifold/services/vae/internal/evaluate"
	"github.com/manifold-gen/manifold/services/vae/internal/recipe"
	"github.com/manifold-gen/manifold/shared/modelstore"
	shared "github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

var update = flag.Bool("update", false, "rewrite testdata/matrix.sum")

// members are all kinds of models and of learning in the family, with pictures of 8x8, in training for one epoch.
var members = []struct{ name, text string }{
	{"boltzmann", "architecture: boltzmann\nmodel: {hidden: 3, chains: 4, sweeps: 2}\n"},
	{"rbm-binary", "architecture: rbm\nmodel: {hidden: 7, binarise: dynamic, learning: {sparsity: 0.2}}\n"},
	{"rbm-persistent", "architecture: rbm\nmodel: {hidden: 25, labels: true, learning: {method: pcd, chains: 5}, " +
		"ais: {temperatures: 20, chains: 3}}\n"},
	{"rbm-tempered", "architecture: rbm\nmodel: {hidden: 7, binarise: static, " +
		"learning: {method: tempered, temperatures: 3, chains: 4}}\n"},
	{"rbm-gaussian", "architecture: rbm\nmodel: {hidden: 7, units: gaussian, learn_variance: true}\n"},
	{"rbm-softmax", "architecture: rbm\nmodel: {hidden: 7, units: softmax, levels: 3}\n"},
	{"dbn", "architecture: dbn\nmodel: {hidden: [9, 8, 25], inputs: samples, ais: {temperatures: 20}, " +
		"top: {method: pcd, chains: 5}, up_down: {train: {steps: 3, batch: 12}}}\n"},
	{"ae-dense", "architecture: autoencoder\nmodel: {hidden: [16], code: 4}\n"},
	{"ae-conv", "architecture: autoencoder\nmodel: {network: conv, hidden: [4, 8], code: 4, likelihood: logistic}\n"},
	{"ae-denoising", "architecture: autoencoder\nmodel: {hidden: [16], code: 4, corruption: gaussian, amount: 0.3}\n"},
	{"ae-sparse", "architecture: autoencoder\nmodel: {hidden: [16], code: 9, sparsity: kl, target: 0.1, weight: 0.1, " +
		"code_activation: sigmoid}\n"},
	{"ae-contractive", "architecture: autoencoder\nmodel: {hidden: [9], code: 4, contraction: 0.1, activation: tanh, " +
		"likelihood: gaussian, variance: 0.5}\n"},
	{"vae-mlp", "architecture: vae\nmodel: {hidden: [16], latent: 3, warmup: 3, free_bits: 0.1, binarise: dynamic}\n"},
	{"vae-conv", "architecture: vae\nmodel: {network: conv, hidden: [4, 8], latent: 3, likelihood: logistic, " +
		"activation: silu}\n"},
	{"vae-conditional", "architecture: vae\nmodel: {hidden: [16], latent: 3, likelihood: gaussian, conditional: true, " +
		"second: {hidden: [8], train: {steps: 3, batch: 12}}}\n"},
	{"vae-iwae", "architecture: vae\nmodel: {hidden: [16, 8], activation: gelu, latent: 3, samples: 4, binarise: static}\n"},
	{"vq-prior", "architecture: vq\nmodel: {hidden: [8], codebook: 9, size: 4, revive: 2, conditional: true, " +
		"prior: {channels: 8, blocks: 1, train: {steps: 3, batch: 12}}}\n"},
	{"smiles", ""},
}

const molecules = "name: smiles\narchitecture: smiles\nseed: 1\ndata: {name: molecule-grammar, train: 60, select: 10}\n" +
	"model: {width: 16, heads: 2, encoder: 1, decoder: 1, latent: 3}\ntrain: {epochs: 1, batch: 8, micro: 4, ema: 0.9}\n"

// sums are digests by what they are of, in the order of their making.
type sums struct {
	keys []string
	by   map[string]string
}

func (s *sums) add(key, digest string) {
	if s.by == nil {
		s.by = map[string]string{}
	}
	s.keys = append(s.keys, key)
	s.by[key] = digest
}

// TestMatrix trains every member of the family for an epoch, draws, encodes and decodes with it, on every kernel set
// of this CPU with 1, 2 and 8 threads, in requests of 1, 2 and 7 rows, and compares the digests with those in
// testdata/matrix.sum, which hold for every machine. One may change only together with NumericsVersion, or with the
// meaning of a recipe or a call; then "go test -run TestMatrix -update" rewrites the file.
func TestMatrix(t *testing.T) {
	threads, kernels := tensor.Threads(), tensor.Kernels()
	defer func() {
		tensor.SetThreads(threads)
		if err := tensor.SetKernels(kernels); err != nil {
			t.Fatal(err)
		}
	}()
	const path = "testdata/matrix.sum"
	head := fmt.Sprintf("numerics version %d", tensor.NumericsVersion)
	var want sums
	for _, k := range tensor.AvailableKernels() {
		for _, n := range []int{1, 2, 8} {
			if err := tensor.SetKernels(k); err != nil {
				t.Fatal(err)
			}
			tensor.SetThreads(n)
			if testing.Short() && n != 2 {
				continue // an emulated machine
			}
			got := matrix(t)
			if want.keys == nil {
				want = got
				if !*update {
					want.by = readSums(t, path, head)
				}
			}
			for _, key := range got.keys {
				if got.by[key] != want.by[key] {
					t.Errorf("%s, %d threads: %s is %.12s, want %.12s", k, n, key, got.by[key], want.by[key])
				}
			}
			if len(got.keys) != len(want.by) {
				t.Errorf("%d digests, want %d", len(got.keys), len(want.by))
			}
		}
	}
	if *update && !t.Failed() {
		text := head + "\n"
		for _, key := range want.keys {
			text += key + " " + want.by[key] + "\n"
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMatrixOnARM64 computes the same digests on an emulated arm64: with the NEON kernels and with portable Go.
func TestMatrixOnARM64(t *testing.T) {
	if runtime.GOARCH == "arm64" || testing.Short() {
		t.Skip("this is the emulated machine")
	}
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		if os.Getenv("MANIFOLD_REQUIRE_QEMU") == "1" {
			t.Fatal(err)
		}
		t.Skip("no qemu-aarch64-static; set MANIFOLD_REQUIRE_QEMU=1 to require it")
	}
	elsewhere(t, []string{"GOARCH=arm64"}, qemu)
}

// TestMatrixFused computes the same digests in a build whose compiler may fuse products and sums.
func TestMatrixFused(t *testing.T) {
	if runtime.GOARCH != "amd64" || testing.Short() {
		t.Skip("for amd64")
	}
	if err := tensor.SetKernels("avx2"); err != nil {
		t.Skip("this CPU does not have what GOAMD64=v3 wants")
	}
	if err := tensor.SetKernels("auto"); err != nil {
		t.Fatal(err)
	}
	elsewhere(t, []string{"GOAMD64=v3"})
}

// elsewhere builds this package's tests for another machine and runs TestMatrix there.
func elsewhere(t *testing.T, env []string, run ...string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "vae.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", bin, ".")
	build.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run = append(run, bin, "-test.short", "-test.run", "^TestMatrix$")
	cmd := exec.CommandContext(t.Context(), run[0], run[1:]...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%.4000s", err, out)
	}
}

func readSums(t *testing.T, path, head string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	if !in.Scan() || in.Text() != head {
		t.Fatalf("%s is of %q, want %q", path, in.Text(), head)
	}
	by := map[string]string{}
	for in.Scan() {
		if key, digest, ok := strings.Cut(in.Text(), " "); ok {
			by[key] = digest
		}
	}
	return by
}

// matrix makes every model anew and asks it.
func matrix(t *testing.T) (s sums) {
	t.Helper()
	dir := t.TempDir()
	store, err := modelstore.Open(modelstore.Root{Name: "test", Dir: dir + "/models", Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	m, err := vae.Connect(t.Context(), vae.Config{Store: store}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := vaev1.NewVaeServiceClient(m.Conn())
	for _, member := range members {
		text := "name: " + member.name + "\nfamily: vae\nseed: 3\ndata: {name: glyphs, size: 8, train: 60, select: 10}\n" +
			member.text + "train: {epochs: 1, batch: 12, eval_every: 4}\npreview: {count: 1}\n"
		if member.text == "" {
			text = molecules
		}
		e, err := vae.Train(t.Context(), []byte(text), shared.Deps{Store: store, Runs: dir + "/runs"}, nil)
		if err != nil {
			t.Fatalf("%s: %v", member.name, err)
		}
		s.add(member.name+"/epoch", e.Manifest.Digest)
		switch member.name {
		case "smiles":
			s.add("smiles/draw", drawnMolecules(t, store))
			continue
		case "dbn":
			s.add("dbn/finetune", fineTuned(t, store, e))
		}
		d := describe(t, c, member.name)
		for _, call := range []string{"Encode", "Sample", "Reconstruct", "Interpolate", "LatentGrid", "Score"} {
			if slices.Contains(d.GetCalls(), call) {
				s.add(member.name+"/"+strings.ToLower(call), rowsOf(t, c, d, member.name, call))
			}
		}
	}
	return s
}

// rowsOf is the digest of a call's answer for 7 rows; that for 1 and for 2 must be its beginning.
func rowsOf(t *testing.T, c vaev1.VaeServiceClient, d *vaev1.DescribeResponse, name, call string) string {
	t.Helper()
	all := answer(t, c, d, name, call, 7)
	for _, n := range []int{1, 2} {
		for i, part := range answer(t, c, d, name, call, n) {
			if !slices.Equal(part, all[i][:len(all[i])/7*n]) {
				t.Errorf("%s %s: %d rows are not the first of seven", name, call, n)
			}
		}
	}
	h := sha256.New()
	for _, part := range all {
		h.Write(part)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// answer is everything that a call gives for n rows, each part row by row.
func answer(t *testing.T, c vaev1.VaeServiceClient, d *vaev1.DescribeResponse, name, call string, n int) [][]byte {
	t.Helper()
	ctx, seed := t.Context(), ptr(uint64(5))
	var label []string
	one := ""
	if d.GetConditional() {
		one = d.GetLabels()[1]
		label = slices.Repeat([]string{one}, n)
	}
	var parts [][]byte
	var err error
	switch call {
	case "Encode":
		var r *vaev1.EncodeResponse
		r, err = c.Encode(ctx, &vaev1.EncodeRequest{Model: name, Images: images(n), Labels: label, Seed: seed})
		for _, z := range []*vaev1.Codes{r.GetMean(), r.GetVariance(), r.GetSample()} {
			parts = append(parts, z.GetValues().GetData())
		}
	case "Reconstruct":
		var r *vaev1.ReconstructResponse
		r, err = c.Reconstruct(ctx, &vaev1.ReconstructRequest{Model: name, Images: images(n), Labels: label, Encoding: raw})
		var wrong []byte
		for _, e := range r.GetErrors() {
			wrong = append(wrong, floats(e.GetMeanSquaredError(), e.GetCrossEntropy())...)
		}
		parts = [][]byte{pixels(r.GetImages()), wrong}
	case "Score":
		var r *vaev1.ScoreResponse
		req := &vaev1.ScoreRequest{Model: name, Images: images(n), Labels: label, Seed: seed, Binarise: true}
		r, err = c.Score(ctx, req)
		parts = [][]byte{floats(r.GetLogLikelihoods()...), floats(r.GetNegativeFreeEnergies()...)}
	case "Sample":
		req := &vaev1.SampleRequest{
			Model: name, N: ptr(int32(n)), Seed: seed, Encoding: raw, Temperature: ptr(0.9), Label: one,
		}
		if d.GetSweeps() > 0 {
			req.Sweeps = ptr(int32(5))
		}
		done := mustSample(t, c, req).completed
		parts = [][]byte{pixels(done.GetImages()), done.GetCodes().GetValues().GetData(), floats(done.GetEnergies()...)}
	case "Interpolate": // points of walks of other lengths are others
		k := int(d.GetDimension())
		a, b := codes(k, slices.Repeat([]float32{0.25}, k)...), some(1, k)
		var r *vaev1.InterpolateResponse
		r, err = c.Interpolate(ctx, &vaev1.InterpolateRequest{
			Model: name, From: &vaev1.Term{Term: &vaev1.Term_Code{Code: a}}, To: &vaev1.Term{Term: &vaev1.Term_Code{Code: b}},
			Path: vaev1.Path_PATH_SPHERICAL, Label: one, Steps: ptr(int32(7)), Encoding: raw,
		})
		parts = [][]byte{pixels(r.GetImages()[:n]), r.GetCodes().GetValues().GetData()[:4*k*n]}
	case "LatentGrid":
		var r *vaev1.LatentGridResponse
		r, err = c.LatentGrid(ctx, &vaev1.LatentGridRequest{
			Model: name, Columns: ptr(int32(7)), Rows: ptr(int32(1)), Label: one, Encoding: raw,
		})
		parts = [][]byte{pixels(r.GetImages()[:n]), floats(r.GetX()[:n]...)}
	}
	if err != nil {
		t.Fatalf("%s %s: %v", name, call, err)
	}
	return parts
}

// pixels are those of several pictures.
func pixels(l []*tensorv1.Image) (b []byte) {
	for _, p := range l {
		b = append(b, p.GetData()...)
	}
	return b
}

func floats(v ...float64) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return b
}

func floats32(v ...float32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// drawnMolecules is the digest of seven strings, of which fewer are the beginning.
func drawnMolecules(t *testing.T, store *modelstore.Store) string {
	t.Helper()
	draw := func(n int) (l []string) {
		d, err := vae.Molecules(t.Context(), store, "smiles", n, 5, 0.9)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range d.Molecules {
			l = append(l, m.SMILES)
		}
		return l
	}
	all := draw(7)
	for _, n := range []int{1, 2} {
		if !slices.Equal(draw(n), all[:n]) {
			t.Errorf("%d molecules are not the first of seven", n)
		}
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(all, "\n"))))
}

// fineTuned is the digest of a classifier that began with the weights of a deep belief network.
func fineTuned(t *testing.T, store *modelstore.Store, e modelstore.Entry) string {
	t.Helper()
	dir, err := store.Dir(e)
	if err != nil {
		t.Fatal(err)
	}
	l, err := engine.Load(t.Context(), e, dir, engine.Config{}, recipe.Open)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	net, ok := l.Model.(*dbn.Model)
	if !ok {
		t.Fatalf("%T", l.Model)
	}
	c := dbn.NewClassifier(net.Net.Config, 3)
	nn.Init(c, 3)
	c.Pretrained(net.Net)
	data := evaluate.Labelled{X: tensor.New(tensor.Float32, 24, 64), Class: make([]int32, 24)}
	for i, p := range images(24) {
		for j, v := range p.GetData() {
			data.X.F32()[64*i+j] = float32(v) / 255
		}
		data.Class[i] = int32(i % 3)
	}
	fit := evaluate.Fit{Epochs: 1, Batch: 6, Rate: 0.01, Decay: 0.01, DropInput: 0.2, DropHidden: 0.3, EMA: 0.9, Seed: 3}
	if err := fit.Run(t.Context(), c, data, nil); err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for _, p := range nn.Params(c) {
		h.Write(floats32(p.F32()...))
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
