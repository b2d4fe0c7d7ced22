package neon

import (
	"errors"
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// assemble lowers the one function that f describes.
func assemble(t *testing.T, signature string, f func(c *build.Context)) string {
	t.Helper()
	c := build.NewContext()
	c.Function("f")
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr(signature)
	f(c)
	file, err := c.Result()
	if err != nil {
		t.Fatal(err)
	}
	text, err := Assembly(file, "table", "test")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// body is the code without labels and comments, one instruction in a line.
func body(text string) []string {
	var l []string
	for line := range strings.Lines(text) {
		if s, ok := strings.CutPrefix(line, "\t"); ok {
			if _, comment, word := strings.Cut(s, "// "); word {
				s = comment
			}
			l = append(l, strings.TrimSpace(s))
		}
	}
	return l
}

func expect(t *testing.T, text string, want ...string) {
	t.Helper()
	got := body(text)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A copy of a vector that is not read again costs nothing; the sum is made in its register.
func TestFMAWithoutMove(t *testing.T) {
	text := assemble(t, "func(x *float32)", func(c *build.Context) {
		p := c.Load(c.Param("x"), c.GP64())
		at := func(k int) operand.Mem { return operand.Mem{Base: p, Disp: 16 * k} }
		a, b, d := c.XMM(), c.XMM(), c.XMM()
		c.VMOVUPS(at(0), a)
		c.VMOVUPS(at(1), b)
		c.VMOVAPS(a, d)
		c.VFMADD231PS(b, b, d)
		c.VMOVUPS(d, at(2))
		c.RET()
	})
	expect(t, text,
		"MOVD x+0(FP), R0", "FMOVQ 0(R0), F0", "FMOVQ 16(R0), F1",
		"VFMLA V1.S4, V1.S4, V0.S4", "FMOVQ F0, 32(R0)", "RET")
}

// The maximum of amd64 gives its second operand for NaN and for zeros of either sign: not what FMAX does.
func TestMaximumIsAComparison(t *testing.T) {
	text := assemble(t, "func(x *float32)", func(c *build.Context) {
		p := c.Load(c.Param("x"), c.GP64())
		a, b := c.XMM(), c.XMM()
		c.VMOVUPS(operand.Mem{Base: p}, a)
		c.VMOVUPS(operand.Mem{Base: p, Disp: 16}, b)
		c.VMAXPS(b, a, a)
		c.VMOVUPS(a, operand.Mem{Base: p})
		c.VMINPS(b, a, b)
		c.VMOVUPS(b, operand.Mem{Base: p})
		c.RET()
	})
	expect(t, text,
		"MOVD x+0(FP), R0", "FMOVQ 0(R0), F0", "FMOVQ 16(R0), F1",
		"FCMGT V2.4S, V0.4S, V1.4S", "VBIF V2.B16, V1.B16, V0.B16", "FMOVQ F0, 0(R0)",
		"FCMGT V2.4S, V1.4S, V0.4S", "VBIF V2.B16, V1.B16, V0.B16", "FMOVQ F0, 0(R0)", "RET")
}

// Values that live across a loop keep their registers, and a value of 16 lanes takes four.
func TestLoopKeepsAccumulators(t *testing.T) {
	text := assemble(t, "func(x *float32, n int) float32", func(c *build.Context) {
		p, n := c.Load(c.Param("x"), c.GP64()), c.Load(c.Param("n"), c.GP64())
		acc := c.ZMM()
		c.VPXORD(acc, acc, acc)
		c.Label("loop")
		v := c.ZMM()
		c.VMOVUPS(operand.Mem{Base: p}, v)
		c.VADDPS(v, acc, acc)
		c.ADDQ(operand.Imm(64), p)
		c.DECQ(n)
		c.JNZ(operand.LabelRef("loop"))
		y := c.YMM()
		c.VEXTRACTF64X4(operand.Imm(1), acc, y)
		c.Store(y.AsX(), c.ReturnIndex(0))
		c.RET()
	})
	for _, want := range []string{
		"VEOR V3.B16, V3.B16, V3.B16", "FLDPQ 32(R0), (F6, F7)", "FADD V3.4S, V3.4S, V7.4S", "BNE loop",
		"VORR V2.B16, V2.B16, V0.B16", "FMOVS F0, ret+16(FP)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// Nothing is spilled: nine vectors of 16 lanes that live at the same time do not fit.
func TestTooManyRegisters(t *testing.T) {
	c := build.NewContext()
	c.Function("f")
	c.SignatureExpr("func(x *float32)")
	p := c.Load(c.Param("x"), c.GP64())
	var l []reg.VecVirtual
	for range 9 {
		v := c.ZMM()
		c.VMOVUPS(operand.Mem{Base: p}, v)
		l = append(l, v)
	}
	c.Label("next")
	for _, v := range l {
		c.VMOVUPS(v, operand.Mem{Base: p})
	}
	c.RET()
	file, err := c.Result()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Assembly(file, "table", "test"); !errors.Is(err, errRegisters) {
		t.Errorf("error %v, want %v", err, errRegisters)
	}
}
