package neon

import (
	"fmt"
	"slices"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// writer writes an instruction for the parts of a strip.
type writer func(*lowering, *ir.Instruction)

// verticals are the instructions that treat every lane alone. avo's operands are in the order of Go's
// assembler: sources in reverse, then the result.
func verticals() map[string]writer {
	return map[string]writer{
		"VADDPS": binary3(fadd), "VSUBPS": binary3(fsub), "VMULPS": binary3(fmul), "VDIVPS": binary3(fdiv),
		"VPADDD": binary3(add), "VPSUBD": binary3(sub), "VPMAXUD": binary3(umax),
		"VORPS": binary3(orr), "VPORD": binary3(orr), "VPANDD": binary3(and),
		"VANDPS": (*lowering).andps, "VXORPS": (*lowering).xorps, "VPXORD": (*lowering).xorps,
		"VMAXPS": extreme(fmax), "VMINPS": extreme(fmin),
		"FMAX": binary3(fmax), "FMIN": binary3(fmin),
		"VSQRTPS": unary2(fsqrt), "VCVTDQ2PS": unary2(scvtf),
		"VFMADD231PS": accumulate(fmla), "VFNMADD231PS": accumulate(fmls),
		"VFMSUB231PS": (*lowering).fmsub231,
		"VFMADD213PS": (*lowering).fmadd213, "VSCALEFPS": (*lowering).scalef,
		"VPSRAD": shift(shiftRight), "VPSRLD": shift(shiftRightZero), "VPSLLD": shift(shiftLeft),
		"VMOVAPS": (*lowering).movaps, "VMOVUPS": (*lowering).movups, "VBROADCASTSS": (*lowering).broadcast,
		"VCMPPS": (*lowering).cmpps, "VPTESTMD": (*lowering).testmd, "VBLENDMPS": (*lowering).blend,
	}
}

// vectorResult is the vector that an instruction writes, nil if it writes memory or a mask.
func vectorResult(i *ir.Instruction) reg.Register {
	r, ok := isVector(i.Operands[len(i.Operands)-1])
	if !ok || r.Kind() != reg.KindVector {
		return nil
	}
	return r
}

// source gives part j of an operand, which may be a constant: that one is loaded once for the strip.
func (l *lowering) source(o operand.Op) func(j int) vreg {
	m, ok := o.(operand.Mem)
	if !ok {
		return func(j int) vreg { return l.part(o, j) }
	}
	v := vreg(-1)
	if !m.Symbol.Static {
		return func(j int) vreg {
			v := l.newReg(true)
			l.loadParts(m, []int{j}, []vreg{v})
			return v
		}
	}
	return func(int) vreg {
		if v < 0 {
			v = l.newReg(true)
			l.loadNamed(v, m.Symbol.Name)
		}
		return v
	}
}

// binary3 is an instruction on two vectors with the operands b, a, d.
func binary3(o op) writer {
	return func(l *lowering, i *ir.Instruction) {
		d := vectorResult(i)
		b, a := l.source(i.Operands[0]), l.source(i.Operands[1])
		for _, j := range l.parts(i, d) {
			n, m := a(j), b(j)
			l.emit(o.three(l.result(d, j), n, m))
		}
	}
}

// unary2 is an instruction on one vector.
func unary2(o op) writer {
	return func(l *lowering, i *ir.Instruction) {
		d := vectorResult(i)
		a := l.source(i.Operands[0])
		for _, j := range l.parts(i, d) {
			n := a(j)
			l.emit(o.two(l.result(d, j), n))
		}
	}
}

// isConstant says whether an operand is a constant with these bits.
func (l *lowering) isConstant(o operand.Op, bits uint32) bool {
	m, ok := o.(operand.Mem)
	return ok && m.Symbol.Static && l.consts.value(m.Symbol.Name) == bits
}

// andps is a logical and; with the mask of a magnitude it is FABS.
func (l *lowering) andps(i *ir.Instruction) {
	if l.isConstant(i.Operands[0], 1<<31-1) {
		l.sign(fabs, i)
		return
	}
	binary3(and)(l, i)
}

// xorps is a logical exclusive or; with the sign it is FNEG, with itself zero.
func (l *lowering) xorps(i *ir.Instruction) {
	switch {
	case isZeroing(i):
		d := vectorResult(i)
		for _, j := range l.parts(i, d) {
			l.emit(zero(l.result(d, j)))
		}
	case l.isConstant(i.Operands[0], 1<<31):
		l.sign(fneg, i)
	default:
		binary3(eor)(l, i)
	}
}

func (l *lowering) sign(o op, i *ir.Instruction) {
	d := vectorResult(i)
	for _, j := range l.parts(i, d) {
		n := l.part(i.Operands[1], j)
		l.emit(o.two(l.result(d, j), n))
	}
}

// extreme is VMAXPS or VMINPS with operands b, a, d: a where a > b (a < b), otherwise b. FMAX and FMIN do the
// same if a is a constant other than zero and NaN; only a signalling NaN in b becomes quiet.
func extreme(o op) writer {
	return func(l *lowering, i *ir.Instruction) {
		d := vectorResult(i)
		if r, ok := isVector(i.Operands[1]); ok && l.named[r.ID()] != "" {
			if v := l.consts.value(l.named[r.ID()]); v<<1 != 0 && v&^(1<<31) <= 0x7F800000 {
				binary3(o)(l, i)
				return
			}
		}
		b, a := l.source(i.Operands[0]), l.source(i.Operands[1])
		for _, j := range l.parts(i, d) {
			x, y := a(j), b(j)
			k := l.newReg(true)
			if o.name == fmax.name {
				l.emit(fcmgt.three(k, x, y))
			} else {
				l.emit(fcmgt.three(k, y, x))
			}
			l.choose(d, j, choice{mask: k, a: x, b: y, maskDead: true,
				aDead: l.inPlace(i.Operands[1], d), bDead: l.inPlace(i.Operands[0], d)})
		}
	}
}

// inPlace says whether the result d may take the register of operand o.
func (l *lowering) inPlace(o operand.Op, d reg.Register) bool {
	r, ok := isVector(o)
	if !ok {
		return false
	}
	_, global := l.home[d.ID()]
	return r.ID() == d.ID() || !global && l.dead(o)
}

// choice is a selection: a where the mask is set, b elsewhere. Dead ones may be overwritten.
type choice struct {
	mask, a, b             vreg
	maskDead, aDead, bDead bool
}

// choose writes a selection to part j of d.
func (l *lowering) choose(d reg.Register, j int, c choice) {
	switch {
	case c.aDead && c.a != c.b:
		l.emit(bif.into(c.a, c.b, c.mask))
		l.bind(d, j, c.a)
	case c.bDead && c.a != c.b:
		l.emit(bit.into(c.b, c.a, c.mask))
		l.bind(d, j, c.b)
	case c.maskDead:
		l.emit(bsl.into(c.mask, c.a, c.b))
		l.bind(d, j, c.mask)
	default:
		t := l.newReg(true)
		l.emit(move(t, c.mask))
		l.emit(bsl.into(t, c.a, c.b))
		l.bind(d, j, t)
	}
}

// accumulate is VFMADD231PS or VFNMADD231PS with operands b, a, d: d = d +- a*b.
func accumulate(o op) writer {
	return func(l *lowering, i *ir.Instruction) {
		d := vectorResult(i)
		b, a := l.source(i.Operands[0]), l.source(i.Operands[1])
		for _, j := range l.parts(i, d) {
			n, m := a(j), b(j)
			l.emit(o.into(l.part(d, j), n, m))
		}
	}
}

// fmsub231 has operands b, a, d: d = a*b - d.
func (l *lowering) fmsub231(i *ir.Instruction) {
	d := vectorResult(i)
	b, a := l.source(i.Operands[0]), l.source(i.Operands[1])
	for _, j := range l.parts(i, d) {
		n, m := a(j), b(j)
		t := l.newReg(true)
		l.emit(fneg.two(t, l.part(d, j)))
		l.emit(fmla.into(t, n, m))
		l.bind(d, j, t)
	}
}

// fmadd213 has operands c, r, d: d = r*d + c. The sum is made where c is, so that a constant is loaded there.
func (l *lowering) fmadd213(i *ir.Instruction) {
	d := vectorResult(i)
	c, r := i.Operands[0], i.Operands[1]
	name := l.constantName(c)
	taken := l.dead(c)
	for _, j := range l.parts(i, d) {
		var t vreg
		switch {
		case name != "":
			t = l.newReg(true)
			l.loadNamed(t, name)
		case taken:
			t = l.part(c, j)
		default:
			t = l.newReg(true)
			l.emit(move(t, l.part(c, j)))
		}
		l.emit(fmla.into(t, l.part(d, j), l.part(r, j)))
		l.bind(d, j, t)
	}
}

// scalef has operands n, p, d: d = p * 2^n, rounded once, for p normal, n integral and |n| < 250, or p NaN. Half
// of n goes to the exponent of p, which cannot leave the range of normals; the other half is a factor.
func (l *lowering) scalef(i *ir.Instruction) {
	d := vectorResult(i)
	one := l.newReg(true)
	l.constant(one, same(0x3F800000))
	for _, j := range l.parts(i, d) {
		n, p := l.part(i.Operands[0], j), l.part(i.Operands[1], j)
		whole, half, rest, q := l.newReg(true), l.newReg(true), l.newReg(true), l.newReg(true)
		l.emit(fcvtzs.two(whole, n))
		l.emit(shiftLeft(half, whole, 22)) // n/2, rounded down, at the place of the exponent
		l.emit(clearBit22(half))
		l.emit(shiftLeft(rest, whole, 23))
		l.emit(sub.three(rest, rest, half))
		l.emit(add.three(rest, rest, one))
		l.emit(add.three(q, p, half))
		l.emit(fmul.three(l.result(d, j), q, rest))
	}
}

func shift(f func(d, n vreg, k int) inst) writer {
	return func(l *lowering, i *ir.Instruction) {
		d := vectorResult(i)
		k := int(immediate(i.Operands[0]))
		for _, j := range l.parts(i, d) {
			n := l.part(i.Operands[1], j)
			l.emit(f(l.result(d, j), n, k))
		}
	}
}

// movaps copies a vector, by name alone where the source is not needed any more; with a mask, lanes outside
// it become zero.
func (l *lowering) movaps(i *ir.Instruction) {
	d := vectorResult(i)
	a := i.Operands[0]
	if slices.Contains(i.Suffixes, "Z") {
		for _, j := range l.parts(i, d) {
			n := l.part(a, j)
			k, inverted := l.mask(i.Operands[1], j)
			o := and
			if inverted {
				o = bic
			}
			l.emit(o.three(l.result(d, j), n, k))
		}
		return
	}
	if len(i.Operands) == 3 { // lanes outside the mask stay
		l.merge(i)
		return
	}
	dead, name := l.dead(a), l.constantName(a)
	for _, j := range l.parts(i, d) {
		if name != "" {
			l.loadNamed(l.result(d, j), name)
			continue
		}
		n := l.part(a, j)
		if _, global := l.home[d.ID()]; dead && !global {
			l.bind(d, j, n)
			continue
		}
		l.emit(move(l.result(d, j), n))
	}
}

// merge has operands a, k, d: a where k is set.
func (l *lowering) merge(i *ir.Instruction) {
	d := vectorResult(i)
	k := i.Operands[1]
	for _, j := range l.parts(i, d) {
		c := choice{a: l.part(i.Operands[0], j), b: l.part(d, j), bDead: true}
		var inverted bool
		c.mask, inverted = l.mask(k, j)
		if inverted {
			c.a, c.b, c.aDead, c.bDead = c.b, c.a, true, false
		}
		l.choose(d, j, c)
	}
}

// constantName is the name of the constant that an operand is, if it is one.
func (l *lowering) constantName(o operand.Op) string {
	switch o := o.(type) {
	case operand.Mem:
		if o.Symbol.Static {
			return o.Symbol.Name
		}
	case reg.Register:
		return l.named[o.ID()]
	}
	return ""
}

// broadcast fills a vector with a constant, or with one value from memory.
func (l *lowering) broadcast(i *ir.Instruction) {
	d := vectorResult(i)
	m := i.Operands[0].(operand.Mem)
	for k, j := range l.parts(i, d) {
		if k > 0 && m.Symbol.Static && l.onlyMultiplied(d) {
			l.bind(d, j, l.part(d, l.from))
			continue
		}
		if m.Symbol.Static {
			l.loadNamed(l.result(d, j), m.Symbol.Name)
			continue
		}
		t := l.newReg(true)
		l.loadSingle(t, m)
		l.emit(broadcast(l.result(d, j), t))
	}
}

// onlyMultiplied says whether a local vector is replaced, not updated, where it is written next: then parts
// with the same content may share a register.
func (l *lowering) onlyMultiplied(d reg.Register) bool {
	if _, global := l.home[d.ID()]; global {
		return false
	}
	for _, i := range l.list[l.at+1:] {
		if slices.ContainsFunc(i.OutputRegisters(), func(x reg.Register) bool { return x.ID() == d.ID() }) {
			return i.Opcode == "VFMADD213PS" && !slices.ContainsFunc(i.Operands[:1],
				func(o operand.Op) bool { r, ok := isVector(o); return ok && r.ID() == d.ID() })
		}
	}
	return false
}

// compare maps a predicate to an instruction, whether its operands are exchanged, and whether the result is
// the complement.
var compare = map[int64]struct {
	op            op
	swap, inverse bool
}{
	0x00: {fcmeq, false, false}, 0x04: {fcmeq, false, true},
	0x11: {fcmgt, true, false}, 0x12: {fcmge, true, false},
	0x1E: {fcmgt, false, false}, 0x1D: {fcmge, false, false},
	0x19: {fcmge, false, true}, 0x16: {fcmge, true, true},
}

const unordered = 0x03

// cmpps has operands predicate, b, a, d and compares a with b.
func (l *lowering) cmpps(i *ir.Instruction) {
	pred := immediate(i.Operands[0])
	d, _ := isVector(i.Operands[3])
	b, a := l.source(i.Operands[1]), l.source(i.Operands[2])
	if pred == unordered {
		l.invert[d.ID()] = true
		for _, j := range l.parts(i, nil) {
			x, y := a(j), b(j)
			k := l.result(d, j)
			l.emit(fcmeq.three(k, x, x))
			if x != y {
				t := l.newReg(true)
				l.emit(fcmeq.three(t, y, y))
				l.emit(and.three(k, k, t))
			}
		}
		return
	}
	c, ok := compare[pred]
	if !ok {
		panic(fmt.Sprintf("neon: predicate %#x", pred))
	}
	l.invert[d.ID()] = c.inverse
	for _, j := range l.parts(i, nil) {
		x, y := a(j), b(j)
		if c.swap {
			x, y = y, x
		}
		l.emit(c.op.three(l.result(d, j), x, y))
	}
}

// testmd sets the lanes in which a and b have a bit in common.
func (l *lowering) testmd(i *ir.Instruction) {
	d, _ := isVector(i.Operands[2])
	b, a := l.source(i.Operands[0]), l.source(i.Operands[1])
	for _, j := range l.parts(i, nil) {
		n, m := a(j), b(j)
		l.emit(cmtst.three(l.result(d, j), n, m))
	}
}

// mask is part j of a mask register, and whether it is the complement.
func (l *lowering) mask(o operand.Op, j int) (k vreg, inverted bool) {
	r := o.(reg.Register)
	n, ok := l.bits[r.ID()]
	if !ok {
		return l.part(o, j), l.invert[r.ID()]
	}
	k, t := l.newReg(true), l.newReg(true)
	l.emit(inst{text: "VDUP R%1, V%0.S4", regs: []vreg{k, n}, defs: 1})
	l.constant(t, [4]uint32{1 << (4 * j), 2 << (4 * j), 4 << (4 * j), 8 << (4 * j)})
	l.emit(cmtst.three(k, k, t))
	return k, false
}

// blend has operands a, b, k, d: a where k is set, b elsewhere.
func (l *lowering) blend(i *ir.Instruction) {
	d := vectorResult(i)
	a, b := l.source(i.Operands[0]), l.source(i.Operands[1])
	k := i.Operands[2]
	_, integer := l.bits[k.(reg.Register).ID()]
	aDead, bDead := l.inPlace(i.Operands[0], d), l.inPlace(i.Operands[1], d)
	maskDead := integer || l.dead(k)
	for _, j := range l.parts(i, d) {
		c := choice{a: a(j), b: b(j), aDead: aDead, bDead: bDead, maskDead: maskDead}
		var inverted bool
		c.mask, inverted = l.mask(k, j)
		if inverted {
			c.a, c.b, c.aDead, c.bDead = c.b, c.a, c.bDead, c.aDead
		}
		l.choose(d, j, c)
	}
}
