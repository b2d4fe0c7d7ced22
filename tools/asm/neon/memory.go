package neon

import (
	"fmt"
	"slices"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// address returns a register and an offset for a memory operand.
func (l *lowering) address(m operand.Mem) (vreg, int) {
	base := l.general(m.Base)
	if m.Index == nil || m.Scale == 0 {
		return base, m.Disp
	}
	key := m
	key.Disp = 0
	t, ok := l.addr[key]
	if !ok {
		t = l.newReg(false)
		k := map[uint8]int{1: 0, 2: 1, 4: 2, 8: 3}[m.Scale]
		l.emit(inst{text: fmt.Sprintf("ADD R%%2<<%d, R%%1, R%%0", k), regs: []vreg{t, base, l.general(m.Index)}, defs: 1})
		l.addr[key] = t
	}
	return t, m.Disp
}

// forget drops the addresses that were computed from a register.
func (l *lowering) forget(r reg.Register) {
	for key := range l.addr {
		if key.Base.ID() == r.ID() || key.Index.ID() == r.ID() {
			delete(l.addr, key)
		}
	}
}

// movups loads or stores a vector; with a mask, only the lanes in it.
func (l *lowering) movups(i *ir.Instruction) {
	n := len(i.Operands)
	if m, ok := i.Operands[n-1].(operand.Mem); ok {
		js := l.parts(i, nil)
		var regs []vreg
		for _, j := range js {
			regs = append(regs, l.part(i.Operands[0], j))
		}
		if n == 3 {
			l.maskedStore(m, i.Operands[1], js, regs)
		} else {
			l.storeParts(m, js, regs)
		}
		return
	}
	d := vectorResult(i)
	m, ok := i.Operands[0].(operand.Mem)
	if !ok {
		l.movaps(i)
		return
	}
	js := l.parts(i, d)
	if n == 3 && !slices.Contains(i.Suffixes, "Z") {
		panic("neon: a masked load must clear the other lanes")
	}
	var regs []vreg
	for _, j := range js {
		regs = append(regs, l.result(d, j))
	}
	if n == 3 {
		l.maskedLoad(m, i.Operands[1], js, regs)
	} else {
		l.loadParts(m, js, regs)
	}
}

// loadParts loads the parts js of a vector in memory, in pairs.
func (l *lowering) loadParts(m operand.Mem, js []int, regs []vreg) {
	if len(js) == 0 {
		return
	}
	p, off := l.address(m)
	for k := 0; k < len(js); k += 2 {
		if k+1 < len(js) {
			l.emit(inst{text: fmt.Sprintf("FLDPQ %d(R%%2), (F%%0, F%%1)", off+16*js[k]),
				regs: []vreg{regs[k], regs[k+1], p}, defs: 2})
		} else {
			l.emit(inst{text: fmt.Sprintf("FMOVQ %d(R%%1), F%%0", off+16*js[k]), regs: []vreg{regs[k], p}, defs: 1})
		}
	}
}

// loadSingle loads one number into lane 0 and clears the others.
func (l *lowering) loadSingle(d vreg, m operand.Mem) {
	switch {
	case m.Symbol.Static:
		l.loadNamed(d, m.Symbol.Name)
	case m.Symbol.Name != "":
		l.emit(inst{text: "FMOVS " + m.Asm() + ", F%0", regs: []vreg{d}, defs: 1})
	default:
		p, off := l.address(m)
		l.emit(inst{text: fmt.Sprintf("FMOVS %d(R%%1), F%%0", off), regs: []vreg{d, p}, defs: 1})
	}
}

// storeSingle stores lane 0.
func (l *lowering) storeSingle(v vreg, m operand.Mem) {
	if m.Symbol.Name != "" {
		l.emit(inst{text: "FMOVS F%0, " + m.Asm(), regs: []vreg{v}})
		return
	}
	p, off := l.address(m)
	l.emit(inst{text: fmt.Sprintf("FMOVS F%%0, %d(R%%1)", off), regs: []vreg{v, p}})
}

// storeParts stores the parts js of a vector.
func (l *lowering) storeParts(m operand.Mem, js []int, regs []vreg) {
	if len(js) == 0 {
		return
	}
	p, off := l.address(m)
	for k := 0; k < len(js); k += 2 {
		if k+1 < len(js) {
			l.emit(inst{text: fmt.Sprintf("FSTPQ (F%%0, F%%1), %d(R%%2)", off+16*js[k]),
				regs: []vreg{regs[k], regs[k+1], p}})
		} else {
			l.emit(inst{text: fmt.Sprintf("FMOVQ F%%0, %d(R%%1)", off+16*js[k]), regs: []vreg{regs[k], p}})
		}
	}
}

// maskedLoad loads the lanes of a mask of the first n lanes; the others are zero.
func (l *lowering) maskedLoad(m operand.Mem, k operand.Op, js []int, regs []vreg) {
	for _, r := range regs {
		l.emit(zero(r))
	}
	l.masked(m, k, js, func(j int, p vreg, off int) {
		l.emit(inst{text: fmt.Sprintf("FMOVQ %d(R%%1), F%%0", off), regs: []vreg{regs[j-js[0]], p}, defs: 1})
	}, func(j, lane int, p vreg, off int) {
		r := regs[j-js[0]]
		if lane == 0 {
			l.emit(inst{text: fmt.Sprintf("FMOVS %d(R%%1), F%%0", off), regs: []vreg{r, p}, defs: 1})
			return
		}
		at := l.offset(p, off)
		l.emit(inst{text: fmt.Sprintf("VLD1 (R%%1), V%%0.S[%d]", lane), regs: []vreg{r, at}, defs: 1, inout: true})
	})
}

// maskedStore stores the lanes of a mask of the first n lanes.
func (l *lowering) maskedStore(m operand.Mem, k operand.Op, js []int, regs []vreg) {
	l.masked(m, k, js, func(j int, p vreg, off int) {
		l.emit(inst{text: fmt.Sprintf("FMOVQ F%%0, %d(R%%1)", off), regs: []vreg{regs[j-js[0]], p}})
	}, func(j, lane int, p vreg, off int) {
		r := regs[j-js[0]]
		if lane == 0 {
			l.emit(inst{text: fmt.Sprintf("FMOVS F%%0, %d(R%%1)", off), regs: []vreg{r, p}})
			return
		}
		l.emit(inst{text: fmt.Sprintf("VST1 V%%0.S[%d], (R%%1)", lane), regs: []vreg{r, l.offset(p, off)}})
	})
}

// offset is p plus a number of bytes.
func (l *lowering) offset(p vreg, bytes int) vreg {
	t := l.newReg(false)
	l.emit(inst{text: fmt.Sprintf("ADD $%d, R%%1, R%%0", bytes), regs: []vreg{t, p}, defs: 1})
	return t
}

// masked moves whole parts while their four lanes are in the mask, then the last lanes one by one.
func (l *lowering) masked(m operand.Mem, k operand.Op, js []int, whole func(j int, p vreg, off int),
	single func(j, lane int, p vreg, off int),
) {
	if len(js) == 0 {
		return
	}
	bits, ok := l.bits[k.(reg.Register).ID()]
	if !ok {
		panic("neon: memory can be masked by the first lanes alone")
	}
	p, off := l.address(m)
	done := l.newLabel("done")
	test := func(how string, bit int, label string) {
		l.emit(inst{text: fmt.Sprintf("%s $%d, R%%0, %s", how, bit, label), regs: []vreg{bits}, target: label})
	}
	var some []string
	for _, j := range js {
		some = append(some, l.newLabel("some"))
		test("TBZ", 4*j, done)
		test("TBZ", 4*j+3, some[len(some)-1])
		whole(j, p, off+16*j)
	}
	for n, j := range js {
		l.emit(inst{text: "JMP " + done, target: done, ends: true})
		l.emit(inst{label: some[n]})
		for lane := range 3 {
			if lane > 0 {
				test("TBZ", 4*j+lane, done)
			}
			single(j, lane, p, off+16*j+4*lane)
		}
	}
	l.emit(inst{label: done})
}
