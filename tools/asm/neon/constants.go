package neon

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
)

// constants is the table of 16-byte constants of a file.
type constants struct {
	symbol string
	values map[string]uint32 // by the name of avo's data section
	offset map[[4]uint32]int
	order  [][4]uint32
}

func newConstants(symbol string, f *ir.File) *constants {
	c := &constants{symbol: symbol, values: map[string]uint32{}, offset: map[[4]uint32]int{}}
	for _, s := range f.Sections {
		if g, ok := s.(*ir.Global); ok && len(g.Data) > 0 {
			c.values[g.Symbol.Name] = bitsOf(g.Data[0].Value)
		}
	}
	return c
}

// bitsOf is a datum as an integer.
func bitsOf(v operand.Constant) uint32 {
	switch v := v.(type) {
	case operand.U32:
		return uint32(v)
	case operand.F32:
		return math.Float32bits(float32(v))
	}
	panic(fmt.Sprintf("neon: constant of type %T", v))
}

// at is the offset of a vector in the table.
func (c *constants) at(v [4]uint32) int {
	o, ok := c.offset[v]
	if !ok {
		o = 16 * len(c.order)
		c.offset[v] = o
		c.order = append(c.order, v)
	}
	return o
}

// value is the content of a named constant.
func (c *constants) value(name string) uint32 {
	v, ok := c.values[name]
	if !ok {
		panic("neon: no constant " + name)
	}
	return v
}

// write writes the table.
func (c *constants) write(w io.Writer) {
	if len(c.order) == 0 {
		return
	}
	for k, v := range c.order {
		for h := range 2 {
			b := binary.LittleEndian.AppendUint32(nil, v[2*h])
			b = binary.LittleEndian.AppendUint32(b, v[2*h+1])
			fmt.Fprintf(w, "DATA %s+%d(SB)/8, $0x%016x\n", c.symbol, 16*k+8*h, binary.LittleEndian.Uint64(b))
		}
	}
	fmt.Fprintf(w, "GLOBL %s(SB), RODATA|NOPTR, $%d\n", c.symbol, 16*len(c.order))
}

// constant loads a vector of the table.
func (l *lowering) constant(d vreg, v [4]uint32) {
	l.emit(inst{text: fmt.Sprintf("FMOVQ %d(R%%1), F%%0", l.consts.at(v)), regs: []vreg{d, l.base}, defs: 1})
}

func same(x uint32) [4]uint32 { return [4]uint32{x, x, x, x} }

// loadNamed loads a constant of avo's data.
func (l *lowering) loadNamed(d vreg, name string) { l.constant(d, same(l.consts.value(name))) }
