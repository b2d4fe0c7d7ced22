package checkpoint

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
)

// Axes says how the axes of a parameter come out of those of torch.
type Axes uint8

// The layouts of layers.
const (
	Same      Axes = iota
	Linear         // [Out, In], or [Out, In, 1, 1] of a convolution, to [In, Out]
	Conv           // [Out, In, KH, KW] to [KH, KW, In, Out]
	Depthwise      // [C, 1, KH, KW] to [KH, KW, C, 1]
)

// From is where a parameter comes from.
type From struct {
	Name string
	Axes Axes
}

// Fill fills every parameter, or returns a *weights.BindError that lists all tensors that are missing, unused, of
// another shape or type, or not finite. from says where a parameter lies by its name.
func (s *Source) Fill(params []*nn.Param, from func(name string) From) error {
	var problems []weights.Problem
	report := func(name, format string, args ...any) {
		problems = append(problems, weights.Problem{Name: name, What: fmt.Sprintf(format, args...)})
	}
	used := make(map[string]bool, len(params))
	for _, p := range params {
		f := from(p.Name)
		o, ok := s.tensors[f.Name]
		if !ok {
			report(f.Name, "missing")
			continue
		}
		used[f.Name] = true
		if shape, ok := turned(o.info.Shape, f.Axes); !ok || !slices.Equal(shape, p.Shape()) {
			report(f.Name, "shape %v, the model has %v", o.info.Shape, original(p.Shape(), f.Axes))
			continue
		}
		if d := o.info.DType; d != weights.F32 && d != weights.F16 && d != weights.BF16 {
			report(f.Name, "dtype %s, want F32, F16 or BF16", d)
			continue
		}
		data, err := o.file.Bytes(o.info.Name)
		if err != nil {
			return err
		}
		if !turn(p.F32(), data, o.info, f.Axes) {
			report(f.Name, "not a number, or infinite")
		}
		p.Changed()
	}
	for name := range s.tensors {
		if !used[name] {
			report(name, "unused")
		}
	}
	if len(problems) == 0 {
		return nil
	}
	order := map[string]int{"missing": -1, "unused": 1}
	slices.SortFunc(problems, func(a, b weights.Problem) int {
		return cmp.Or(order[a.What]-order[b.What], strings.Compare(a.Name, b.Name))
	})
	return &weights.BindError{File: s.Path, Problems: problems}
}

// turned is the shape of a parameter made of a tensor of torch.
func turned(shape []int, a Axes) ([]int, bool) {
	switch {
	case a == Same:
		return shape, true
	case a == Linear && (len(shape) == 2 || len(shape) == 4 && shape[2] == 1 && shape[3] == 1):
		return []int{shape[1], shape[0]}, true
	case a == Conv && len(shape) == 4:
		return []int{shape[2], shape[3], shape[1], shape[0]}, true
	case a == Depthwise && len(shape) == 4 && shape[1] == 1:
		return []int{shape[2], shape[3], shape[0], 1}, true
	}
	return nil, false
}

// original is turned the other way, for messages.
func original(shape []int, a Axes) []int {
	switch a {
	case Linear:
		return []int{shape[1], shape[0]}
	case Conv:
		return []int{shape[3], shape[2], shape[0], shape[1]}
	case Depthwise:
		return []int{shape[2], 1, shape[0], shape[1]}
	}
	return shape
}

// turn writes the elements of a tensor with its axes turned, and reports whether all are finite.
func turn(dst []float32, src []byte, info weights.Info, a Axes) bool {
	outer, inner := 1, len(dst) // of torch: outer rows of inner numbers, to be transposed
	if a != Same {
		outer = info.Shape[0]
		inner /= outer
	}
	in, taps := 1, inner
	if a == Conv {
		in, taps = info.Shape[1], info.Shape[2]*info.Shape[3]
	}
	finite := true
	for o := range outer {
		for i := range in {
			for k := range taps {
				v := element(src, (o*in+i)*taps+k, info.DType)
				finite = finite && !math.IsInf(float64(v), 0) && v == v
				dst[(k*in+i)*outer+o] = v
			}
		}
	}
	return finite
}

func element(src []byte, i int, d weights.DType) float32 {
	switch d {
	case weights.F16:
		return weights.F16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
	case weights.BF16:
		return weights.BF16ToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
}
