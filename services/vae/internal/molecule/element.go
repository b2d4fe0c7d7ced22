package molecule

// symbols are the elements in the order of their numbers, from hydrogen.
var symbols = [...]string{
	"H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K", "Ca", "Sc",
	"Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr", "Y", "Zr", "Nb",
	"Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La", "Ce", "Pr", "Nd", "Pm",
	"Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Hg", "Tl",
	"Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U", "Np", "Pu", "Am", "Cm", "Bk", "Cf", "Es", "Fm", "Md",
	"No", "Lr", "Rf", "Db", "Sg", "Bh", "Hs", "Mt", "Ds", "Rg", "Cn", "Nh", "Fl", "Mc", "Lv", "Ts", "Og",
}

// Numbers of the elements that have rules of their own.
const (
	hydrogen = 1
	boron    = 5
	carbon   = 6
	nitrogen = 7
	oxygen   = 8
	chlorine = 17
	bromine  = 35
	iodine   = 53
)

// numbers are those of the elements by symbol, and of the aromatic symbols.
var numbers = func() map[string]int {
	m := make(map[string]int, len(symbols)+8)
	for i, s := range symbols {
		m[s] = i + 1
	}
	for lower, s := range map[string]string{
		"b": "B", "c": "C", "n": "N", "o": "O", "p": "P", "s": "S", "si": "Si", "as": "As", "se": "Se", "te": "Te",
	} {
		m[lower] = m[s]
	}
	return m
}()

// organic are the atoms that may stand without brackets.
var organic = map[string]bool{
	"B": true, "C": true, "N": true, "O": true, "P": true, "S": true, "F": true, "Cl": true, "Br": true, "I": true,
	"b": true, "c": true, "n": true, "o": true, "p": true, "s": true,
}

// valences are the numbers of bonds that neutral atoms have, in ascending order. An element without an entry, such as
// a metal, has any number.
var valences = map[int][]int{
	1: {1}, 2: {0}, 5: {3}, 6: {4}, 7: {3}, 8: {2}, 9: {1}, 10: {0}, 13: {3}, 14: {4}, 15: {3, 5}, 16: {2, 4, 6}, 17: {1},
	18: {0}, 31: {3}, 32: {4}, 33: {3, 5}, 34: {2, 4, 6}, 35: {1}, 36: {0}, 49: {3}, 50: {2, 4}, 51: {3, 5},
	52: {2, 4, 6}, 53: {1, 3, 5}, 54: {0, 2, 4, 6},
}

// allowed are the numbers of bonds of an element with a charge: those of the neutral atom with as many electrons. nil
// is any number.
func allowed(element, charge int) []int {
	if element == hydrogen && charge != 0 {
		return []int{0}
	}
	own, ruled := valences[element]
	if !ruled || charge == 0 {
		return own
	}
	if like, ok := valences[element-charge]; ok {
		return like
	}
	return own
}
