package vec

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

// everyCase runs each exported function on inputs of n elements and hands every float32 result to out.
// draw makes one input element.
func everyCase(n int, draw func() float32, out func(name string, y []float32)) {
	vecOf := func(k int) []float32 {
		x := make([]float32, k)
		for i := range x {
			x[i] = draw()
		}
		return x
	}
	dup := func(x []float32) []float32 { return append([]float32{}, x...) }
	a, b, c := vecOf(n), vecOf(n), vecOf(n)
	s, u := draw(), draw()
	y := make([]float32, n)
	for op := Unary(0); op < numUnary; op++ {
		Map(op, y, a)
		out(fmt.Sprint("Map ", op), y)
	}
	for op := Binary(0); op < numBinary; op++ {
		Zip(op, y, a, b)
		out(fmt.Sprint("Zip ", op), y)
		ZipScalar(op, y, a, s, false)
		out(fmt.Sprint("ZipScalar right ", op), y)
		ZipScalar(op, y, a, s, true)
		out(fmt.Sprint("ZipScalar left ", op), y)
	}
	SiLUGrad(y, a, b)
	out("SiLUGrad", y)
	GELUGrad(y, a, b)
	out("GELUGrad", y)
	Where(y, a, b, c)
	out("Where", y)
	if s == s && u == u {
		Clamp(y, a, s, u)
		out("Clamp", y)
	}
	y = dup(a)
	AXPY(y, s, b)
	out("AXPY", y)
	y = dup(a)
	Lerp(y, b, s)
	out("Lerp", y)
	ScaleAdd(y, s, a, u, b)
	out("ScaleAdd", y)
	MulAdd(y, a, b, c)
	out("MulAdd", y)
	MulAddSiLU(y, a, b, c)
	out("MulAddSiLU", y)
	out("sums", []float32{Sum(a), SumSquares(a), SumSquareDevs(a, s), Dot(a, b), SumExp(a, Max(a))})
	out("extremes", []float32{Max(a), Min(a), AbsMax(a)})
	SoftmaxRow(y, a)
	out("SoftmaxRow", y)
	LogSoftmaxRow(y, a)
	out("LogSoftmaxRow", y)
	SoftmaxGradRow(y, a, b)
	out("SoftmaxGradRow", y)
	LogSoftmaxGradRow(y, a, b)
	out("LogSoftmaxGradRow", y)
	mean, rstd := LayerNormRow(y, a, b, c, 1e-5)
	out("LayerNormRow", append(dup(y), mean, rstd))
	LayerNormGradRow(y, a, b, c, s, u)
	out("LayerNormGradRow", y)
	y = dup(a)
	y2 := dup(b)
	LayerNormParamGradRow(y, y2, b, c, s, u)
	out("LayerNormParamGradRow", append(dup(y), y2...))
	p, m, v := dup(a), dup(b), dup(c)
	AdamW(p, vecOf(n), m, v, nil, 0, AdamWArgs{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01,
		BiasCorr1: 0.1, BiasCorr2: 0.001, GradScale: 0.7})
	out("AdamW", append(append(p, m...), v...))
	mean1 := vecOf(n)
	AdamW(p, vecOf(n), m, v, mean1, 0.01, AdamWArgs{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01,
		BiasCorr1: 0.1, BiasCorr2: 0.001, GradScale: 0.7})
	out("AdamW with a mean", append(append(append(p, m...), v...), mean1...))
	trainCases(n, vecOf, out)
	p, v = dup(a), dup(b)
	SGDMomentum(p, c, v, 0.1, 0.9, 1e-4, 0.5)
	out("SGDMomentum", append(p, v...))
	columnCases(n, vecOf, out)
}

// columnCases treats n as a number of columns, for several numbers of rows.
func columnCases(n int, vecOf func(int) []float32, out func(name string, y []float32)) {
	if n == 0 {
		return
	}
	for _, rows := range []int{0, 1, 2, 3, 4, 7} {
		ld := n + 3
		x, dy := vecOf(rows*ld), vecOf(rows*ld)
		a, b, c, d := vecOf(n), vecOf(n), vecOf(n), vecOf(n)
		y, z := vecOf(n), make([]float32, n)
		SumRows(y, x, rows, ld)
		out("SumRows", y)
		ColSums(y, x, rows, ld)
		out("ColSums", y)
		ColSquareDevs(y, x, a, rows, ld)
		out("ColSquareDevs", y)
		ColGradSums(y, z, dy, x, a, b, rows, ld)
		out("ColGradSums", append(append([]float32{}, y...), z...))
		x, dy = vecOf(rows*n), vecOf(rows*n)
		o := make([]float32, rows*n)
		AffineGradRows(o, dy, x, a, b, c, d)
		out("AffineGradRows", o)
		AffineRows(o, x, a, b)
		out("AffineRows", o)
		AffineSiLURows(o, x, a, b)
		out("AffineSiLURows", o)
		ZipRow(Sub, o, x, a, true)
		out("ZipRow", o)
		if rows > 0 && n%2 == 0 {
			stats, scratch := make([]float32, 4), make([]float32, 2*n)
			GroupStats(stats[:2], stats[2:], x, rows, n, n, 1e-5, scratch)
			out("GroupStats", stats)
		}
	}
}

// kernelNames are the instruction sets of this machine, the portable one last.
func kernelNames() []string {
	var l []string
	for _, i := range cpu.Available() {
		l = append(l, i.String())
	}
	return l
}

func setKernels(t testing.TB, name string) {
	t.Helper()
	if err := cpu.Set(name); err != nil {
		t.Fatal(err)
	}
}

// ordinary draws values of everyday size.
func ordinary(r *rand.Rand) func() float32 {
	return func() float32 { return float32(r.NormFloat64() * 3) }
}

// TestKernelsAgree compares all functions with portable Go at every length that takes another way through a kernel;
// with -short, for emulated CPUs, up to two rounds of 16 and a rest.
func TestKernelsAgree(t *testing.T) {
	defer setKernels(t, "auto")
	all, long := 131, []int{1000, 4099}
	if testing.Short() {
		all, long = 36, []int{67, 131}
	}
	var lengths []int
	for n := range all {
		lengths = append(lengths, n)
	}
	lengths = append(lengths, long...)
	for _, n := range lengths {
		for round, kind := range []string{"ordinary", "hostile", "hostile"} {
			type result struct {
				name string
				bits []uint32
			}
			var want []result
			for k, isa := range append([]string{"portable"}, kernelNames()...) {
				setKernels(t, isa)
				r := rand.New(rand.NewPCG(uint64(n), uint64(round)))
				draw := ordinary(r)
				if kind == "hostile" {
					draw = func() float32 { return hostile32(r) }
				}
				i := 0
				everyCase(n, draw, func(name string, y []float32) {
					if k == 0 {
						want = append(want, result{name, bitsOf(y)})
						return
					}
					w := want[i]
					i++
					if w.name != name {
						t.Fatalf("case %s, want %s", name, w.name)
					}
					for j, v := range bitsOf(y) {
						if v != w.bits[j] {
							t.Fatalf("%s, %s, n = %d, %s: element %d is %08x, portable has %08x", name, isa, n, kind, j, v, w.bits[j])
						}
					}
				})
			}
		}
	}
}

func bitsOf(y []float32) []uint32 {
	b := make([]uint32, len(y))
	for i, v := range y {
		b[i] = math.Float32bits(v)
	}
	return b
}

// The portable FMA32 against the hardware's, through the kernels' MulAdd.
func TestFMA32AgainstHardware(t *testing.T) {
	defer setKernels(t, "auto")
	if kernelNames()[0] == "portable" || !hasKernels {
		setKernels(t, "portable")
	}
	r := rand.New(rand.NewPCG(9, 10))
	const n = 1 << 14
	a, b, c, y := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	for range 200 {
		for i := range a {
			a[i], b[i], c[i] = hostile32(r), hostile32(r), hostile32(r)
			if i%4 == 0 { // cancellation and ties: c near -a*b, and far smaller
				c[i] = -a[i] * b[i]
			}
			if i%4 == 1 {
				c[i] = float32(float64(a[i]) * float64(b[i]) * math.Exp2(-float64(r.IntN(60))))
			}
		}
		MulAdd(y, a, b, c)
		for i := range y {
			if w := canon(FMA32(a[i], b[i], c[i])); math.Float32bits(w) != math.Float32bits(y[i]) {
				t.Fatalf("FMA32(%x, %x, %x) = %x, hardware %x", a[i], b[i], c[i], w, y[i])
			}
		}
	}
}

// Every float32 function of one argument on a sweep over all of float32.
func TestUnarySweepAgrees(t *testing.T) {
	defer setKernels(t, "auto")
	const n = 1 << 14
	x, want, y := make([]float32, n), make([]float32, n), make([]float32, n)
	parts := uint32(4)
	if testing.Short() {
		parts = 1
	}
	for part := range parts {
		for i := range x {
			x[i] = math.Float32frombits(uint32(i)<<18 | part*0x12345 + uint32(i)*7&0xFF)
		}
		for op := Unary(0); op < numUnary; op++ {
			setKernels(t, "portable")
			Map(op, want, x)
			for _, isa := range kernelNames() {
				setKernels(t, isa)
				Map(op, y, x)
				for i := range y {
					if math.Float32bits(y[i]) != math.Float32bits(want[i]) {
						t.Fatalf("op %d, %s: f(%x) = %x, portable %x", op, isa, x[i], y[i], want[i])
					}
				}
			}
		}
	}
}

// digest is a hash of every function's bits on fixed inputs, float32 and float64.
func digest() uint64 {
	h := fnv.New64a()
	r := rand.New(rand.NewPCG(11, 12))
	put := func(_ string, y []float32) {
		var b [4]byte
		for _, v := range y {
			binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
			h.Write(b[:])
		}
	}
	for _, n := range []int{1, 5, 16, 33, 100} {
		everyCase(n, ordinary(r), put)
		everyCase(n, func() float32 { return hostile32(r) }, put)
	}
	var b [8]byte
	put64 := func(v float64) {
		binary.LittleEndian.PutUint64(b[:], math.Float64bits(v))
		h.Write(b[:])
	}
	for range 3000 {
		x := math.Float64frombits(r.Uint64())
		if r.IntN(2) == 0 {
			x = r.NormFloat64() * 5
		}
		y := r.NormFloat64() * 3
		for op := Square; op < numUnary; op++ {
			put64(scalar64(op)(x))
		}
		put64(canon(Pow64(math.Abs(x), y)))
		put64(canon(Log1p64(y)))
		put64(SiLUGrad64(x, y))
		put64(GELUGrad64(x, y))
	}
	return h.Sum64()
}

// wantDigest pins the bits of this package. It changes only together with the numerics version.
const wantDigest = 0x5d0b3850dbaff62e

func TestDigest(t *testing.T) {
	defer setKernels(t, "auto")
	for _, isa := range kernelNames() {
		setKernels(t, isa)
		if d := digest(); d != wantDigest {
			t.Errorf("%s: digest %#x, want %#x", isa, d, uint64(wantDigest))
		}
	}
}
