package neon

import (
	"fmt"
	"slices"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// lowering is the state of one function.
type lowering struct {
	consts *constants
	strip  int // parts in a strip
	code   []inst
	vector []bool // by virtual register
	labels int
	base   vreg // address of the constants

	verticals map[string]writer

	gp      map[reg.ID]vreg   // general registers
	home    map[reg.ID][]vreg // parts of vectors that live in more than one block
	uniform map[reg.ID]bool   // vectors with the same content in all lanes
	named   map[reg.ID]string // vectors that are a constant
	invert  map[reg.ID]bool   // masks that are kept as their complement
	bits    map[reg.ID]vreg   // masks that are kept as an integer

	// Of the block being written:
	list  []*ir.Instruction
	at    int                  // index in list
	local map[reg.ID]*[4]vreg  // parts of vectors of this block alone
	addr  map[operand.Mem]vreg // base + index that are computed already
	from  int                  // first part of the strip
}

// lower translates a function with the given number of parts in a strip.
func lower(fn *ir.Function, consts *constants, strip int) ([]inst, []bool) {
	l := &lowering{
		consts: consts, strip: strip, verticals: verticals(),
		gp: map[reg.ID]vreg{}, home: map[reg.ID][]vreg{}, uniform: map[reg.ID]bool{}, named: map[reg.ID]string{},
		invert: map[reg.ID]bool{}, bits: map[reg.ID]vreg{},
	}
	blocks := blocksOf(fn)
	l.analyse(blocks)
	l.base = l.newReg(false)
	l.emit(inst{text: "MOVD $" + consts.symbol + "(SB), R%0", regs: []vreg{l.base}, defs: 1})
	for _, b := range blocks {
		for _, name := range b.labels {
			l.emit(inst{label: name})
		}
		l.block(b.list)
	}
	if !slices.ContainsFunc(l.code[1:], func(i inst) bool { return slices.Contains(i.regs, l.base) }) {
		l.code = l.code[1:]
	}
	return l.code, l.vector
}

// irBlock is a run of instructions between labels and branches.
type irBlock struct {
	labels []string
	list   []*ir.Instruction
}

func blocksOf(fn *ir.Function) []irBlock {
	var l []irBlock
	var b irBlock
	flush := func() {
		if len(b.labels)+len(b.list) > 0 {
			l = append(l, b)
		}
		b = irBlock{}
	}
	for _, n := range fn.Nodes {
		switch n := n.(type) {
		case ir.Label:
			if len(b.list) > 0 {
				flush()
			}
			b.labels = append(b.labels, string(n))
		case *ir.Instruction:
			b.list = append(b.list, n)
			if n.IsBranch || n.IsTerminal {
				flush()
			}
		}
	}
	flush()
	return l
}

// isVector says whether an operand is a vector or a mask register, and which.
func isVector(o operand.Op) (reg.Register, bool) {
	r, ok := o.(reg.Register)
	if !ok || r.Kind() != reg.KindVector && r.Kind() != reg.KindOpmask {
		return nil, false
	}
	return r, true
}

// firstVector is the first operand, if it is a vector.
func firstVector(i *ir.Instruction) (reg.Register, bool) {
	if len(i.Operands) == 0 {
		return nil, false
	}
	return isVector(i.Operands[0])
}

// analyse finds which vectors live across blocks, which ones are uniform and which ones are constants.
func (l *lowering) analyse(blocks []irBlock) {
	where := map[reg.ID]int{}
	global := map[reg.ID]bool{}
	defs := map[reg.ID][]*ir.Instruction{}
	for k, b := range blocks {
		for _, i := range b.list {
			for _, r := range i.Registers() {
				if _, ok := isVector(r); !ok {
					continue
				}
				if k0, seen := where[r.ID()]; seen && k0 != k {
					global[r.ID()] = true
				}
				where[r.ID()] = k
			}
			for _, r := range i.OutputRegisters() {
				defs[r.ID()] = append(defs[r.ID()], i)
			}
		}
	}
	// In program order, so that the operands of an instruction are known before it.
	for _, b := range blocks {
		for _, i := range b.list {
			for _, r := range i.OutputRegisters() {
				if r.Kind() == reg.KindVector && len(defs[r.ID()]) == 1 && l.isUniform(i) {
					l.uniform[r.ID()] = true
					if m, ok := i.Operands[0].(operand.Mem); ok && m.Symbol.Static && i.Opcode == "VBROADCASTSS" {
						l.named[r.ID()] = m.Symbol.Name
					}
				}
			}
		}
	}
	for id := range global {
		l.home[id] = nil // the registers are made at the first use
	}
}

// isUniform says whether an instruction gives all lanes the same value.
func (l *lowering) isUniform(i *ir.Instruction) bool {
	switch i.Opcode {
	case "VBROADCASTSS":
		return true
	case "VMOVUPS", "VMOVAPS", "VCMPPS", "VBLENDMPS", "KMOVW":
		return false
	}
	if isZeroing(i) {
		return true
	}
	if _, ok := l.verticals[i.Opcode]; !ok {
		return false
	}
	for _, o := range i.Inputs {
		switch o := o.(type) {
		case reg.Register:
			if !l.uniform[o.ID()] {
				return false
			}
		case operand.Mem:
			if !o.Symbol.Static {
				return false
			}
		}
	}
	return true
}

// isZeroing says whether an instruction is the idiom that clears a vector.
func isZeroing(i *ir.Instruction) bool {
	switch i.Opcode {
	case "VPXORD", "VXORPS", "VPXOR":
		a, ok := i.Operands[0].(reg.Register)
		b, ok2 := i.Operands[1].(reg.Register)
		return ok && ok2 && a.ID() == b.ID()
	}
	return false
}

func (l *lowering) newReg(vector bool) vreg {
	l.vector = append(l.vector, vector)
	return vreg(len(l.vector) - 1)
}

func (l *lowering) emit(i inst) { l.code = append(l.code, i) }

func (l *lowering) newLabel(name string) string {
	l.labels++
	return fmt.Sprintf("%s%d", name, l.labels)
}

// block writes a block: runs of vector instructions in strips, the rest one by one.
func (l *lowering) block(list []*ir.Instruction) {
	l.list, l.local, l.addr = list, map[reg.ID]*[4]vreg{}, map[operand.Mem]vreg{}
	for k := 0; k < len(list); {
		end, width := k, 1
		for end < len(list) && l.isVertical(list[end]) {
			width = max(width, partsOf(list[end]))
			end++
		}
		if end == k {
			l.at, l.from = k, 0
			l.single(list[k])
			k++
			continue
		}
		for l.from = 0; l.from < width; l.from += l.strip {
			for l.at = k; l.at < end; l.at++ {
				l.verticals[list[l.at].Opcode](l, list[l.at])
			}
		}
		k = end
	}
}

// isVertical says whether an instruction works on every lane alone.
func (l *lowering) isVertical(i *ir.Instruction) bool {
	if _, fromVector := firstVector(i); fromVector && i.Opcode == "VBROADCASTSS" {
		return false
	}
	_, ok := l.verticals[i.Opcode]
	return ok
}

// partsOf is the number of NEON registers that an instruction's largest vector needs.
func partsOf(i *ir.Instruction) int {
	n := 1
	for _, o := range i.Operands {
		if r, ok := isVector(o); ok && r.Kind() == reg.KindVector {
			n = max(n, int(r.Size())/16)
		}
	}
	return n
}

// parts are the parts of the strip that an instruction with result d is written for.
func (l *lowering) parts(i *ir.Instruction, d reg.Register) []int {
	if d != nil && l.uniform[d.ID()] {
		if l.from == 0 || l.cheap(i, d) {
			return []int{0}
		}
		return nil
	}
	var js []int
	for j := l.from; j < min(l.from+l.strip, partsOf(i)); j++ {
		js = append(js, j)
	}
	return js
}

// cheap says whether a uniform value is made again for every strip, rather than kept in a register.
func (l *lowering) cheap(i *ir.Instruction, d reg.Register) bool {
	_, global := l.home[d.ID()]
	return !global && (l.named[d.ID()] != "" || isZeroing(i))
}

// part is part j of a vector.
func (l *lowering) part(o operand.Op, j int) vreg {
	r, ok := isVector(o)
	if !ok {
		panic(fmt.Sprintf("neon: %s is not a vector", o.Asm()))
	}
	if l.uniform[r.ID()] {
		j = 0
	}
	if _, ok := l.home[r.ID()]; ok {
		return l.homes(r)[j]
	}
	p := l.local[r.ID()]
	if p == nil {
		panic(fmt.Sprintf("neon: %s in %s is read before it is written", o.Asm(), l.list[l.at].Opcode))
	}
	return p[j]
}

// homes are the registers of a vector that lives across blocks.
func (l *lowering) homes(r reg.Register) []vreg {
	h := l.home[r.ID()]
	if h == nil {
		n := 4
		if l.uniform[r.ID()] {
			n = 1
		}
		for range n {
			h = append(h, l.newReg(true))
		}
		l.home[r.ID()] = h
	}
	return h
}

// result is the register for part j of a new value. Operands must have been looked up before.
func (l *lowering) result(r reg.Register, j int) vreg {
	if _, ok := l.home[r.ID()]; ok {
		return l.homes(r)[j]
	}
	v := l.newReg(true)
	l.bind(r, j, v)
	return v
}

// bind makes v part j of r: by name alone if r is local to the block.
func (l *lowering) bind(r reg.Register, j int, v vreg) {
	if _, ok := l.home[r.ID()]; ok {
		if h := l.homes(r)[j]; h != v {
			l.emit(move(h, v))
		}
		return
	}
	p := l.local[r.ID()]
	if p == nil {
		p = &[4]vreg{}
		l.local[r.ID()] = p
	}
	p[j] = v
}

// dead says whether the value of an operand is not needed after the current instruction, so that its
// register may take the result.
func (l *lowering) dead(o operand.Op) bool {
	r, ok := isVector(o)
	if !ok || l.uniform[r.ID()] {
		return false
	}
	writes := func(i *ir.Instruction) bool {
		return slices.ContainsFunc(i.OutputRegisters(), func(x reg.Register) bool { return x.ID() == r.ID() })
	}
	if _, global := l.home[r.ID()]; global {
		return false
	}
	if writes(l.list[l.at]) {
		return true
	}
	for _, i := range l.list[l.at+1:] {
		if slices.ContainsFunc(i.InputRegisters(), func(x reg.Register) bool { return x.ID() == r.ID() }) {
			return false
		}
		if writes(i) {
			return true
		}
	}
	return true
}
