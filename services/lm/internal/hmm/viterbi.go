package hmm

import "math"

// Viterbi is the most likely sequence of states and ln p(states, q). Of equal predecessors and of equal ends the lowest
// state wins.
//
// delta_t(j) = max over i of delta_t-1(i) + ln A_ij, plus ln b_t(j). After each step the greatest is taken out, so
// that no delta is above zero and a long sequence loses no digits; what was taken out adds up to the result. Where the
// maximum came from is looked up on the way back, for the states of the path alone.
func (m *Model) Viterbi(q Sequence) ([]int32, float64, error) {
	t, err := m.steps(q)
	if err != nil {
		return nil, 0, err
	}
	n := m.n
	delta := make([]float64, t*n)
	m.emit.Log(delta, q)
	total, bits := 0.0, make([]uint64, n)
	for s := range t {
		now := delta[s*n : s*n+n]
		if s == 0 {
			for j := range now {
				now[j] += m.logStart[j]
			}
		} else {
			greatest(bits, delta[(s-1)*n:s*n], m.logTurned)
			for j, v := range bits {
				now[j] += math.Float64frombits(v)
			}
		}
		top := math.Inf(-1)
		for _, v := range now {
			if v > top {
				top = v
			}
		}
		if math.IsInf(top, 0) {
			return nil, 0, impossible(s)
		}
		for j := range now {
			now[j] -= top
		}
		total += top
	}
	path := make([]int32, t)
	at := delta[(t-1)*n:]
	for j, v := range at {
		if v > at[path[t-1]] {
			path[t-1] = int32(j)
		}
	}
	for s := t - 1; s > 0; s-- {
		best := uint64(math.MaxUint64)
		row := m.logTurned[int(path[s])*n:][:n]
		for i, v := range delta[(s-1)*n : s*n] {
			if b := math.Float64bits(v + row[i]); b < best {
				best, path[s-1] = b, int32(i)
			}
		}
	}
	return path, total, nil
}

// greatest writes the bits of the maximum over i of a_i + rows[j][i] for every j. No sum is above zero, and the bits of
// such numbers, read as whole ones, fall while the numbers rise: the maximum is a minimum without a jump.
func greatest(dst []uint64, a, rows []float64) {
	n := len(a)
	j := 0
	for ; j+3 <= n; j += 3 {
		dst[j], dst[j+1], dst[j+2] = three(a, rows[j*n:j*n+n], rows[(j+1)*n:(j+1)*n+n], rows[(j+2)*n:(j+2)*n+n])
	}
	for ; j < n; j++ {
		best := uint64(math.MaxUint64)
		for i, v := range rows[j*n : j*n+n] {
			best = min(best, math.Float64bits(a[i]+v))
		}
		dst[j] = best
	}
}

// three is greatest for three rows: as many as the registers hold.
//
//go:noinline
func three(a, r0, r1, r2 []float64) (b0, b1, b2 uint64) {
	r0, r1, r2 = r0[:len(a)], r1[:len(a)], r2[:len(a)]
	b0, b1, b2 = math.MaxUint64, math.MaxUint64, math.MaxUint64
	for i, v := range a {
		b0 = min(b0, math.Float64bits(v+r0[i]))
		b1 = min(b1, math.Float64bits(v+r1[i]))
		b2 = min(b2, math.Float64bits(v+r2[i]))
	}
	return b0, b1, b2
}
