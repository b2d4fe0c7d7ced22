package molecule

import "strings"

// Tokens cuts a string where models read it: atoms in brackets, Cl and Br, and ring bonds of two digits are one token,
// everything else is a byte. Together the tokens are the string.
func Tokens(s string) []string {
	var l []string
	for len(s) > 0 {
		n := 1
		switch {
		case s[0] == '[':
			if end := strings.IndexByte(s, ']'); end > 0 {
				n = end + 1
			}
		case s[0] == '%' && len(s) >= 3:
			n = 3
		case strings.HasPrefix(s, "Cl"), strings.HasPrefix(s, "Br"):
			n = 2
		}
		l = append(l, s[:n])
		s = s[n:]
	}
	return l
}
