package vec

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// ulp32 is the distance from got to the true value want in units of the last place of want, which is the
// spacing of float32 around want, at least the smallest subnormal.
func ulp32(got float32, want float64) float64 {
	if float64(got) == want || math.IsNaN(want) && got != got {
		return 0
	}
	if math.IsInf(float64(got), 0) && math.Abs(want) >= math.MaxFloat32 {
		return 0
	}
	_, e := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(e-24, -149))
}

func sigmoidRef(x float64) float64 {
	if x < 0 {
		return math.Exp(x) / (1 + math.Exp(x))
	}
	return 1 / (1 + math.Exp(-x))
}

// accuracy32 holds one row per float32 function: a float64 reference from package math, the interval
// tested and the error allowed in ulp.
var accuracy32 = []struct {
	op     Unary
	ref    func(float64) float64
	lo, hi float64
	ulp    float64
}{
	{Exp, math.Exp, -104, 89, 1},
	{Exp, math.Exp, -1, 1, 1},
	{Log, math.Log, 0, 3, 1},
	{Log, math.Log, 0, 3e38, 1},
	{Log, math.Log, 0, 1e-37, 1},
	{Tanh, math.Tanh, -11, 11, 2},
	{Tanh, math.Tanh, -1, 1, 2},
	{Sigmoid, sigmoidRef, -104, 104, 2.5},
	{Sigmoid, sigmoidRef, -4, 4, 2.5},
	{SiLU, func(x float64) float64 { return x * sigmoidRef(x) }, -87, 104, 3},
	{SiLU, func(x float64) float64 { return x * sigmoidRef(x) }, -4, 4, 3},
	{Softplus, func(x float64) float64 { return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }, -87, 40, 2},
	{Erf, math.Erf, -5, 5, 1},
	{Erf, math.Erf, -0.01, 0.01, 1},
	{GELU, func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) }, -0.5, 20, 3},
	{GELUTanh, func(x float64) float64 {
		return x * sigmoidRef(2*math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))
	}, -0.5, 20, 3},
	{Sin, math.Sin, -8, 8, 2},
	{Sin, math.Sin, -65536, 65536, 2},
	{Sin, math.Sin, -3e38, 3e38, 2},
	{Cos, math.Cos, -8, 8, 2},
	{Cos, math.Cos, -65536, 65536, 2},
	{Cos, math.Cos, -3e38, 3e38, 2},
	{Sqrt, math.Sqrt, 0, 3e38, 0.501},
	{Rsqrt, func(x float64) float64 { return 1 / math.Sqrt(x) }, 0, 3e38, 1.5},
	{Recip, func(x float64) float64 { return 1 / x }, -10, 10, 0.501},
	{Square, func(x float64) float64 { return x * x }, -10, 10, 0.501},
}

func TestAccuracy32(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 40000
	x, y := make([]float32, n), make([]float32, n)
	for _, row := range accuracy32 {
		for i := range x {
			x[i] = float32(row.lo + (row.hi-row.lo)*r.Float64())
		}
		Map(row.op, y, x)
		worst, at := 0.0, float32(0)
		for i := range x {
			if e := ulp32(y[i], row.ref(float64(x[i]))); !(e <= worst) {
				worst, at = e, x[i]
			}
		}
		name := fmt.Sprintf("op %d on [%g, %g]", row.op, row.lo, row.hi)
		t.Logf("%s: %.3f ulp at %g", name, worst, at)
		if !(worst <= row.ulp) {
			t.Errorf("%s: error %.3f ulp at %g, want at most %g", name, worst, at, row.ulp)
		}
	}
}

// GELU cancels in its left tail: there the error is bounded relative to x.
func TestGELULeftTail(t *testing.T) {
	for x := float32(-40); x < 0; x += 1.0 / 256 {
		want := float64(x) / 2 * math.Erfc(-float64(x)/math.Sqrt2)
		if d := math.Abs(float64(GELU32(x))-want) / math.Abs(float64(x)); d > 1e-7 {
			t.Fatalf("GELU32(%g) is off by %g of x", x, d)
		}
		if d := math.Abs(GELU64(float64(x))-want) / math.Abs(float64(x)); d > 2e-16 {
			t.Fatalf("GELU64(%g) is off by %g of x", x, d)
		}
	}
}

// bf is a big.Float of 200 bits.
func bf(x float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(x) }

// bigExp is e^x: Taylor after halving the argument.
func bigExp(x *big.Float) *big.Float {
	f, _ := x.Float64()
	if f < -5000 {
		return bf(0)
	}
	const halvings = 40
	r := new(big.Float).SetPrec(400).SetMantExp(new(big.Float).SetPrec(400).Set(x), -halvings)
	sum, term := new(big.Float).SetPrec(400).SetInt64(1), new(big.Float).SetPrec(400).SetInt64(1)
	for k := int64(1); k < 30; k++ {
		term.Mul(term, r)
		term.Quo(term, new(big.Float).SetPrec(400).SetInt64(k))
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum
}

// bigLog is log x by Newton's method on bigExp.
func bigLog(x *big.Float) *big.Float {
	f, _ := x.Float64()
	y := new(big.Float).SetPrec(300).SetFloat64(math.Log(f))
	for range 3 {
		e := bigExp(new(big.Float).Neg(y))
		e.Mul(e, x)
		e.Sub(e, bf(1)) // x*exp(-y) - 1
		c := new(big.Float).SetPrec(300).Mul(e, e)
		c.Quo(c, bf(2))
		y.Add(y, e)
		y.Sub(y, c)
	}
	return y
}

var bigPi, _, _ = big.ParseFloat("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899"+
	"8628034825342117067982148086513282306647093844609550582231725359408128481117450284102701938521105559644622948954"+
	"9303819644288109756659334461284756482337867831652712019091456485669234603486104543266482133936072602491412737245"+
	"8700660631558817488152092096282925409171536436789259036001133053054882046652138414695194151160943305727036575959"+
	"1953092186117381932611793105118548074462379962749567351885752724891227938183011949129833673362440656643086021394"+
	"9463952247371907021798609437027705392171762931767523846748184676694051320005681271452635608277857713427577896091",
	10, 1500, big.ToNearestEven)

// bigSin is sin x: reduction by 2 pi with 1500 bits, then Taylor.
func bigSin(x *big.Float) *big.Float {
	r := new(big.Float).SetPrec(1500).Set(x)
	tau := new(big.Float).SetPrec(1500).Mul(bigPi, new(big.Float).SetInt64(2))
	q := new(big.Float).SetPrec(1500).Quo(r, tau)
	n, _ := q.Int(nil)
	r.Sub(r, new(big.Float).SetPrec(1500).Mul(tau, new(big.Float).SetPrec(1500).SetInt(n)))
	r.SetPrec(300)
	sum, term := new(big.Float).Set(r), new(big.Float).Set(r)
	r2 := new(big.Float).SetPrec(300).Mul(r, r)
	for k := int64(1); k < 50; k++ {
		term.Mul(term, r2)
		term.Quo(term, new(big.Float).SetInt64(-2*k*(2*k+1)))
		sum.Add(sum, term)
	}
	return sum
}

func bigCos(x *big.Float) *big.Float {
	h := new(big.Float).SetPrec(1500).Quo(bigPi, new(big.Float).SetInt64(2))
	return bigSin(h.Add(h, x))
}

// bigSigmoid is e^x/(1 + e^x).
func bigSigmoid(x *big.Float) *big.Float {
	e := bigExp(x)
	return new(big.Float).Quo(e, new(big.Float).Add(e, bf(1)))
}

// bigTanh is (e^2x - 1)/(e^2x + 1).
func bigTanh(x *big.Float) *big.Float {
	e := bigExp(new(big.Float).SetPrec(300).Mul(x, bf(2)))
	a, b := new(big.Float).SetPrec(300).Sub(e, bf(1)), new(big.Float).SetPrec(300).Add(e, bf(1))
	return a.Quo(a, b)
}

// bigErf is the Taylor series of erf with 400 bits.
func bigErf(x *big.Float) *big.Float {
	x2 := new(big.Float).SetPrec(400).Mul(x, x)
	term := new(big.Float).SetPrec(400).Set(x)
	sum := new(big.Float).SetPrec(400).Set(x)
	for k := int64(1); k < 300; k++ {
		term.Mul(term, x2)
		term.Quo(term, new(big.Float).SetInt64(-k))
		sum.Add(sum, new(big.Float).SetPrec(400).Quo(term, new(big.Float).SetInt64(2*k+1)))
	}
	s := new(big.Float).SetPrec(400).Sqrt(new(big.Float).SetPrec(400).Set(bigPi))
	sum.Mul(sum, bf(2))
	return sum.Quo(sum, s)
}

// ulp64 is the error of got against the exact value in units of the last place.
func ulp64(got float64, want *big.Float) float64 {
	w, _ := want.Float64()
	if got == w {
		// still measure the fraction of an ulp
		if math.IsInf(w, 0) {
			return 0
		}
	}
	d := new(big.Float).SetPrec(300).Sub(new(big.Float).SetPrec(300).SetFloat64(got), want)
	_, e := math.Frexp(w)
	f, _ := d.SetMantExp(d, -max(e-53, -1074)).Float64()
	return math.Abs(f)
}

func TestAccuracy64(t *testing.T) {
	rows := []struct {
		name   string
		f      func(float64) float64
		ref    func(*big.Float) *big.Float
		lo, hi float64
		ulp    float64
	}{
		{"Exp64", Exp64, bigExp, -745, 709.7, 1},
		{"Exp64", Exp64, bigExp, -1, 1, 1},
		{"Log64", Log64, bigLog, 0.3, 3, 1},
		{"Log64", Log64, bigLog, 1e-300, 1e300, 1},
		{"Log1p64", Log1p64, func(x *big.Float) *big.Float {
			return bigLog(new(big.Float).SetPrec(300).Add(bf(1), x))
		}, -0.9, 3, 2},
		{"Sigmoid64", Sigmoid64, bigSigmoid, -700, 40, 2.5},
		{"Sigmoid64", Sigmoid64, bigSigmoid, -5, 5, 2.5},
		{"SiLU64", SiLU64, func(x *big.Float) *big.Float { return new(big.Float).Mul(x, bigSigmoid(x)) }, -700, 40, 3},
		{"SiLU64", SiLU64, func(x *big.Float) *big.Float { return new(big.Float).Mul(x, bigSigmoid(x)) }, -5, 5, 3},
		{"Softplus64", Softplus64, func(x *big.Float) *big.Float {
			return bigLog(new(big.Float).Add(bigExp(x), bf(1)))
		}, -5, 40, 3},
		{"Tanh64", Tanh64, bigTanh, -3, 3, 2},
		{"Tanh64", Tanh64, bigTanh, -0.6, 0.6, 2},
		{"Erf64", Erf64, bigErf, -6, 6, 1},
		{"Erf64", Erf64, bigErf, -1, 1, 1},
		{"Sin64", Sin64, bigSin, -10, 10, 1},
		{"Sin64", Sin64, bigSin, -1 << 20, 1 << 20, 1},
		{"Sin64", Sin64, bigSin, -1e300, 1e300, 1},
		{"Sin64", Sin64, bigSin, 1 << 20, 1 << 24, 1},
		{"Cos64", Cos64, bigCos, -10, 10, 1},
		{"Cos64", Cos64, bigCos, -1 << 20, 1 << 20, 1},
		{"Cos64", Cos64, bigCos, -1e300, 1e300, 1},
		{"Cos64", Cos64, bigCos, 1 << 20, 1 << 24, 1},
	}
	r := rand.New(rand.NewPCG(3, 4))
	for _, row := range rows {
		worst, at := 0.0, 0.0
		for range 300 {
			x := row.lo + (row.hi-row.lo)*r.Float64()
			if e := ulp64(row.f(x), row.ref(bf(x))); !(e <= worst) {
				worst, at = e, x
			}
		}
		t.Logf("%s on [%g, %g]: %.3f ulp at %g", row.name, row.lo, row.hi, worst, at)
		if !(worst <= row.ulp) {
			t.Errorf("%s on [%g, %g]: error %.3f ulp at %v, want at most %g", row.name, row.lo, row.hi, worst, at, row.ulp)
		}
	}
}

// The float64 nearest to a multiple of pi/2 (Kahan; Muller, Elementary Functions, chapter 11) is where a
// range reduction loses the most.
func TestTrig64NearMultiples(t *testing.T) {
	for _, x := range []float64{6381956970095103 * 0x1p797, math.Pi, math.Pi / 2, 22, 355, 1e22, 0x1p1023, 1 << 20,
		math.Nextafter(1<<20, 0), 5e-324, 0x1p-27} {
		if e := ulp64(Sin64(x), bigSin(bf(x))); e > 1 {
			t.Errorf("Sin64(%g): %g ulp", x, e)
		}
		if e := ulp64(Cos64(x), bigCos(bf(x))); e > 1 {
			t.Errorf("Cos64(%g): %g ulp", x, e)
		}
	}
}

func TestPow64(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	worst := 0.0
	for range 600 {
		x := math.Exp((r.Float64() - 0.5) * 20)
		y := (r.Float64() - 0.5) * 60
		if i := r.IntN(3); i == 0 {
			x = 1 + (r.Float64()-0.5)*1e-3
			y *= 1e4
		}
		l := bigLog(bf(x))
		e := ulp64(Pow64(x, y), bigExp(l.Mul(l, bf(y))))
		worst = max(worst, e)
		if e > 1 {
			t.Errorf("Pow64(%v, %v): %g ulp", x, y, e)
		}
	}
	t.Logf("Pow64: %.3f ulp", worst)
	vals := []float64{0, math.Copysign(0, -1), 1, -1, 2, -2, 3, -3, 0.5, -0.5, 2.5, -2.5, math.Inf(1), math.Inf(-1),
		math.NaN(), 1e300, -1e300, 1e-300, 5e-324, 0x1p53, 0x1p60, -0x1p60, 1 - 0x1p-53}
	for _, x := range vals {
		for _, y := range vals {
			got, want := Pow64(x, y), math.Pow(x, y)
			if got != want && !(got != got && want != want) && math.Abs(got-want) > 1e-5*math.Abs(want) ||
				math.Signbit(got) != math.Signbit(want) && want == want {
				t.Errorf("Pow64(%v, %v) = %v, want %v", x, y, got, want)
			}
		}
	}
}

func TestSpecialValues(t *testing.T) {
	inf, nan, nz := math.Inf(1), math.NaN(), math.Copysign(0, -1)
	rows := []struct {
		op      Unary
		x, want float64
	}{
		{Neg, 0, nz}, {Abs, nz, 0}, {Square, -inf, inf}, {Recip, nz, -inf}, {Recip, inf, 0}, {Sqrt, nz, nz}, {Sqrt, -1, nan},
		{Sqrt, inf, inf}, {Rsqrt, 0, inf}, {Rsqrt, nz, -inf}, {Rsqrt, inf, 0},
		{ReLU, nz, 0}, {ReLU, -inf, 0}, {ReLU, inf, inf},
		{Exp, inf, inf}, {Exp, -inf, 0}, {Exp, 0, 1}, {Exp, 1e6, inf}, {Exp, -1e6, 0}, {Log, 0, -inf}, {Log, nz, -inf},
		{Log, -1, nan}, {Log, -inf, nan}, {Log, inf, inf}, {Log, 1, 0}, {Tanh, nz, nz}, {Tanh, inf, 1}, {Tanh, -inf, -1},
		{Sigmoid, inf, 1}, {Sigmoid, -inf, 0}, {Sigmoid, nz, 0.5}, {SiLU, inf, inf}, {SiLU, -inf, nz}, {SiLU, nz, nz},
		{Softplus, inf, inf}, {Softplus, -inf, 0}, {Erf, inf, 1}, {Erf, -inf, -1}, {Erf, nz, nz}, {GELU, inf, inf},
		{GELU, -inf, 0}, {GELUTanh, inf, inf}, {GELUTanh, -inf, nz}, {Sin, nz, nz}, {Sin, inf, nan}, {Cos, -inf, nan},
		{Cos, 0, 1},
	}
	for op := Square; op < numUnary; op++ {
		rows = append(rows, struct {
			op      Unary
			x, want float64
		}{op, nan, nan})
	}
	for _, row := range rows {
		y32, y64 := []float32{0}, []float64{0}
		Map(row.op, y32, []float32{float32(row.x)})
		Map(row.op, y64, []float64{row.x})
		w32, w64 := math.Float32bits(float32(row.want)), math.Float64bits(row.want)
		if row.want != row.want {
			w32, w64 = nanBits32, nanBits64
		}
		if math.Float32bits(y32[0]) != w32 || math.Float64bits(y64[0]) != w64 {
			t.Errorf("op %d of %v: %v and %v, want %v", row.op, row.x, y32[0], y64[0], row.want)
		}
	}
}

func TestFMA32AgainstBig(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 20000 {
		a, b, c := hostile32(r), hostile32(r), hostile32(r)
		if !finite32(a) || !finite32(b) || !finite32(c) {
			continue
		}
		p := new(big.Float).SetPrec(2000).Mul(bf(float64(a)), bf(float64(b)))
		p.Add(p, bf(float64(c)))
		want, _ := p.Float32()
		if got := FMA32(a, b, c); got != want {
			t.Fatalf("FMA32(%x, %x, %x) = %x, want %x", a, b, c, got, want)
		}
	}
}

func finite32(x float32) bool { return math.Abs(float64(x)) <= math.MaxFloat32 }

// hostile32 draws from what breaks float code: random bits, few mantissa bits (ties), extremes, subnormals.
func hostile32(r *rand.Rand) float32 {
	sign := r.Uint32() & (1 << 31)
	switch r.IntN(8) {
	case 0:
		return math.Float32frombits(r.Uint32())
	case 1:
		return math.Float32frombits(sign | r.Uint32N(1<<23)) // subnormal
	case 2:
		return math.Float32frombits(sign | r.Uint32N(255)<<23 | 1<<r.Uint32N(23))
	case 3:
		return math.Float32frombits(sign | (100+r.Uint32N(50))<<23 | r.Uint32N(4)<<21 | r.Uint32N(4))
	case 4:
		s := []uint32{0, 1, 0x007FFFFF, 0x00800000, 0x00800001, 0x3F800000, 0x3F7FFFFF, 0x3F800001, 0x7F7FFFFF,
			0x7F800000, 0x7FC00000, 0x7F800001, 0x7FFFFFFF, 0x3F000000, 0x4B000000, 0x4B800000, 0x33800000, 0x34000000}
		return math.Float32frombits(sign | s[r.IntN(len(s))])
	case 5:
		return math.Float32frombits(sign | (126+r.Uint32N(4))<<23 | 0x7FFFFF - r.Uint32N(4))
	}
	return float32(r.NormFloat64() * math.Exp2(float64(r.IntN(20)-10)))
}
