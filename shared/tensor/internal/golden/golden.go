// Package golden reads the reference results in testdata/ops.safetensors for tests. They were made with
// PyTorch by tools/reference/ops.py: inputs are float32, outputs are float64, computed in float64.
package golden

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Case is one reference result.
type Case struct {
	Name  string         `json:"-"`
	Op    string         `json:"op"`
	Attrs map[string]any `json:"attrs"`
	// TorchErr is PyTorch float32's own error of each output, norm-wise.
	TorchErr []float64 `json:"torch_err"`

	In  []*tensor.Tensor `json:"-"` // Float32
	IDs []int32          `json:"-"` // the integer input, where there is one
	Out []*tensor.Tensor `json:"-"` // Float64
}

// Read returns all cases of the file in the order of their names.
func Read(path string) ([]*Case, error) {
	f, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var cases map[string]*Case
	if err := json.Unmarshal([]byte(f.Metadata["cases"]), &cases); err != nil {
		return nil, err
	}
	var list []*Case
	for name, c := range cases {
		c.Name = name
		if err := c.read(f); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *Case) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func (c *Case) read(f *weights.File) error {
	for i := 0; ; i++ {
		key := fmt.Sprintf("%s.in%d", c.Name, i)
		info, ok := f.Info(key)
		if !ok {
			break
		}
		if info.DType == weights.I32 {
			ids, err := f.Ints(key)
			if err != nil {
				return err
			}
			for _, v := range ids {
				c.IDs = append(c.IDs, int32(v))
			}
			continue
		}
		x, err := f.Tensor(key)
		if err != nil {
			return err
		}
		c.In = append(c.In, x.Clone())
	}
	for i := 0; ; i++ {
		key := fmt.Sprintf("%s.out%d", c.Name, i)
		if _, ok := f.Info(key); !ok {
			return nil
		}
		x, err := f.Tensor(key)
		if err != nil {
			return err
		}
		c.Out = append(c.Out, x.Clone())
	}
}

// Num is a number among the attributes, 0 if absent.
func (c *Case) Num(key string) float64 {
	v, _ := c.Attrs[key].(float64)
	return v
}

// Int is a whole number among the attributes, 0 if absent.
func (c *Case) Int(key string) int { return int(c.Num(key)) }

// Bool is a flag among the attributes, false if absent.
func (c *Case) Bool(key string) bool {
	v, _ := c.Attrs[key].(bool)
	return v
}

// Spec is the geometry of a convolution among the attributes.
func (c *Case) Spec() tensor.ConvSpec {
	return tensor.ConvSpec{
		StrideH: c.Int("stride_h"), StrideW: c.Int("stride_w"),
		PadTop: c.Int("pad_top"), PadBottom: c.Int("pad_bottom"),
		PadLeft: c.Int("pad_left"), PadRight: c.Int("pad_right"),
	}
}

// Compare returns an error unless got is output i within the project's tolerance: in Float32 a norm-wise
// error of 2e-6 or three times PyTorch's own, whichever is larger; in Float64 1e-12. Shapes count by
// their number of elements, because PyTorch's scalars are stored with one axis.
func (c *Case) Compare(i int, got *tensor.Tensor) error {
	limit := 1e-12
	if got.DType() == tensor.Float32 {
		limit = max(2e-6, 3*c.TorchErr[i])
	}
	want, x := c.Out[i].F64(), got.To(tensor.Float64).F64()
	if len(want) != len(x) {
		return fmt.Errorf("%s output %d: shape %v, want %v", c.Name, i, got.Shape(), c.Out[i].Shape())
	}
	var diff, norm float64
	for j, w := range want {
		diff += (x[j] - w) * (x[j] - w)
		norm += w * w
	}
	if e := math.Sqrt(diff); !(e <= limit*math.Sqrt(norm)) {
		return fmt.Errorf("%s output %d (%s): off by %.3g of norm %.3g, limit %.1g of it",
			c.Name, i, got.DType(), e, math.Sqrt(norm), limit)
	}
	return nil
}
