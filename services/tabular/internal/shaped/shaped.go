// Package shaped draws tables that look like well-known ones whose licence is not stated: the columns, their kinds, the
// holes and the main dependences are alike, the rows are this project's own.
package shaped

import (
	"fmt"
	"io"
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// MaxRows is how many passengers are drawn at most.
const MaxRows = 100_000_000

// The shares of classes, sexes and survivors are the published ones of the ship's passengers, rounded to whole per
// cents; the rest is made up to look plausible.
var (
	classShare  = [3]float64{0.24, 0.21, 0.55}
	femaleShare = [3]float64{0.44, 0.41, 0.29}
	survived    = [2][3]float64{{0.37, 0.16, 0.14}, {0.97, 0.92, 0.50}} // men, women; by class
	childShare  = [3]float64{0.03, 0.10, 0.12}
	childLives  = [3]float64{0.95, 0.95, 0.40}
	meanAge     = [3]float64{39, 31, 27}
	fareLog     = [3]float64{4.1, 2.9, 2.3} // mean of ln fare
	port        = [3][3]float64{{0.59, 0.40, 0.01}, {0.89, 0.09, 0.02}, {0.72, 0.13, 0.15}}
)

var ports = [3]string{"S", "C", "Q"}

var (
	families = [...]string{
		"Archer", "Bell", "Carver", "Dahl", "Ekman", "Fields", "Greene", "Holm", "Ivers", "Jansen", "Keller", "Lund",
		"Marsh", "Norris", "Olsen", "Palmer", "Quist", "Reed", "Strand", "Turner", "Ulvik", "Vane", "Walsh", "Young",
	}
	men   = [...]string{"Adam", "Carl", "Edward", "Frank", "Henry", "John", "Martin", "Oscar", "Peter", "Thomas"}
	women = [...]string{"Alice", "Anna", "Clara", "Edith", "Helen", "Ida", "Kate", "Mary", "Rose", "Sofia"}
)

// Passenger is one row.
type Passenger struct {
	Survived, Female          bool
	Class                     int // 1 to 3
	Name                      string
	Age                       float64 // NaN where it is not known
	Siblings, Parents         int
	Fare                      float64
	Embarked, Cabin, Identity string
}

// Draw is the passenger of a number: it depends on the seed and the number alone.
func Draw(seed, number uint64) Passenger {
	var u [16]float64
	s := rng.New(seed)
	s.Uniform64(u[:], number, 0, rng.General)
	var z [2]float64
	s.Normal64(z[:], number, 0, rng.Noise)
	c := pick(classShare[:], u[0])
	p := Passenger{Class: c + 1, Female: u[1] < femaleShare[c], Identity: fmt.Sprint(number + 1)}
	child := u[2] < childShare[c]
	p.Age = math.Floor(min(max(meanAge[c]+float64(12*z[0]), 16), 78))
	if child {
		p.Age = math.Floor(float64(15 * u[3]))
	}
	sex := 0
	if p.Female {
		sex = 1
	}
	lives := survived[sex][c]
	// Children travel with others; of the grown-up about a third do.
	switch {
	case child:
		p.Siblings, p.Parents = geometric(u[4], 0.45), 1+min(1, geometric(u[5], 0.5))
		lives = childLives[c]
	case u[6] < 0.35:
		p.Siblings, p.Parents = min(1+geometric(u[4], 0.12), 8), geometric(u[5], 0.35)
	}
	if p.Siblings+p.Parents > 3 {
		lives *= 0.4 // large families were lost together
	}
	p.Survived = u[7] < lives
	p.Name = name(&p, child, u[8], u[9], u[10])
	fare := tensor.ExpF64(fareLog[c] + float64(0.35*z[1]))
	p.Fare = math.Floor(float64(100*fare*(1+float64(0.3*float64(p.Siblings+p.Parents))))) / 100
	p.Embarked = ports[pick(port[c][:], u[11])]
	if u[12] < 0.2 {
		p.Age = math.NaN()
	}
	if u[13] < [3]float64{0.8, 0.1, 0.03}[c] {
		p.Cabin = fmt.Sprintf("%c%d", "ABCDEF"[int(6*u[14])], 1+int(90*u[15]))
	}
	return p
}

// name is the family's, the title and the first name.
func name(p *Passenger, child bool, a, b, c float64) string {
	title, first := "Mr", men[int(b*float64(len(men)))]
	switch {
	case p.Female && !child && (p.Siblings > 0 || p.Parents > 0 || c < 0.25):
		title = "Mrs"
	case p.Female:
		title = "Miss"
	case child:
		title = "Master"
	case c < 0.015:
		title = "Dr"
	case c < 0.03:
		title = "Rev"
	}
	if p.Female {
		first = women[int(b*float64(len(women)))]
	}
	return families[int(a*float64(len(families)))] + ", " + title + ". " + first
}

// pick is the first index at which the running sum of shares exceeds u.
func pick(shares []float64, u float64) int {
	sum := 0.0
	for i, p := range shares[:len(shares)-1] {
		if sum += p; u < sum {
			return i
		}
	}
	return len(shares) - 1
}

// geometric is how often in a row something of probability q happens, 5 at most.
func geometric(u, q float64) int {
	n := 0
	for below := q; u < below && n < 5; below = float64(below * q) {
		n++
	}
	return n
}

// WriteTitanic writes passengers as a CSV with the columns of the well-known file, but for the ticket.
func WriteTitanic(w io.Writer, rows int, seed uint64) error {
	if rows < 1 || rows > MaxRows {
		return fault.InvalidField("shaped.WriteTitanic", "rows", "%d, allowed are 1 to %d", rows, MaxRows)
	}
	buf := []byte("PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,Fare,Cabin,Embarked\n")
	for i := range rows {
		p := Draw(seed, uint64(i))
		buf = append(buf, p.Identity...)
		buf = append(buf, ',', digit(p.Survived), ',', byte('0'+p.Class), ',', '"')
		buf = append(buf, p.Name...)
		buf = append(buf, '"', ',')
		if p.Female {
			buf = append(buf, "fe"...)
		}
		buf = append(buf, "male,"...)
		if p.Age == p.Age {
			buf = append(buf, table.FormatNumber(p.Age)...)
		}
		buf = fmt.Appendf(buf, ",%d,%d,%s,%s,%s\n", p.Siblings, p.Parents, table.FormatNumber(p.Fare), p.Cabin, p.Embarked)
		if len(buf) > 1<<16 || i == rows-1 {
			if _, err := w.Write(buf); err != nil {
				return fault.Wrap("shaped.WriteTitanic", err)
			}
			buf = buf[:0]
		}
	}
	return nil
}

func digit(b bool) byte {
	if b {
		return '1'
	}
	return '0'
}
