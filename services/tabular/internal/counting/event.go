package counting

import (
	"fmt"
	"strings"

	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/statistic"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
)

// Pair is everything that counting says of two events, over the rows in which both are known.
type Pair struct {
	Counts         [4]int64 // A and B, A without B, B without A, neither
	A, B           statistic.Fraction
	Both           statistic.Fraction // P(A and B)
	AGivenB        statistic.Fraction // a denominator of 0 where B has no row
	BGivenA        statistic.Fraction
	Product        float64 // P(A) P(B), which is P(A and B) for independent events only
	Test           statistic.Independence
	Independent    bool   // exactly, in these rows
	Recommendation string // what to make of it, in a sentence
}

// level is the probability below which a test calls events dependent.
const level = 0.05

// Pair counts two events, each a conjunction of terms.
func (m *Model) Pair(a, b []model.Term) (*Pair, error) {
	for _, terms := range [][]model.Term{a, b} {
		if err := model.CheckTerms(m.Schema(), "event", terms); err != nil {
			return nil, err
		}
	}
	p := &Pair{}
	for i, n := range m.Counts {
		if !m.known(i, a) || !m.known(i, b) {
			continue
		}
		cell := 0
		if !m.holds(i, a) {
			cell = 2
		}
		if !m.holds(i, b) {
			cell++
		}
		p.Counts[cell] += n
	}
	c := &p.Counts
	total := c[0] + c[1] + c[2] + c[3]
	if total == 0 {
		return nil, impossible("counting.Pair", 0)
	}
	p.A, p.B = statistic.Fraction{Num: c[0] + c[1], Den: total}, statistic.Fraction{Num: c[0] + c[2], Den: total}
	p.Both = statistic.Fraction{Num: c[0], Den: total}
	p.AGivenB, p.BGivenA = statistic.Fraction{Num: c[0], Den: p.B.Num}, statistic.Fraction{Num: c[0], Den: p.A.Num}
	p.Product = float64(p.A.Float() * p.B.Float())
	p.Test = statistic.TestIndependence(c[:], 2)
	product, ok := p.A.Times(p.B)
	p.Independent = ok && product.Equal(p.Both)
	p.Recommendation = p.verdict()
	return p, nil
}

// verdict says whether the product rule may be used.
func (p *Pair) verdict() string {
	product := fmt.Sprintf("P(A)P(B) = %.6g, P(A and B) = %s = %.6g", p.Product, p.Both.Reduced(), p.Both.Float())
	switch {
	case p.Independent:
		return product + ": the events are independent in these rows, exactly"
	case p.Test.P < level:
		return product + fmt.Sprintf(": P(A)P(B) needs independence, and these rows speak against it "+
			"(chi-square %.4g, p = %.3g)", p.Test.ChiSquare, p.Test.P)
	}
	return product + fmt.Sprintf(": P(A)P(B) needs independence; these rows do not rule it out "+
		"(chi-square %.4g, p = %.3g), but the two differ", p.Test.ChiSquare, p.Test.P)
}

// Cross is the table of counts of two categorical fields, with its margins.
type Cross struct {
	Row, Column     *table.Field
	Counts          []int64 // row after row
	ByRow, ByColumn []int64
	Total           int64
	Test            statistic.Independence
}

// Cross counts two categorical fields over the rows that hold what is given and have both.
func (m *Model) Cross(row, column int, given []model.Term) (*Cross, error) {
	fields := m.Schema().Fields
	for _, j := range []int{row, column} {
		if j < 0 || j >= len(fields) || fields[j].Kind != table.Categorical {
			return nil, fault.InvalidField("counting.Cross", "field", "field %d is not one of levels; there are %d fields", j,
				len(fields))
		}
	}
	a, err := m.Query(&model.Query{Targets: []int{row, column}, Given: given})
	if err != nil {
		return nil, err
	}
	c := &Cross{Row: &fields[row], Column: &fields[column], Counts: a.Counts, Total: a.Total}
	k := len(c.Column.Levels)
	c.ByRow, c.ByColumn = make([]int64, len(c.Row.Levels)), make([]int64, k)
	for i, n := range a.Counts {
		c.ByRow[i/k] += n
		c.ByColumn[i%k] += n
	}
	c.Test = statistic.TestIndependence(a.Counts, k)
	return c, nil
}

// String draws the table with its margins.
func (c *Cross) String() string {
	head := append([]string{c.Row.Name + " \\ " + c.Column.Name}, c.Column.Levels...)
	lines := [][]string{append(head, "all")}
	k := len(c.Column.Levels)
	number := func(n int64) string { return fmt.Sprint(n) }
	for i, l := range c.Row.Levels {
		line := []string{l}
		for _, n := range c.Counts[i*k : (i+1)*k] {
			line = append(line, number(n))
		}
		lines = append(lines, append(line, number(c.ByRow[i])))
	}
	line := []string{"all"}
	for _, n := range c.ByColumn {
		line = append(line, number(n))
	}
	lines = append(lines, append(line, number(c.Total)))
	width := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, s := range l {
			width[i] = max(width[i], len([]rune(s)))
		}
	}
	var b strings.Builder
	for _, l := range lines {
		for i, s := range l {
			pad := strings.Repeat(" ", width[i]-len([]rune(s)))
			if i == 0 {
				b.WriteString(s + pad)
				continue
			}
			b.WriteString("  " + pad + s)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
