package rng

import (
	"math"
	"sync"

	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

// normalGrain is the fewest normals, a multiple of four, that are worth a thread: 40 ns each against the microseconds
// of a hand-over.
const normalGrain = 512

// Normal fills dst with standard normals. Words a, b of the stream give two of them: r*cos(t), r*sin(t) with
// r = sqrt(-2 ln((a+1)/2^32)) and t = 2 pi b/2^32, computed in float64 and rounded once. The largest
// magnitude is 6.66.
func (s Stream) Normal(dst []float32, sample uint64, step uint32, p Purpose) {
	check(len(dst), 4, sample)
	if len(dst) < 2*normalGrain {
		s.normal(dst, 0, sample, step, p)
		return
	}
	normals.Lock()
	var t *normalTask
	if k := len(normals.idle); k > 0 {
		t, normals.idle = normals.idle[k-1], normals.idle[:k-1]
	} else {
		t = new(normalTask)
	}
	normals.Unlock()
	size := (pool.Chunk(len(dst), normalGrain) + 3) &^ 3
	*t = normalTask{s: s, dst: dst, size: size, sample: sample, step: step, p: p}
	pool.Run((len(dst)+size-1)/size, t)
	*t = normalTask{}
	normals.Lock()
	normals.idle = append(normals.idle, t)
	normals.Unlock()
}

// normalTask draws a stretch of size normals in every part.
type normalTask struct {
	s      Stream
	dst    []float32
	size   int
	sample uint64
	step   uint32
	p      Purpose
}

// normals are tasks that nobody uses, so that drawing allocates nothing.
var normals struct {
	sync.Mutex
	idle []*normalTask
}

// Do implements pool.Task.
func (t *normalTask) Do(part int) {
	lo := part * t.size
	t.s.normal(t.dst[lo:min(lo+t.size, len(t.dst))], lo/4, t.sample, t.step, t.p)
}

// normal is Normal from a block of four words on.
func (s Stream) normal(dst []float32, block int, sample uint64, step uint32, p Purpose) {
	for i := 0; i < len(dst); i += 4 {
		w := s.block(uint32(block+i/4), sample, step, p)
		x, y := boxMuller(uint64(w[0])<<32, uint64(w[1])<<32)
		u, v := boxMuller(uint64(w[2])<<32, uint64(w[3])<<32)
		z := [4]float32{float32(x), float32(y), float32(u), float32(v)}
		copy(dst[i:], z[:])
	}
}

// Normal64 fills dst with standard normals of 53 random bits each: Normal with the words joined in pairs,
// the first above the second.
func (s Stream) Normal64(dst []float64, sample uint64, step uint32, p Purpose) {
	check(len(dst), 2, sample)
	for i := 0; i < len(dst); i += 2 {
		w := s.block(uint32(i/2), sample, step, p)
		x, y := boxMuller64(join(w[0], w[1]), join(w[2], w[3]))
		z := [2]float64{x, y}
		copy(dst[i:], z[:])
	}
}

// boxMuller takes fractions of 2^64 whose lower words are zero.
func boxMuller(a, b uint64) (x, y float64) {
	return polar(float64(a>>32+1)*0x1p-32, b)
}

// boxMuller64 takes fractions of 2^64.
func boxMuller64(a, b uint64) (x, y float64) {
	return polar(float64(a>>11+1)*0x1p-53, b)
}

// polar is sqrt(-2 ln u) times the cosine and the sine of turn/2^64 turns.
func polar(u float64, turn uint64) (x, y float64) {
	r := math.Sqrt(-2 * log(u))
	sin, cos := sinCosTurn(turn)
	return r * cos, r * sin
}

// log is the natural logarithm of a normal positive x: x = m*2^e with m within sqrt(1/2)..sqrt(2), and
// ln m = 2 artanh(f) with f = (m-1)/(m+1), by the series of artanh to f^21 in Horner's form with fused
// multiply-adds. Its error is below 2 units in the last place.
func log(x float64) float64 {
	b := math.Float64bits(x)
	e := int(b>>52) - 1023
	m := math.Float64frombits(b&(1<<52-1) | 1023<<52)
	if m > math.Sqrt2 {
		m *= 0.5
		e++
	}
	f := (m - 1) / (m + 1)
	z := f * f
	q := 1.0 / 21
	q = math.FMA(q, z, 1.0/19)
	q = math.FMA(q, z, 1.0/17)
	q = math.FMA(q, z, 1.0/15)
	q = math.FMA(q, z, 1.0/13)
	q = math.FMA(q, z, 1.0/11)
	q = math.FMA(q, z, 1.0/9)
	q = math.FMA(q, z, 1.0/7)
	q = math.FMA(q, z, 1.0/5)
	q = math.FMA(q, z, 1.0/3)
	// 2f + 2f*z*q, the large part added last.
	r := math.FMA(2*f*z, q, 2*f)
	// ln 2 in two parts: the first has 32 bits, so its product with e is exact.
	return math.FMA(float64(e), ln2Hi, math.FMA(float64(e), ln2Lo, r))
}

// ln 2 = ln2Hi + ln2Lo.
const (
	ln2Hi = 0x1.62e42feep-1
	ln2Lo = 0x1.a39ef35793c76p-33
)

// sinCosTurn is the sine and the cosine of t/2^64 turns. The nearest quarter turn is taken off exactly;
// the rest, at most an eighth of a turn, goes through the Taylor series to x^17 and x^18 in Horner's form
// with fused multiply-adds.
func sinCosTurn(t uint64) (sin, cos float64) {
	quarter := (t + 1<<61) >> 62
	x := float64(int64(t-quarter<<62)) * (2 * math.Pi * 0x1p-64)
	z := x * x
	// sin x = x(1 - z/(2*3)(1 - z/(4*5)(...))), cos x = 1 - z/(1*2)(1 - z/(3*4)(...)).
	s := math.FMA(z, -1.0/(16*17), 1)
	s = math.FMA(s*z, -1.0/(14*15), 1)
	s = math.FMA(s*z, -1.0/(12*13), 1)
	s = math.FMA(s*z, -1.0/(10*11), 1)
	s = math.FMA(s*z, -1.0/(8*9), 1)
	s = math.FMA(s*z, -1.0/(6*7), 1)
	s = math.FMA(s*z, -1.0/(4*5), 1)
	s = math.FMA(s*z, -1.0/(2*3), 1)
	c := math.FMA(z, -1.0/(18*17), 1)
	c = math.FMA(c*z, -1.0/(16*15), 1)
	c = math.FMA(c*z, -1.0/(14*13), 1)
	c = math.FMA(c*z, -1.0/(12*11), 1)
	c = math.FMA(c*z, -1.0/(10*9), 1)
	c = math.FMA(c*z, -1.0/(8*7), 1)
	c = math.FMA(c*z, -1.0/(6*5), 1)
	c = math.FMA(c*z, -1.0/(4*3), 1)
	c = math.FMA(c*z, -1.0/(2*1), 1)
	s *= x
	switch quarter & 3 {
	case 0:
		return s, c
	case 1:
		return c, -s
	case 2:
		return -s, -c
	default:
		return -c, s
	}
}
