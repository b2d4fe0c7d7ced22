package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// machine emits float32 vector code for one register width. The methods are the description language of
// the kernels: a kernel body calls them once and is emitted for AVX-512 (16 lanes, mask registers) and for
// AVX2 (8 lanes, vector masks) alike, with the same arithmetic in every lane. For NEON it is emitted in the
// form of AVX-512, which package neon lowers.
type machine struct {
	lanes int
	masks bool // the form of AVX-512: mask registers, constants broadcast by the instruction
	neon  bool
	// tail is set while the last, partial vector is emitted.
	tail     bool
	tailMask Op // K register or YMM mask
	consts   map[string]Mem
}

// value is a vector register, or a cst.
type value = Op

// cst is a constant in memory, broadcast on use.
type cst struct{ Mem }

// mask is a K register (AVX-512) or a vector of all-ones lanes (AVX2).
type mask = Op

// rawConsts are constants that are bit patterns.
var rawConsts = map[string]uint32{
	"signMask": 1 << 31,
	"absMask":  1<<31 - 1,
	"nan":      0x7FC00000,
	"posInf":   0x7F800000,
	"negInf":   0xFF800000,
	"sqrtBits": 0x3F3504F3,
	"mantMask": 1<<23 - 1,
	"int127":   127,
	"int1":     1,
	"int2":     2,
	"intM23":   0xFFFFFFE9,
}

func newMachine(lanes int) *machine {
	return &machine{lanes: lanes, masks: lanes == 16, consts: map[string]Mem{}}
}

func newNEON() *machine {
	return &machine{lanes: 16, masks: true, neon: true, consts: map[string]Mem{}}
}

func (m *machine) wide() bool { return m.masks }

// narrow makes vectors of one NEON register until the function that it returns is called.
func (m *machine) narrow() (restore func()) {
	lanes := m.lanes
	m.lanes = 4
	return func() { m.lanes = lanes }
}

func (m *machine) suffix() string {
	switch {
	case m.neon:
		return "NEON"
	case m.wide():
		return "512"
	}
	return "256"
}

func (m *machine) reg() reg.VecVirtual {
	switch m.lanes {
	case 16:
		return ZMM()
	case 4:
		return XMM()
	}
	return YMM()
}

func constBits(name string) uint32 {
	if b, ok := rawConsts[name]; ok {
		return b
	}
	return math.Float32bits(f32const(name))
}

// c is the named constant. AVX-512 broadcasts 4 bytes; AVX2 reads 32 bytes.
func (m *machine) c(name string) cst {
	if p, ok := m.consts[name]; ok {
		return cst{p}
	}
	n := 1
	if !m.wide() {
		n = 8
	}
	g := GLOBL("c"+m.suffix()+"_"+name, RODATA|NOPTR)
	for i := range n {
		DATA(4*i, U32(constBits(name)))
	}
	m.consts[name] = g
	return cst{g}
}

type instr = func(...Op)

// emit writes an instruction; a constant among the operands selects the broadcasting form of AVX-512.
func (m *machine) emit(f, bcst instr, ops ...Op) {
	for i, o := range ops {
		if k, ok := o.(cst); ok {
			ops[i] = k.Mem
			if m.wide() {
				f = bcst
			}
		}
	}
	f(ops...)
}

// load brings a constant into a register; registers are returned as they are.
func (m *machine) load(a value) value {
	k, ok := a.(cst)
	if !ok {
		return a
	}
	d := m.reg()
	VBROADCASTSS(k.Mem, d)
	return d
}

func (m *machine) copy(a value) value {
	if _, ok := a.(cst); ok {
		return m.load(a)
	}
	d := m.reg()
	VMOVAPS(a, d)
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

func (m *machine) bin(f, bcst instr, a, b value) value {
	d := m.reg()
	m.emit(f, bcst, b, m.load(a), d)
	return d
}

func (m *machine) add(a, b value) value { return m.bin(VADDPS, VADDPS_BCST, a, b) }
func (m *machine) sub(a, b value) value { return m.bin(VSUBPS, VSUBPS_BCST, a, b) }
func (m *machine) mul(a, b value) value { return m.bin(VMULPS, VMULPS_BCST, a, b) }
func (m *machine) div(a, b value) value { return m.bin(VDIVPS, VDIVPS_BCST, a, b) }

// maxps is a where a > b, otherwise b (also for NaN and for equal zeros): the instruction's own rule.
func (m *machine) maxps(a, b value) value { return m.bin(VMAXPS, VMAXPS_BCST, a, b) }

// minps is a where a < b, otherwise b.
func (m *machine) minps(a, b value) value { return m.bin(VMINPS, VMINPS_BCST, a, b) }

// larger is the larger of a and b, +0 above -0; with a NaN it is anything for amd64, NaN for NEON.
func (m *machine) larger(a, b value) value {
	if m.neon {
		return m.armOnly("FMAX", a, b)
	}
	return m.and(m.maxps(a, b), m.maxps(b, a))
}

// smaller is the smaller of a and b, -0 below +0; with a NaN it is anything for amd64, NaN for NEON.
func (m *machine) smaller(a, b value) value {
	if m.neon {
		return m.armOnly("FMIN", a, b)
	}
	return m.or(m.minps(a, b), m.minps(b, a))
}

// armOnly is an instruction of arm64 that amd64 lacks; package neon knows it by its name.
func (m *machine) armOnly(name string, a, b value) value {
	d := m.reg()
	a, b = m.load(a), m.load(b)
	Instruction(&ir.Instruction{Opcode: name, Operands: []Op{b, a, d}, Inputs: []Op{b, a}, Outputs: []Op{d}})
	return d
}

func (m *machine) and(a, b value) value  { return m.bin(VANDPS, VANDPS_BCST, a, b) }
func (m *machine) or(a, b value) value   { return m.bin(VORPS, VORPS_BCST, a, b) }
func (m *machine) xor(a, b value) value  { return m.bin(VXORPS, VXORPS_BCST, a, b) }
func (m *machine) addi(a, b value) value { return m.bin(VPADDD, VPADDD_BCST, a, b) }
func (m *machine) subi(a, b value) value { return m.bin(VPSUBD, VPSUBD_BCST, a, b) }

func (m *machine) sqrt(a value) value {
	d := m.reg()
	VSQRTPS(a, d)
	return d
}

func (m *machine) toFloat(a value) value {
	d := m.reg()
	VCVTDQ2PS(a, d)
	return d
}

func (m *machine) shift(f instr, n uint8, a value) value {
	d := m.reg()
	f(Imm(uint64(n)), a, d)
	return d
}

// madd213 sets p = p*r + c.
func (m *machine) madd213(p, r, c value) { m.emit(VFMADD213PS, VFMADD213PS_BCST, c, r, p) }

// madd231 sets acc = acc + a*b.
func (m *machine) madd231(acc, a, b value) { m.emit(VFMADD231PS, VFMADD231PS_BCST, b, a, acc) }

// nmadd231 sets acc = acc - a*b.
func (m *machine) nmadd231(acc, a, b value) { m.emit(VFNMADD231PS, VFNMADD231PS_BCST, b, a, acc) }

// fma is a*b + c in a new register.
func (m *machine) fma(a, b, c value) value {
	d := m.copy(c)
	m.madd231(d, m.load(a), b)
	return d
}

// fnma is c - a*b in a new register.
func (m *machine) fnma(a, b, c value) value {
	d := m.copy(c)
	m.nmadd231(d, m.load(a), b)
	return d
}

// horner evaluates a polynomial with the named coefficients, highest degree first.
func (m *machine) horner(x value, names ...string) value {
	p := m.load(m.c(names[0]))
	for _, n := range names[1:] {
		m.madd213(p, x, m.c(n))
	}
	return p
}

// Predicates of VCMPPS: ordered ones are false for NaN, quiet.
const (
	eqOQ  = 0x00
	ltOQ  = 0x11
	leOQ  = 0x12
	gtOQ  = 0x1E
	geOQ  = 0x1D
	unord = 0x03
	notGE = 0x19 // true for NaN
	notEQ = 0x04 // true for NaN
	notLE = 0x16 // true for NaN
)

func (m *machine) cmp(pred uint8, a, b value) mask {
	var d Op
	if m.wide() {
		d = K()
	} else {
		d = m.reg()
	}
	m.emit(VCMPPS, VCMPPS_BCST, Imm(uint64(pred)), b, m.load(a), d)
	return d
}

// testBit is true where a&bit is not zero; bit is an integer constant.
func (m *machine) testBit(a value, bit string) mask {
	if m.wide() {
		d := K()
		VPTESTMD_BCST(m.c(bit).Mem, a, d)
		return d
	}
	// The bit goes to the sign position, which is what the blend looks at.
	n := uint8(31)
	if bit == "int2" {
		n = 30
	}
	return m.shift(VPSLLD, n, a)
}

// sel is a where the mask is set, b elsewhere.
func (m *machine) sel(k mask, a, b value) value {
	d := m.reg()
	if m.wide() {
		m.emit(VBLENDMPS, VBLENDMPS_BCST, a, m.load(b), k, d)
	} else {
		if c, ok := a.(cst); ok {
			a = c.Mem
		}
		VBLENDVPS(k, a, m.load(b), d)
	}
	return d
}

// keep is a where the mask is set, +0 elsewhere.
func (m *machine) keep(k mask, a value) value {
	d := m.reg()
	if m.wide() {
		VMOVAPS_Z(m.load(a), k, d)
	} else {
		m.emit(VANDPS, nil, a, k, d)
	}
	return d
}

// inTail is a in lanes that exist, +0 in the others.
func (m *machine) inTail(a value) value {
	if !m.tail {
		return a
	}
	return m.keep(m.tailMask, a)
}

// inTailOr is a in lanes that exist, b in the others.
func (m *machine) inTailOr(a, b value) value {
	if !m.tail {
		return a
	}
	return m.sel(m.tailMask, a, b)
}

func (m *machine) abs(a value) value { return m.and(a, m.c("absMask")) }
func (m *machine) neg(a value) value { return m.xor(a, m.c("signMask")) }

// orSign gives a, not negative, the sign of b.
func (m *machine) orSign(a, b value) value { return m.or(a, m.and(b, m.c("signMask"))) }

// canon replaces NaN by the canonical one.
func (m *machine) canon(a value) value { return m.sel(m.cmp(unord, a, a), m.c("nan"), a) }

// raise is lo where a < lo, otherwise a (also NaN).
func (m *machine) raise(a, lo value) value { return m.maxps(lo, a) }

// lower is hi where a > hi, otherwise a (also NaN).
func (m *machine) lower(a, hi value) value { return m.minps(hi, a) }

// loadMem reads a vector; in the tail, missing lanes are +0 and their memory is not touched.
func (m *machine) loadMem(p Mem) value {
	d := m.reg()
	switch {
	case !m.tail:
		VMOVUPS(p, d)
	case m.wide():
		VMOVUPS_Z(p, m.tailMask, d)
	default:
		VMASKMOVPS(p, m.tailMask, d)
	}
	return d
}

// storeMem writes a vector; in the tail only the lanes that exist.
func (m *machine) storeMem(a value, p Mem) {
	switch {
	case !m.tail:
		VMOVUPS(a, p)
	case m.wide():
		VMOVUPS(a, m.tailMask, p)
	default:
		VMASKMOVPS(a, m.tailMask, p)
	}
}

// setTail prepares the mask of the first n lanes, 0 <= n <= lanes; n is destroyed.
func (m *machine) setTail(n reg.GPVirtual) {
	m.tail = true
	if m.wide() {
		one := GP64()
		MOVQ(U32(1), one)
		SHLXQ(n, one, one)
		DECQ(one)
		k := K()
		KMOVW(one.As32(), k)
		m.tailMask = k
		return
	}
	p, ok := m.consts["tailTable"]
	if !ok {
		p = GLOBL("tailTable", RODATA|NOPTR)
		for i := range 16 {
			v := uint32(0)
			if i < 8 {
				v = 0xFFFFFFFF
			}
			DATA(4*i, U32(v))
		}
		m.consts["tailTable"] = p
	}
	// Entry 8-n: n ones, then zeros.
	t := GP64()
	LEAQ(p, t)
	NEGQ(n)
	y := YMM()
	VMOVUPS(Mem{Base: t, Index: n, Scale: 4, Disp: 32}, y)
	m.tailMask = y
}
