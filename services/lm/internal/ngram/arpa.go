package ngram

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/manifold-gen/manifold/shared/fault"

	"github.com/manifold-gen/manifold/services/lm/internal/text"
)

// WriteARPA writes the model in the ARPA format. <s> has the probability -99, as is the custom.
func (m *Model) WriteARPA(w io.Writer) error {
	b := bufio.NewWriterSize(w, 1<<16)
	sizes := m.Sizes()
	fmt.Fprintln(b, "\\data\\")
	for k, n := range sizes {
		fmt.Fprintf(b, "ngram %d=%d\n", k+1, n)
	}
	t := m.table
	path := make([]uint32, len(sizes)) // the n-gram of every length that leads to the present one
	var line []byte
	for k := range sizes {
		fmt.Fprintf(b, "\n\\%d-grams:\n", k+1)
		from := t.starts[k]
		end := t.end()
		if k+1 < len(t.starts) {
			end = t.starts[k+1]
		}
		for j := range k {
			path[j] = t.starts[j]
		}
		for i := from; i < end; i++ {
			path[k] = i
			for j := k - 1; j >= 0 && (i == from || t.inner[path[j]+1].first <= path[j+1]); j-- {
				for t.inner[path[j]+1].first <= path[j+1] {
					path[j]++
				}
			}
			line = m.arpaLine(line[:0], path[:k+1], k+1 < len(sizes))
			if _, err := b.Write(line); err != nil {
				return err
			}
		}
	}
	fmt.Fprintln(b, "\n\\end\\")
	return b.Flush()
}

func (m *Model) arpaLine(line []byte, path []uint32, inside bool) []byte {
	t, last := m.table, path[len(path)-1]
	var prob, back float32
	if base := t.leafBase(); last >= base {
		prob = t.leaf[last-base].prob
	} else {
		prob, back = t.inner[last].prob, t.inner[last].back
	}
	if math.IsInf(float64(prob), -1) {
		prob = -99
	}
	line = strconv.AppendFloat(line, float64(prob), 'g', -1, 32)
	for j, i := range path {
		line = append(line, "\t "[min(j, 1)])
		line = append(line, m.arpaWord(t.words[i])...)
	}
	if inside {
		line = append(line, '\t')
		line = strconv.AppendFloat(line, float64(back), 'g', -1, 32)
	}
	return append(line, '\n')
}

// escapes stand in ARPA files for tokens that white space would part; % stands for itself unless such a name follows.
var escapes = [...][2]string{{" ", "%20"}, {"\t", "%09"}, {"\n", "%0A"}, {"\r", "%0D"}, {"\x00", "%00"}}

// arpaWord is a token as the file has it: for characters, bytes and words with white space written as %20 and the like.
func (m *Model) arpaWord(w uint32) []byte {
	s := m.tokens.Vocab().Bytes(int32(w))
	if m.tokens.Kind() == text.Given || w < text.Specials || !bytes.ContainsAny(s, "% \t\n\r\x00") {
		return s
	}
	s = bytes.ReplaceAll(s, []byte("%"), []byte("%25"))
	for _, e := range escapes {
		s = bytes.ReplaceAll(s, []byte(e[0]), []byte(e[1]))
	}
	return s
}

func unescape(kind text.Kind, s []byte) []byte {
	if kind == text.Given || !bytes.Contains(s, []byte("%")) {
		return s
	}
	for _, e := range escapes {
		s = bytes.ReplaceAll(s, []byte(e[1]), []byte(e[0]))
	}
	return bytes.ReplaceAll(s, []byte("%25"), []byte("%"))
}

// maxARPALine is the length of the longest line of an ARPA file in bytes.
const maxARPALine = 1 << 20

// gram is an n-gram of an ARPA file before the table is made.
type gram struct {
	words      []uint32
	prob, back float32
	made       bool // the file lacks it
}

// ReadARPA reads a model in the ARPA format, also packed by gzip. Tokens of the file are of the kind given.
//
// As in KenLM, an n-gram whose first tokens are not an n-gram of the file is an error; one whose last tokens are not is
// completed by what backing off gives. The errors, of kind fault.Invalid, name the line: probabilities above 1, NaN and
// infinite ones, counts that do not agree with the sections, n-grams that are there twice or have unknown tokens.
func ReadARPA(r io.Reader, kind text.Kind) (*Model, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	if head, err := b.Peek(2); err == nil && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fault.E(fault.Invalid, "ARPA_SYNTAX", "ngram.ReadARPA", "the file begins as gzip and is not")
		}
		defer z.Close()
		b = bufio.NewReaderSize(z, 1<<16)
	}
	s := bufio.NewScanner(b)
	s.Buffer(make([]byte, 1<<16), maxARPALine)
	a := arpa{s: s, kind: kind, vocab: text.NewVocab()}
	return a.read()
}

// arpa is a file that is read.
type arpa struct {
	s      *bufio.Scanner
	kind   text.Kind
	line   int
	vocab  *text.Vocab
	counts []int
	levels [][]gram
	unk    bool // the file has <unk>
}

func (a *arpa) bad(reason, format string, args ...any) error {
	return fault.E(fault.Invalid, reason, "ngram.ReadARPA", "line %d: %s", a.line, fmt.Sprintf(format, args...))
}

// next is the next line that is not blank, nil at the end.
func (a *arpa) next() []byte {
	for a.s.Scan() {
		a.line++
		if l := bytes.Trim(a.s.Bytes(), " \t\r\n"); len(l) > 0 {
			return l
		}
	}
	return nil
}

func (a *arpa) read() (*Model, error) {
	l := a.next()
	for l != nil && string(l) != "\\data\\" {
		l = a.next()
	}
	if l == nil {
		return nil, a.bad("ARPA_SYNTAX", "the file has no \\data\\")
	}
	for l = a.next(); l != nil && l[0] != '\\'; l = a.next() {
		var n, count int
		if _, err := fmt.Sscanf(string(l), "ngram %d=%d", &n, &count); err != nil || n != len(a.counts)+1 ||
			n > MaxOrder || count < 0 || count > MaxTokens {
			return nil, a.bad("ARPA_SYNTAX", "%.40q is not ngram %d=COUNT, of at most %d", l, len(a.counts)+1, MaxOrder)
		}
		a.counts = append(a.counts, count)
	}
	if len(a.counts) == 0 {
		return nil, a.bad("ARPA_SYNTAX", "the file names no numbers of n-grams")
	}
	a.levels = make([][]gram, len(a.counts))
	for k := range a.counts {
		if want := fmt.Sprintf("\\%d-grams:", k+1); string(l) != want {
			return nil, a.bad("ARPA_SYNTAX", "%.40q where %s is needed", l, want)
		}
		for l = a.next(); l != nil && l[0] != '\\'; l = a.next() {
			if err := a.gram(l, k); err != nil {
				return nil, err
			}
		}
		if len(a.levels[k]) != a.counts[k] {
			return nil, a.bad("ARPA_COUNTS", "%d n-grams of %d tokens, the head of the file says %d", len(a.levels[k]), k+1,
				a.counts[k])
		}
	}
	if a.s.Err() != nil {
		return nil, a.bad("ARPA_SYNTAX", "the file cannot be read on, or a line has more than %d bytes", maxARPALine)
	}
	if string(l) != "\\end\\" {
		return nil, a.bad("ARPA_SYNTAX", "the file ends without \\end\\")
	}
	return a.model()
}

func (a *arpa) gram(l []byte, k int) error {
	fields := bytes.FieldsFunc(l, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(fields) != k+2 && (len(fields) != k+3 || k+1 == len(a.counts)) {
		return a.bad("ARPA_SYNTAX", "%d columns where a probability, %d tokens and perhaps a weight are needed",
			len(fields), k+1)
	}
	if len(a.levels[k]) == a.counts[k] {
		return a.bad("ARPA_COUNTS", "more n-grams of %d tokens than the %d of the file's head", k+1, a.counts[k])
	}
	g := gram{words: make([]uint32, k+1)}
	p, err := strconv.ParseFloat(string(fields[0]), 32)
	if err != nil || math.IsNaN(p) || p > 0 {
		return a.bad("ARPA_PROBABILITY", "%.40q is no logarithm of a probability, which is at most 0", fields[0])
	}
	g.prob = float32(p)
	if len(fields) == k+3 {
		p, err := strconv.ParseFloat(string(fields[k+2]), 32)
		if err != nil || math.IsNaN(p) || math.IsInf(p, 0) {
			return a.bad("ARPA_PROBABILITY", "%.40q is no logarithm of a weight", fields[k+2])
		}
		g.back = float32(p)
	}
	for j := range g.words {
		s := unescape(a.kind, fields[j+1])
		if string(s) == "<UNK>" {
			s = []byte("<unk>")
		}
		id := a.vocab.Find(s)
		switch {
		case k > 0 && id < 0:
			return a.bad("ARPA_HOLE", "the token %.40q is not among the 1-grams", fields[j+1])
		case k == 0 && id >= text.Specials:
			return a.bad("ARPA_TWICE", "the token %.40q is there twice", fields[j+1])
		case k == 0:
			id = a.vocab.Add(s)
			if id == text.Unknown {
				a.unk = true
			}
		}
		g.words[j] = uint32(id)
	}
	a.levels[k] = append(a.levels[k], g)
	return nil
}

// model sorts the n-grams, completes them and makes the table.
func (a *arpa) model() (*Model, error) {
	vocab, to := a.vocab.Sorted()
	one := make([]gram, vocab.Len())
	seen := make([]bool, vocab.Len())
	for i := range one {
		one[i] = gram{words: []uint32{uint32(i)}, prob: -100} // KenLM's, for tokens that the file lacks
	}
	for _, level := range a.levels {
		for i := range level {
			for j, w := range level[i].words {
				level[i].words[j] = to[w]
			}
		}
	}
	for _, g := range a.levels[0] {
		w := g.words[0]
		if seen[w] {
			return nil, a.bad("ARPA_TWICE", "the token %.40q is there twice", vocab.Bytes(int32(w)))
		}
		seen[w] = true
		one[w] = g
	}
	if !seen[text.Finish] {
		one[text.Finish].prob = -99
	}
	a.levels[0] = one
	a.vocab = vocab
	for k := 1; k < len(a.levels); k++ {
		slices.SortFunc(a.levels[k], func(x, y gram) int { return slices.Compare(x.words, y.words) })
		for i := 1; i < len(a.levels[k]); i++ {
			if slices.Equal(a.levels[k][i-1].words, a.levels[k][i].words) {
				return nil, a.bad("ARPA_TWICE", "the n-gram %q is there twice", a.show(a.levels[k][i].words))
			}
		}
	}
	if err := a.complete(); err != nil {
		return nil, err
	}
	t, err := a.table()
	if err != nil {
		return nil, err
	}
	c := Config{Order: len(a.levels), Unit: a.kind.String(), Smoothing: "arpa"}
	return &Model{config: c, tokens: text.NewTokens(a.kind, vocab), table: t}, t.check(vocab.Len())
}

func (a *arpa) show(words []uint32) string {
	var b []byte
	for i, w := range words {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, a.vocab.Bytes(int32(w))...)
	}
	return string(b)
}

func (a *arpa) find(words []uint32) (*gram, bool) {
	l := a.levels[len(words)-1]
	i, ok := slices.BinarySearchFunc(l, words, func(g gram, w []uint32) int { return slices.Compare(g.words, w) })
	if !ok {
		return nil, false
	}
	return &l[i], true
}

// complete puts in suffixes that are missing, from the longest n-grams down, so that what these need is there too; then
// their probabilities, from the shortest up.
func (a *arpa) complete() error {
	missing := make([][]gram, len(a.levels))
	for k := len(a.levels) - 1; k > 0; k-- {
		for _, g := range a.levels[k] {
			if _, ok := a.find(g.words[:k]); !ok && g.made {
				missing[k-1] = append(missing[k-1], gram{words: g.words[:k], made: true})
			} else if !ok {
				return a.bad("ARPA_HOLE", "the n-gram %q is there without %q", a.show(g.words), a.show(g.words[:k]))
			}
			if _, ok := a.find(g.words[1:]); !ok {
				missing[k-1] = append(missing[k-1], gram{words: g.words[1:], made: true})
			}
		}
		if len(missing[k-1]) > 0 {
			l := append(a.levels[k-1], missing[k-1]...)
			slices.SortFunc(l, func(x, y gram) int { return slices.Compare(x.words, y.words) })
			a.levels[k-1] = slices.CompactFunc(l, func(x, y gram) bool { return slices.Equal(x.words, y.words) })
		}
	}
	for k := 1; k < len(a.levels); k++ {
		for i := range a.levels[k] {
			g := &a.levels[k][i]
			if !g.made {
				continue
			}
			context, _ := a.find(g.words[:k])
			shorter, _ := a.find(g.words[1:])
			g.prob = min(context.back+shorter.prob, 0)
		}
	}
	return nil
}

func (a *arpa) table() (*table, error) {
	c := &Counts{kind: a.kind, vocab: a.vocab, levels: make([]level, len(a.levels))}
	for k, grams := range a.levels {
		l := &c.levels[k]
		l.word = make([]uint32, len(grams))
		for i, g := range grams {
			l.word[i] = g.words[k]
		}
		if k == 0 {
			continue
		}
		up := a.levels[k-1]
		first := make([]uint32, 1, len(up)+1)
		at := 0
		for _, g := range up {
			for at < len(grams) && slices.Equal(grams[at].words[:k], g.words) {
				at++
			}
			first = append(first, uint32(at))
		}
		if at != len(grams) {
			return nil, a.bad("ARPA_HOLE", "an n-gram of %d tokens is there without its first ones", k+1)
		}
		c.levels[k-1].first = first
	}
	c.link()
	return newTable(c.levels, make([][]bool, len(c.levels)), func(k, i int) (prob, back float32) {
		g := &a.levels[k][i]
		if k == 0 && i == text.Begin {
			return float32(math.Inf(-1)), g.back
		}
		return g.prob, g.back
	}), nil
}
