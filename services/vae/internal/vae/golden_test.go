package vae

import (
	"encoding/json"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"

	"github.com/manifold-gen/manifold/services/vae/internal/golden"
)

// bounds computes a case's bound with a model of its parameters.
func bounds(t *testing.T, c *golden.Case, d tensor.DType, tape *autograd.Tape) (*VAE, Bound) {
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
	x, eps := tape.Const(c.Tensor("x", d)), tape.Const(c.Tensor("eps", d))
	if c.Op == "iwae" {
		return m, m.IWAE(tape, x, eps, c.Ints("class"), 1)
	}
	return m, m.ELBO(tape, x, eps, c.Ints("class"), c.Beta, c.FreeBits)
}

// TestGoldens compares every layer, likelihood and bound, and all gradients, with PyTorch's.
func TestGoldens(t *testing.T) {
	cases, err := golden.Read("testdata/vae.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 11 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			for _, d := range []tensor.DType{tensor.Float32, tensor.Float64} {
				tape := autograd.NewTape(nil)
				m, b := bounds(t, c, d, tape)
				outs := map[string]*autograd.Value{"loss": b.Loss}
				if c.Op == "iwae" {
					outs["weights"] = b.Importances
				} else {
					outs["log_lik"], outs["kl"], outs["mean"], outs["logvar"], outs["output"] =
						b.LogLik, b.KL, b.Mean, b.LogVar, b.Output
				}
				for name, v := range outs {
					if err := c.Compare("out."+name, v.Tensor); err != nil {
						t.Error(err)
					}
				}
				if err := c.CompareGrads(tape, b.Loss, m); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestDerivatives compares gradients with central differences in float64.
func TestDerivatives(t *testing.T) {
	cases, err := golden.Read("testdata/vae.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if c.Name == "conv-logistic-class" || c.Name == "iwae-logistic" || c.Name == "mlp-free-bits" {
				t.Skip("has kinks")
			}
			m, _ := bounds(t, c, tensor.Float64, autograd.NewTape(nil))
			x, eps := c.Tensor("x", tensor.Float64), c.Tensor("eps", tensor.Float64)
			err := golden.Central(m, func(tape *autograd.Tape) *autograd.Value {
				if c.Op == "iwae" {
					return m.IWAE(tape, tape.Const(x), tape.Const(eps), c.Ints("class"), 1).Loss
				}
				return m.ELBO(tape, tape.Const(x), tape.Const(eps), c.Ints("class"), c.Beta, c.FreeBits).Loss
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
