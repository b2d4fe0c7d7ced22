package unet

import (
	"cmp"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// ddpmNumber is element i of parameter k in tools/reference/ddpm.py, before scaling.
func ddpmNumber(k, i int) float64 { return float64((i*7919+k*104729)%1009-504) / 504 }

// smallDDPM is the network of tools/reference/ddpm.py and its input.
func smallDDPM() (*DDPM, *tensor.Tensor) {
	d := NewDDPM(DDPMConfig{
		Size: 16, Channels: 3, Levels: []int{32, 48, 48}, Attention: []int{1}, Layers: 1, Groups: 8, Eps: 1e-6,
	})
	params := nn.Params(d)
	slices.SortFunc(params, func(p, q *nn.Param) int { return cmp.Compare(p.Name, q.Name) })
	for k, p := range params {
		scale, add := 0.3, 0.0
		if p.Rank() > 1 {
			scale = 1 / math.Sqrt(float64(p.Len()/p.Dim(-1)))
		} else if l := len(p.Name); p.Name[l-6:] == "weight" {
			add = 1 // of a norm
		}
		for i := range p.Len() {
			p.F32()[i] = float32(ddpmNumber(k, i)*scale + add)
		}
	}
	d.Pack()
	x := tensor.New(tensor.Float32, 2, 16, 16, 3)
	for i := range x.Len() {
		x.F32()[i] = float32(ddpmNumber(1000, i))
	}
	return d, x
}

// The golden is of diffusers' UNet2DModel in float64.
func TestDDPMGolden(t *testing.T) {
	var golden struct {
		Timesteps []float32
		Float32   float64 `json:"error_of_float32"`
		Y         []float64
	}
	text, err := os.ReadFile("testdata/ddpm.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	d, x := smallDDPM()
	y := tensor.New(tensor.Float32, 2, 16, 16, 3)
	d.Forward(y, x, golden.Timesteps)
	var diff, norm float64
	for i, want := range golden.Y {
		e := float64(y.F32()[i]) - want
		diff, norm = diff+float64(e*e), norm+float64(want*want)
	}
	e := math.Sqrt(diff / norm)
	t.Logf("error %.2g, PyTorch's in float32 %.2g", e, golden.Float32)
	if !(e <= 3*golden.Float32) {
		t.Errorf("error %.3g, want at most three times PyTorch's %.3g", e, golden.Float32)
	}
}

// A picture alone has the bits it has in a batch, and a pass allocates nothing after the first of its size.
func TestDDPMAloneEqualsBatch(t *testing.T) {
	d, x := smallDDPM()
	both, one := tensor.New(tensor.Float32, 2, 16, 16, 3), tensor.New(tensor.Float32, 1, 16, 16, 3)
	d.Forward(both, x, []float32{3, 977})
	second := tensor.FromFloat32(x.F32()[x.Len()/2:], 1, 16, 16, 3)
	d.Forward(one, second, []float32{977})
	if !slices.Equal(one.F32(), both.F32()[both.Len()/2:]) {
		t.Error("the second picture alone differs from the second of two")
	}
	times := []float32{977}
	if n := testing.AllocsPerRun(20, func() { d.Forward(one, second, times) }); n != 0 {
		t.Errorf("%g allocations in a pass", n)
	}
}

func TestSizeOfCIFAR10(t *testing.T) {
	d := NewDDPM(CIFAR10())
	if n, flops := nn.Count(d), d.FLOPs(); n != CIFAR10Parameters || flops != CIFAR10FLOPs {
		t.Errorf("%d parameters and %d operations, want %d and %d", n, flops, CIFAR10Parameters, CIFAR10FLOPs)
	}
}
