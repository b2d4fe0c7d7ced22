// Command depthwise generates the AVX-512, AVX2 and NEON kernels of package depthwise and their Go stubs.
//
// Usage: depthwise FOLDER. One description of a kernel is emitted for all of them, so that every lane does the same
// arithmetic; the loops in portable.go of the package are the specification.
package main

import (
	"fmt"
	"log"
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"

	"github.com/manifold-gen/manifold/tools/asm/neon"
)

// Offsets of the fields of type args; a test of the package compares them with unsafe.Offsetof.
const (
	offY, offX, offW      = 0, 8, 16
	offYPixel, offXPixel  = 24, 32
	offXRow, offXTap      = 40, 48
	offWRow, offWTap      = 56, 64
	offRows, offTaps      = 72, 80
	offPixels, offBytes   = 88, 96
	block                 = 64 // bytes of a block of channels
	maxPixels, maxGradTap = 8, 8
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: depthwise FOLDER-OF-PACKAGE-DEPTHWISE")
	}
	if err := os.Chdir(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	// The flags of avo's Generate.
	os.Args = []string{os.Args[0], "-pkg", "depthwise", "-out", "kernels_amd64.s", "-stubs", "kernels_amd64.go"}
	ConstraintExpr("amd64")
	for _, m := range []machine{{lanes: 16}, {lanes: 8}, {lanes: 8, neon: true}} {
		m.filter()
		m.gather()
	}
	neon.Intercept("NEON", "kernels_arm64", printer.Config{Argv: []string{"tools/asm/depthwise"}, Pkg: "depthwise"})
	Generate()
}

// machine emits float32 vector code for one register width. For NEON it is that of AVX2, which package neon lowers.
type machine struct {
	lanes int
	neon  bool
}

type vector = reg.VecVirtual

func (m machine) bytes() int { return 4 * m.lanes }

func (m machine) suffix() string {
	switch {
	case m.neon:
		return "NEON"
	case m.lanes == 16:
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

func (m machine) zero() vector {
	d := m.reg()
	if m.lanes == 16 {
		VPXORD(d, d, d)
	} else {
		VXORPS(d, d, d)
	}
	return d
}

// begin starts a kernel and returns the register of its argument.
func (m machine) begin(name, doc string) reg.GPVirtual {
	TEXT(name+m.suffix(), NOSPLIT, "func(args *byte)")
	Pragma("noescape")
	Doc(name + m.suffix() + " " + doc)
	return Load(Param("args"), GP64()).(reg.GPVirtual)
}

func field(args reg.Register, off int) Mem { return Mem{Base: args, Disp: off} }

func load(args reg.Register, off int) reg.GPVirtual {
	r := GP64()
	MOVQ(field(args, off), r)
	return r
}

// filter computes pixels of a convolution: for every pixel and channel the taps in ascending order.
func (m machine) filter() {
	args := m.begin("filter", "computes pixels of a convolution.")
	y, x, n := load(args, offY), load(args, offX), load(args, offPixels)
	step := load(args, offXPixel)
	three := GP64()
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, three)
	for _, group := range []int{maxPixels, 4, 1} {
		name := fmt.Sprintf("of%d", group)
		done := name + "done"
		Label(name)
		CMPQ(n, Imm(uint64(group)))
		JLT(LabelRef(done))
		m.pixels(args, y, x, step, three, group)
		if group == 1 {
			ADDQ(step, x)
		} else {
			LEAQ(Mem{Base: x, Index: step, Scale: 4}, x)
			if group == 8 {
				LEAQ(Mem{Base: x, Index: step, Scale: 4}, x)
			}
		}
		for range group {
			ADDQ(field(args, offYPixel), y)
		}
		SUBQ(Imm(uint64(group)), n)
		JMP(LabelRef(name))
		Label(done)
	}
	VZEROUPPER()
	RET()
}

// pixels computes a group of pixels in all channels. The last vector of channels may overlap the one before.
func (m machine) pixels(args, y, x, step, three reg.GPVirtual, group int) {
	label := func(s string) string { return fmt.Sprintf("of%d%s", group, s) }
	c := GP64()
	XORQ(c, c)
	Label(label("channels"))
	var acc []vector
	for range group {
		acc = append(acc, m.zero())
	}
	row, weights, rows := GP64(), load(args, offW), load(args, offRows)
	LEAQ(Mem{Base: x, Index: c, Scale: 1}, row)
	ADDQ(c, weights)
	Label(label("row"))
	at, tap, taps, far := GP64(), GP64(), load(args, offTaps), GP64()
	MOVQ(row, at)
	MOVQ(weights, tap)
	Label(label("tap"))
	w := m.reg()
	VMOVUPS(Mem{Base: tap}, w)
	if group > 4 {
		LEAQ(Mem{Base: at, Index: step, Scale: 4}, far)
	}
	for p := range group {
		base := at
		if p >= 4 {
			base = far
		}
		VFMADD231PS(spaced(base, step, three, p%4), w, acc[p])
	}
	ADDQ(field(args, offXTap), at)
	ADDQ(field(args, offWTap), tap)
	DECQ(taps)
	JNZ(LabelRef(label("tap")))
	ADDQ(field(args, offXRow), row)
	ADDQ(field(args, offWRow), weights)
	DECQ(rows)
	JNZ(LabelRef(label("row")))
	to := GP64()
	LEAQ(Mem{Base: y, Index: c, Scale: 1}, to)
	for p, a := range acc {
		VMOVUPS(a, Mem{Base: to})
		if p < group-1 {
			ADDQ(field(args, offYPixel), to)
		}
	}
	ADDQ(Imm(uint64(m.bytes())), c)
	m.clip(args, c, m.bytes(), label("channels"))
}

// spaced is base + i*step, i < 4.
func spaced(base, step, three reg.Register, i int) Mem {
	switch i {
	case 0:
		return Mem{Base: base}
	case 3:
		return Mem{Base: base, Index: three, Scale: 1}
	}
	return Mem{Base: base, Index: step, Scale: uint8(i)}
}

// clip goes on at a label with the next width bytes of channels, from c or so that they are the last ones.
func (m machine) clip(args, c reg.Register, width int, label string) {
	last := load(args, offBytes)
	CMPQ(c, last)
	JGE(LabelRef(label + "end"))
	SUBQ(Imm(uint64(width)), last)
	CMPQ(c, last)
	JLE(LabelRef(label))
	MOVQ(last, c)
	JMP(LabelRef(label))
	Label(label + "end")
}

// gather adds the products of pixels of x and dy to the gradients of up to 8 taps of one kernel row.
func (m machine) gather() {
	args := m.begin("gather", "adds to the gradients of the taps of a kernel row.")
	step := load(args, offXTap)
	three := GP64()
	LEAQ(Mem{Base: step, Index: step, Scale: 2}, three)
	w, c := load(args, offW), GP64()
	XORQ(c, c)
	for taps := 1; taps <= maxGradTap; taps++ {
		next := fmt.Sprintf("not%d", taps)
		if taps < maxGradTap {
			t := load(args, offTaps)
			CMPQ(t, Imm(uint64(taps)))
			JNE(LabelRef(next))
		}
		m.taps(args, w, c, step, three, taps)
		if taps < maxGradTap {
			Label(next)
		}
	}
}

// taps is gather for a number of taps. Gradients lie in blocks of 16 channels, of which the last one may overlap the
// one before.
func (m machine) taps(args, w, c, step, three reg.GPVirtual, taps int) {
	label := func(s string) string { return fmt.Sprintf("with%d%s", taps, s) }
	half := GP64()
	Label(label("block"))
	XORQ(half, half)
	Label(label("half"))
	x, dy, n, to := load(args, offX), load(args, offY), load(args, offPixels), GP64()
	ADDQ(c, x)
	ADDQ(half, x)
	ADDQ(c, dy)
	ADDQ(half, dy)
	LEAQ(Mem{Base: w, Index: half, Scale: 1}, to)
	var acc []vector
	for t := range taps {
		a := m.reg()
		VMOVUPS(Mem{Base: to, Disp: t * block}, a)
		acc = append(acc, a)
	}
	far := GP64()
	Label(label("pixel"))
	v := m.reg()
	VMOVUPS(Mem{Base: dy}, v)
	if taps > 4 {
		LEAQ(Mem{Base: x, Index: step, Scale: 4}, far)
	}
	for t, a := range acc {
		base := x
		if t >= 4 {
			base = far
		}
		VFMADD231PS(spaced(base, step, three, t%4), v, a)
	}
	ADDQ(field(args, offXPixel), x)
	ADDQ(field(args, offYPixel), dy)
	DECQ(n)
	JNZ(LabelRef(label("pixel")))
	for t, a := range acc {
		VMOVUPS(a, Mem{Base: to, Disp: t * block})
	}
	ADDQ(Imm(uint64(m.bytes())), half)
	CMPQ(half, Imm(block))
	JLT(LabelRef(label("half")))
	ADDQ(field(args, offWRow), w)
	ADDQ(Imm(block), c)
	m.clip(args, c, block, label("block"))
	VZEROUPPER()
	RET()
}
