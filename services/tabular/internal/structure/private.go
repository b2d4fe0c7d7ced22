package structure

import (
	"math"

	"github.com/manifold-gen/manifold/services/tabular/internal/table"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
)

// PrivateOptions are those of a structure under differential privacy.
type PrivateOptions struct {
	Epsilon float64    // above 0, to 1000
	Degree  int        // parents of a field at most; 0 for 2
	Cells   int        // of a family's table at most; 0 for 2048
	Stream  rng.Stream // its seed must be secret and used once, as bayesfit.Secret's is
	// Check is called before every choice; its error, such as a context's, ends the search. nil for none.
	Check func() error
}

// The limits of a private structure.
const (
	maxDegree     = 4
	maxCandidates = 200_000
)

// Private is PrivBayes's structure (Zhang, Cormode, Procopiuc, Srivastava and Xiao, 2014): from a field chosen at
// random on, a field and parents among those before it are taken by the exponential mechanism on their mutual
// information (McSherry and Talwar, 2007), each choice with its share of epsilon. With one row of n replaced by
// another, mutual information in nats changes by at most
//
//	2/n log((n+1)/2) + (n-1)/n log((n+1)/(n-1)).
//
// A missing cell counts as a level of its own, so that every row counts everywhere. The number of rows and the levels
// are taken as public.
func Private(t *table.Table, o PrivateOptions) ([][]int, error) {
	const op = "structure.Private"
	if err := checkTable(op, t); err != nil {
		return nil, err
	}
	if !(o.Epsilon > 0 && o.Epsilon <= 1000) {
		return nil, fault.E(fault.Invalid, "INVALID_EPSILON", op, "epsilon is %v; allowed are numbers above 0, to 1000",
			o.Epsilon)
	}
	if o.Degree == 0 {
		o.Degree = 2
	}
	if o.Cells == 0 {
		o.Cells = 2048
	}
	if o.Degree < 0 || o.Degree > maxDegree || o.Cells < 1 || t.Rows < 2 {
		return nil, fault.E(fault.Invalid, "INVALID_OPTIONS", op,
			"%d parents, %d cells, %d rows; allowed are 1 to %d parents, "+
				"cells from 1 and rows from 2", o.Degree, o.Cells, t.Rows, maxDegree)
	}
	F := len(t.Columns)
	parents := make([][]int, F)
	var first [1]int32
	o.Stream.Ints(first[:], int32(F), 0, 0, rng.Choice) //nolint:gosec // at most maxFields
	in := make([]bool, F)
	in[first[0]] = true
	p := privateSearch{t: t, o: &o, known: make(map[string]float64), at: make([]int32, t.Rows)}
	rate := o.Epsilon / float64(max(1, F-1)) / (2 * informationSensitivity(t.Rows))
	for step := 1; step < F; step++ {
		if err := check(o.Check); err != nil {
			return nil, err
		}
		v, list, err := p.choose(in, rate, uint64(step)) //nolint:gosec // small
		if err != nil {
			return nil, err
		}
		in[v], parents[v] = true, list
	}
	return parents, nil
}

// informationSensitivity is by how much mutual information, in nats, changes at most when one of n rows is replaced.
func informationSensitivity(rows int) float64 {
	n := float64(rows)
	return float64(2/n*tensor.LogF64((n+1)/2)) + float64((n-1)/n*tensor.LogF64((n+1)/(n-1)))
}

// privateSearch scores candidates and remembers them.
type privateSearch struct {
	t      *table.Table
	o      *PrivateOptions
	known  map[string]float64
	at     []int32
	looked int
}

// choose is the exponential mechanism: the greatest of rate times the information and a Gumbel variable, over all
// fields not in and all sets of those in, the larger first.
func (p *privateSearch) choose(in []bool, rate float64, step uint64) (field int, parents []int, err error) {
	var before []int
	for v, b := range in {
		if b {
			before = append(before, v)
		}
	}
	top, draws := math.Inf(-1), uint32(0)
	field = -1
	var u [1]float64
	for v, b := range in {
		if b {
			continue
		}
		for size := min(p.o.Degree, len(before)); size >= 0; size-- {
			for pick := sequence(size); ; {
				list := make([]int, size)
				for i, k := range pick {
					list[i] = before[k]
				}
				if p.cells(v, list) <= p.o.Cells || size == 0 {
					if p.looked++; p.looked > maxCandidates {
						return 0, nil, fault.E(fault.Overloaded, "TOO_MANY_CANDIDATES", "structure.Private", "%d fields under up "+
							"to %d parents are more than %d candidates: allow fewer parents", len(in), p.o.Degree, maxCandidates)
					}
					p.o.Stream.Uniform64(u[:], step, draws, rng.Noise)
					draws++
					gumbel := -tensor.LogF64(-tensor.LogF64(max(u[0], 0x1p-54)))
					if x := float64(rate*p.information(v, list)) + gumbel; x > top {
						top, field, parents = x, v, list
					}
				}
				if !nextSet(pick, len(before)) {
					break
				}
			}
		}
	}
	return field, parents, nil
}

// cells is the size of a family's table, beyond all limits where it is too large.
func (p *privateSearch) cells(v int, parents []int) int {
	n := len(p.t.Schema.Fields[v].Levels)
	for _, u := range parents {
		if n *= len(p.t.Schema.Fields[u].Levels); n > maxFamily {
			return maxFamily + 1
		}
	}
	return n
}

// information is the mutual information of v and its parents, a missing cell being a level.
func (p *privateSearch) information(v int, parents []int) float64 {
	if len(parents) == 0 {
		return 0
	}
	key := make([]byte, 0, 2*len(parents)+2)
	for _, u := range append([]int{v}, parents...) {
		key = append(key, byte(u>>8), byte(u)) //nolint:gosec // at most maxFields
	}
	if x, ok := p.known[string(key)]; ok {
		return x
	}
	clear(p.at)
	q := 1
	for _, u := range append(append([]int(nil), parents...), v) {
		wide := len(p.t.Schema.Fields[u].Levels) + 1
		q *= wide
		for i, c := range p.t.Columns[u].Codes {
			p.at[i] = p.at[i]*int32(wide) + c + 1 //nolint:gosec // at most maxFamily times some missing ones
		}
	}
	r := len(p.t.Schema.Fields[v].Levels) + 1
	q /= r
	// The table as a pair of two fields whose levels are the configurations and v's: row and column 0 stand apart there.
	pair := pair{wide: r + 1, counts: make([]int64, (q+1)*(r+1))}
	for _, k := range p.at {
		pair.counts[(int(k)/r+1)*(r+1)+int(k)%r+1]++
	}
	x := pair.information()
	p.known[string(key)] = x
	return x
}
