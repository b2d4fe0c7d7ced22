// Package golden reads for tests what tools/reference/vae.py computed with PyTorch, and compares models with it.
package golden

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Case is one reference result.
type Case struct {
	Name     string             `json:"-"`
	Op       string             `json:"op"`
	Config   json.RawMessage    `json:"config"`
	Beta     float64            `json:"beta"`
	FreeBits float64            `json:"free_bits"`
	Penalty  json.RawMessage    `json:"penalties"`
	Learning json.RawMessage    `json:"learning"`
	TorchErr map[string]float64 `json:"torch_err"`

	file *weights.File
}

// Read returns the cases of a file in the order of their names.
func Read(path string) ([]*Case, error) {
	f, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	byName := map[string]*Case{}
	if err := json.Unmarshal([]byte(f.Metadata["cases"]), &byName); err != nil {
		return nil, err
	}
	var cases []*Case
	for name, c := range byName {
		c.Name, c.file = name, f
		cases = append(cases, c)
	}
	slices.SortFunc(cases, func(a, b *Case) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return cases, nil
}

// Tensor is an input by name, as the type d; nil if there is none.
func (c *Case) Tensor(name string, d tensor.DType) *tensor.Tensor {
	x, err := c.file.Tensor(c.Name + "." + name)
	if err != nil {
		return nil
	}
	return x.To(d)
}

// Ints is an input of whole numbers by name; nil if there is none.
func (c *Case) Ints(name string) []int32 {
	x, err := c.file.Ints(c.Name + "." + name)
	if err != nil {
		return nil
	}
	out := make([]int32, len(x))
	for i, v := range x {
		out[i] = int32(v)
	}
	return out
}

// Bind fills the model with the case's parameters, every one of them, as the type d.
func (c *Case) Bind(m any, d tensor.DType) error {
	for _, p := range nn.Params(m) {
		x := c.Tensor("param."+p.Name, tensor.Float32)
		if x == nil || !x.SameShape(p.Tensor) {
			return fmt.Errorf("%s: no parameter %s of shape %v", c.Name, p.Name, p.Shape())
		}
		p.CopyFrom(x)
		p.Changed()
	}
	nn.To(m, d)
	return nil
}

// Compare returns an error unless got is the case's output of this name: in float32 within a norm-wise error of 1e-5 or
// three times PyTorch's own, in float64 within 1e-10.
func (c *Case) Compare(name string, got *tensor.Tensor) error {
	want, err := c.file.Tensor(c.Name + "." + name)
	if err != nil {
		return err
	}
	limit := 1e-10
	if got.DType() == tensor.Float32 {
		limit = max(1e-5, 3*c.TorchErr[name])
	}
	w, g := want.F64(), got.To(tensor.Float64).F64()
	if len(w) != len(g) {
		return fmt.Errorf("%s: %s has %d elements, want %d", c.Name, name, len(g), len(w))
	}
	var diff, norm float64
	for i, v := range w {
		diff += (g[i] - v) * (g[i] - v)
		norm += v * v
	}
	if e := math.Sqrt(diff); !(e <= limit*math.Sqrt(norm)+1e-12) {
		return fmt.Errorf("%s: %s has an error of %.2g, its norm is %.2g", c.Name, name, e, math.Sqrt(norm))
	}
	return nil
}

// CompareGrads compares the gradients of loss in all parameters of the model.
func (c *Case) CompareGrads(t *autograd.Tape, loss *autograd.Value, m any) error {
	params := nn.Params(m)
	nn.Gradient(t, loss, params)
	for _, p := range params {
		if err := c.Compare("grad."+p.Name, p.Grad); err != nil {
			return err
		}
	}
	return nil
}

// Central compares the gradients of a loss in all parameters of a float64 model with central differences.
func Central(m any, loss func(t *autograd.Tape) *autograd.Value) error {
	const step, tolerance = 1e-5, 1e-6
	t := autograd.NewTape(nil)
	params := nn.Params(m)
	nn.Gradient(t, loss(t), params)
	at := func(x []float64, i int, v float64) float64 {
		old := x[i]
		defer func() { x[i] = old }()
		x[i] = v
		t.Reset()
		return loss(t).F64()[0]
	}
	for _, p := range params {
		x := p.F64()
		for i := range x {
			want := (at(x, i, x[i]+step) - at(x, i, x[i]-step)) / (2 * step)
			if got := p.Grad.F64()[i]; !(math.Abs(got-want) <= tolerance*(1+math.Abs(want))) {
				return fmt.Errorf("%s[%d]: derivative %.12g, central difference %.12g", p.Name, i, got, want)
			}
		}
	}
	return nil
}
