package lowp

import (
	"fmt"
	"time"
)

// Case is one benchmarkable product.
type Case struct {
	Name   string
	Format Format
	Ops    float64 // of one Run, two for every multiply-add
	Bytes  float64 // of the operands and the result, once each
	Run    func()
}

// CaseMaker names a case and makes its operands only when it is wanted.
type CaseMaker struct {
	Name   string
	Format Format
	New    func() Case
}

// Cases lists products of both formats at sizes that models of this project use. The narrowing of the rows is not
// counted: it belongs to the operation before.
func Cases() []CaseMaker {
	var l []CaseMaker
	for _, f := range []Format{Int8, BF16} {
		for _, s := range [][3]int{
			{1024, 1024, 1024}, {512, 512, 512}, {256, 256, 256}, {1, 1024, 1024}, {8, 1024, 1024}, {16, 384, 1536},
			{16, 1536, 384}, {16, 384, 384}, {64, 384, 1536}, {64, 1536, 384}, {2048, 384, 1536}, {1, 4096, 4096},
		} {
			m, k, n := s[0], s[1], s[2]
			name := fmt.Sprintf("%s/%dx%dx%d", f, m, k, n)
			l = append(l, CaseMaker{Name: name, Format: f, New: func() Case {
				var rows Rows
				rows.From(f, ramp(m*k), m, k)
				p := Product{C: make([]float32, m*n), A: &rows, B: Pack(f, ramp(k*n), k, n, false)}
				return Case{
					Name: name, Format: f, Ops: 2 * float64(m) * float64(k) * float64(n),
					Bytes: float64(p.B.Bytes() + m*k*f.size() + 4*m*n),
					Run:   func() { p.Run() },
				}
			}})
		}
	}
	return l
}

// ramp is n values without denormals.
func ramp(n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(i%17-8) / 16
	}
	return s
}

// Peak measures the operations on registers alone, in GOP/s, that one thread reaches with the instruction of a format:
// the best of several short runs. It is 0 where there is no such instruction.
func Peak(f Format) float64 {
	loop, ops := peakLoop(f)
	if loop == nil {
		return 0
	}
	const rounds, chains = 1 << 18, 12
	best := 0.0
	for range 8 {
		start := time.Now()
		loop(rounds)
		best = max(best, rounds*chains*float64(ops)/float64(time.Since(start).Nanoseconds()))
	}
	return best
}
