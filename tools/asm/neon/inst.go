package neon

import (
	"fmt"
	"strconv"
	"strings"
)

// vreg is a virtual register of arm64, general or vector.
type vreg int

// inst is one arm64 instruction, or a label.
type inst struct {
	label string
	// text is the instruction with $0, $1, ... for the numbers of regs.
	text string
	// word is the encoding of an instruction that Go's assembler does not know; text becomes its comment.
	word func(n []int) uint32
	regs []vreg
	// The first defs of regs are written; the rest is read. inout: the first one is read as well.
	defs   int
	inout  bool
	target string // of a branch
	ends   bool   // control does not fall through
}

func (i *inst) writes() []vreg { return i.regs[:i.defs] }

func (i *inst) reads() []vreg {
	if i.inout {
		return i.regs
	}
	return i.regs[i.defs:]
}

// print writes the instruction with the registers that number gives.
func (i *inst) print(number func(vreg) int) string {
	if i.label != "" {
		return i.label + ":"
	}
	n := make([]int, len(i.regs))
	text := i.text
	for k, r := range i.regs {
		n[k] = number(r)
		text = strings.ReplaceAll(text, "%"+strconv.Itoa(k), strconv.Itoa(n[k]))
	}
	if i.word != nil {
		return fmt.Sprintf("\tWORD $0x%08x // %s", i.word(n), text)
	}
	return "\t" + text
}

// op is a vector instruction on whole registers. The operands of its text are d, n, m as in Arm's manual.
type op struct {
	name string
	code uint32
	// goName is the mnemonic of Go's assembler, where it has the instruction.
	goName string
	kind   string // of lanes: S4, or B16 for logic
}

// The instructions that are used, with the encodings of Arm's manual for four lanes of 32 bits.
var (
	fadd   = op{name: "FADD", code: 0x4E20D400}
	fsub   = op{name: "FSUB", code: 0x4EA0D400}
	fmul   = op{name: "FMUL", code: 0x6E20DC00}
	fdiv   = op{name: "FDIV", code: 0x6E20FC00}
	fmax   = op{name: "FMAX", code: 0x4E20F400}
	fmin   = op{name: "FMIN", code: 0x4EA0F400}
	fcmeq  = op{name: "FCMEQ", code: 0x4E20E400}
	fcmge  = op{name: "FCMGE", code: 0x6E20E400}
	fcmgt  = op{name: "FCMGT", code: 0x6EA0E400}
	fabs   = op{name: "FABS", code: 0x4EA0F800}
	fneg   = op{name: "FNEG", code: 0x6EA0F800}
	fsqrt  = op{name: "FSQRT", code: 0x6EA1F800}
	fcvtzs = op{name: "FCVTZS", code: 0x4EA1B800}
	scvtf  = op{name: "SCVTF", code: 0x4E21D800}
	fmla   = op{name: "FMLA", code: 0x4E20CC00, goName: "VFMLA", kind: "S4"}
	fmls   = op{name: "FMLS", code: 0x4EA0CC00, goName: "VFMLS", kind: "S4"}
	add    = op{name: "ADD", code: 0x4EA08400, goName: "VADD", kind: "S4"}
	sub    = op{name: "SUB", code: 0x6EA08400, goName: "VSUB", kind: "S4"}
	umax   = op{name: "UMAX", code: 0x6EA06400, goName: "VUMAX", kind: "S4"}
	cmtst  = op{name: "CMTST", code: 0x4EA08C00, goName: "VCMTST", kind: "S4"}
	trn2   = op{name: "TRN2", code: 0x4E806800, goName: "VTRN2", kind: "S4"}
	and    = op{name: "AND", code: 0x4E201C00, goName: "VAND", kind: "B16"}
	orr    = op{name: "ORR", code: 0x4EA01C00, goName: "VORR", kind: "B16"}
	eor    = op{name: "EOR", code: 0x6E201C00, goName: "VEOR", kind: "B16"}
	bic    = op{name: "BIC", code: 0x4E601C00, kind: "B16"}
	bsl    = op{name: "BSL", code: 0x6E601C00, goName: "VBSL", kind: "B16"}
	bit    = op{name: "BIT", code: 0x6EA01C00, goName: "VBIT", kind: "B16"}
	bif    = op{name: "BIF", code: 0x6EE01C00, goName: "VBIF", kind: "B16"}
)

// three is an instruction on d, n and m.
func (o op) three(d, n, m vreg) inst {
	i := inst{regs: []vreg{d, n, m}, defs: 1}
	if o.goName != "" {
		i.text = fmt.Sprintf("%s V%%2.%s, V%%1.%s, V%%0.%s", o.goName, o.kind, o.kind, o.kind)
		return i
	}
	kind := "4S"
	if o.kind == "B16" {
		kind = "16B"
	}
	i.text = fmt.Sprintf("%s V%%0.%s, V%%1.%s, V%%2.%s", o.name, kind, kind, kind)
	i.word = func(r []int) uint32 { return o.code | uint32(r[2])<<16 | uint32(r[1])<<5 | uint32(r[0]) }
	return i
}

// into is an instruction that also reads d.
func (o op) into(d, n, m vreg) inst {
	i := o.three(d, n, m)
	i.inout = true
	return i
}

// two is an instruction on d and n.
func (o op) two(d, n vreg) inst {
	return inst{
		text: o.name + " V%0.4S, V%1.4S", regs: []vreg{d, n}, defs: 1,
		word: func(r []int) uint32 { return o.code | uint32(r[1])<<5 | uint32(r[0]) },
	}
}

// move copies a vector.
func move(d, n vreg) inst {
	return inst{text: "VORR V%1.B16, V%1.B16, V%0.B16", regs: []vreg{d, n}, defs: 1}
}

// zero clears a vector.
func zero(d vreg) inst {
	return inst{text: "VEOR V%0.B16, V%0.B16, V%0.B16", regs: []vreg{d}, defs: 1}
}

// shiftRight is an arithmetic shift of lanes by k, shiftRightZero a logical one.
func shiftRight(d, n vreg, k int) inst {
	return inst{
		text: fmt.Sprintf("SSHR V%%0.4S, V%%1.4S, #%d", k), regs: []vreg{d, n}, defs: 1,
		word: func(r []int) uint32 { return 0x4F000400 | uint32(64-k)<<16 | uint32(r[1])<<5 | uint32(r[0]) },
	}
}

func shiftRightZero(d, n vreg, k int) inst {
	return inst{text: fmt.Sprintf("VUSHR $%d, V%%1.S4, V%%0.S4", k), regs: []vreg{d, n}, defs: 1}
}

func shiftLeft(d, n vreg, k int) inst {
	return inst{text: fmt.Sprintf("VSHL $%d, V%%1.S4, V%%0.S4", k), regs: []vreg{d, n}, defs: 1}
}

// clearBit22 clears bit 22 of every lane of d.
func clearBit22(d vreg) inst {
	return inst{
		text: "BIC V%0.4S, #(64<<16)", regs: []vreg{d}, defs: 1, inout: true,
		word: func(r []int) uint32 { return 0x6F025400 | 0x40>>5<<16 | uint32(r[0]) },
	}
}

// broadcast copies lane 0 of n to all lanes.
func broadcast(d, n vreg) inst {
	return inst{text: "VDUP V%1.S[0], V%0.S4", regs: []vreg{d, n}, defs: 1}
}
