package optim

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/internal/golden"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// TestGoldens compares trajectories of parameters with those of PyTorch's optimisers.
func TestGoldens(t *testing.T) {
	cases, err := golden.Read("../testdata/ops.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range cases {
		for _, d := range []tensor.DType{tensor.Float32, tensor.Float64} {
			switch c.Op {
			case "adamw", "sgd":
				err = trajectory(c, d)
			case "clip_global_norm":
				err = clips(c, d)
			default:
				continue
			}
			seen[c.Op] = true
			if err != nil {
				t.Error(err)
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("cases seen: %v", seen)
	}
}

// trajectory takes the case's steps; row i of output 0 is the parameter after step i.
func trajectory(c *golden.Case, d tensor.DType) error {
	p := nn.NewParam(1, c.In[0].Len()) // two axes, so that it decays
	p.Tensor = c.In[0].To(d).Reshape(1, -1)
	params := []*nn.Param{p}
	var o Optimizer = NewSGD(params, c.Num("momentum"), 0, c.Bool("nesterov"))
	var a *AdamW
	if c.Op == "adamw" {
		a = NewAdamW(params, AdamWConfig{
			Beta1: c.Num("b1"), Beta2: c.Num("b2"), Eps: c.Num("eps"), WeightDecay: c.Num("wd"),
		})
		o = a
	}
	steps, n := c.In[1].Dims2()
	path := tensor.New(d, steps, n)
	for i := range steps {
		p.Grad = tensor.New(d, 1, n)
		tensor.Slice(p.Grad, c.In[1].To(d), 0, i)
		o.Step(c.Num("lr"), 1)
		row := tensor.New(d, steps, n)
		tensor.PadInto(row, p.Tensor, 0, i)
		tensor.Add(path, path, row)
	}
	if err := c.Compare(0, path); err != nil || a == nil {
		return err
	}
	if err := c.Compare(1, a.m[0]); err != nil {
		return err
	}
	return c.Compare(2, a.v[0])
}

func clips(c *golden.Case, d tensor.DType) error {
	params := []*nn.Param{nn.NewParam(1), nn.NewParam(1)}
	for i, p := range params {
		p.Grad = c.In[i].To(d)
	}
	norm, scale := ClipGlobalNorm(params, c.Num("max_norm"), 1)
	for i, p := range params {
		tensor.Scale(p.Grad, p.Grad, scale)
		if err := c.Compare(i, p.Grad); err != nil {
			return err
		}
	}
	return c.Compare(2, tensor.FromFloat64([]float64{norm}, 1).To(d))
}
