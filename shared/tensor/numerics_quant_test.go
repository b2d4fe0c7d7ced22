package tensor_test

import (
	"fmt"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// quantCases are the operations of decoders. Quantised operations know Float32 alone: their rows in Float64 repeat it.
func quantCases() []numericsCase {
	var cs []numericsCase
	add := func(op, shape string, flops int, run func(d DType) []*Tensor) {
		cs = append(cs, numericsCase{op: op, shape: shape, large: flops > 2<<20, run: run})
	}
	for _, kind := range quantKinds {
		for _, s := range [][3]int{{1, 33, 512}, {7, 48, 256}, {19, 35, 512}, {34, 200, 1024}} {
			m, n, k := s[0], s[1], s[2]
			if kind == Q80 || kind == Q40 {
				k += QuantStep
			}
			weights := func() *PackedQuant {
				w, err := PackQuant(kind, QuantizeBlocks(input(Float32, 1, n, k), kind), n, k)
				if err != nil {
					panic(err)
				}
				return w
			}
			add("MatMulQuant", fmt.Sprintf("%s %dx%dx%d", kind, m, k, n), 2*m*n*k, func(DType) []*Tensor {
				w, q := weights(), NewQuantRows(m, k)
				var out []*Tensor
				for form := range 3 {
					y := fresh(Float32, m, n)
					switch form {
					case 0:
						q.Quantize(input(Float32, 6, m, k))
					case 1:
						q.RMSNorm(input(Float32, 2, m, k), input(Float32, 3, k), 1e-6)
					case 2:
						q.SwiGLU(input(Float32, 2, m, 2*k))
					}
					MatMulQuant(y, q, w, &Epilogue{Bias: input(Float32, 4, n), Residual: input(Float32, 5, m, n)})
					out = append(out, y)
				}
				return out
			})
		}
		add("DequantizeBlocks", kind.String(), 0, func(DType) []*Tensor {
			y := fresh(Float32, 3, 512)
			DequantizeBlocks(y, kind, QuantizeBlocks(input(Float32, 1, 3, 512), kind))
			return []*Tensor{y}
		})
		add("QuantizeBlocks", kind.String(), 0, func(DType) []*Tensor {
			raw := QuantizeBlocks(input(Float32, 1, 7, 512), kind)
			y := New(Float32, len(raw))
			for i, b := range raw {
				y.F32()[i] = float32(b)
			}
			return []*Tensor{y}
		})
	}
	for _, s := range [][2]int{{1, 7}, {3, 288}, {40, 896}} {
		r, c := s[0], s[1]
		add("RMSNorm", fmt.Sprint(s), 0, func(d DType) []*Tensor {
			y := fresh(d, r, c)
			RMSNorm(y, input(d, 1, r, c), input(d, 2, c), 1e-5)
			return []*Tensor{y}
		})
		add("SwiGLU", fmt.Sprint(s), 0, func(d DType) []*Tensor {
			y := fresh(d, r, c)
			SwiGLU(y, special(d, r*2*c).Reshape(r, 2*c))
			return []*Tensor{y}
		})
	}
	for _, s := range [][3]int{{1, 6, 2}, {5, 48, 3}, {300, 64, 14}} {
		for _, interleaved := range []bool{false, true} {
			r, size, heads := s[0], s[1], s[2]
			add("RoPE", fmt.Sprintf("%v %v", s, interleaved), 0, func(d DType) []*Tensor {
				positions := make([]int32, r)
				for i := range positions {
					positions[i] = int32(i * 7 % 300)
				}
				y := fresh(d, r, heads*size+5)
				RoPE(y, input(d, 1, r, heads*size+5), NewRoPETable(d, 300, size, 1e4, interleaved), positions, heads)
				return []*Tensor{y}
			})
		}
	}
	return cs
}
