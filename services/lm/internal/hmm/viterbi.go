package hmm

import "math"

// Viterbi is the most likely sequence of states and ln p(states, q). Of equal predecessors and of equal ends the lowest
// state wins.
func (m *Model) Viterbi(q Sequence) ([]int32, float64, error) {
	t, err := m.steps(q)
	if err != nil {
		return nil, 0, err
	}
	n := m.n
	b := make([]float64, t*n)
	m.emit.Log(b, q)
	from := make([]uint16, t*n) // MaxStates fits
	delta, next := make([]float64, n), make([]float64, n)
	for j := range delta {
		delta[j] = m.logStart[j] + b[j]
	}
	if !some(delta) {
		return nil, 0, impossible(0)
	}
	for s := 1; s < t; s++ {
		back, e := from[s*n:s*n+n], b[s*n:s*n+n]
		for j := range next {
			best, arg := greatest(delta, m.logTurned[j*n:j*n+n])
			next[j], back[j] = best+e[j], uint16(arg)
		}
		if !some(next) {
			return nil, 0, impossible(s)
		}
		delta, next = next, delta
	}
	path := make([]int32, t)
	for j, v := range delta {
		if v > delta[path[t-1]] {
			path[t-1] = int32(j)
		}
	}
	best := delta[path[t-1]]
	for s := t - 1; s > 0; s-- {
		path[s-1] = int32(from[s*n+int(path[s])])
	}
	return path, best, nil
}

// greatest is the greatest of a_i + b_i and the first i that has it.
func greatest(a, b []float64) (float64, int) {
	b = b[:len(a)]
	best, arg := a[0]+b[0], 0
	for i, v := range a {
		if v += b[i]; v > best {
			best, arg = v, i
		}
	}
	return best, arg
}

// some tells whether a value is above -Inf.
func some(x []float64) bool {
	for _, v := range x {
		if v > math.Inf(-1) {
			return true
		}
	}
	return false
}
