package vq

import (
	"encoding/json"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"

	"github.com/manifold-gen/manifold/services/vae/internal/golden"
)

// TestGoldens compares losses and gradients of the quantised autoencoder and of its prior with PyTorch's.
func TestGoldens(t *testing.T) {
	cases, err := golden.Read("testdata/vq.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 3 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			for _, d := range []tensor.DType{tensor.Float32, tensor.Float64} {
				if c.Op == "prior" {
					comparePrior(t, c, d)
				} else {
					compareModel(t, c, d)
				}
			}
		})
	}
}

func compareModel(t *testing.T, c *golden.Case, d tensor.DType) {
	t.Helper()
	m := fromCase(t, c, d)
	var l Learning
	if err := json.Unmarshal(c.Learning, &l); err != nil {
		t.Fatal(err)
	}
	tape := autograd.NewTape(nil)
	x := c.Tensor("x", d)
	h, w, _ := m.cfg.Map()
	p := m.Loss(tape, x, nil, make([]int32, x.Dim(0)*h*w), l)
	index := tensor.New(tensor.Float64, len(p.Index))
	for i, v := range p.Index {
		index.F64()[i] = float64(v)
	}
	for name, v := range map[string]*tensor.Tensor{
		"loss": p.Loss.Tensor, "reconstruction": p.Reconstruction.Tensor, "distance": p.Distance.Tensor,
		"output": p.Output.Tensor, "index": index,
	} {
		if err := c.Compare("out."+name, v); err != nil {
			t.Error(err)
		}
	}
	if err := c.CompareGrads(tape, p.Loss, m); err != nil {
		t.Error(err)
	}
}

func fromCase(t *testing.T, c *golden.Case, d tensor.DType) *VQ {
	t.Helper()
	var cfg Config
	if err := json.Unmarshal(c.Config, &cfg); err != nil {
		t.Fatal(err)
	}
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Bind(m, d); err != nil {
		t.Fatal(err)
	}
	return m
}

func comparePrior(t *testing.T, c *golden.Case, d tensor.DType) {
	t.Helper()
	var cfg Config
	if err := json.Unmarshal(c.Config, &cfg); err != nil {
		t.Fatal(err)
	}
	p := NewPrior(cfg)
	if err := c.Bind(p, d); err != nil {
		t.Fatal(err)
	}
	tape := autograd.NewTape(nil)
	index, class := c.Ints("index"), c.Ints("class")
	logits := p.Forward(tape, index, class)
	loss := autograd.Scale(autograd.CrossEntropy(logits, index), 1/float64(len(class)))
	for name, v := range map[string]*autograd.Value{"loss": loss, "logits": logits} {
		if err := c.Compare("out."+name, v.Tensor); err != nil {
			t.Error(err)
		}
	}
	if err := c.CompareGrads(tape, loss, p); err != nil {
		t.Error(err)
	}
}
