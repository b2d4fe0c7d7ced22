package molecule

import "strings"

// bracket reads an atom in brackets: isotope, symbol, chirality, hydrogens, charge and class, in this order, all but
// the symbol optional.
func (p *parser) bracket() error {
	end := strings.IndexByte(p.s[p.i:], ']')
	if end < 0 {
		return p.fail("a bracket without an end")
	}
	r := reader{p.s[p.i+1 : p.i+end]}
	a := Atom{bracket: true}
	if len(r.s) > 1 && r.s[0] == '0' && r.s[1] >= '0' && r.s[1] <= '9' {
		return p.fail("an isotope's number begins with 0")
	}
	a.Isotope = r.number(0)
	symbol := r.symbol()
	if symbol == "" {
		return p.fail("%q names no element", p.s[p.i:p.i+end+1])
	}
	a.Element, a.Aromatic = numbers[symbol], symbol[0] >= 'a'
	r.chirality()
	if r.take("H") {
		a.Hydrogens = r.number(1)
	}
	a.Charge = r.charge()
	if r.take(":") && r.number(-1) < 0 {
		return p.fail("an atom's class without a number")
	}
	if r.s != "" || a.Hydrogens > 9 || a.Charge > 15 || a.Charge < -15 {
		return p.fail("%q is no atom", p.s[p.i:p.i+end+1])
	}
	p.i += end + 1
	return p.add(a)
}

type reader struct{ s string }

func (r *reader) take(prefix string) bool {
	var ok bool
	r.s, ok = strings.CutPrefix(r.s, prefix)
	return ok
}

// number reads up to four digits; without any it is the number given.
func (r *reader) number(none int) int {
	n, i := 0, 0
	for i < len(r.s) && i < 4 && r.s[i] >= '0' && r.s[i] <= '9' {
		n = 10*n + int(r.s[i]-'0')
		i++
	}
	r.s = r.s[i:]
	if i == 0 {
		return none
	}
	return n
}

// symbol reads that of an element, the longest that there is; "" for none.
func (r *reader) symbol() string {
	for n := min(2, len(r.s)); n > 0; n-- {
		if s := r.s[:n]; numbers[s] != 0 {
			r.s = r.s[n:]
			return s
		}
	}
	return ""
}

// chirality skips @, @@ and the classes of OpenSMILES. What is unknown is left, and is an error then.
func (r *reader) chirality() {
	if !r.take("@") || r.take("@") {
		return
	}
	for class, most := range map[string]int{"TH": 2, "AL": 2, "SP": 3, "TB": 20, "OH": 30} {
		if rest, ok := strings.CutPrefix(r.s, class); ok {
			next := reader{rest}
			if n := next.number(0); n >= 1 && n <= most {
				r.s = next.s
			}
			return
		}
	}
}

// charge reads +, -, ++, --, +2 and so on; more signs are left, and are an error then.
func (r *reader) charge() int {
	sign, again := 1, "+"
	if !r.take(again) {
		sign, again = -1, "-"
		if !r.take(again) {
			return 0
		}
	}
	if r.take(again) {
		return 2 * sign
	}
	return sign * r.number(1)
}
