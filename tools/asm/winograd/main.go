// Command winograd generates the AVX-512, AVX2 and NEON transforms of package winograd and their Go stubs.
//
// Usage: winograd FOLDER. One description of a transform is emitted for all of them and both tile sizes, so that
// every lane does the same arithmetic; the portable loops in portable.go of the package are the specification.
package main

import (
	"fmt"
	"log"
	"math"
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"

	"github.com/manifold-gen/manifold/tools/asm/neon"
)

// Offsets of the fields of type Args; a test of the package compares them with unsafe.Offsetof.
const (
	offTable, offData, offStride, offN = 0, 8, 16, 24
	offSrc, offTap, offLine, offTmp    = 32, 40, 48, 56
)

// line is the distance of values in the temporary memory, in bytes.
const line = 64

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: winograd FOLDER-OF-PACKAGE-WINOGRAD")
	}
	if err := os.Chdir(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	// The flags of avo's Generate.
	os.Args = []string{os.Args[0], "-pkg", "winograd", "-out", "kernels_amd64.s", "-stubs", "kernels_amd64.go"}
	ConstraintExpr("amd64")
	for _, m := range []*machine{{lanes: 16}, {lanes: 8}, {lanes: 8, neon: true}} {
		m.consts = map[float32]Mem{}
		for _, t := range []transforms{f2(m), f4(m)} {
			m.input(t)
			m.output(t)
			m.weights(t)
		}
		m.spread()
		m.collect()
	}
	neon.Intercept("NEON", "kernels_arm64", printer.Config{Argv: []string{"tools/asm/winograd"}, Pkg: "winograd"})
	Generate()
}

// machine emits float32 vector code for one register width. For NEON it is that of AVX2, which package neon lowers.
type machine struct {
	lanes  int
	neon   bool
	consts map[float32]Mem
}

// transforms are those of one form in one dimension. Each may destroy its operands.
type transforms struct {
	tile, span             int
	input, output, weights func(x []vector) []vector
}

type vector = reg.VecVirtual

func (m *machine) wide() bool { return m.lanes == 16 }

func (m *machine) suffix() string {
	switch {
	case m.neon:
		return "NEON"
	case m.wide():
		return "512"
	}
	return "256"
}

func (m *machine) reg() vector {
	if m.wide() {
		return ZMM()
	}
	return YMM()
}

// c is a constant in memory. AVX-512 broadcasts 4 bytes; AVX2 reads 32 bytes.
func (m *machine) c(v float32) Mem {
	if p, ok := m.consts[v]; ok {
		return p
	}
	n := 1
	if !m.wide() {
		n = 8
	}
	p := GLOBL(fmt.Sprintf("c%s_%d", m.suffix(), len(m.consts)), RODATA|NOPTR)
	for i := range n {
		DATA(4*i, U32(math.Float32bits(v)))
	}
	m.consts[v] = p
	return p
}

func (m *machine) load(p Mem) vector {
	d := m.reg()
	VMOVUPS(p, d)
	return d
}

func (m *machine) copy(a vector) vector {
	d := m.reg()
	VMOVAPS(a, d)
	return d
}

func (m *machine) add(a, b vector) vector {
	d := m.reg()
	VADDPS(b, a, d)
	return d
}

func (m *machine) sub(a, b vector) vector {
	d := m.reg()
	VSUBPS(b, a, d)
	return d
}

func (m *machine) mul(c float32, a vector) vector {
	d := m.reg()
	if m.wide() {
		VMULPS_BCST(m.c(c), a, d)
	} else {
		VMULPS(m.c(c), a, d)
	}
	return d
}

// madd sets d = fma(c, a, d) and returns d.
func (m *machine) madd(d vector, c float32, a vector) vector {
	if m.wide() {
		VFMADD231PS_BCST(m.c(c), a, d)
	} else {
		VFMADD231PS(m.c(c), a, d)
	}
	return d
}

// nmadd sets d = fma(-c, a, d) and returns d.
func (m *machine) nmadd(d vector, c float32, a vector) vector {
	if m.wide() {
		VFNMADD231PS_BCST(m.c(c), a, d)
	} else {
		VFNMADD231PS(m.c(c), a, d)
	}
	return d
}

// f2 is F(2x2, 3x3) at the points 0, 1, -1 and infinity.
func f2(m *machine) transforms {
	return transforms{tile: 2, span: 4,
		input: func(d []vector) []vector {
			return []vector{m.sub(d[0], d[2]), m.add(d[1], d[2]), m.sub(d[2], d[1]), m.sub(d[1], d[3])}
		},
		output: func(v []vector) []vector {
			return []vector{m.add(m.add(v[0], v[1]), v[2]), m.sub(m.sub(v[1], v[2]), v[3])}
		},
		weights: func(w []vector) []vector {
			t := m.add(w[0], w[2])
			return []vector{w[0], m.mul(0.5, m.add(t, w[1])), m.mul(0.5, m.sub(t, w[1])), w[2]}
		},
	}
}

// The points of F(4x4, 3x3) are 0, +-a, +-b and infinity. All coefficients but those of the weights are exact.
const (
	a      = 5. / 8
	b      = 3. / 2
	scale0 = 1 / (a * a * b * b)
	scaleA = 1 / (2 * a * a * (a*a - b*b))
	scaleB = 1 / (2 * b * b * (b*b - a*a))
)

// f4 is F(4x4, 3x3).
func f4(m *machine) transforms {
	return transforms{tile: 4, span: 6,
		input: func(d []vector) []vector {
			e, f := m.nmadd(m.copy(d[4]), b*b, d[2]), m.nmadd(m.copy(d[4]), a*a, d[2])
			r0 := m.madd(m.nmadd(d[4], a*a+b*b, d[2]), a*a*b*b, d[0])
			o, p := m.nmadd(m.copy(d[3]), b*b, d[1]), m.nmadd(m.copy(d[3]), a*a, d[1])
			r5 := m.madd(m.nmadd(d[5], a*a+b*b, d[3]), a*a*b*b, d[1])
			r1 := m.madd(m.copy(e), a, o)
			r2 := m.nmadd(e, a, o)
			r3 := m.madd(m.copy(f), b, p)
			r4 := m.nmadd(f, b, p)
			return []vector{r0, r1, r2, r3, r4, r5}
		},
		output: func(v []vector) []vector {
			s, d := m.add(v[1], v[2]), m.sub(v[1], v[2])
			t, e := m.add(v[3], v[4]), m.sub(v[3], v[4])
			y0 := m.add(m.add(v[0], s), t)
			y1 := m.madd(m.mul(b, e), a, d)
			y2 := m.madd(m.mul(b*b, t), a*a, s)
			y3 := m.madd(m.madd(v[5], b*b*b, e), a*a*a, d)
			return []vector{y0, y1, y2, y3}
		},
		weights: func(w []vector) []vector {
			t := m.madd(m.copy(w[0]), a*a, w[2])
			s := m.madd(m.copy(w[0]), b*b, w[2])
			u0 := m.mul(scale0, w[0])
			u1 := m.mul(scaleA, m.madd(m.copy(t), a, w[1]))
			u2 := m.mul(scaleA, m.nmadd(t, a, w[1]))
			u3 := m.mul(scaleB, m.madd(m.copy(s), b, w[1]))
			u4 := m.mul(scaleB, m.nmadd(s, b, w[1]))
			return []vector{u0, u1, u2, u3, u4, w[2]}
		},
	}
}

// spreadRow is the transpose of the transform of results of F(4x4, 3x3).
func (m *machine) spreadRow(d []vector) []vector {
	t, p := m.madd(m.copy(d[0]), a*a, d[2]), m.madd(m.copy(d[1]), a*a, d[3])
	s, q := m.madd(m.copy(d[0]), b*b, d[2]), m.madd(m.copy(d[1]), b*b, d[3])
	return []vector{
		d[0], m.madd(m.copy(t), a, p), m.nmadd(t, a, p), m.madd(m.copy(s), b, q), m.nmadd(s, b, q), d[3],
	}
}

// collectRow is the transpose of the transform of weights of F(4x4, 3x3).
func (m *machine) collectRow(v []vector) []vector {
	s, d := m.mul(scaleA, m.add(v[1], v[2])), m.mul(scaleA, m.sub(v[1], v[2]))
	t, e := m.mul(scaleB, m.add(v[3], v[4])), m.mul(scaleB, m.sub(v[3], v[4]))
	w0 := m.add(m.madd(m.copy(s), scale0, v[0]), t)
	w1 := m.madd(m.mul(b, e), a, d)
	w2 := m.madd(m.madd(v[5], b*b, t), a*a, s)
	return []vector{w0, w1, w2}
}

// frame is the registers that every kernel has.
type frame struct {
	args, data, tmp, step reg.GPVirtual
	multiple              map[int]reg.GPVirtual // of step: 3 and 5
	index                 reg.GPVirtual         // bytes done
}

func (m *machine) begin(name string, t transforms) frame {
	TEXT(fmt.Sprintf("%s%d_%s", name, t.tile, m.suffix()), NOSPLIT, "func(args *byte)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s%d_%s is the %s transform of F(%dx%d, 3x3).", name, t.tile, m.suffix(), name, t.tile, t.tile))
	f := frame{args: GP64(), data: GP64(), tmp: GP64(), step: GP64(), index: GP64(), multiple: map[int]reg.GPVirtual{}}
	Load(Param("args"), f.args)
	MOVQ(f.field(offData), f.data)
	MOVQ(f.field(offStride), f.step)
	LEAQ(Mem{Base: f.args, Disp: offTmp + line - 1}, f.tmp)
	ANDQ(I32(-line), f.tmp)
	three := GP64()
	LEAQ(Mem{Base: f.step, Index: f.step, Scale: 2}, three)
	f.multiple[3] = three
	if t.span > 4 {
		five := GP64()
		LEAQ(Mem{Base: f.step, Index: f.step, Scale: 4}, five)
		f.multiple[5] = five
	}
	XORQ(f.index, f.index)
	return f
}

func (f frame) field(off int) Mem { return Mem{Base: f.args, Disp: off} }

// point addresses point j of the row of points that begins at row.
func (f frame) point(row reg.GPVirtual, j int) Mem {
	switch j {
	case 0:
		return Mem{Base: row}
	case 3, 5:
		return Mem{Base: row, Index: f.multiple[j], Scale: 1}
	default:
		return Mem{Base: row, Index: f.step, Scale: uint8(j)}
	}
}

func (f frame) at(i int) Mem { return Mem{Base: f.tmp, Disp: i * line} }

// rows returns a register that walks over rows of span points, from the one at data + index.
func (f frame) rows() reg.GPVirtual {
	row := GP64()
	LEAQ(Mem{Base: f.data, Index: f.index, Scale: 1}, row)
	return row
}

// nextRow moves row on by span points.
func (f frame) nextRow(row reg.GPVirtual, span int) {
	if span == 4 {
		LEAQ(Mem{Base: row, Index: f.step, Scale: 4}, row)
		return
	}
	LEAQ(Mem{Base: row, Index: f.multiple[3], Scale: 2}, row)
}

// advance ends the loop over bytes [0, 4*N).
func (m *machine) advance(f frame) {
	ADDQ(Imm(uint64(4*m.lanes)), f.index)
	CMPQ(f.index, f.field(offN))
	JLT(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// input transforms the span x span pixels of a tile whose addresses are in the table.
func (m *machine) input(t transforms) {
	f := m.begin("input", t)
	table := GP64()
	MOVQ(f.field(offTable), table)
	Label("loop")
	for j := range t.span {
		var d []vector
		for i := range t.span {
			p := GP64()
			MOVQ(Mem{Base: table, Disp: 8 * (i*t.span + j)}, p)
			d = append(d, m.load(Mem{Base: p, Index: f.index, Scale: 1}))
		}
		for i, r := range t.input(d) {
			VMOVUPS(r, f.at(i*t.span+j))
		}
	}
	row := f.rows()
	for i := range t.span {
		var d []vector
		for j := range t.span {
			d = append(d, m.load(f.at(i*t.span+j)))
		}
		for j, r := range t.input(d) {
			VMOVUPS(r, f.point(row, j))
		}
		if i < t.span-1 {
			f.nextRow(row, t.span)
		}
	}
	m.advance(f)
}

// spread transforms the 4x4 gradients of the results of a tile, whose addresses are in the table, into points.
func (m *machine) spread() {
	const in, out = 4, 6
	t := transforms{tile: in, span: out}
	f := m.begin("spread", t)
	table := GP64()
	MOVQ(f.field(offTable), table)
	Label("loop")
	for j := range in {
		var d []vector
		for i := range in {
			p := GP64()
			MOVQ(Mem{Base: table, Disp: 8 * (i*in + j)}, p)
			d = append(d, m.load(Mem{Base: p, Index: f.index, Scale: 1}))
		}
		for i, r := range m.spreadRow(d) {
			VMOVUPS(r, f.at(i*in+j))
		}
	}
	row := f.rows()
	for i := range out {
		var d []vector
		for j := range in {
			d = append(d, m.load(f.at(i*in+j)))
		}
		for j, r := range m.spreadRow(d) {
			VMOVUPS(r, f.point(row, j))
		}
		if i < out-1 {
			f.nextRow(row, out)
		}
	}
	m.advance(f)
}

// collect transforms points into the gradients of 3x3 taps, whose addresses are in the table.
func (m *machine) collect() {
	t := transforms{tile: 3, span: 6, output: m.collectRow}
	m.results("collect", t)
}

// output transforms the span x span products of a tile into tile x tile pixels.
func (m *machine) output(t transforms) { m.results("output", t) }

func (m *machine) results(name string, t transforms) {
	f := m.begin(name, t)
	table := GP64()
	MOVQ(f.field(offTable), table)
	Label("loop")
	// Along rows first: the products of a row of points lie together.
	row := f.rows()
	for i := range t.span {
		var d []vector
		for j := range t.span {
			d = append(d, m.load(f.point(row, j)))
		}
		for j, r := range t.output(d) {
			VMOVUPS(r, f.at(i*t.tile+j))
		}
		if i < t.span-1 {
			f.nextRow(row, t.span)
		}
	}
	for j := range t.tile {
		var d []vector
		for i := range t.span {
			d = append(d, m.load(f.at(i*t.tile+j)))
		}
		for i, r := range t.output(d) {
			p := GP64()
			MOVQ(Mem{Base: table, Disp: 8 * (i*t.tile + j)}, p)
			VMOVUPS(r, Mem{Base: p, Index: f.index, Scale: 1})
		}
	}
	m.advance(f)
}

// weights transforms the 3x3 taps of N lines of 16 columns.
func (m *machine) weights(t transforms) {
	f := m.begin("weights", t)
	src, tap, count := GP64(), GP64(), GP64()
	MOVQ(f.field(offSrc), src)
	MOVQ(f.field(offTap), tap)
	MOVQ(f.field(offN), count)
	Label("line")
	XORQ(f.index, f.index)
	Label("loop")
	p := GP64()
	LEAQ(Mem{Base: src, Index: f.index, Scale: 1}, p)
	for i := range 3 {
		var w []vector
		for j := range 3 {
			w = append(w, m.load(Mem{Base: p}))
			if i+j < 4 {
				ADDQ(tap, p)
			}
		}
		for j, r := range t.weights(w) {
			VMOVUPS(r, f.at(i*t.span+j))
		}
	}
	row := f.rows()
	// Along columns second, so that points come in columns: rows of points are step*span apart.
	for j := range t.span {
		var w []vector
		for i := range 3 {
			w = append(w, m.load(f.at(i*t.span+j)))
		}
		at := GP64()
		MOVQ(row, at)
		for i, r := range t.weights(w) {
			VMOVUPS(r, Mem{Base: at})
			if i < t.span-1 {
				f.nextRow(at, t.span)
			}
		}
		ADDQ(f.step, row)
	}
	ADDQ(Imm(uint64(4*m.lanes)), f.index)
	CMPQ(f.index, Imm(line))
	JLT(LabelRef("loop"))
	ADDQ(Imm(line), f.data)
	ADDQ(f.field(offLine), src)
	DECQ(count)
	JNZ(LabelRef("line"))
	VZEROUPPER()
	RET()
}
