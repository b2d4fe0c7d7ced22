package autoencoder

import (
	"encoding/json"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"

	"github.com/manifold-gen/manifold/services/vae/internal/golden"
)

// TestGoldens compares losses and gradients with PyTorch's, and gradients with central differences: those of the
// contractive penalty are second derivatives.
func TestGoldens(t *testing.T) {
	cases, err := golden.Read("testdata/autoencoder.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 7 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			for _, d := range []tensor.DType{tensor.Float32, tensor.Float64} {
				a, p := fromCase(t, c, d)
				tape := autograd.NewTape(nil)
				l := a.Loss(tape, c.Tensor("x", d), c.Tensor("noisy", d), nil, p, nil)
				for name, v := range map[string]*autograd.Value{
					"loss": l.Loss, "reconstruction": l.Reconstruction, "code": l.Code, "output": l.Output,
				} {
					if err := c.Compare("out."+name, v.Tensor); err != nil {
						t.Error(err)
					}
				}
				if err := c.CompareGrads(tape, l.Loss, a); err != nil {
					t.Error(err)
				}
			}
			if c.Name == "denoising" || c.Name == "l1-conv" || c.Name == "kl" {
				return // have kinks
			}
			a, p := fromCase(t, c, tensor.Float64)
			x, noisy := c.Tensor("x", tensor.Float64), c.Tensor("noisy", tensor.Float64)
			err := golden.Central(a, func(tape *autograd.Tape) *autograd.Value {
				return a.Loss(tape, x, noisy, nil, p, nil).Loss
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func fromCase(t *testing.T, c *golden.Case, d tensor.DType) (*Autoencoder, Penalties) {
	t.Helper()
	var cfg Config
	var p Penalties
	if err := json.Unmarshal(c.Config, &cfg); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(c.Penalty, &p); err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(cfg.CodeActivation); err != nil {
		t.Fatal(err)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Bind(a, d); err != nil {
		t.Fatal(err)
	}
	return a, p
}
