package wire

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	tensorv1 "github.com/manifold-gen/manifold/proto/gen/manifold/tensor/v1"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/modelstore"
	"github.com/manifold-gen/manifold/shared/picture"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/train"
)

func TestTensor(t *testing.T) {
	x := tensor.New(tensor.Float32, 2, 3)
	copy(x.F32(), []float32{1, -2, 0.5, float32(math.Inf(1)), -0, 3e-40})
	m := Tensor(x)
	back, err := FromTensor("op", "x", m, 6)
	if err != nil || !slices.Equal(back.F32(), x.F32()) || !slices.Equal(back.Shape(), x.Shape()) {
		t.Fatalf("%v %v", back, err)
	}
	for _, r := range []struct {
		name  string
		dtype tensorv1.DataType
		data  []byte
		want  float32
	}{
		{"F16", tensorv1.DataType_DATA_TYPE_F16, []byte{0x00, 0x3c}, 1},
		{"BF16", tensorv1.DataType_DATA_TYPE_BF16, []byte{0xc0, 0x3f}, 1.5},
		{"U8", tensorv1.DataType_DATA_TYPE_U8, []byte{200}, 200},
	} {
		y, err := FromTensor("op", "x", &tensorv1.Tensor{Dtype: r.dtype, Shape: []int64{1}, Data: r.data}, 1)
		if err != nil || y.F32()[0] != r.want {
			t.Errorf("%s: %v %v", r.name, y, err)
		}
	}
	f32 := tensorv1.DataType_DATA_TYPE_F32
	for name, m := range map[string]*tensorv1.Tensor{
		"x.dtype": {Shape: []int64{1}, Data: make([]byte, 4)},
		"x.shape": {Dtype: f32, Shape: []int64{1 << 40, 1 << 40}},
		"x.data":  {Dtype: f32, Shape: []int64{2}, Data: make([]byte, 7)},
	} {
		_, err := FromTensor("op", "x", m, 100)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, shape := range [][]int64{{0}, {-1}, {101}, {11, 10}, {1, 1, 1, 1, 1, 1, 1}} {
		if _, err := FromTensor("op", "x", &tensorv1.Tensor{Dtype: f32, Shape: shape}, 100); err == nil {
			t.Errorf("shape %v was accepted", shape)
		}
	}
}

func TestPicture(t *testing.T) {
	p := &picture.Picture{Width: 2, Height: 1, Channels: 1, Pix: []byte{7, 9}}
	for _, e := range []tensorv1.ImageEncoding{
		tensorv1.ImageEncoding_IMAGE_ENCODING_PNG, tensorv1.ImageEncoding_IMAGE_ENCODING_RAW,
	} {
		m, err := Image(p, e)
		if err != nil || m.GetEncoding() != e || m.GetWidth() != 2 {
			t.Fatal(m, err)
		}
		back, err := Picture("op", "image", m, 3)
		if err != nil || !bytes.Equal(back.Pix, []byte{7, 7, 7, 9, 9, 9}) {
			t.Errorf("%v: %v %v", e, back, err)
		}
	}
	raw := tensorv1.ImageEncoding_IMAGE_ENCODING_RAW
	for i, m := range []*tensorv1.Image{
		nil, {}, {Data: []byte("neither")}, {Encoding: raw, Width: 2, Height: 2, Channels: 1, Data: []byte{1}},
		{Encoding: raw, Width: 1, Height: 1, Channels: 2, Data: []byte{1, 2}}, {Data: make([]byte, MaxImageBytes+1)},
	} {
		if _, err := Picture("op", "image", m, 1); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%d: %v", i, err)
		}
	}
	if e, err := CheckEncoding("op", "encoding", 0); err != nil || e != tensorv1.ImageEncoding_IMAGE_ENCODING_PNG {
		t.Error(e, err)
	}
}

func TestPage(t *testing.T) {
	list := []string{"a", "b", "c", "d", "e"}
	self := func(s string) string { return s }
	less := func(a, b string) bool { return a < b }
	var all []string
	token := ""
	for {
		page, next, err := Page("op", list, 2, token, self, less)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if token = next; token == "" {
			break
		}
		// What was shown may go away, and what comes before it may appear.
		list = slices.DeleteFunc(list, func(s string) bool { return s == page[1] })
		list = append([]string{"A"}, list...)
		slices.SortFunc(list, cmp.Compare)
	}
	if fmt.Sprint(all) != "[a b c d e]" {
		t.Error(all)
	}
	for _, bad := range []string{"%", "YmFk"} {
		if _, _, err := Page("op", list, 2, bad, self, less); fault.KindOf(err) != fault.Invalid {
			t.Errorf("token %q: %v", bad, err)
		}
	}
}

func TestTrainingEvent(t *testing.T) {
	m, err := TrainingEvent(train.Event{
		Step: 3, Epoch: 0.5, Losses: map[string]float64{"loss": 2}, Metrics: map[string]float64{"loss": 1},
		PerSecond: math.Inf(1), ETA: 1e6 * time.Hour, Checkpoint: "step-3",
		Previews: []train.Preview{{Image: image.NewGray(image.Rect(0, 0, 2, 2))}},
		Stage:    "layer 2", StageIndex: 1, Stages: 3, Alarms: []string{"dimension 3 has collapsed"},
		Series: map[string][]float64{"kl": {1, math.NaN()}, "codes": {2}},
	})
	if err != nil || m.GetStep() != 3 || m.GetLosses()["loss"] != 2 || m.GetLosses()["select/loss"] != 1 ||
		m.GetSamplesPerSecond() != 0 || m.GetEta().AsDuration() != maxETA || m.GetPreviews()[0].GetChannels() != 1 {
		t.Errorf("%v %v", m, err)
	}
	if m.GetStage() != "layer 2" || m.GetStageIndex() != 1 || m.GetStages() != 3 || m.GetMetrics()["loss"] != 1 ||
		len(m.GetAlarms()) != 1 || len(m.GetSeries()) != 2 || m.GetSeries()[0].GetName() != "codes" ||
		m.GetSeries()[1].GetValues()[0] != 1 || m.GetSeries()[1].GetValues()[1] != 0 {
		t.Errorf("%v", m)
	}
}

func TestModel(t *testing.T) {
	m := Model(&modelstore.Manifest{
		Name: "a", Version: "1", Labels: []string{"x"}, Licence: "MIT", Metrics: map[string]float64{"fid": 3},
		Inputs: []modelstore.Port{{Name: "x", Shape: []int{-1, 2}}},
	})
	if m.GetName() != "a" || m.GetInputs()[0].GetShape()[0] != -1 || m.GetLicense() != "MIT" || m.GetMetrics()["fid"] != 3 {
		t.Error(m)
	}
}
