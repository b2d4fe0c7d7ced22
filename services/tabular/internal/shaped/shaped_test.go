package shaped

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor/fusedtest"
)

func TestNoFusedMultiplyAdd(t *testing.T) { fusedtest.Check(t, nil, ".") }

// TestMarginals compares large draws with the published shares: 38 % survive, 74 % of the women, 19 % of the men; 24,
// 21 and 55 % travel in the three classes; 35 % are women.
func TestMarginals(t *testing.T) {
	const n = 20000
	var alive, women, aliveWomen, missing float64
	var class [3]float64
	for i := range uint64(n) {
		p := Draw(1, i)
		class[p.Class-1]++
		if p.Female {
			women++
		}
		if p.Survived {
			alive++
			if p.Female {
				aliveWomen++
			}
		}
		if p.Age != p.Age {
			missing++
		}
	}
	for _, r := range []struct {
		name      string
		got, want float64
		within    float64
	}{
		{"alive", alive / n, 0.38, 0.025}, {"women", women / n, 0.35, 0.02}, {"women alive", aliveWomen / women, 0.74, 0.04},
		{"men alive", (alive - aliveWomen) / (n - women), 0.19, 0.03}, {"first", class[0] / n, 0.24, 0.015},
		{"third", class[2] / n, 0.55, 0.015}, {"no age", missing / n, 0.2, 0.015},
	} {
		if math.Abs(r.got-r.want) > r.within {
			t.Errorf("%s: %g, want %g", r.name, r.got, r.want)
		}
	}
}

// TestReadsLikeTheOther infers the columns that the well-known file has, and derives title and family size from it.
func TestReadsLikeTheOther(t *testing.T) {
	var b, again bytes.Buffer
	if err := WriteTitanic(&b, 891, 7); err != nil {
		t.Fatal(err)
	}
	_ = WriteTitanic(&again, 891, 7)
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("another table of the same seed")
	}
	f, err := table.Open(bytes.NewReader(b.Bytes()), int64(b.Len()), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := f.Infer(table.Declaration{
		Columns: []table.ColumnSpec{{Name: "Cabin", Drop: true}, {Name: "Name", Drop: true}},
		Derive: []table.Derivation{
			{Name: "Title", From: "Name", Match: `, ([^.]*)\.`}, {Name: "Family", Sum: []string{"SibSp", "Parch"}, Plus: 1},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range in.Schema.Fields {
		names = append(names, in.Schema.Fields[i].Name)
	}
	if got := strings.Join(names, " "); got != "Survived Pclass Sex Age SibSp Parch Fare Embarked Title Family" {
		t.Error(got)
	}
	if l := in.Schema.Fields[in.Schema.Index("Title")].Levels; strings.Join(l, " ") != "Dr Master Miss Mr Mrs Rev" {
		t.Error(l)
	}
	if err := WriteTitanic(&b, 0, 1); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}
