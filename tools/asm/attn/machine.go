package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Mem is a memory operand.
type Mem = operand.Mem

// value is a vector register, or a constant in memory.
type value = operand.Op

// machine emits float32 vector code for one register width. AVX-512 keeps constants in registers; AVX2, which has
// half as many, reads them from memory. For NEON the code is that of AVX-512, which package neon lowers.
type machine struct {
	lanes int
	neon  bool
	mems  map[string]Mem
	regs  map[string]value
}

// Constants, by their names in package vec.
var consts = map[string]float32{
	"log2E": 0x1.715476p+0, "roundMagic": 0x1.8p23, "ln2Hi": 0x1.62e43p-1, "ln2Lo": -0x1.05c61p-29, "expMin": -104,
	"expC0": 0x1.fffffcp-2, "expC1": 0x1.555492p-3, "expC2": 0x1.555882p-5, "expC3": 0x1.123b2cp-7,
	"expC4": 0x1.6aa202p-10, "one": 1, "negInf": float32(math.Inf(-1)),
}

// bits are constants that are bit patterns.
var bits = map[string]uint32{"int127": 127, "nan": 0x7FC00000}

func (m *machine) wide() bool { return m.lanes == 16 }

func (m *machine) suffix() string {
	switch {
	case m.neon:
		return "NEON"
	case m.wide():
		return "AVX512"
	}
	return "AVX2"
}

// begin starts a function and forgets the constants of the one before.
func (m *machine) begin(name, signature, doc string) {
	TEXT(name+m.suffix(), NOSPLIT, "func"+signature)
	Pragma("noescape")
	Doc(name + m.suffix() + " " + doc)
	m.regs = map[string]value{}
}

func (m *machine) reg() reg.VecVirtual {
	if m.wide() {
		return ZMM()
	}
	return YMM()
}

// hold loads constants into registers, if there are enough, before the loops that use them.
func (m *machine) hold(names ...string) {
	for _, n := range names {
		if m.wide() {
			d := m.reg()
			VBROADCASTSS(m.mem(n), d)
			m.regs[n] = d
		}
	}
}

// mem is the named constant in memory, repeated for AVX2.
func (m *machine) mem(name string) Mem {
	if p, ok := m.mems[name]; ok {
		return p
	}
	b, ok := bits[name]
	if !ok {
		b = math.Float32bits(consts[name])
	}
	g := GLOBL("c"+m.suffix()+"_"+name, RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, operand.U32(b))
	}
	m.mems[name] = g
	return g
}

// c is the named constant: the register that holds it, or memory.
func (m *machine) c(name string) value {
	if r, ok := m.regs[name]; ok {
		return r
	}
	if m.wide() {
		panic("not held: " + name)
	}
	return m.mem(name)
}

// copy is a in a new register.
func (m *machine) copy(a value) value {
	d := m.reg()
	VMOVUPS(a, d)
	return d
}

func (m *machine) zero() value {
	d := m.reg()
	if m.wide() {
		VPXORD(d, d, d)
	} else {
		VXORPS(d, d, d)
	}
	return d
}

// spread copies lane 0 of x, or a number in memory, to all lanes.
func (m *machine) spread(x value) value {
	d := m.reg()
	VBROADCASTSS(x, d)
	return d
}

// sub is a - b.
func (m *machine) sub(a, b value) value {
	d := m.reg()
	VSUBPS(b, a, d)
	return d
}

// mul is a * b.
func (m *machine) mul(a, b value) value {
	d := m.reg()
	VMULPS(b, a, d)
	return d
}

// exp is the exponential of x <= 0; NaN gives some NaN. x is destroyed.
func (m *machine) exp(x value) value {
	if m.wide() {
		VMAXPS(x, m.c("expMin"), x)
	} else {
		lo := m.copy(m.c("expMin"))
		VMAXPS(x, lo, x)
	}
	t := m.copy(m.c("roundMagic"))
	VFMADD231PS(m.c("log2E"), x, t)
	n := m.sub(t, m.c("roundMagic"))
	VFNMADD231PS(m.c("ln2Hi"), n, x)
	VFNMADD231PS(m.c("ln2Lo"), n, x)
	p := m.copy(m.c("expC4"))
	for _, k := range []string{"expC3", "expC2", "expC1", "expC0", "one", "one"} {
		VFMADD213PS(m.c(k), x, p)
	}
	if m.wide() {
		VSCALEFPS(n, p, p)
		return p
	}
	// Two exact powers of two, whose product is one rounding.
	i, h, a, b := m.reg(), m.reg(), m.reg(), m.reg()
	VPSUBD(m.c("roundMagic"), t, i)
	VPSRAD(operand.Imm(1), i, h)
	VPADDD(m.c("int127"), h, a)
	VPSLLD(operand.Imm(23), a, a)
	VPSUBD(h, i, b)
	VPADDD(m.c("int127"), b, b)
	VPSLLD(operand.Imm(23), b, b)
	return m.mul(m.mul(p, a), b)
}

// expConsts are what exp wants held.
var expConsts = []string{
	"log2E", "roundMagic", "ln2Hi", "ln2Lo", "expMin", "expC0", "expC1", "expC2", "expC3", "expC4", "one",
}

// fold combines 16 lanes by the tree 8, 4, 2, 1; the result is in lane 0. The registers are destroyed.
func (m *machine) fold(f func(...operand.Op), acc []value) reg.VecVirtual {
	y := YMM()
	if m.wide() {
		z := acc[0].(reg.VecVirtual)
		VEXTRACTF64X4(operand.Imm(1), z, y)
		f(y, z.AsY(), y)
	} else {
		f(acc[1], acc[0], y)
	}
	x, t := y.AsX(), XMM()
	VEXTRACTF128(operand.Imm(1), y, t)
	f(t, x, t)
	u := XMM()
	VPERMILPS(operand.Imm(0x0E), t, u) // lanes 2, 3
	f(u, t, u)
	w := XMM()
	VMOVSHDUP(u, w) // lane 1
	f(w, u, w)
	return w
}

// first is a mask of the first lanes of 16, in one K register or two vectors.
type first struct{ parts []value }

// first is the mask of the first n lanes, 0 <= n <= 16. n is kept.
func (m *machine) first(n reg.Register) first {
	if m.wide() {
		one, k := GP64(), K()
		MOVQ(operand.U32(1), one)
		SHLXQ(n, one, one)
		DECQ(one)
		KMOVW(one.As32(), k)
		return first{[]value{k}}
	}
	table, ok := m.mems["lanes"]
	if !ok {
		table = GLOBL("laneTable", RODATA|NOPTR)
		for i := range 32 {
			v := uint32(0)
			if i < 16 {
				v = math.MaxUint32
			}
			DATA(4*i, operand.U32(v))
		}
		m.mems["lanes"] = table
	}
	// From entry 16-n: n ones, then zeros.
	at, off := GP64(), GP64()
	LEAQ(table, at)
	MOVQ(n, off)
	NEGQ(off)
	var f first
	for h := range 2 {
		y := YMM()
		VMOVUPS(Mem{Base: at, Index: off, Scale: 4, Disp: 64 + 32*h}, y)
		f.parts = append(f.parts, y)
	}
	return f
}

// or is a in the lanes of the mask's part h and b elsewhere.
func (m *machine) or(f first, h int, a, b value) value {
	d := m.reg()
	if m.wide() {
		VBLENDMPS(a, b, f.parts[h], d)
	} else {
		VBLENDVPS(f.parts[h], a, b, d)
	}
	return d
}

// keep is a in the lanes of the mask's part h and +0 elsewhere.
func (m *machine) keep(f first, h int, a value) value {
	d := m.reg()
	if m.wide() {
		VMOVAPS_Z(a, f.parts[h], d)
	} else {
		VANDPS(a, f.parts[h], d)
	}
	return d
}

// parts is the number of registers of 16 lanes.
func (m *machine) parts() int { return 16 / m.lanes }

// at addresses part h of the 16 elements from element i of p.
func (m *machine) at(p, i reg.Register, h int) Mem {
	return Mem{Base: p, Index: i, Scale: 4, Disp: 4 * m.lanes * h}
}

// vectors emits step for the whole vectors of 16 of n elements, and rest for the remaining 1 to 15; i is where they
// begin, and left, given to rest, is their number. n is kept.
func (m *machine) vectors(label string, n reg.Register, step func(i reg.Register),
	rest func(i, left reg.Register)) reg.Register {
	at, left := GP64(), GP64()
	XORQ(at, at)
	MOVQ(n, left)
	SUBQ(operand.Imm(16), left)
	JLT(operand.LabelRef(label + "rest"))
	Label(label + "loop")
	step(at)
	ADDQ(operand.Imm(16), at)
	CMPQ(at, left)
	JLE(operand.LabelRef(label + "loop"))
	Label(label + "rest")
	ADDQ(operand.Imm(16), left)
	SUBQ(at, left)
	JZ(operand.LabelRef(label + "done"))
	rest(at, left)
	ADDQ(operand.Imm(16), at)
	Label(label + "done")
	return at
}
