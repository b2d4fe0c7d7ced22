package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
	"github.com/manifold-gen/manifold/shared/tensor/internal/gemm"
	"github.com/manifold-gen/manifold/shared/tensor/internal/pool"
)

func ramp(n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(i%17-8) / 16
	}
	return s
}

func meas(f func()) (med, best float64) {
	f()
	f()
	t := time.Now()
	f()
	d := max(time.Since(t), time.Microsecond)
	n := max(1, int(12*time.Millisecond/d))
	var ts []float64
	for range 5 {
		t := time.Now()
		for range n {
			f()
		}
		ts = append(ts, time.Since(t).Seconds()/float64(n))
	}
	slices.Sort(ts)
	return ts[2], ts[0]
}

func main() {
	nt, _ := strconv.Atoi(os.Args[1])
	pool.SetThreads(nt)
	fmt.Printf("peak %.1f\n", gemm.PeakFMA(cpu.Active())*float64(nt))
	if len(os.Args) > 2 && os.Args[2] == "exp2" {
		exp2()
		return
	}
	shapes := [][3]int{{256, 256, 256}, {512, 512, 512}, {1024, 1024, 1024}, {2048, 2048, 2048}, {1, 1024, 1024}, {1, 384, 384}, {1, 384, 1536}, {2, 384, 1536}, {4, 384, 384}, {8, 384, 384}, {16, 384, 384}, {64, 384, 384}, {16, 384, 1536}, {16, 1536, 384}, {64, 384, 1536}, {128, 784, 400}, {128, 400, 20}, {2048, 384, 1536}, {2048, 1536, 384}}
	for _, s := range shapes {
		m, k, n := s[0], s[1], s[2]
		name := fmt.Sprintf("%dx%dx%d", m, k, n)
		if len(os.Args) > 2 && !slices.Contains(os.Args[2:], name) {
			continue
		}
		a, b, c := ramp(m*k), ramp(k*n), make([]float32, m*n)
		fl := 2 * float64(m) * float64(k) * float64(n) / 1e9
		pb := gemm.PackB(b, k, n, 0, false)
		p := gemm.Product{M: m, N: n, K: k}
		pt := gemm.Product{M: m, N: n, K: k, TransB: true}
		pa := gemm.Product{M: m, N: n, K: k, TransA: true}
		line := []string{name}
		for _, x := range []struct {
			n string
			f func()
		}{
			{"packed", func() { gemm.MatMulPacked(c, a, pb, p, nil) }},
			{"mm", func() { gemm.MatMul(c, a, b, p, nil) }},
			{"transB", func() { gemm.MatMul(c, a, b, pt, nil) }},
			{"transA", func() { gemm.MatMul(c, a, b, pa, nil) }},
		} {
			med, best := meas(x.f)
			line = append(line, fmt.Sprintf("%s=%.1f/%.1f", x.n, fl/med, fl/best))
		}
		fmt.Println(strings.Join(line, " "))
	}
	if len(os.Args) == 2 {
		for _, s := range []struct{ b, m, k, n int }{{64, 49, 64, 49}, {64, 49, 49, 64}, {12, 64, 32, 64}, {12, 64, 64, 32}, {12, 16, 32, 16}} {
			a, b, c := ramp(s.b*s.m*s.k), ramp(s.b*s.k*s.n), make([]float32, s.b*s.m*s.n)
			p := gemm.Product{M: s.m, N: s.n, K: s.k, Batch: s.b, StrideA: s.m * s.k, StrideB: s.k * s.n, StrideC: s.m * s.n}
			pt := p
			pt.TransB = true
			fl := 2 * float64(s.b*s.m*s.k*s.n) / 1e9
			m1, b1 := meas(func() { gemm.MatMul(c, a, b, p, nil) })
			m2, b2 := meas(func() { gemm.MatMul(c, a, b, pt, nil) })
			fmt.Printf("batch %v mm=%.1f/%.1f transB=%.1f/%.1f\n", s, fl/m1, fl/b1, fl/m2, fl/b2)
		}
	}
}
