package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// form is a kind of tile kernel.
type form int

const (
	plain   form = iota
	leading      // also writes the lines of B to the field pack, line after line
	wide         // panels lie side by side: the field panelB is not read
)

// full says whether the set has masks and the forms besides the plain one.
func (s isa) full() bool { return s.width == 64 && !s.f64 }

// leads says whether there are leading kernels of r rows: the first of at least two tiles that share a part
// evenly.
func (s isa) leads(r int) bool { return s.full() && r > s.rows/2 }

// shape is a tile of r rows and p panels.
type shape struct{ r, p int }

// wides lists the wide kernels, for each number of rows from the widest.
func (s isa) wides() []shape {
	if !s.full() {
		return nil
	}
	return []shape{{1, 24}, {1, 16}, {1, 8}, {1, 4}, {2, 12}, {2, 8}, {2, 4}, {3, 8}, {3, 4}, {4, 6}, {4, 4}}
}

// Distances at which lines are fetched ahead.
const (
	aheadB    = 16 * 64 // bytes of a packed B
	aheadWide = 8       // k of a row-major B
)

// tile writes the kernel of r rows and p panels.
func (s isa) tile(r, p int, f form) {
	name := s.tileName(r, p, f)
	s.begin(name, "func(t *byte)")
	s.Doc(fmt.Sprintf("%s computes a tile of %d rows and %d columns.", name, r, p*16))
	t := tiler{isa: s, r: r, p: p, form: f, n: p * s.parts, unroll: 2}
	lines := t.n // registers for a line of B
	if f == wide {
		lines = 1
	}
	t.acc = s.regs[:r*t.n]
	t.line = s.regs[r*t.n : r*t.n+lines]
	t.spare = s.regs[r*t.n+lines:]
	t.ahead = s.full() && r == 8 && f == plain
	t.fetchB = s.full() && r > 4 && f == plain // with fewer rows the processor's own fetching does better
	switch {
	case t.ahead:
		t.unroll = 8
	case f == wide:
		t.unroll = 1
	case r*p <= 8:
		t.unroll = 4
	}
	t.write()
}

// tiler writes one tile kernel.
type tiler struct {
	isa
	r, p, n, unroll  int
	form             form
	ahead            bool // the rows of A of the next tile are fetched
	fetchB           bool // B is fetched some lines ahead
	acc, line, spare []reg.VecPhysical
}

func (t *tiler) at(i, j int) reg.VecPhysical { return t.acc[i*t.n+j] }

func field(off int) operand.Mem { return operand.Mem{Base: args, Disp: off} }

// mask is the mask of the last panel's columns.
var mask = reg.K1

func (t *tiler) write() {
	s := t.isa
	s.Load(s.Param("t"), args)
	if t.full() {
		s.KMOVW(field(offMask), mask)
	}
	if t.ahead {
		// C is not read before the first block ends: it is fetched until then.
		s.MOVQ(field(offRowC), index)
		for i := range t.r {
			s.MOVQ(operand.Mem{Base: index, Disp: 8 * i}, count)
			s.ADDQ(field(offC), count)
			for j := range t.n {
				s.PREFETCHT0(operand.Mem{Base: count, Disp: j * s.width})
			}
		}
	}
	s.MOVQ(field(offA), bPtr)
	s.MOVQ(field(offRowA), index)
	for i := range t.r {
		s.MOVQ(operand.Mem{Base: index, Disp: 8 * i}, rowPtr[i])
		s.ADDQ(bPtr, rowPtr[i])
	}
	if t.form == wide {
		s.MOVQ(field(offStrideB), fetch)
		s.IMUL3Q(operand.Imm(aheadWide), fetch, fetch)
	} else {
		s.MOVQ(field(offPanelB), panelB)
	}
	s.MOVQ(field(offSegs), segment)
	if t.form == leading {
		s.MOVQ(field(offB), bPtr)
	}
	t.zero()

	s.Label("segment")
	s.MOVQ(operand.Mem{Base: segment}, index)
	if t.form != leading {
		s.MOVQ(operand.Mem{Base: segment, Disp: segB}, bPtr)
		s.ADDQ(field(offB), bPtr)
	}
	s.MOVLQSX(operand.Mem{Base: segment, Disp: segN}, count)
	// Inside the loop the register of the segment serves what the form needs.
	switch {
	case t.ahead:
		s.MOVQ(segment, field(offSave))
		s.MOVQ(field(offAhead), segment)
		s.ADDQ(index, segment)
	case t.form == leading:
		s.MOVQ(segment, field(offSave))
		s.MOVQ(field(offPack), segment)
	case t.form == wide:
		s.MOVQ(segment, field(offSave))
		s.LEAQ(operand.Mem{Base: bPtr, Index: fetch, Scale: 1}, segment)
	}
	t.loop()
	if t.form == leading {
		s.MOVQ(segment, field(offPack))
	}
	if t.ahead || t.form != plain {
		s.MOVQ(field(offSave), segment)
	}
	s.CMPL(operand.Mem{Base: segment, Disp: segEnd}, operand.Imm(0))
	s.JEQ(operand.LabelRef("next"))

	// The block ends: the tile of C is stored, or added to.
	s.CMPQ(field(offAdd), operand.Imm(0))
	s.JEQ(operand.LabelRef("first"))
	t.rowsOf(offC, t.add)
	s.Label("first")
	if t.full() {
		t.finish()
		s.Label("store")
	}
	t.rowsOf(offC, t.store)
	s.MOVQ(operand.U32(1), index)
	s.MOVQ(index, field(offAdd))
	t.zero()

	s.Label("next")
	s.ADDQ(operand.Imm(segSize), segment)
	s.DECQ(field(offNSeg))
	s.JNZ(operand.LabelRef("segment"))
	s.VZEROUPPER()
	s.RET()
}

// loop writes the loop over the k of a segment.
func (t *tiler) loop() {
	s := t.isa
	if t.unroll > 1 {
		s.SUBQ(operand.Imm(uint64(t.unroll)), count)
		s.JLT(operand.LabelRef("tail"))
		s.Label("loop")
		for u := range t.unroll {
			if t.ahead {
				t.fetchAhead(u)
			}
			t.step()
		}
		if t.ahead {
			s.MOVQ(field(offAhead), segment)
			s.ADDQ(index, segment)
		}
		s.SUBQ(operand.Imm(uint64(t.unroll)), count)
		s.JGE(operand.LabelRef("loop"))
		s.Label("tail")
		s.ADDQ(operand.Imm(uint64(t.unroll)), count)
		s.JZ(operand.LabelRef("done"))
	}
	s.Label("single")
	t.step()
	s.DECQ(count)
	s.JNZ(operand.LabelRef("single"))
	s.Label("done")
}

// fetchAhead writes what step u of the unrolled loop fetches: in its first half of the rows of A of the tile below, in
// its second half, if the field fetch is not nil, lines of every panel of B that comes later, half as many as the
// loop takes.
func (t *tiler) fetchAhead(u int) {
	s, half := t.isa, t.unroll/2
	if u < half {
		for i := u * t.r / half; i < (u+1)*t.r/half; i++ {
			s.PREFETCHT1(operand.Mem{Base: rowPtr[i], Index: segment, Scale: 1})
		}
		return
	}
	panel := u - half
	if panel == 0 {
		s.MOVQ(field(offFetch), segment)
	}
	if panel > t.n {
		return
	}
	skip := fmt.Sprintf("fetched%d", panel)
	s.TESTQ(segment, segment)
	s.JZ(operand.LabelRef(skip))
	if panel == t.n {
		s.ADDQ(operand.U32(half*s.width), field(offFetch))
	} else {
		for i := range half {
			s.PREFETCHT1(operand.Mem{Base: segment, Disp: i * s.width})
		}
		s.ADDQ(field(offFetchPanel), segment)
	}
	s.Label(skip)
}

// step writes the multiply-adds of one k.
func (t *tiler) step() {
	s := t.isa
	if t.form == wide {
		t.wideStep()
	} else {
		t.lineStep()
	}
	s.ADDQ(field(offStrideA), index)
	s.ADDQ(field(offStrideB), bPtr)
	switch t.form {
	case leading:
		s.ADDQ(operand.Imm(uint64(s.np*s.width)), segment)
	case wide:
		s.ADDQ(field(offStrideB), segment)
	}
}

// lineStep loads a line of every panel, then takes the rows one by one.
func (t *tiler) lineStep() {
	s := t.isa
	for j := range t.n {
		m := operand.Mem{Base: bPtr, Disp: j % s.parts * s.width}
		if pn := j / s.parts; pn > 0 {
			m.Index, m.Scale = panelB, uint8(pn)
		}
		if t.full() && j == t.n-1 {
			s.VMOVUPS_Z(m, mask, t.line[j])
		} else {
			s.VMOVUPS(m, t.line[j])
		}
		if t.fetchB {
			m.Disp += aheadB
			s.PREFETCHT0(m)
		}
		if t.form == leading {
			s.VMOVUPS(t.line[j], operand.Mem{Base: segment, Disp: j * s.width})
		}
	}
	for i := range t.r {
		a := operand.Mem{Base: rowPtr[i], Index: index, Scale: 1}
		if s.width == 64 && t.n == 1 {
			s.VFMADD231PS_BCST(a, t.line[0], t.at(i, 0))
			continue
		}
		x := t.spare[i%len(t.spare)]
		if s.f64 {
			s.VBROADCASTSD(a, x)
		} else {
			s.VBROADCASTSS(a, x)
		}
		for j := range t.n {
			if s.f64 {
				s.VFMADD231PD(t.line[j], x, t.at(i, j))
			} else {
				s.VFMADD231PS(t.line[j], x, t.at(i, j))
			}
		}
	}
}

// wideStep broadcasts an element of every row, then takes the panels one by one.
func (t *tiler) wideStep() {
	s := t.isa
	for i := range t.r {
		s.VBROADCASTSS(operand.Mem{Base: rowPtr[i], Index: index, Scale: 1}, t.spare[i])
	}
	for j := range t.p {
		m := operand.Mem{Base: bPtr, Disp: j * s.width}
		s.PREFETCHT0(operand.Mem{Base: segment, Disp: j * s.width})
		switch {
		case j == t.p-1:
			s.VMOVUPS_Z(m, mask, t.line[0])
		case t.r > 1:
			s.VMOVUPS(m, t.line[0])
		default:
			s.VFMADD231PS(m, t.spare[0], t.at(0, j))
			continue
		}
		for i := range t.r {
			s.VFMADD231PS(t.line[0], t.spare[i], t.at(i, j))
		}
	}
}

// rowsOf visits the rows of a matrix that lies as C does, its origin in the field origin.
func (t *tiler) rowsOf(origin int, visit func(i, j int, m operand.Mem, masked bool)) {
	s := t.isa
	s.MOVQ(field(offRowC), index)
	for i := range t.r {
		s.MOVQ(operand.Mem{Base: index, Disp: 8 * i}, count)
		s.ADDQ(field(origin), count)
		for j := range t.n {
			visit(i, j, operand.Mem{Base: count, Disp: j * s.width}, t.full() && j == t.n-1)
		}
	}
}

// add adds what is at m to an accumulator.
func (t *tiler) add(i, j int, m operand.Mem, masked bool) {
	switch s := t.isa; {
	case masked:
		s.VMOVUPS_Z(m, mask, t.line[0])
		s.VADDPS(t.line[0], t.at(i, j), t.at(i, j))
	case s.f64:
		s.VADDPD(m, t.at(i, j), t.at(i, j))
	default:
		s.VADDPS(m, t.at(i, j), t.at(i, j))
	}
}

// store writes the accumulators to C.
func (t *tiler) store(i, j int, m operand.Mem, masked bool) {
	if masked {
		t.VMOVUPS(t.at(i, j), mask, m)
	} else {
		t.VMOVUPS(t.at(i, j), m)
	}
}

// finish adds bias and residual to the sums of the last block.
func (t *tiler) finish() {
	s := t.isa
	s.CMPQ(field(offNSeg), operand.Imm(1))
	s.JNE(operand.LabelRef("store"))
	s.MOVQ(field(offBias), count)
	s.TESTQ(count, count)
	s.JZ(operand.LabelRef("residual"))
	for j := range t.n {
		m := operand.Mem{Base: count, Disp: j * s.width}
		if j == t.n-1 {
			s.VMOVUPS_Z(m, mask, t.line[0])
		} else {
			s.VMOVUPS(m, t.line[0])
		}
		for i := range t.r {
			s.VADDPS(t.line[0], t.at(i, j), t.at(i, j))
		}
	}
	s.Label("residual")
	s.CMPQ(field(offResidual), operand.Imm(0))
	s.JEQ(operand.LabelRef("store"))
	t.rowsOf(offResidual, t.add)
}

// zero clears the accumulators.
func (t *tiler) zero() {
	for _, a := range t.acc {
		if t.width == 64 {
			t.VPXORD(a, a, a)
		} else {
			t.VXORPS(a, a, a)
		}
	}
}
