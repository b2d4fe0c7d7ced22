package gemm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// same3 is a 3x3 convolution with padding 1.
func same3(n, h, w, ci, co int) Conv {
	return Conv{N: n, H: h, W: w, Ci: ci, Co: co, KH: 3, KW: 3, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}
}

// convs are shapes that reach every layout: copies, in place; strides, uneven padding, blocks.
var convs = []Conv{
	same3(1, 5, 4, 1, 3),
	same3(2, 7, 7, 3, 16),
	same3(2, 6, 5, 20, 17),
	same3(1, 3, 3, 130, 33),
	same3(1, 2, 3, 300, 16),
	{N: 3, H: 4, W: 4, Ci: 24, Co: 20, KH: 1, KW: 1},
	{N: 1, H: 4, W: 5, Ci: 300, Co: 5, KH: 1, KW: 1},
	{N: 2, H: 8, W: 6, Ci: 5, Co: 18, KH: 2, KW: 2, StrideH: 2, StrideW: 2},
	{N: 2, H: 7, W: 9, Ci: 6, Co: 8, KH: 3, KW: 3, StrideH: 2, StrideW: 2,
		PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 1, H: 8, W: 8, Ci: 16, Co: 12, KH: 4, KW: 4, StrideH: 2, StrideW: 2,
		PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 2, H: 6, W: 7, Ci: 4, Co: 4, KH: 3, KW: 2, StrideH: 1, StrideW: 2,
		PadTop: 2, PadBottom: 0, PadLeft: 0, PadRight: 1},
	{N: 1, H: 5, W: 5, Ci: 7, Co: 3, KH: 1, KW: 1, StrideH: 2, StrideW: 3},
	{N: 1, H: 2, W: 2, Ci: 4, Co: 3, KH: 5, KW: 5, PadTop: 2, PadBottom: 2, PadLeft: 2, PadRight: 2},
	{N: 1, H: 1, W: 1, Ci: 4, Co: 3, KH: 3, KW: 3, PadTop: 4, PadBottom: 4, PadLeft: 4, PadRight: 4},
	{N: 2, H: 20, W: 19, Ci: 2, Co: 5, KH: 3, KW: 3, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 1, H: 18, W: 17, Ci: 4, Co: 5, KH: 2, KW: 3},
	{N: 2, H: 3, W: 3, Ci: 0, Co: 3, KH: 2, KW: 2},
	{N: 0, H: 3, W: 3, Ci: 2, Co: 3, KH: 2, KW: 2},
	{N: 1, H: 17, W: 17, Ci: 4, Co: 16, KH: 1, KW: 1},
}

// convRow is a shape with operands and the results in the stated order.
type convRow[T Float] struct {
	c          Conv
	x, w, y    []T
	dx, dw, dy []T
}

func newConvRow[T Float](r *rand.Rand, c Conv) convRow[T] {
	ho, wo := c.Out()
	row := convRow[T]{c: c, x: random[T](r, c.N*c.H*c.W*c.Ci), w: random[T](r, c.KH*c.KW*c.Ci*c.Co)}
	row.y, row.dy = make([]T, c.N*ho*wo*c.Co), random[T](r, c.N*ho*wo*c.Co)
	row.dx, row.dw = make([]T, len(row.x)), make([]T, len(row.w))
	if k := refForm[T](c); k > 0 {
		refWinograd(as32(row.y), as32(row.x), as32(row.w), c, k)
	} else {
		refConv(row.y, row.x, row.w, c)
	}
	k := 0
	if c.KH == 3 && c.KW == 3 && c.normal().StrideH*c.normal().StrideW == 1 {
		k = refForm[T](c.adjoint())
	}
	if k > 0 {
		refWinogradGrad(as32(row.dx), as32(row.dy), as32(row.w), c, k)
	} else {
		refInputGrad(row.dx, row.dy, row.w, c)
	}
	if refGradientForm[T](c) {
		refWinogradWeightGrad(as32(row.dw), as32(row.x), as32(row.dy), c)
	} else {
		refWeightGrad(row.dw, row.x, row.dy, c)
	}
	return row
}

func (row convRow[T]) check(t *testing.T) {
	t.Helper()
	c := row.c
	name := fmt.Sprintf("%+v", c)
	got := poison[T](len(row.y))
	Conv2D(got, row.x, row.w, c, nil)
	sameBits(t, name, got, row.y)

	m := &marks[T]{seen: make([]int32, len(row.y)), n: c.Co}
	got = poison[T](len(row.y))
	Conv2DPacked[T](got, row.x, PackConv(row.w, c), c, m)
	m.check(t, name+" packed", got, append([]T(nil), row.y...))

	got = poison[T](len(row.x))
	InputGrad(got, row.dy, row.w, c, nil)
	sameBits(t, name+" input gradient", got, row.dx)
	m = &marks[T]{seen: make([]int32, len(row.x)), n: c.Ci}
	got = poison[T](len(row.x))
	InputGradPacked[T](got, row.dy, PackInputGrad(row.w, c), c, m)
	m.check(t, name+" input gradient and epilogue", got, append([]T(nil), row.dx...))

	got = poison[T](len(row.w))
	WeightGrad(got, row.x, row.dy, c)
	sameBits(t, name+" weight gradient", got, row.dw)
}

func TestConv(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	var rows []convRow[float32]
	var rows64 []convRow[float64]
	for _, c := range convs {
		rows = append(rows, newConvRow[float32](r, c))
		rows64 = append(rows64, newConvRow[float64](r, c))
	}
	everyWay(t, func(t *testing.T) {
		for i := range rows {
			rows[i].check(t)
			rows64[i].check(t)
		}
	})
}

func TestConvOfRandomShapes(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	defer pool.SetThreads(0)
	defer func() { _ = cpu.Set("auto") }()
	isas := cpu.Available()
	for range 150 {
		c := Conv{N: 1 + r.IntN(3), H: 1 + r.IntN(9), W: 1 + r.IntN(9), Ci: 1 + r.IntN(20), Co: 1 + r.IntN(40),
			KH: 1 + r.IntN(4), KW: 1 + r.IntN(4), StrideH: 1 + r.IntN(3), StrideW: 1 + r.IntN(3),
			PadTop: r.IntN(3), PadBottom: r.IntN(3), PadLeft: r.IntN(3), PadRight: r.IntN(3)}
		if c.H+c.PadTop+c.PadBottom < c.KH || c.W+c.PadLeft+c.PadRight < c.KW {
			continue
		}
		if err := cpu.Set(isas[r.IntN(len(isas))].String()); err != nil {
			t.Fatal(err)
		}
		pool.SetThreads(1 + r.IntN(4))
		newConvRow[float32](r, c).check(t)
	}
}

// A 1x1 convolution is the matrix product.
func TestConv1x1EqualsMatMul(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	c := Conv{N: 2, H: 9, W: 5, Ci: 600, Co: 40, KH: 1, KW: 1}
	x, w := random[float32](r, 90*600), random[float32](r, 600*40)
	y, z := make([]float32, 90*40), make([]float32, 90*40)
	Conv2D(y, x, w, c, nil)
	MatMul(z, x, w, Product{M: 90, N: 40, K: 600}, nil)
	sameBits(t, "1x1", y, z)
}

// A picture's result does not depend on the batch it is in; large enough that parts cross pictures.
func TestPictureAloneEqualsPictureInBatch(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	c := same3(9, 7, 7, 40, 48)
	x, w := random[float32](r, c.N*49*c.Ci), random[float32](r, 9*c.Ci*c.Co)
	all := make([]float32, c.N*49*c.Co)
	Conv2D(all, x, w, c, nil)
	one := c
	one.N = 1
	for n := range c.N {
		got := poison[float32](49 * c.Co)
		Conv2D(got, x[n*49*c.Ci:(n+1)*49*c.Ci], w, one, nil)
		sameBits(t, fmt.Sprintf("picture %d", n), got, all[n*49*c.Co:(n+1)*49*c.Co])
	}
}

func TestNoAllocation(t *testing.T) {
	pool.SetThreads(2)
	defer pool.SetThreads(0)
	r := rand.New(rand.NewPCG(19, 20))
	c := same3(4, 14, 14, 32, 32)
	row := convRow[float32]{c: c, x: random[float32](r, 4*196*32), w: random[float32](r, 9*32*32),
		dy: random[float32](r, 4*196*32)}
	row.y, row.dx, row.dw = make([]float32, len(row.dy)), make([]float32, len(row.x)), make([]float32, len(row.w))
	z := make([]float32, 100*30)
	all := func() {
		Conv2D(row.y, row.x, row.w, c, nil)
		InputGrad(row.dx, row.dy, row.w, c, nil)
		WeightGrad(row.dw, row.x, row.dy, c)
		MatMul(z, row.x, row.w, Product{M: 100, N: 30, K: 200, TransA: true}, nil)
	}
	for range 20 {
		all()
	}
	if n := testing.AllocsPerRun(20, all); n > 0 {
		t.Fatalf("%v allocations per round, want 0", n)
	}
}
