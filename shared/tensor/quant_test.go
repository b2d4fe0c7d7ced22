package tensor_test

import (
	"fmt"
	"math"
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
	reference "github.com/manifold-gen/manifold/shared/tensor/internal/golden"
)

var quantKinds = []QuantKind{Q80, Q40, Q4K, Q6K}

// packed is normals in a format, and the weights that they became.
func packed(t *testing.T, kind QuantKind, n, k int) (*PackedQuant, *Tensor) {
	t.Helper()
	raw := QuantizeBlocks(input(Float32, 5, n, k), kind)
	w, err := PackQuant(kind, raw, n, k)
	if err != nil {
		t.Fatal(err)
	}
	dense := fresh(Float32, n, k)
	DequantizeBlocks(dense, kind, raw)
	return w, dense
}

// TestMatMulQuant compares products with float64, within the error of int8 rows, and fused with single operations, bit
// for bit.
func TestMatMulQuant(t *testing.T) {
	const m, n, k = 11, 72, 512
	x, gamma, gate := input(Float32, 1, m, k), input(Float32, 2, k), input(Float32, 3, m, 2*k)
	bias, residual := input(Float32, 4, n), input(Float32, 6, m, n)
	for _, kind := range quantKinds {
		w, dense := packed(t, kind, n, k)
		q := NewQuantRows(m+3, k)
		mul := func(ep *Epilogue) *Tensor {
			y := fresh(Float32, m, n)
			MatMulQuant(y, q, w, ep)
			return y
		}
		q.Quantize(x)
		y, want := mul(nil), New(Float64, m, n)
		MatMul(want, x.To(Float64), dense.To(Float64), false, true)
		if e := relative(y, want); !(e < 0.008) {
			t.Errorf("%s: the error is %g of the result", kind, e)
		}
		Add(y, y, bias)
		SiLU(y, y)
		Add(y, y, residual)
		same(t, kind.String()+" epilogue", mul(&Epilogue{Bias: bias, Act: ActSiLU, Residual: residual}), y)

		h := fresh(Float32, m, k)
		RMSNorm(h, x, gamma, 1e-6)
		q.Quantize(h)
		y = mul(nil)
		q.RMSNorm(x, gamma, 1e-6)
		same(t, kind.String()+" after RMSNorm", mul(nil), y)

		SwiGLU(h, gate)
		q.Quantize(h)
		y = mul(nil)
		q.SwiGLU(gate)
		same(t, kind.String()+" after SwiGLU", mul(nil), y)

		table := fresh(Float32, 2, k)
		w.Rows(table, []int32{71, 3})
		for i := range k {
			if table.At(0, i) != dense.At(71, i) || table.At(1, i) != dense.At(3, i) {
				t.Fatalf("%s: column %d of the table differs", kind, i)
			}
		}
	}
}

// relative is ||got-want|| / ||want||.
func relative(got, want *Tensor) float64 {
	var diff, norm float64
	for i := range want.Len() {
		d := at(got, i) - at(want, i)
		diff += d * d
		norm += at(want, i) * at(want, i)
	}
	return math.Sqrt(diff / norm)
}

// TestMatMulQuantSteady checks that products of quantised rows allocate nothing.
func TestMatMulQuantSteady(t *testing.T) {
	w, _ := packed(t, Q40, 200, 256)
	x, gamma, y := input(Float32, 1, 9, 256), input(Float32, 2, 256), fresh(Float32, 9, 200)
	q, ep := NewQuantRows(9, 256), &Epilogue{Bias: input(Float32, 3, 200)}
	if n := testing.AllocsPerRun(20, func() {
		q.RMSNorm(x, gamma, 1e-6)
		MatMulQuant(y, q, w, ep)
	}); n > 0 {
		t.Errorf("%g allocations", n)
	}
}

// TestDecoderGoldens compares RMSNorm, RoPE and SwiGLU with PyTorch: tools/reference/decoder.py.
func TestDecoderGoldens(t *testing.T) {
	cases, err := reference.Read("testdata/decoder.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		for _, d := range types {
			x := c.In[0].To(d)
			y := fresh(d, c.Out[0].Shape()...)
			switch c.Op {
			case "rms_norm":
				RMSNorm(y, x, c.In[1].To(d), c.Num("eps"))
			case "swiglu":
				SwiGLU(y, x)
			case "rope":
				var positions []int32
				for _, p := range c.Attrs["positions"].([]any) {
					positions = append(positions, int32(p.(float64)))
				}
				table := NewRoPETable(d, 30001, c.Int("size"), c.Num("base"), c.Bool("interleaved"))
				RoPE(y, x, table, positions, c.Int("heads"))
				z := x.Clone()
				RoPE(z, z, table, positions, c.Int("heads"))
				same(t, c.Name+" in place", z, y)
			}
			if err := c.Compare(0, y); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
	}
}

// TestRoPERelative checks the closed form: a product of rotated vectors depends on the difference of their positions, and
// the columns behind the heads stay.
func TestRoPERelative(t *testing.T) {
	for _, interleaved := range []bool{false, true} {
		table := NewRoPETable(Float64, 100, 32, 1e4, interleaved)
		q, k := input(Float64, 1, 1, 40), input(Float64, 2, 1, 40)
		score := func(i, j int32) (s float64) {
			a, b := fresh(Float64, 1, 40), fresh(Float64, 1, 40)
			RoPE(a, q, table, []int32{i}, 1)
			RoPE(b, k, table, []int32{j}, 1)
			for c := range 40 {
				if c >= 32 && a.At(0, c) != q.At(0, c) {
					t.Errorf("column %d changed", c)
				}
				s += a.At(0, c) * b.At(0, c)
			}
			return s
		}
		if a, b := score(7, 3), score(99, 95); math.Abs(a-b) > 1e-12 {
			t.Errorf("interleaved %v: scores %g and %g", interleaved, a, b)
		}
	}
}

// TestQuantMisuse checks that wrong shapes panic with *Error, and wrong bytes return an error.
func TestQuantMisuse(t *testing.T) {
	w, _ := packed(t, Q80, 16, 64)
	q := NewQuantRows(2, 64)
	q.Quantize(New(Float32, 2, 64))
	table := NewRoPETable(Float32, 4, 8, 1e4, false)
	f := func(shape ...int) *Tensor { return New(Float32, shape...) }
	for i, run := range []func(){
		func() { NewQuantRows(1, 33) },
		func() { q.Quantize(f(3, 64)) },
		func() { q.Quantize(f(2, 32)) },
		func() { q.Quantize(New(Float64, 2, 64)) },
		func() { q.RMSNorm(f(2, 64), f(63), 1e-6) },
		func() { q.SwiGLU(f(2, 64)) },
		func() { MatMulQuant(f(2, 15), q, w, nil) },
		func() { MatMulQuant(f(3, 16), q, w, nil) },
		func() { MatMulQuant(New(Float64, 2, 16), q, w, nil) },
		func() { MatMulQuant(f(2, 16), q, w, &Epilogue{Bias: f(3)}) },
		func() { w.Rows(f(1, 64), []int32{16}) },
		func() { QuantizeBlocks(f(2, 65), Q80) },
		func() { DequantizeBlocks(f(2, 64), Q80, nil) },
		func() { RMSNorm(f(2, 64), f(2, 64), f(2), 1e-6) },
		func() { SwiGLU(f(2, 64), f(2, 64)) },
		func() { NewRoPETable(Float32, 4, 7, 1e4, false) },
		func() { RoPE(f(1, 8), f(1, 8), table, []int32{4}, 1) },
		func() { RoPE(f(1, 8), f(1, 8), table, []int32{-1}, 1) },
		func() { RoPE(f(1, 8), f(1, 8), table, []int32{0}, 2) },
		func() { RoPE(New(Float64, 1, 8), New(Float64, 1, 8), table, []int32{0}, 1) },
	} {
		if err := Catch(run); err == nil {
			t.Errorf("misuse %d passed", i)
		}
	}
	if _, err := PackQuant(Q80, nil, 1, 32); err == nil {
		t.Error("no blocks were accepted")
	}
}

// BenchmarkDecoderOps are the small operations around the products of a decoder of 896 columns.
func BenchmarkDecoderOps(b *testing.B) {
	x, y, gamma := input(Float32, 1, 1, 896), fresh(Float32, 1, 896), input(Float32, 2, 896)
	gate, up := input(Float32, 3, 1, 2*4864), fresh(Float32, 1, 4864)
	q, q2 := NewQuantRows(1, 896), NewQuantRows(1, 4864)
	table, at0 := NewRoPETable(Float32, 128, 64, 1e6, false), []int32{100}
	rows := map[string]func(){
		"RMSNorm":      func() { RMSNorm(y, x, gamma, 1e-6) },
		"RMSNormQuant": func() { q.RMSNorm(x, gamma, 1e-6) },
		"RoPE":         func() { RoPE(x, x, table, at0, 14) },
		"SwiGLU":       func() { SwiGLU(up, gate) },
		"SwiGLUQuant":  func() { q2.SwiGLU(gate) },
	}
	for _, name := range sortedKeys(rows) {
		b.Run(fmt.Sprintf("%s/896", name), func(b *testing.B) {
			for b.Loop() {
				rows[name]()
			}
		})
	}
}
