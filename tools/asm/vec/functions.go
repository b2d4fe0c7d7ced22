package main

import (
	. "github.com/mmcloughlin/avo/build"
)

// The functions below follow scalar32.go of package vec step by step.

func (m *machine) expReduced(x value) value {
	t := m.fma(x, m.c("log2E"), m.c("roundMagic"))
	n := m.sub(t, m.c("roundMagic"))
	r := m.fnma(n, m.c("ln2Hi"), x)
	m.nmadd231(r, n, m.c("ln2Lo"))
	p := m.horner(r, "expC4", "expC3", "expC2", "expC1", "expC0", "one", "one")
	if m.wide() {
		// One rounding of p*2^n, as the two products below.
		d := m.reg()
		VSCALEFPS(n, p, d)
		return d
	}
	i := m.subi(t, m.c("roundMagic"))
	h := m.shift(VPSRAD, 1, i)
	a := m.shift(VPSLLD, 23, m.addi(h, m.c("int127")))
	b := m.shift(VPSLLD, 23, m.addi(m.subi(i, h), m.c("int127")))
	return m.mul(m.mul(p, a), b)
}

func (m *machine) expNeg(x value) value { return m.expReduced(m.raise(x, m.c("expMin"))) }

func (m *machine) exp(x value) value {
	return m.canon(m.expReduced(m.lower(m.raise(x, m.c("expMin")), m.c("expMax"))))
}

func (m *machine) logPoly(f, k value) value {
	z := m.mul(f, f)
	p := m.horner(f, "logC7", "logC6", "logC5", "logC4", "logC3", "logC2", "logC1", "logC0")
	s := m.mul(p, m.mul(f, z))
	m.madd231(s, k, m.c("ln2Lo"))
	m.nmadd231(s, z, m.c("half"))
	r := m.add(f, s)
	m.madd231(r, k, m.c("ln2Hi"))
	return r
}

func (m *machine) log(x value) value {
	small := m.cmp(ltOQ, x, m.c("minNormal"))
	y := m.sel(small, m.mul(x, m.c("two23")), x)
	shift := m.keep(small, m.c("intM23"))
	i := m.subi(y, m.c("sqrtBits"))
	f := m.sub(m.addi(m.and(i, m.c("mantMask")), m.c("sqrtBits")), m.c("one"))
	k := m.toFloat(m.addi(m.shift(VPSRAD, 23, i), shift))
	r := m.logPoly(f, k)
	r = m.sel(m.cmp(eqOQ, x, m.c("posInf")), x, r)
	z := m.zero()
	r = m.sel(m.cmp(notGE, x, z), m.c("nan"), r)
	return m.sel(m.cmp(eqOQ, x, z), m.c("negInf"), r)
}

func (m *machine) tanh(x value) value {
	a := m.abs(x)
	z := m.mul(a, a)
	small := m.horner(z, "tanhC4", "tanhC3", "tanhC2", "tanhC1", "tanhC0")
	m.madd213(small, m.mul(a, z), a)
	b := m.lower(a, m.c("tanhMax"))
	e := m.expReduced(m.add(b, b))
	large := m.sub(m.c("one"), m.div(m.c("two"), m.add(e, m.c("one"))))
	y := m.sel(m.cmp(ltOQ, a, m.c("tanhSmall")), small, large)
	return m.canon(m.orSign(y, x))
}

// sigmoidParts returns e = exp(-|x|) and 1 or e for x >= 0 or x < 0.
func (m *machine) sigmoidParts(x value) (s, e value) {
	e = m.expNeg(m.or(x, m.c("signMask")))
	return m.sel(m.cmp(ltOQ, x, m.zero()), e, m.load(m.c("one"))), e
}

func (m *machine) sigmoid(x value) value {
	s, e := m.sigmoidParts(x)
	return m.canon(m.div(s, m.add(e, m.c("one"))))
}

func (m *machine) silu(x value) value {
	s, e := m.sigmoidParts(x)
	return m.canon(m.div(m.mul(m.raise(x, m.c("expMin")), s), m.add(e, m.c("one"))))
}

func (m *machine) softplus(x value) value {
	e := m.expNeg(m.or(x, m.c("signMask")))
	big := m.cmp(gtOQ, e, m.c("sqrt2Minus1"))
	f := m.sel(big, m.mul(m.sub(e, m.c("one")), m.c("half")), e)
	l := m.logPoly(f, m.keep(big, m.c("one")))
	return m.canon(m.add(m.maxps(x, m.zero()), l))
}

func (m *machine) erf(x value) value {
	a := m.abs(x)
	z := m.mul(a, a)
	small := m.horner(z, "erfC6", "erfC5", "erfC4", "erfC3", "erfC2", "erfC1", "erfC0")
	m.madd213(small, a, a)
	b := m.lower(a, m.c("erfMax"))
	g := m.horner(b, "erfcC7", "erfcC6", "erfcC5", "erfcC4", "erfcC3", "erfcC2", "erfcC1", "erfcC0")
	m.madd213(g, b, b)
	large := m.sub(m.c("one"), m.expReduced(m.neg(g)))
	y := m.sel(m.cmp(ltOQ, a, m.c("erfSmall")), small, large)
	return m.canon(m.orSign(y, x))
}

func (m *machine) gelu(x value) value {
	w := m.erf(m.mul(x, m.c("sqrtHalf")))
	h := m.raise(m.mul(x, m.c("half")), m.c("geluMin"))
	m.madd213(w, h, h)
	return m.canon(w)
}

func (m *machine) geluTanh(x value) value {
	p := m.load(m.c("geluTanhK1"))
	m.madd213(p, m.mul(x, x), m.c("geluTanhK0"))
	s, e := m.sigmoidParts(m.mul(x, p))
	return m.canon(m.div(m.mul(m.raise(x, m.c("expMin")), s), m.add(e, m.c("one"))))
}

func (m *machine) siluGrad(x, dy value) value {
	x = m.lower(m.raise(x, m.c("expMin")), m.c("siluGradMax"))
	e := m.expReduced(m.or(x, m.c("signMask")))
	d := m.div(m.c("one"), m.add(e, m.c("one")))
	ed := m.mul(e, d)
	neg := m.cmp(ltOQ, x, m.zero())
	s, t := m.sel(neg, ed, d), m.sel(neg, d, ed)
	m.madd213(t, x, m.c("one"))
	return m.canon(m.mul(dy, m.mul(s, t)))
}

func (m *machine) geluGrad(x, dy value) value {
	x = m.lower(m.raise(x, m.c("geluMin")), m.c("geluGradMax"))
	c := m.erf(m.mul(x, m.c("sqrtHalf")))
	m.madd213(c, m.load(m.c("half")), m.c("half"))
	q := m.mul(m.mul(m.neg(x), m.c("half")), x)
	p := m.mul(m.expNeg(q), m.c("rsqrt2Pi"))
	m.madd213(p, x, c)
	return m.canon(m.mul(dy, p))
}

// sinCos is sin or, with cos, cos of x, |x| <= 65536 in every lane.
func (m *machine) sinCos(x value, cos bool) value {
	a := m.abs(x)
	t := m.fma(a, m.c("twoOverPi"), m.c("roundMagic"))
	n := m.sub(t, m.c("roundMagic"))
	r := m.fnma(n, m.c("pio2A"), a)
	m.nmadd231(r, n, m.c("pio2B"))
	m.nmadd231(r, n, m.c("pio2C"))
	z := m.mul(r, r)
	s := m.horner(z, "sinC2", "sinC1", "sinC0")
	m.madd213(s, m.mul(r, z), r)
	w := m.fnma(z, m.c("half"), m.c("one"))
	c := m.horner(z, "cosC2", "cosC1", "cosC0")
	m.madd213(c, m.mul(z, z), w)
	q := t
	if cos {
		q = m.addi(t, m.c("int1"))
	}
	y := m.sel(m.testBit(q, "int1"), c, s)
	y = m.xor(y, m.and(m.shift(VPSLLD, 30, q), m.c("signMask")))
	if !cos {
		y = m.xor(y, m.and(x, m.c("signMask")))
	}
	return y
}

// maximum is NaN if either is NaN, and +0 above -0.
func (m *machine) maximum(a, b value) value {
	y := m.larger(a, b)
	if m.neon {
		return m.canon(y)
	}
	return m.sel(m.cmp(unord, a, b), m.c("nan"), y)
}

// minimum is NaN if either is NaN, and -0 below +0.
func (m *machine) minimum(a, b value) value {
	y := m.smaller(a, b)
	if m.neon {
		return m.canon(y)
	}
	return m.sel(m.cmp(unord, a, b), m.c("nan"), y)
}

func (m *machine) greater(a, b value) value { return m.keep(m.cmp(gtOQ, a, b), m.c("one")) }
