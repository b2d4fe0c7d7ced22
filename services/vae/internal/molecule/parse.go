package molecule

import (
	"fmt"
	"strconv"
)

// MaxLength bounds the strings that are read.
const MaxLength = 4096

// Atom is an atom. Hydrogens are counted, unless they were written as atoms of their own.
type Atom struct {
	Element, Isotope, Charge int
	Hydrogens                int
	Aromatic                 bool

	bracket bool
	fixed   int  // the sum of the orders of its bonds, aromatic ones counted as 1
	double  bool // has a double bond that was written
	degree  int
}

// Bond joins two atoms.
type Bond struct {
	A, B     int
	Order    int  // 1 to 4; that of an aromatic bond in some Kekulé structure
	Aromatic bool // written as, or between two aromatic atoms of one ring
}

// Molecule is what a SMILES string stands for: one molecule or, with dots, several.
type Molecule struct {
	Atoms []Atom
	Bonds []Bond
}

// Error says what is wrong with a string, and from which byte on.
type Error struct {
	At  int
	Msg string
}

// Error is the text.
func (e *Error) Error() string { return fmt.Sprintf("SMILES, byte %d: %s", e.At, e.Msg) }

// Valid says whether s is a molecule.
func Valid(s string) bool {
	_, err := Parse(s)
	return err == nil
}

// Parse reads a molecule. The error is an *Error.
func Parse(s string) (*Molecule, error) {
	if s == "" || len(s) > MaxLength {
		return nil, &Error{0, fmt.Sprintf("%d bytes, want 1 to %d", len(s), MaxLength)}
	}
	p := parser{s: s, last: -1, bond: unwritten, rings: map[int]ring{}, pairs: map[[2]int]bool{}}
	if err := p.run(); err != nil {
		return nil, err
	}
	m := &p.m
	if err := m.perceive(); err != nil {
		return nil, err
	}
	return m, nil
}

// Bonds as they are written.
const (
	unwritten = 0 // aromatic between aromatic atoms, else single
	aromatic  = 5
	direction = 6 // / or \, which otherwise say no more than nothing
)

var bondOrders = map[byte]int{'-': 1, '/': direction, '\\': direction, '=': 2, '#': 3, '$': 4, ':': aromatic}

type ring struct {
	atom, bond int
	at         int
}

type parser struct {
	s    string
	i    int
	m    Molecule
	last int // the atom that the next one is bonded to; -1 for none
	bond int // written before the next atom or ring bond
	// bonded says that a bond was written and waits for its atom, dotted that a dot does.
	bonded, dotted bool
	branch         []int // atoms that branches return to
	opened         bool  // a branch that has no atom yet
	rings          map[int]ring
	pairs          map[[2]int]bool
}

func (p *parser) fail(format string, args ...any) error {
	return &Error{p.i, fmt.Sprintf(format, args...)}
}

func (p *parser) run() error {
	for p.i < len(p.s) {
		c := p.s[p.i]
		var err error
		switch {
		case bondOrders[c] != 0:
			if p.last < 0 || p.bonded || p.dotted {
				return p.fail("a bond without an atom before it")
			}
			p.bond, p.bonded = bondOrders[c], true
			p.i++
		case c == '(':
			if p.last < 0 || p.bonded || p.dotted || p.opened {
				return p.fail("a branch without an atom before it")
			}
			p.branch = append(p.branch, p.last)
			p.opened = true
			p.i++
		case c == ')':
			if len(p.branch) == 0 || p.bonded || p.dotted || p.opened {
				return p.fail("the end of no branch, or of one that is not complete")
			}
			p.last = p.branch[len(p.branch)-1]
			p.branch = p.branch[:len(p.branch)-1]
			p.i++
		case c == '.':
			if p.last < 0 || p.bonded || p.dotted || p.opened {
				return p.fail("a dot without an atom before it")
			}
			p.dotted = true
			p.i++
		case c >= '0' && c <= '9' || c == '%':
			err = p.ring()
		case c == '[':
			err = p.bracket()
		default:
			err = p.plain()
		}
		if err != nil {
			return err
		}
	}
	switch {
	case p.bonded || p.dotted:
		return p.fail("a bond or dot without an atom after it")
	case len(p.branch) > 0:
		return p.fail("a branch without an end")
	}
	for n, r := range p.rings {
		return &Error{r.at, fmt.Sprintf("ring bond %d has no second atom", n)}
	}
	return nil
}

// add appends an atom and the bond to it.
func (p *parser) add(a Atom) error {
	p.m.Atoms = append(p.m.Atoms, a)
	n := len(p.m.Atoms) - 1
	if p.last >= 0 && !p.dotted {
		if err := p.join(p.last, n, p.bond); err != nil {
			return err
		}
	}
	p.last, p.bond, p.bonded, p.dotted, p.opened = n, unwritten, false, false, false
	return nil
}

// join adds a bond.
func (p *parser) join(a, b, written int) error {
	pair := [2]int{min(a, b), max(a, b)}
	if a == b || p.pairs[pair] {
		return p.fail("a second bond between two atoms, or one from an atom to itself")
	}
	p.pairs[pair] = true
	if written == direction {
		written = unwritten
	}
	bond := Bond{A: a, B: b, Order: written}
	switch {
	case written == aromatic,
		written == unwritten && p.m.Atoms[a].Aromatic && p.m.Atoms[b].Aromatic:
		bond.Order, bond.Aromatic = 1, true
	case written == unwritten:
		bond.Order = 1
	}
	if written == aromatic && !(p.m.Atoms[a].Aromatic && p.m.Atoms[b].Aromatic) {
		return p.fail("an aromatic bond to an atom that is not")
	}
	p.m.Bonds = append(p.m.Bonds, bond)
	return nil
}

// ring reads the number of a ring bond, which opens or closes it.
func (p *parser) ring() error {
	if p.last < 0 || p.dotted || p.opened {
		return p.fail("a ring bond without an atom before it")
	}
	at := p.i
	digits := 1
	if p.s[p.i] == '%' {
		p.i++
		digits = 2
	}
	if p.i+digits > len(p.s) {
		return p.fail("a ring bond's number of two digits after %%")
	}
	n, err := strconv.ParseUint(p.s[p.i:p.i+digits], 10, 8)
	if err != nil {
		return p.fail("a ring bond's number of two digits after %%")
	}
	p.i += digits
	number := int(n)
	written := p.bond
	p.bond, p.bonded = unwritten, false
	open, ok := p.rings[number]
	if !ok {
		p.rings[number] = ring{p.last, written, at}
		return nil
	}
	delete(p.rings, number)
	switch {
	case written == unwritten:
		written = open.bond
	case open.bond != unwritten && open.bond != written && open.bond != direction && written != direction:
		return p.fail("ring bond %d is written in two ways", number)
	}
	return p.join(open.atom, p.last, written)
}

// plain reads an atom without brackets.
func (p *parser) plain() error {
	n := 1
	if p.i+2 <= len(p.s) && (p.s[p.i:p.i+2] == "Cl" || p.s[p.i:p.i+2] == "Br") {
		n = 2
	}
	symbol := p.s[p.i : p.i+n]
	if !organic[symbol] {
		return p.fail("%q is no atom that may stand without brackets", symbol)
	}
	p.i += n
	return p.add(Atom{Element: numbers[symbol], Aromatic: symbol[0] >= 'a'})
}
