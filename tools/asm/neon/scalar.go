package neon

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// immediate is the value of a constant operand.
func immediate(o operand.Op) int64 {
	v, err := strconv.ParseInt(strings.TrimPrefix(o.Asm(), "$"), 0, 64)
	if err != nil {
		panic("neon: " + o.Asm() + " is not an immediate")
	}
	return v
}

// general is the register for one of amd64.
func (l *lowering) general(r reg.Register) vreg {
	v, ok := l.gp[r.ID()]
	if !ok {
		v = l.newReg(false)
		l.gp[r.ID()] = v
	}
	return v
}

// branches maps conditional branches after a signed comparison.
var branches = map[string]string{
	"JE": "BEQ", "JZ": "BEQ", "JEQ": "BEQ", "JNE": "BNE", "JNZ": "BNE",
	"JLT": "BLT", "JL": "BLT", "JLE": "BLE", "JGT": "BGT", "JG": "BGT", "JGE": "BGE",
}

// floatBranches maps those after VUCOMISS: "not above" holds for NaN on both machines.
var floatBranches = map[string]string{"JBE": "BLE", "JLS": "BLE", "JA": "BGT", "JHI": "BGT"}

// condition is the conditional branch for one of amd64.
func (l *lowering) condition(opcode string) string {
	table := branches
	if l.at > 0 && l.list[l.at-1].Opcode == "VUCOMISS" {
		table = floatBranches
	}
	b, ok := table[opcode]
	if !ok {
		panic("neon: branch " + opcode)
	}
	return b
}

// single writes an instruction that is not vertical.
func (l *lowering) single(i *ir.Instruction) {
	switch {
	case i.IsBranch:
		to := i.Operands[0].Asm()
		if i.Opcode == "JMP" {
			l.emit(inst{text: "JMP " + to, target: to, ends: true})
			return
		}
		l.emit(inst{text: l.condition(i.Opcode) + " " + to, target: to})
	case i.Opcode == "RET":
		l.emit(inst{text: "RET", ends: true})
	case i.Opcode == "VZEROUPPER":
	default:
		if !l.across(i) {
			l.integer(i)
		}
	}
	for _, r := range i.OutputRegisters() {
		if r.Kind() == reg.KindGP {
			l.forget(r)
		}
	}
}

// across writes the instructions between lanes and between vectors and other registers.
func (l *lowering) across(i *ir.Instruction) bool {
	o := i.Operands
	switch i.Opcode {
	case "VEXTRACTF64X4", "VEXTRACTF128": // o[0] is 1: the upper half
		d := vectorResult(i)
		half := int(d.Size()) / 16
		for j := range half {
			n := l.part(o[1], j+half*int(immediate(o[0])))
			l.emit(move(l.result(d, j), n))
		}
	case "VPERMILPS":
		l.permute(i)
	case "VMOVSHDUP":
		n := l.part(o[0], 0)
		l.emit(trn2.three(l.result(vectorResult(i), 0), n, n))
	case "VBROADCASTSS": // from a vector
		d := vectorResult(i)
		n := l.part(o[0], 0)
		for _, j := range l.parts(i, d) {
			l.emit(broadcast(l.result(d, j), n))
		}
	case "VMOVD":
		l.emit(inst{text: "FMOVS F%1, R%0", regs: []vreg{l.general(o[1].(reg.Register)), l.part(o[0], 0)}, defs: 1})
	case "MOVSS", "VMOVSS":
		if m, ok := o[1].(operand.Mem); ok {
			l.storeSingle(l.part(o[0], 0), m)
			return true
		}
		l.loadSingle(l.result(vectorResult(i), 0), o[0].(operand.Mem))
	case "VMAXSS": // of lane 0 with a number in memory; nothing reads the other lanes
		d := vectorResult(i)
		x, y, k := l.part(o[1], 0), l.newReg(true), l.newReg(true)
		l.loadSingle(y, o[0].(operand.Mem))
		l.emit(fcmgt.three(k, x, y))
		l.choose(d, 0, choice{mask: k, a: x, b: y, maskDead: true, bDead: true})
	case "VUCOMISS":
		l.emit(inst{text: "FCMPS F%1, F%0", regs: []vreg{l.part(o[1], 0), l.part(o[0], 0)}})
	case "KMOVW":
		r := l.newReg(false)
		l.emit(inst{text: "MOVD R%1, R%0", regs: []vreg{r, l.general(o[0].(reg.Register))}, defs: 1})
		l.bits[o[1].(reg.Register).ID()] = r
	default:
		return false
	}
	return true
}

// permute is VPERMILPS: lanes 2 and 3 first, where nothing reads the others, or neighbours exchanged.
func (l *lowering) permute(i *ir.Instruction) {
	d := vectorResult(i)
	var text string
	switch immediate(i.Operands[0]) {
	case 0x0E:
		text = "VEXT $8, V%1.B16, V%1.B16, V%0.B16"
	case 0xB1:
		text = "VREV64 V%1.S4, V%0.S4"
	default:
		panic("neon: VPERMILPS of other lanes")
	}
	for j := range partsOf(i) {
		n := l.part(i.Operands[1], j)
		l.emit(inst{text: text, regs: []vreg{l.result(d, j), n}, defs: 1})
	}
}

// integer writes the integer instructions. Flags are set where amd64 sets them, for a branch that follows.
func (l *lowering) integer(i *ir.Instruction) {
	o := i.Operands
	gp := func(k int) vreg { return l.general(o[k].(reg.Register)) }
	// operation writes d = d op s with s a register or a constant.
	operation := func(name string) {
		switch s := o[0].(type) {
		case reg.Register:
			l.emit(inst{text: name + " R%1, R%0", regs: []vreg{gp(1), l.general(s)}, defs: 1, inout: true})
			return
		case operand.Mem:
			l.emit(inst{text: name + " R%1, R%0", regs: []vreg{gp(1), l.fetch(s)}, defs: 1, inout: true})
			return
		}
		text := fmt.Sprintf("%s $%d, R%%0", name, immediate(o[0]))
		l.emit(inst{text: text, regs: []vreg{gp(1)}, defs: 1, inout: true})
	}
	switch i.Opcode {
	case "MOVQ", "MOVL":
		l.move(o[0], o[1])
	case "XORQ", "XORL":
		if o[0].(reg.Register).ID() != o[1].(reg.Register).ID() {
			operation("EOR")
			return
		}
		l.emit(inst{text: "MOVD $0, R%0", regs: []vreg{gp(1)}, defs: 1})
	case "ADDQ":
		operation("ADDS")
	case "SUBQ":
		operation("SUBS")
	case "ANDQ":
		operation("ANDS")
	case "SHLQ":
		operation("LSL")
	case "SHRQ":
		operation("LSR")
	case "INCQ":
		l.emit(inst{text: "ADDS $1, R%0", regs: []vreg{gp(0)}, defs: 1, inout: true})
	case "DECQ":
		l.emit(inst{text: "SUBS $1, R%0", regs: []vreg{gp(0)}, defs: 1, inout: true})
	case "NEGQ":
		l.emit(inst{text: "NEGS R%0, R%0", regs: []vreg{gp(0)}, defs: 1, inout: true})
	case "SHLXQ":
		l.emit(inst{text: "LSL R%2, R%1, R%0", regs: []vreg{gp(2), gp(1), gp(0)}, defs: 1})
	case "TESTQ":
		l.emit(inst{text: "TST R%1, R%0", regs: []vreg{gp(0), gp(1)}})
	case "CMPQ", "CMPL":
		l.compare(i)
	case "LEAQ":
		p, off := l.address(o[0].(operand.Mem))
		l.emit(inst{text: fmt.Sprintf("ADD $%d, R%%1, R%%0", off), regs: []vreg{gp(1), p}, defs: 1})
	default:
		panic("neon: no form of " + i.OpcodeWithSuffixes())
	}
}

// fetch loads an integer.
func (l *lowering) fetch(m operand.Mem) vreg {
	t := l.newReg(false)
	p, off := l.address(m)
	l.emit(inst{text: fmt.Sprintf("MOVD %d(R%%1), R%%0", off), regs: []vreg{t, p}, defs: 1})
	return t
}

// move copies between general registers, constants and memory.
func (l *lowering) move(from, to operand.Op) {
	if m, ok := to.(operand.Mem); ok {
		r := l.general(from.(reg.Register))
		if m.Symbol.Name != "" {
			l.emit(inst{text: "MOVD R%0, " + m.Asm(), regs: []vreg{r}})
			return
		}
		p, off := l.address(m)
		l.emit(inst{text: fmt.Sprintf("MOVD R%%0, %d(R%%1)", off), regs: []vreg{r, p}})
		return
	}
	d := l.general(to.(reg.Register))
	switch from := from.(type) {
	case reg.Register:
		l.emit(inst{text: "MOVD R%1, R%0", regs: []vreg{d, l.general(from)}, defs: 1})
	case operand.Mem:
		if from.Symbol.Name != "" {
			l.emit(inst{text: "MOVD " + from.Asm() + ", R%0", regs: []vreg{d}, defs: 1})
			return
		}
		p, off := l.address(from)
		l.emit(inst{text: fmt.Sprintf("MOVD %d(R%%1), R%%0", off), regs: []vreg{d, p}, defs: 1})
	default:
		l.emit(inst{text: fmt.Sprintf("MOVD $%d, R%%0", immediate(from)), regs: []vreg{d}, defs: 1})
	}
}

// compare sets the flags of o[0] - o[1].
func (l *lowering) compare(i *ir.Instruction) {
	name := "CMP"
	if i.Opcode == "CMPL" {
		name = "CMPW"
	}
	a := l.general(i.Operands[0].(reg.Register))
	if b, ok := i.Operands[1].(reg.Register); ok {
		l.emit(inst{text: name + " R%1, R%0", regs: []vreg{a, l.general(b)}})
		return
	}
	if m, ok := i.Operands[1].(operand.Mem); ok {
		l.emit(inst{text: name + " R%1, R%0", regs: []vreg{a, l.fetch(m)}})
		return
	}
	v := immediate(i.Operands[1])
	if v >= -4095 && v <= 4095 {
		l.emit(inst{text: fmt.Sprintf("%s $%d, R%%0", name, v), regs: []vreg{a}})
		return
	}
	t := l.newReg(false)
	l.emit(inst{text: fmt.Sprintf("MOVD $%d, R%%0", v), regs: []vreg{t}, defs: 1})
	l.emit(inst{text: name + " R%1, R%0", regs: []vreg{a, t}})
}
