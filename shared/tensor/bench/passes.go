package bench

import (
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
)

// pass is an operation that memory bounds: what it moves for every element at least, in arrays of float32.
type pass struct {
	name                  string
	reads, fills, updates float64 // arrays read alone, written alone, and changed in place
	width                 int     // elements of a row of x
	run                   func(o *operands)
}

// operands are what a pass works on.
type operands struct {
	y, x, z, u    *tensor.Tensor // [rows, width]; only as many exist as the pass moves
	gamma, beta   *tensor.Tensor // [width]
	dgamma, dbeta *tensor.Tensor
	a, b, c       *tensor.Tensor // [rows]
	one           *tensor.Tensor // a scalar
	half          *tensor.Tensor // [rows, width/2]
	mean, rstd    *tensor.Tensor // [rows/64, groups]
	ids           []int32
	rope          *tensor.RoPETable
}

// Sizes of all the elements of a pass: within the cache of one core, and far beyond all caches.
const (
	cachedBytes = 512 << 10
	memoryBytes = 192 << 20
)

// groups is what the group norms of passes have, over pictures of 64 pixels.
const groups, pixels = 8, 64

// elements is the number of elements of every array, in whole rows.
func (p *pass) elements(bytes int) int {
	unit := p.width * pixels
	n := int(float64(bytes) / 4 / (p.reads + p.fills + p.updates))
	return max(n/unit, 1) * unit
}

// moved is the bytes of n elements: what is changed in place is read and written.
func (p *pass) moved(n int) float64 { return 4 * float64(n) * (p.reads + p.fills + 2*p.updates) }

// floor is the time of n elements at the speeds of the cheapest pass of each kind.
func (p *pass) floor(n int, s *speeds) float64 {
	return 4 * float64(n) * (p.reads/s.read + p.fills/s.fill + p.updates/s.update) / 1e9
}

func (p *pass) prepare(bytes int) func() {
	n := p.elements(bytes)
	r := n / p.width
	f := func(shape ...int) *tensor.Tensor { return normal(shape...) }
	o := &operands{
		gamma: f(p.width), beta: f(p.width), dgamma: f(p.width), dbeta: f(p.width), a: f(r), b: f(r), c: f(r),
		one: tensor.New(tensor.Float32), mean: f(r/pixels, groups), rstd: f(r/pixels, groups), ids: make([]int32, r),
	}
	for i := range o.ids {
		o.ids[i] = int32(i % p.width)
	}
	arrays := []**tensor.Tensor{&o.x, &o.y, &o.z, &o.u}
	for i, t := range arrays {
		if float64(i) < p.reads+p.fills+p.updates {
			*t = f(r, p.width)
			tensor.Abs(*t, *t) // second moments and logarithms want what is positive
		}
	}
	o.one.Fill(1)
	o.half = tensor.New(tensor.Float32, r, p.width/2)
	o.rope = tensor.NewRoPETable(tensor.Float32, p.width, 64, 10000, false)
	return func() { p.run(o) }
}

// pictures is t as pictures of 8 by 8 pixels.
func pictures(t *tensor.Tensor) *tensor.Tensor { return t.Reshape(t.Dim(0)/pixels, 8, 8, t.Dim(1)) }

// passes lists them. Every one runs at two sizes.
func passes() []pass {
	l := append(unaryPasses(), binaryPasses()...)
	l = append(l, rowPasses()...)
	h := tensor.AdamWParams{LR: 1e-3, B1: 0.9, B2: 0.999, Eps: 1e-8, BC1: 0.5, BC2: 0.5, GradScale: 1}
	return append(l,
		pass{"adamW", 1, 0, 3, 1024, func(o *operands) { tensor.AdamW(o.y, o.x, o.z, o.u, h) }},
		pass{"sgdMomentum", 1, 0, 2, 1024, func(o *operands) { tensor.SGDMomentum(o.y, o.x, o.z, 1e-3, 0.9, 0, 1) }},
		pass{"lerp", 1, 0, 1, 1024, func(o *operands) { tensor.Lerp(o.y, o.x, 0.1) }},
		pass{"axpy", 1, 0, 1, 1024, func(o *operands) { tensor.AXPY(o.y, 1e-9, o.x) }},
		pass{"rope", 0, 0, 1, 384, func(o *operands) { tensor.RoPE(o.x, o.x, o.rope, o.ids, 6) }},
	)
}

func unaryPasses() []pass {
	var l []pass
	for _, u := range []struct {
		name string
		f    func(dst, x *tensor.Tensor)
	}{
		{"neg", tensor.Neg}, {"abs", tensor.Abs}, {"square", tensor.Square}, {"recip", tensor.Recip},
		{"sqrt", tensor.Sqrt}, {"rsqrt", tensor.Rsqrt}, {"relu", tensor.ReLU}, {"exp", tensor.Exp}, {"log", tensor.Log},
		{"sin", tensor.Sin}, {"cos", tensor.Cos}, {"tanh", tensor.Tanh}, {"erf", tensor.Erf},
		{"sigmoid", tensor.Sigmoid}, {"silu", tensor.SiLU}, {"gelu", tensor.GELU}, {"geluTanh", tensor.GELUTanh},
		{"softplus", tensor.Softplus}, {"softmax", tensor.Softmax}, {"logSoftmax", tensor.LogSoftmax},
		{"scale", func(dst, x *tensor.Tensor) { tensor.Scale(dst, x, 2) }},
		{"addScalar", func(dst, x *tensor.Tensor) { tensor.AddScalar(dst, x, 2) }},
		{"clamp", func(dst, x *tensor.Tensor) { tensor.Clamp(dst, x, 0.1, 1) }},
	} {
		l = append(l, pass{u.name, 1, 1, 0, 384, func(o *operands) { u.f(o.y, o.x) }})
	}
	return l
}

func binaryPasses() []pass {
	var l []pass
	for _, b := range []struct {
		name string
		f    func(dst, a, b *tensor.Tensor)
	}{
		{"add", tensor.Add}, {"sub", tensor.Sub}, {"mul", tensor.Mul}, {"div", tensor.Div}, {"maximum", tensor.Maximum},
		{"minimum", tensor.Minimum}, {"greater", tensor.Greater}, {"siluGrad", tensor.SiLUGrad},
		{"geluGrad", tensor.GELUGrad}, {"reluGrad", tensor.ReLUGrad}, {"tanhGrad", tensor.TanhGrad},
		{"sigmoidGrad", tensor.SigmoidGrad}, {"softmaxGrad", tensor.SoftmaxGrad},
		{"logSoftmaxGrad", tensor.LogSoftmaxGrad}, {"bceLogits", tensor.BCELogits},
		{"scaleAdd", func(dst, a, b *tensor.Tensor) { tensor.ScaleAdd(dst, 2, a, 3, b) }},
	} {
		l = append(l, pass{b.name, 2, 1, 0, 384, func(o *operands) { b.f(o.y, o.x, o.z) }})
	}
	return append(l,
		pass{"where", 3, 1, 0, 384, func(o *operands) { tensor.Where(o.y, o.x, o.z, o.u) }},
		pass{"bceLogitsGrad", 2, 1, 0, 784, func(o *operands) { tensor.BCELogitsGrad(o.y, o.x, o.z, o.one) }},
		pass{"addBias", 1, 1, 0, 384, func(o *operands) { tensor.Add(o.y, o.x, o.gamma) }},
		pass{"swiglu", 1, 0.5, 0, 2048, func(o *operands) { tensor.SwiGLU(o.half, o.x) }},
	)
}

// rowPasses are reductions, losses and norms.
func rowPasses() []pass {
	return []pass{
		{"sum", 1, 0, 0, 1024, func(o *operands) { tensor.Sum(o.one, o.x) }},
		{"sumSquares", 1, 0, 0, 1024, func(o *operands) { tensor.SumSquares(o.x) }},
		{"sumRows", 1, 0, 0, 384, func(o *operands) { tensor.Sum(o.a, o.x, 1) }},
		{"sumColumns", 1, 0, 0, 384, func(o *operands) { tensor.Sum(o.dgamma, o.x, 0) }},
		{"maxAlong", 1, 0, 0, 384, func(o *operands) { tensor.MaxAlong(o.a, o.x, 1) }},
		{"crossEntropy", 1, 0, 0, 1024, func(o *operands) { tensor.CrossEntropy(o.a, o.b, o.c, o.x, o.ids) }},
		{"crossEntropyGrad", 1, 1, 0, 1024,
			func(o *operands) { tensor.CrossEntropyGrad(o.y, o.x, o.b, o.c, o.ids, o.one) }},
		{"rmsNorm", 1, 1, 0, 384, func(o *operands) { tensor.RMSNorm(o.y, o.x, o.gamma, 1e-5) }},
		{"layerNorm", 1, 1, 0, 384, func(o *operands) { tensor.LayerNorm(o.y, o.a, o.b, o.x, o.gamma, o.beta, 1e-5) }},
		{"layerNormGrad", 2, 1, 0, 384,
			func(o *operands) { tensor.LayerNormGrad(o.y, o.dgamma, o.dbeta, o.x, o.a, o.b, o.gamma, o.z) }},
		{"groupNorm", 1, 1, 0, 64, func(o *operands) {
			tensor.GroupNorm(pictures(o.y), o.mean, o.rstd, pictures(o.x), o.gamma, o.beta, groups, 1e-5)
		}},
		{"groupNormSiLU", 1, 1, 0, 64, func(o *operands) {
			tensor.GroupNormSiLU(pictures(o.y), o.mean, o.rstd, pictures(o.x), o.gamma, o.beta, groups, 1e-5)
		}},
		{"groupNormGrad", 2, 1, 0, 64, func(o *operands) {
			tensor.GroupNormGrad(pictures(o.y), o.dgamma, o.dbeta, pictures(o.x), o.mean, o.rstd, o.gamma,
				pictures(o.z), groups)
		}},
		{"groupNormSiLUGrad", 2, 1, 0, 64, func(o *operands) {
			tensor.GroupNormSiLUGrad(pictures(o.y), o.dgamma, o.dbeta, pictures(o.x), o.mean, o.rstd, o.gamma, o.beta,
				pictures(o.z), groups)
		}},
	}
}

// passKernels are the passes as kernels, in cache and in memory.
func passKernels() []kernel {
	var l []kernel
	for _, p := range passes() {
		for _, where := range []struct {
			name  string
			bytes int
		}{{"cache", cachedBytes}, {"memory", memoryBytes}} {
			l = append(l, kernel{
				name: "pass/" + p.name + "/" + where.name, peak: func() float64 { return 0 },
				make: func() gemm.Case {
					return gemm.Case{Bytes: p.moved(p.elements(where.bytes)), Run: p.prepare(where.bytes)}
				},
				floor: func() float64 {
					s := measureSpeeds(where.bytes)
					return p.floor(p.elements(where.bytes), &s)
				},
			})
		}
	}
	return l
}
