package counting_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/manifold-gen/manifold/services/tabular/internal/counting"
	"github.com/manifold-gen/manifold/services/tabular/internal/model"
	"github.com/manifold-gen/manifold/services/tabular/internal/table"
)

// outcomes counts a list of equally likely outcomes, every column one of levels.
func outcomes(csv string) *counting.Model {
	f, err := table.Open(strings.NewReader(csv), int64(len(csv)), table.Options{})
	if err != nil {
		log.Fatal(err)
	}
	var d table.Declaration
	for _, name := range f.Names() {
		d.Columns = append(d.Columns, table.ColumnSpec{Name: name, Kind: "categorical"})
	}
	in, err := f.Infer(d)
	if err != nil {
		log.Fatal(err)
	}
	rows, err := f.Source(in.Schema)
	if err != nil {
		log.Fatal(err)
	}
	m, err := counting.Fit(rows, 0)
	if err != nil {
		log.Fatal(err)
	}
	return m
}

// term is a field being one of some levels.
func term(m *counting.Model, field string, levels ...string) model.Term {
	t := model.Term{Field: m.Schema().Index(field)}
	for i, l := range m.Schema().Fields[t.Field].Levels {
		for _, want := range levels {
			if l == want {
				t.Codes = append(t.Codes, int32(i))
			}
		}
	}
	return t
}

func probability(m *counting.Model, event, given []model.Term) string {
	a, err := m.Query(&model.Query{Event: event, Given: given})
	if err != nil {
		log.Fatal(err)
	}
	return counting.Fraction(a, 0).Reduced().String()
}

// Three straws, one of them short. Before anyone draws, the chance that mine is short is 1/3; once the first to draw has
// shown a long one, it is 1/2.
func Example_straws() {
	m := outcomes("first,second,mine\nshort,long,long\nlong,short,long\nlong,long,short\n")
	mine := []model.Term{term(m, "mine", "short")}
	fmt.Println(probability(m, mine, nil))
	fmt.Println(probability(m, mine, []model.Term{term(m, "first", "long")}))
	// Output:
	// 1/3
	// 1/2
}

// Two dice: P(6 and 6) = 1/36 is the product of two sixths because the dice know nothing of each other. That the sum is
// large and that the first is a six is not: there the product is wrong.
func Example_dice() {
	var b strings.Builder
	b.WriteString("first,second,sum\n")
	for i := 1; i <= 6; i++ {
		for j := 1; j <= 6; j++ {
			fmt.Fprintf(&b, "%d,%d,%d\n", i, j, i+j)
		}
	}
	m := outcomes(b.String())
	six, other := []model.Term{term(m, "first", "6")}, []model.Term{term(m, "second", "6")}
	fmt.Println(probability(m, append(six, other...), nil))
	for _, event := range [][]model.Term{other, {term(m, "sum", "10", "11", "12")}} {
		p, err := m.Pair(six, event)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(p.Recommendation)
	}
	// Output:
	// 1/36
	// P(A)P(B) = 0.0277778, P(A and B) = 1/36 = 0.0277778: the events are independent in these rows, exactly
	// P(A)P(B) = 0.0277778, P(A and B) = 1/12 = 0.0833333: P(A)P(B) needs independence, and these rows speak against it (chi-square 5.76, p = 0.0164)
}

// A table of counts as it is shown.
func ExampleModel_Cross() {
	m := outcomes("sex,survived\nfemale,yes\nfemale,yes\nfemale,no\nmale,no\nmale,no\nmale,yes\nmale,no\n")
	c, err := m.Cross(0, 1, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(c)
	// Output:
	// sex \ survived  no  yes  all
	// female           1    2    3
	// male             3    1    4
	// all              4    3    7
}
