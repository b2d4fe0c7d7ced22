package table

import "slices"

// sketchSize is the number of values that a sketch keeps.
const sketchSize = 1 << 16

// Sketch holds a sample of a column of numbers in bounded memory: all of them up to 65,536, then those rows whose hash
// is small enough that between half as many and as many are kept. It depends on the rows alone, not on the order or
// the chunks in which they come.
type Sketch struct {
	rows   []uint64 // hashes
	values []float64
	shift  uint // rows are kept whose hash has so many leading zeros
	sorted []float64
}

// Add takes the value of a row.
func (s *Sketch) Add(row int64, x float64) {
	h := mix(uint64(row))
	if h>>(64-s.shift) != 0 {
		return
	}
	s.sorted = nil
	s.rows, s.values = append(s.rows, h), append(s.values, x)
	for len(s.rows) > sketchSize {
		s.shift++
		n := 0
		for i, h := range s.rows {
			if h>>(64-s.shift) == 0 {
				s.rows[n], s.values[n] = h, s.values[i]
				n++
			}
		}
		s.rows, s.values = s.rows[:n], s.values[:n]
	}
}

// mix is a bijection whose every output bit depends on every input bit: the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Values are the sample, ascending. They must not be changed.
func (s *Sketch) Values() []float64 {
	if s.sorted == nil {
		s.sorted = slices.Clone(s.values)
		slices.Sort(s.sorted)
	}
	return s.sorted
}

// Exact says whether the sample is all values.
func (s *Sketch) Exact() bool { return s.shift == 0 }

// Quantile is the q-quantile of the sample, linear between its values (numpy's default); 0 of nothing.
func (s *Sketch) Quantile(q float64) float64 {
	v := s.Values()
	if len(v) == 0 {
		return 0
	}
	at := q * float64(len(v)-1)
	i := min(int(at), len(v)-1)
	j := min(i+1, len(v)-1)
	return v[i] + float64((at-float64(i))*(v[j]-v[i]))
}

// Edges cut the numbers into n parts of about equal counts; fewer where many are the same.
func (s *Sketch) Edges(n int) []float64 {
	var edges []float64
	v := s.Values()
	for i := 1; i < n && len(v) > 0; i++ {
		e := s.Quantile(float64(i) / float64(n))
		if e > v[0] && (len(edges) == 0 || e > edges[len(edges)-1]) {
			edges = append(edges, e)
		}
	}
	return edges
}
