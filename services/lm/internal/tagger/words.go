package tagger

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// lexicon turns entries into tables of p(t | ...)'s counts.
func (m *Model) lexicon() {
	k := len(m.tags)
	m.words, m.lower, m.ends = map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	m.prior = make([]float64, k)
	add := func(table map[string][]float64, key string, e *entry) {
		row := table[key]
		if row == nil {
			row = make([]float64, k)
			table[key] = row
		}
		for i, t := range e.tag {
			row[t] += float64(e.count[i])
		}
	}
	m.total = 0
	for i := range m.lex {
		e := &m.lex[i]
		add(m.words, e.word, e)
		add(m.lower, strings.ToLower(e.word), e)
		for j, t := range e.tag {
			m.prior[t] += float64(e.count[j])
			m.total += float64(e.count[j])
		}
	}
	// A tag that never occurred counts as once.
	for t := range m.prior {
		m.prior[t] = max(m.prior[t], 1) / m.total
	}
	share(m.prior)
	once := 0.0
	for i := range m.lex {
		e := &m.lex[i]
		if i > 0 && m.lex[i-1].word == e.word {
			continue
		}
		n := sum(m.words[e.word])
		if n == 1 {
			once++
		}
	}
	m.unseen = (once + 1) / (m.total + 2)
	for i := range m.lex {
		e := &m.lex[i]
		if sum(m.words[e.word]) > float64(m.cfg.Rare) {
			continue
		}
		add(m.ends, "", e)
		s := shape(e.word, e.first)
		low := strings.ToLower(e.word)
		for _, end := range endings(low, m.cfg.Suffix) {
			add(m.ends, s+end, e)
		}
	}
}

func sum(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s
}

// endings are the ends of a word from none to n letters.
func endings(w string, n int) []string {
	l := []string{""}
	at := len(w)
	for range n {
		if at == 0 {
			break
		}
		_, size := utf8.DecodeLastRuneInString(w[:at])
		at -= size
		l = append(l, w[at:])
	}
	return l
}

// shape is what a word looks like: one letter for its characters, one for a hyphen inside it.
func shape(w string, first bool) string {
	var upper, lower, digit, other, hyphen bool
	initial, n := false, 0
	for i, r := range w {
		n++
		switch {
		case unicode.IsUpper(r):
			upper = true
			initial = initial || i == 0
		case unicode.IsLetter(r):
			lower = true
		case unicode.IsDigit(r):
			digit = true
		default:
			other = true
			hyphen = hyphen || r == '-' && i > 0
		}
	}
	s := "a"
	switch {
	case digit && !upper && !lower:
		s = "0"
	case digit:
		s = "b"
	case !upper && !lower:
		s = "."
	case upper && !lower && n > 1:
		s = "C"
	case initial && first:
		s = "F"
	case initial:
		s = "I"
	case upper:
		s = "M"
	case other && strings.ContainsAny(w, "@/"):
		s = "@"
	}
	if hyphen {
		return s + "-"
	}
	return s + " "
}

// mix replaces p by (counts + weight p) / (sum of counts + weight), where there are counts.
func mix(p, counts []float64, weight float64) {
	if counts == nil {
		return
	}
	d := sum(counts) + weight
	for t, c := range counts {
		p[t] = (c + float64(weight*p[t])) / d
	}
}

// emission writes p(w | t).
func (m *Model) emission(dst []float64, w string, first bool) {
	copy(dst, m.prior)
	mix(dst, m.ends[""], 1)
	s, low := shape(w, first), strings.ToLower(w)
	for i, end := range endings(low, m.cfg.Suffix) {
		weight := m.cfg.Ending
		if i == 0 {
			weight = m.cfg.Shape
		}
		counts := m.ends[s+end]
		if counts == nil {
			break
		}
		mix(dst, counts, weight)
	}
	mix(dst, m.lower[low], m.cfg.Lower)
	own := m.words[w]
	mix(dst, own, m.cfg.Word)
	p := m.unseen
	if own != nil {
		p = float64((1 - m.unseen) * sum(own) / m.total)
	}
	for t := range dst {
		dst[t] = float64(dst[t]*p) / m.prior[t]
	}
}

// Known tells whether training has seen the word as it stands.
func (m *Model) Known(w string) bool { return m.words[w] != nil }
