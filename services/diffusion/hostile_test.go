package diffusion_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	modelv1 "github.com/manifold-gen/manifold/proto/gen/manifold/model/v1"
	"github.com/manifold-gen/manifold/services/diffusion"
	"github.com/manifold-gen/manifold/services/diffusion/internal/unet"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// safetensors is a file with that header and that many bytes of data.
func safetensors(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

// Models whose manifest and file are meant to do harm are refused at load with a word about what is wrong; nothing of
// the size that they claim is allocated, and the server lives on.
func TestHostileModels(t *testing.T) {
	small := unet.Config{
		ImageSize: 8, InChannels: 1, PatchSize: 2, Channels: []int{8, 16}, Blocks: 1, Heads: 2, TimeDim: 16, Groups: 4,
		Prediction: "v", Schedule: "cosine", Steps: 1000,
	}
	large, wide, deep := small, small, small
	large.Channels, large.Blocks = []int{2048, 2048}, 2
	wide.Channels = []int{1_000_000}
	deep.ImageSize, deep.Channels = 1024, []int{8}
	two := `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`
	store := newStore(t)
	m := connect(t, diffusion.Config{Store: store})
	for i, row := range []struct {
		name   string
		config unet.Config
		file   []byte
		want   string
	}{
		{"more parameters than bytes", large, make([]byte, 4096), ""},
		{"more parameters than the file has", large, safetensors("{}", 4096), ""},
		{"parameters", large, safetensors(`{"a":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}`, 4000), "parameters"},
		{"a million channels", wide, safetensors("{}", 0), "1000000 channels"},
		{"attention over a million pixels", deep, safetensors("{}", 0), "attention of one picture of 1024x1024"},
		{"empty file", small, []byte{0}, ""},
		{"header of exabytes", small, append([]byte("\xff\xff\xff\xff\xff\xff\xff\x7f"), make([]byte, 5000)...), ""},
		{"overlap", small, safetensors(two, 20000), ""},
		{"shape that overflows", small, safetensors(
			`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 20000), ""},
		{"other tensors", small, safetensors(
			`{"a":{"dtype":"F32","shape":[50000],"data_offsets":[0,200000]}}`, 200000), ""},
	} {
		config, err := json.Marshal(row.config)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint("hostile", i)
		_, err = store.Publish(t.Context(), modelstore.Manifest{
			Family: "diffusion", Architecture: "unet", Config: config, Name: name, Licence: "Apache-2.0",
		}, modelstore.Contents{
			Weights: func(path string) error { return os.WriteFile(path, row.file, 0o644) },
			Card:    func(*modelstore.Manifest) string { return "" },
		})
		if err != nil {
			t.Fatal(row.name, err)
		}
		_, err = modelv1.NewModelServiceClient(m.Conn()).LoadModel(t.Context(), &modelv1.LoadModelRequest{Model: name})
		f := faultOf(err)
		if f.Kind != fault.Corrupt || f.Reason != "BAD_MODEL" || !strings.Contains(f.Message(), row.want) ||
			strings.Contains(f.Message(), string(os.PathSeparator)) {
			t.Errorf("%s: %v %s: %s", row.name, f.Kind, f.Reason, f.Message())
		}
	}
	mustGenerate(t, m.Conn(), &diffusionv1.GenerateRequest{Model: "free", Steps: ptr(int32(2))})
}

// Weights that are not numbers are found by the warm-up.
func TestNaNWeights(t *testing.T) {
	c := unet.Config{
		ImageSize: 8, InChannels: 1, PatchSize: 2, Channels: []int{8, 16}, Blocks: 1, Heads: 2, TimeDim: 16, Groups: 4,
		Prediction: "v", Schedule: "cosine", Steps: 1000,
	}
	u, err := unet.New(c)
	if err != nil {
		t.Fatal(err)
	}
	tensors := map[string]*tensor.Tensor{}
	for _, p := range nn.Params(u) {
		x := p.F32()
		for i := range x {
			x[i] = float32(math.NaN())
		}
		tensors[p.Name] = p.Tensor
	}
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	store := newStore(t)
	_, err = store.Publish(t.Context(), modelstore.Manifest{
		Family: "diffusion", Architecture: "unet", Config: config, Name: "nan", Licence: "Apache-2.0",
	}, modelstore.Contents{
		Weights: func(path string) error { return weights.Write(path, tensors, nil) },
		Card:    func(*modelstore.Manifest) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	m := connect(t, diffusion.Config{Store: store})
	e := generate(t.Context(), m.Conn(), &diffusionv1.GenerateRequest{Model: "nan", Steps: ptr(int32(2))})
	if f := faultOf(e.err); f.Kind != fault.Corrupt || !strings.Contains(f.Message(), "finite") {
		t.Errorf("%v %s", f.Kind, f.Message())
	}
	mustGenerate(t, m.Conn(), &diffusionv1.GenerateRequest{Model: "free", Steps: ptr(int32(2))})
}
