package tensor_test

import (
	"fmt"
	"math"

	. "github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// numericsCase is one line of numerics.sum in each type.
type numericsCase struct {
	op, shape string
	large     bool // too much for portable Go
	run       func(d DType) []*Tensor
}

// input is a tensor of normals that the tag and the shape decide.
func input(d DType, tag int, shape ...int) *Tensor {
	x := New(d, shape...)
	if d == Float64 {
		rng.New(2024).Normal64(x.F64(), uint64(tag), uint32(x.Len()), rng.General)
	} else {
		rng.New(2024).Normal(x.F32(), uint64(tag), uint32(x.Len()), rng.General)
	}
	return x
}

// positive is the magnitude of input plus a half.
func positive(d DType, tag int, shape ...int) *Tensor {
	x := input(d, tag, shape...)
	Abs(x, x)
	AddScalar(x, x, 0.5)
	return x
}

// special is normals of many sizes, with zeros, infinities, NaN and subnormal numbers among them.
func special(d DType, n int) *Tensor {
	x := input(d, 3, n)
	tiny := math.SmallestNonzeroFloat32
	if d == Float64 {
		tiny = math.SmallestNonzeroFloat64
	}
	odd := []float64{
		0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), tiny, -tiny, 1, -1, 0.5, 88.5, -88.5, 104, -104,
		710, -746, math.MaxFloat32, -math.MaxFloat32, 0x1p-126, 1e-20, -1e-20, 1e20, math.Pi, -math.Pi / 2, 100, -12345.678,
	}
	for i, v := range odd {
		if i >= n {
			break
		}
		set(x, i*n/len(odd), v)
	}
	for i := range n {
		if i%5 == 3 {
			set(x, i, at(x, i)*float64(i))
		}
	}
	return x
}

func at(x *Tensor, i int) float64 {
	if x.DType() == Float64 {
		return x.F64()[i]
	}
	return float64(x.F32()[i])
}

func set(x *Tensor, i int, v float64) {
	if x.DType() == Float64 {
		x.F64()[i] = v
		return
	}
	x.F32()[i] = float32(v)
}

// numericsCases lists every operation with several shapes: odd tails, single elements, and sizes that are
// divided among threads.
func numericsCases() []numericsCase {
	var cs []numericsCase
	add := func(op, shape string, run func(d DType) []*Tensor) {
		cs = append(cs, numericsCase{op: op, shape: shape, run: run})
	}
	elementCases(add)
	binaryCases(add)
	reduceCases(add)
	normCases(add)
	moveCases(add)
	randomCases(add)
	lowCases(add)
	trainCases(add)
	cs = append(cs, productCases()...)
	cs = append(cs, attentionNumerics()...)
	cs = append(cs, quantCases()...)
	cs = append(cs, convCases()...)
	cs = append(cs, depthwiseCases()...)
	return cs
}

type adder func(op, shape string, run func(d DType) []*Tensor)

func elementCases(add adder) {
	unary := map[string]func(dst, x *Tensor){
		"Neg": Neg, "Abs": Abs, "Square": Square, "Recip": Recip, "Sqrt": Sqrt, "Rsqrt": Rsqrt, "ReLU": ReLU, "Exp": Exp,
		"Log": Log, "Sin": Sin, "Cos": Cos, "Tanh": Tanh, "Erf": Erf, "Sigmoid": Sigmoid, "SiLU": SiLU, "GELU": GELU,
		"GELUTanh": GELUTanh, "Softplus": Softplus,
		"Scale":     func(dst, x *Tensor) { Scale(dst, x, 0.3) },
		"AddScalar": func(dst, x *Tensor) { AddScalar(dst, x, 0.3) },
		"Clamp":     func(dst, x *Tensor) { Clamp(dst, x, -0.7, 1.1) },
		"AXPY":      func(dst, x *Tensor) { dst.CopyFrom(x); AXPY(dst, 0.3, x) },
		"Lerp":      func(dst, x *Tensor) { Sin(dst, x); Lerp(dst, x, 0.3) },
		"SiLUGrad":  func(dst, x *Tensor) { SiLUGrad(dst, x, input(x.DType(), 5, x.Len())) },
		"GELUGrad":  func(dst, x *Tensor) { GELUGrad(dst, x, input(x.DType(), 5, x.Len())) },
		"ScaleAdd":  func(dst, x *Tensor) { ScaleAdd(dst, 0.3, x, -1.7, input(x.DType(), 5, x.Len())) },
	}
	for _, op := range sortedKeys(unary) {
		for _, n := range []int{1, 61, 40963} {
			add(op, fmt.Sprintf("[%d]", n), func(d DType) []*Tensor {
				x := special(d, n)
				y := fresh(d, n)
				unary[op](y, x)
				return []*Tensor{y}
			})
		}
	}
	for _, n := range []int{61, 40963} {
		add("AdamW", fmt.Sprintf("[%d]", n), func(d DType) []*Tensor {
			p, g, m, v := input(d, 1, n), input(d, 2, n), input(d, 3, n), positive(d, 4, n)
			AdamW(p, g, m, v, AdamWParams{
				LR: 1e-3, B1: 0.9, B2: 0.99, Eps: 1e-8, WeightDecay: 0.01, BC1: 0.19, BC2: 0.0199, GradScale: 0.7,
			})
			return []*Tensor{p, m, v}
		})
		add("SGDMomentum", fmt.Sprintf("[%d]", n), func(d DType) []*Tensor {
			p, g, v := input(d, 1, n), input(d, 2, n), input(d, 3, n)
			SGDMomentum(p, g, v, 1e-3, 0.9, 0.01, 0.7)
			return []*Tensor{p, v}
		})
	}
}

func binaryCases(add adder) {
	binary := map[string]func(dst, a, b *Tensor){
		"Add": Add, "Sub": Sub, "Mul": Mul, "Div": Div, "Maximum": Maximum, "Minimum": Minimum, "Greater": Greater,
		"Where": func(dst, a, b *Tensor) { Where(dst, a, a, b) },
	}
	shapes := []struct{ out, a, b []int }{
		{[]int{61}, []int{61}, []int{61}},
		{[]int{40963}, []int{40963}, []int{40963}},
		{[]int{33, 1, 517}, []int{33, 1, 517}, []int{}},
		{[]int{7, 300, 17}, []int{7, 300, 17}, []int{17}},
		{[]int{7, 300, 17}, []int{17}, []int{7, 300, 17}},
		{[]int{3, 5, 7, 18}, []int{3, 5, 7, 18}, []int{3, 1, 1, 18}},
		{[]int{3, 5, 7, 18}, []int{3, 5, 7, 1}, []int{5, 1, 18}},
	}
	for _, op := range sortedKeys(binary) {
		for _, s := range shapes {
			add(op, fmt.Sprintf("%v,%v", s.a, s.b), func(d DType) []*Tensor {
				a, b, y := input(d, 1, s.a...), input(d, 2, s.b...), fresh(d, s.out...)
				if len(s.a) == 1 && len(s.b) == 1 {
					a = special(d, s.a[0])
				}
				binary[op](y, a, b)
				return []*Tensor{y}
			})
		}
	}
}

func reduceCases(add adder) {
	sums := map[string]func(dst, x *Tensor, axes ...int){"Sum": Sum, "Mean": Mean}
	for _, op := range sortedKeys(sums) {
		for _, s := range []struct{ shape, axes, out []int }{
			{[]int{1}, []int{0}, nil},
			{[]int{61}, []int{0}, nil},
			{[]int{9, 4097}, []int{1}, []int{9}},
			{[]int{70001}, []int{0}, nil},
			{[]int{3000, 37}, []int{0}, []int{37}},
			{[]int{3, 12, 11, 64}, []int{1, 2}, []int{3, 64}},
			{[]int{3, 12, 11, 64}, []int{0, 2}, []int{12, 64}},
			{[]int{6, 5, 4, 3}, []int{0, 2, 3}, []int{5}},
		} {
			add(op, fmt.Sprintf("%v,%v", s.shape, s.axes), func(d DType) []*Tensor {
				y := fresh(d, s.out...)
				sums[op](y, input(d, 1, s.shape...), s.axes...)
				return []*Tensor{y}
			})
		}
	}
	add("SumTo", "[5,7,18]->[7,1]", func(d DType) []*Tensor {
		y := fresh(d, 7, 1)
		SumTo(y, input(d, 1, 5, 7, 18))
		return []*Tensor{y}
	})
	add("BroadcastTo", "[7,1]->[5,7,18]", func(d DType) []*Tensor {
		y := fresh(d, 5, 7, 18)
		BroadcastTo(y, input(d, 1, 7, 1))
		return []*Tensor{y}
	})
	for axis := range 3 {
		add("MaxAlong", fmt.Sprintf("[5,37,18],%d", axis), func(d DType) []*Tensor {
			x := input(d, 1, 5, 37, 18)
			shape := []int{5, 37, 18}
			shape[axis] = 1
			y := fresh(d, shape...)
			set(x, 77, math.NaN())
			MaxAlong(y, x, axis)
			return []*Tensor{y}
		})
	}
	for _, n := range []int{61, 70001} {
		add("SumSquares", fmt.Sprintf("[%d]", n), func(d DType) []*Tensor {
			return []*Tensor{FromFloat64([]float64{SumSquares(input(d, 1, n))})}
		})
	}
	rowwise := map[string]func(dst, x, y *Tensor){
		"Softmax":        func(dst, x, _ *Tensor) { Softmax(dst, x) },
		"LogSoftmax":     func(dst, x, _ *Tensor) { LogSoftmax(dst, x) },
		"SoftmaxGrad":    SoftmaxGrad,
		"LogSoftmaxGrad": LogSoftmaxGrad,
	}
	for _, op := range sortedKeys(rowwise) {
		for _, s := range [][]int{{1, 1}, {3, 61}, {50, 256}, {2, 3, 1030}} {
			add(op, fmt.Sprint(s), func(d DType) []*Tensor {
				y := fresh(d, s...)
				rowwise[op](y, input(d, 1, s...), input(d, 2, s...))
				return []*Tensor{y}
			})
		}
	}
}

func normCases(add adder) {
	for _, s := range []struct {
		shape  []int
		groups int
	}{
		{[]int{2, 1, 1, 4}, 2}, {[]int{1, 5, 3, 21}, 7}, {[]int{2, 16, 16, 64}, 8}, {[]int{3, 40, 48}, 1}, {[]int{4, 18}, 18},
	} {
		n, c := s.shape[0], s.shape[len(s.shape)-1]
		label := fmt.Sprintf("%v/%d", s.shape, s.groups)
		for i, norm := range []func(dst, mean, rstd, x, gamma, beta *Tensor, groups int, eps float64){
			GroupNorm, GroupNormSiLU,
		} {
			add([]string{"GroupNorm", "GroupNormSiLU"}[i], label, func(d DType) []*Tensor {
				y, mean, rstd := fresh(d, s.shape...), fresh(d, n, s.groups), fresh(d, n, s.groups)
				norm(y, mean, rstd, input(d, 1, s.shape...), input(d, 2, c), input(d, 3, c), s.groups, 1e-5)
				return []*Tensor{y, mean, rstd}
			})
		}
		add("GroupNormGrad", label, func(d DType) []*Tensor {
			dx, dg, db := fresh(d, s.shape...), fresh(d, c), fresh(d, c)
			GroupNormGrad(dx, dg, db, input(d, 1, s.shape...), input(d, 2, n, s.groups), positive(d, 3, n, s.groups),
				input(d, 4, c), input(d, 5, s.shape...), s.groups)
			return []*Tensor{dx, dg, db}
		})
	}
	for _, s := range [][]int{{1, 1}, {5, 61}, {300, 128}} {
		r, c := s[0], s[1]
		add("LayerNorm", fmt.Sprint(s), func(d DType) []*Tensor {
			y, mean, rstd := fresh(d, s...), fresh(d, r), fresh(d, r)
			LayerNorm(y, mean, rstd, input(d, 1, s...), input(d, 2, c), input(d, 3, c), 1e-5)
			return []*Tensor{y, mean, rstd}
		})
		add("LayerNormGrad", fmt.Sprint(s), func(d DType) []*Tensor {
			dx, dg, db := fresh(d, s...), fresh(d, c), fresh(d, c)
			LayerNormGrad(dx, dg, db, input(d, 1, s...), input(d, 2, r), positive(d, 3, r), input(d, 4, c), input(d, 5, s...))
			return []*Tensor{dx, dg, db}
		})
	}
}

func moveCases(add adder) {
	simple := func(op, label string, out, in []int, f func(dst, x *Tensor)) {
		add(op, label, func(d DType) []*Tensor {
			y := fresh(d, out...)
			f(y, input(d, 1, in...))
			return []*Tensor{y}
		})
	}
	simple("Permute", "[3,70,5,64],0213", []int{3, 5, 70, 64}, []int{3, 70, 5, 64},
		func(y, x *Tensor) { Permute(y, x, 0, 2, 1, 3) })
	simple("Permute", "[130,257],10", []int{257, 130}, []int{130, 257}, func(y, x *Tensor) { Permute(y, x, 1, 0) })
	simple("Concat", "[3,5,7]x2,1", []int{3, 10, 7}, []int{3, 5, 7}, func(y, x *Tensor) { Concat(y, 1, x, x) })
	simple("Slice", "[3,5,7],1", []int{3, 2, 7}, []int{3, 5, 7}, func(y, x *Tensor) { Slice(y, x, 1, 2) })
	simple("PadInto", "[3,5,7],1", []int{3, 9, 7}, []int{3, 5, 7}, func(y, x *Tensor) { PadInto(y, x, 1, 3) })
	simple("UpsampleNearest2", "[2,9,7,65]", []int{2, 18, 14, 65}, []int{2, 9, 7, 65}, UpsampleNearest2)
	simple("SumPool2", "[2,18,14,65]", []int{2, 9, 7, 65}, []int{2, 18, 14, 65}, SumPool2)
	simple("AvgPool2", "[2,18,14,65]", []int{2, 9, 7, 65}, []int{2, 18, 14, 65}, AvgPool2)
	simple("MaxPool2", "[2,18,14,65]", []int{2, 9, 7, 65}, []int{2, 18, 14, 65}, MaxPool2)
	simple("MaxPool2Grad", "[2,18,14,65]", []int{2, 18, 14, 65}, []int{2, 18, 14, 65},
		func(y, x *Tensor) { MaxPool2Grad(y, x, input(x.DType(), 2, 2, 9, 7, 65)) })
	simple("SpaceToDepth2", "[2,18,14,33]", []int{2, 9, 7, 132}, []int{2, 18, 14, 33}, SpaceToDepth2)
	simple("DepthToSpace2", "[2,9,7,132]", []int{2, 18, 14, 33}, []int{2, 9, 7, 132}, DepthToSpace2)
	ids := make([]int32, 300)
	rng.New(1).Ints(ids, 19, 0, 0, rng.General)
	simple("Gather", "[19,70],300", []int{300, 70}, []int{19, 70}, func(y, x *Tensor) { Gather(y, x, ids) })
	simple("ScatterAdd", "[19,70],300", []int{19, 70}, []int{300, 70}, func(y, x *Tensor) { ScatterAdd(y, ids, x) })
}

// randomCases are streams and the scalar functions of schedules, which have one type each.
func randomCases(add adder) {
	add("rng.Normal", "[1000]", func(d DType) []*Tensor { return []*Tensor{input(d, 1, 1000)} })
	add("rng.Uniform", "[1000]", func(d DType) []*Tensor {
		x := New(d, 1000)
		if d == Float64 {
			rng.New(9).Uniform64(x.F64(), 1<<40, 7, rng.Ancestor)
		} else {
			rng.New(9).Uniform(x.F32(), 1<<40, 7, rng.Ancestor)
		}
		return []*Tensor{x}
	})
	add("rng.BernoulliRows", "[7,143]", func(d DType) []*Tensor {
		x := New(Float32, 7, 143)
		rows := make([]rng.Row, 7)
		for i := range rows {
			rows[i] = rng.Row{Stream: rng.New(uint64(i)), Sample: 1<<40 + uint64(i), Step: 7}
		}
		rng.UniformRows(x.F32(), rows, rng.Visible)
		rng.BernoulliRows(x.F32(), x.F32(), rows, rng.Hidden)
		return []*Tensor{x.To(d)}
	})
	add("rng.Perm", "[1000]", func(d DType) []*Tensor {
		x := New(d, 1000)
		for i, v := range rng.New(9).Perm(1000, 3) {
			set(x, i, float64(v))
		}
		return []*Tensor{x}
	})
	scalar := map[string]func(x float64) float64{
		"ExpF64": ExpF64, "LogF64": LogF64, "SinF64": SinF64, "CosF64": CosF64, "TanhF64": TanhF64,
		"PowF64": func(x float64) float64 { return PowF64(math.Abs(x), 1.7) },
	}
	for _, name := range sortedKeys(scalar) {
		add(name, "[1000]", func(d DType) []*Tensor {
			x := special(d, 1000).To(Float64)
			for i, v := range x.F64() {
				x.F64()[i] = scalar[name](v)
			}
			return []*Tensor{x}
		})
	}
}
