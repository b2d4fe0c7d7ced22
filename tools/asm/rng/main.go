// Command rng generates the AVX-512 and AVX2 kernels of package rng and their Go stubs.
//
// Usage: rng FOLDER. The functions Philox and bit of the package are the specification.
package main

import (
	"log"
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of the fields of type draw; a test of the package compares them with unsafe.Offsetof.
const (
	offDst, offProb, offGroups   = 0, 8, 16
	offBlock, offWords, offKeys  = 24, 28, 40
	mulA, mulB                   = 0xD2511F53, 0xCD9E8D57
	rounds                       = 10
	xorOfThree, oddWords, toUnit = 0x96, 0xAAAA, 0x33800000 // 2^-24
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: rng FOLDER-OF-PACKAGE-RNG")
	}
	if err := os.Chdir(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	// The flags of avo's Generate.
	os.Args = []string{os.Args[0], "-pkg", "rng", "-out", "kernels_amd64.s", "-stubs", "kernels_amd64.go"}
	ConstraintExpr("amd64")
	for _, m := range []machine{{lanes: 16}, {lanes: 8}} {
		offsets := m.offsets()
		m.draw("bernoulli", "draws bits of given probabilities.", offsets, m.bits)
		m.draw("uniform", "draws numbers in [0, 1).", offsets, m.numbers)
	}
	Generate()
}

// machine emits vector code for one register width. A register holds a word of the state of lanes/2 generators, each
// in the lower half of 64 bits; what is in the upper halves does not matter.
type machine struct{ lanes int }

type vector = reg.VecVirtual

func (m machine) bytes() int { return 4 * m.lanes }

func (m machine) suffix() string {
	if m.lanes == 16 {
		return "512"
	}
	return "256"
}

func (m machine) reg() vector {
	if m.lanes == 16 {
		return ZMM()
	}
	return YMM()
}

// offsets is a table of which block the generators draw, such that the words come out in order: those of generators
// 0, 2, .. make the first register of the result, the others the second.
func (m machine) offsets() Mem {
	t := GLOBL("offsets"+m.suffix(), RODATA|NOPTR)
	n := m.lanes / 4
	for i := range n {
		DATA(16*i, U64(uint64(i)))
		DATA(16*i+8, U64(uint64(n+i)))
	}
	return t
}

// all is a word in every lane.
func (m machine) all(word uint32) vector {
	g, v := GP32(), m.reg()
	MOVL(U32(word), g)
	if m.lanes == 16 {
		VPBROADCASTD(g, v)
	} else {
		VMOVD(g, v.AsX())
		VPBROADCASTD(v.AsX(), v)
	}
	return v
}

// draw writes a kernel that draws groups of 2*lanes words; use turns lane registers of words into results.
func (m machine) draw(name, doc string, offsets Mem, use func() func(words vector, n int, dst, prob reg.Register)) {
	TEXT(name+m.suffix(), NOSPLIT, "func(args *byte)")
	Pragma("noescape")
	Doc(name + m.suffix() + " " + doc)
	args := Load(Param("args"), GP64()).(reg.GPVirtual)
	dst, prob, groups := GP64(), GP64(), GP64()
	MOVQ(Mem{Base: args, Disp: offDst}, dst)
	MOVQ(Mem{Base: args, Disp: offProb}, prob)
	MOVQ(Mem{Base: args, Disp: offGroups}, groups)
	a, b, block, step := m.all(mulA), m.all(mulB), m.reg(), m.all(uint32(m.lanes/2))
	VPBROADCASTD(Mem{Base: args, Disp: offBlock}, block)
	VPADDD(offsets, block, block)
	var odd reg.Register
	if m.lanes == 16 {
		g := GP32()
		MOVL(U32(oddWords), g)
		odd = K()
		KMOVW(g, odd)
	}
	finish := use()
	Label("loop")
	var c [4]vector
	for i := range c {
		c[i] = m.reg()
		if i == 0 {
			m.move(block, c[i])
		} else {
			VPBROADCASTD(Mem{Base: args, Disp: offWords + 4*(i-1)}, c[i])
		}
	}
	VPADDD(step, block, block)
	for r := range rounds {
		p, q, hp, hq := m.reg(), m.reg(), m.reg(), m.reg()
		VPMULUDQ(a, c[0], p)
		VPMULUDQ(b, c[2], q)
		VPSRLQ(Imm(32), p, hp)
		VPSRLQ(Imm(32), q, hq)
		m.xor(Mem{Base: args, Disp: offKeys + 8*r}, c[1], hq)
		m.xor(Mem{Base: args, Disp: offKeys + 8*r + 4}, c[3], hp)
		c = [4]vector{hq, q, hp, p}
	}
	m.join(odd, c[1], c[0])
	m.join(odd, c[3], c[2])
	for i := range 2 {
		words := m.reg()
		if i == 0 {
			VPUNPCKLQDQ(c[2], c[0], words)
		} else {
			VPUNPCKHQDQ(c[2], c[0], words)
		}
		VPSRLD(Imm(8), words, words)
		VCVTDQ2PS(words, words)
		finish(words, i, dst, prob)
	}
	ADDQ(Imm(uint64(2*m.bytes())), dst)
	ADDQ(Imm(uint64(2*m.bytes())), prob)
	DECQ(groups)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

func (m machine) move(from, to vector) {
	if m.lanes == 16 {
		VMOVDQA32(from, to)
	} else {
		VMOVDQA(from, to)
	}
}

// xor is d ^= x ^ key, one word of which is at key.
func (m machine) xor(key Mem, x, d vector) {
	if m.lanes == 16 {
		VPTERNLOGD_BCST(Imm(xorOfThree), key, x, d)
		return
	}
	k := m.reg()
	VPBROADCASTD(key, k)
	VPXOR(x, d, d)
	VPXOR(k, d, d)
}

// join puts the lower halves of hi above those of lo.
func (m machine) join(odd reg.Register, hi, lo vector) {
	if m.lanes == 16 {
		VMOVSLDUP(hi, odd, lo)
		return
	}
	t := m.reg()
	VMOVSLDUP(hi, t)
	VPBLENDD(Imm(oddWords&0xFF), t, lo, lo)
}

// numbers multiplies by 2^-24.
func (m machine) numbers() func(vector, int, reg.Register, reg.Register) {
	unit := m.all(toUnit)
	return func(words vector, n int, dst, _ reg.Register) {
		VMULPS(unit, words, words)
		VMOVUPS(words, Mem{Base: dst, Disp: n * m.bytes()})
	}
}

// bits compares with probabilities times 2^24.
func (m machine) bits() func(vector, int, reg.Register, reg.Register) {
	scale, one := m.all(0x4B800000), m.all(0x3F800000)
	return func(words vector, n int, dst, prob reg.Register) {
		const less = 0x11 // ordered, quiet
		p := m.reg()
		VMULPS(Mem{Base: prob, Disp: n * m.bytes()}, scale, p)
		if m.lanes == 16 {
			k := K()
			VCMPPS(Imm(less), p, words, k)
			VMOVUPS_Z(one, k, words)
		} else {
			VCMPPS(Imm(less), p, words, words)
			VANDPS(one, words, words)
		}
		VMOVUPS(words, Mem{Base: dst, Disp: n * m.bytes()})
	}
}
