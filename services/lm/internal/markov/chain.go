package markov

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
)

// MaxStates is the most states of a chain: its matrix is dense, and its analysis takes the cube of them.
const MaxStates = 1024

// Chain is a Markov chain. It implements model.Transitions.
type Chain struct {
	names    []string
	start, p []float64
	// Unseen are the states that the training data never left (see Config.Dead).
	Unseen []int
}

func bad(reason, format string, args ...any) error {
	return fault.E(fault.Invalid, reason, "markov", format, args...)
}

// New makes a chain of the names of its states, the distribution of its first state (nil for a uniform one) and its
// matrix, row by row. Rows must add up to 1 within 1e-9, and are then divided by their sums.
func New(names []string, start, matrix []float64) (*Chain, error) {
	n := len(names)
	if n < 1 || n > MaxStates {
		return nil, bad("BAD_CHAIN", "%d states, want 1 to %d", n, MaxStates)
	}
	sorted := slices.Sorted(slices.Values(names))
	for i := 1; i < n; i++ {
		if sorted[i] == sorted[i-1] {
			return nil, bad("BAD_CHAIN", "two states have the name %.80q", sorted[i])
		}
	}
	if len(matrix) != n*n {
		return nil, bad("BAD_CHAIN", "%d values in the matrix, want %d x %d", len(matrix), n, n)
	}
	if start == nil {
		start = make([]float64, n)
		for i := range start {
			start[i] = 1 / float64(n)
		}
	}
	if len(start) != n {
		return nil, bad("BAD_CHAIN", "%d values in the first state's distribution, want %d", len(start), n)
	}
	c := &Chain{names: slices.Clone(names), start: slices.Clone(start), p: slices.Clone(matrix)}
	if err := distribution(c.start, "the first state's distribution"); err != nil {
		return nil, err
	}
	for i := range n {
		if err := distribution(c.row(i), "the row of "+strconv.Quote(short(names[i]))); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func short(s string) string { return s[:min(len(s), 80)] }

// distribution checks p and divides it by its sum.
func distribution(p []float64, what string) error {
	sum := 0.0
	for i, v := range p {
		if !(v >= 0 && v <= 1+1e-9) {
			return bad("BAD_DISTRIBUTION", "%s has %v at %d, want 0 to 1", what, v, i)
		}
		sum += v
	}
	if math.Abs(sum-1) > 1e-9 {
		return bad("BAD_DISTRIBUTION", "%s adds up to %v, want 1 within 1e-9", what, sum)
	}
	for i := range p {
		p[i] /= sum
	}
	return nil
}

func (c *Chain) n() int { return len(c.names) }

func (c *Chain) row(i int) []float64 { return c.p[i*c.n() : (i+1)*c.n()] }

// States implements model.Transitions.
func (c *Chain) States() []string { return c.names }

// Matrix implements model.Transitions: n x n.
func (c *Chain) Matrix() []float64 { return c.p }

// Start implements model.Transitions.
func (c *Chain) Start() []float64 { return c.start }

// Dead says what follows a state that the training data never left.
type Dead uint8

// The ways on from there.
const (
	Absorb  Dead = iota // the state itself, for ever
	Restart             // a first state
	Uniform             // any state
)

// Config says how a chain is fitted.
type Config struct {
	Order     int     // symbols that make a state; 1
	Smoothing float64 // added to the count of every possible transition; 0 for the frequencies themselves
	Dead      Dead
}

// Fit counts what follows what. Sequences hold numbers of names. With an order k above 1 a state is the last k symbols,
// its name those of the symbols with a blank between; sequences shorter than k say nothing. States that do not occur
// are left out unless smoothing gives them a probability.
func Fit(names []string, sequences [][]int32, cfg Config) (*Chain, error) {
	k, m := max(1, cfg.Order), len(names)
	if k > 16 || m < 1 || m > MaxStates {
		return nil, bad("BAD_CHAIN", "%d symbols and order %d, want 1 to %d and 1 to 16", m, cfg.Order, MaxStates)
	}
	if !(cfg.Smoothing >= 0 && cfg.Smoothing <= 1e9) {
		return nil, bad("BAD_CHAIN", "smoothing of %v, want 0 to 1e9", cfg.Smoothing)
	}
	for i, s := range sequences {
		for t, x := range s {
			if x < 0 || int(x) >= m {
				return nil, bad("UNKNOWN_STATE", "sequence %d has %d at %d, want 0 to %d", i, x, t, m-1)
			}
		}
	}
	tuples, err := states(m, k, sequences, cfg.Smoothing > 0)
	if err != nil {
		return nil, err
	}
	return count(names, tuples, sequences, k, cfg)
}

// key is a tuple as text that sorts like the tuple.
func key(s []int32) string {
	b := make([]byte, 0, 4*len(s))
	for _, x := range s {
		b = append(b, byte(x>>24), byte(x>>16), byte(x>>8), byte(x))
	}
	return string(b)
}

// states are the tuples of k symbols in ascending order: those that occur, or all.
func states(m, k int, sequences [][]int32, all bool) ([][]int32, error) {
	if k == 1 {
		all = true
	}
	if all {
		n := 1
		for range k {
			if n *= m; n > MaxStates {
				return nil, bad("TOO_MANY_STATES", "%d symbols at order %d, at most %d states", m, k, MaxStates)
			}
		}
		l := make([][]int32, n)
		for i := range l {
			l[i] = make([]int32, k)
			for j, v := k-1, i; j >= 0; j, v = j-1, v/m {
				l[i][j] = int32(v % m)
			}
		}
		return l, nil
	}
	seen := map[string]bool{}
	var l [][]int32
	for _, s := range sequences {
		for t := k; t <= len(s); t++ {
			if x := key(s[t-k : t]); !seen[x] {
				if len(l) == MaxStates {
					return nil, bad("TOO_MANY_STATES", "more than %d different states of %d symbols occur", MaxStates, k)
				}
				seen[x] = true
				l = append(l, s[t-k:t])
			}
		}
	}
	if len(l) == 0 {
		return nil, bad("NO_DATA", "no sequence has %d symbols", k)
	}
	slices.SortFunc(l, slices.Compare)
	return l, nil
}

// count makes the chain.
func count(names []string, tuples [][]int32, sequences [][]int32, k int, cfg Config) (*Chain, error) {
	n := len(tuples)
	at := make(map[string]int, n)
	c := &Chain{names: make([]string, n), start: make([]float64, n), p: make([]float64, n*n)}
	for i, t := range tuples {
		at[key(t)] = i
		l := make([]string, k)
		for j, x := range t {
			l[j] = names[x]
		}
		c.names[i] = strings.Join(l, " ")
	}
	for _, s := range sequences {
		for t := k; t <= len(s); t++ {
			i := at[key(s[t-k:t])]
			if t == k {
				c.start[i]++
			} else {
				c.p[at[key(s[t-k-1:t-1])]*n+i]++
			}
		}
	}
	if cfg.Smoothing > 0 {
		for i, t := range tuples {
			c.start[i] += cfg.Smoothing
			next := append(slices.Clone(t[1:]), 0)
			for x := range names {
				next[k-1] = int32(x)
				c.p[i*n+at[key(next)]] += cfg.Smoothing
			}
		}
	}
	if !share(c.start) {
		return nil, bad("NO_DATA", "no sequence has %d symbols", k)
	}
	for i := range n {
		row := c.row(i)
		if share(row) {
			continue
		}
		c.Unseen = append(c.Unseen, i)
		switch cfg.Dead {
		case Restart:
			copy(row, c.start)
		case Uniform:
			for j := range row {
				row[j] = 1 / float64(n)
			}
		default:
			row[i] = 1
		}
	}
	d, err := New(c.names, c.start, c.p)
	if err == nil {
		d.Unseen = c.Unseen
	}
	return d, err
}

// share divides counts by their sum; false if that is zero.
func share(p []float64) bool {
	sum := 0.0
	for _, v := range p {
		sum += v
	}
	if sum == 0 {
		return false
	}
	for i := range p {
		p[i] /= sum
	}
	return true
}
