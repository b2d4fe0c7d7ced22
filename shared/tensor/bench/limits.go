package bench

import (
	"slices"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Limits is what this machine gives any program with the threads in use: no workload is faster than its arithmetic at
// the peak, or than its weights at the bandwidth of where they lie.
type Limits struct {
	Kernels  string  `json:"kernels"`
	Threads  int     `json:"threads"`
	PeakF32  float64 `json:"peak_f32_gf_per_s"`   // multiply-adds on registers alone, all threads
	ReadDRAM float64 `json:"read_dram_gb_per_s"`  // a sum over 512 MiB
	ReadL3   float64 `json:"read_cache_gb_per_s"` // a sum over 12 MiB again and again
}

// MeasureLimits takes about two seconds.
func MeasureLimits() Limits {
	return Limits{
		Kernels: tensor.Kernels(), Threads: tensor.Threads(),
		PeakF32:  Peak() * float64(tensor.Threads()),
		ReadDRAM: readSpeed(512 << 20),
		ReadL3:   readSpeed(12 << 20),
	}
}

// readSpeed is the best bandwidth of several products of one row by a matrix of the given bytes, in GB/s: two
// operations an element, so that memory is what bounds them.
func readSpeed(bytes int) float64 {
	const k = 1024
	n := bytes / 4 / k
	a, c := normal(1, k), tensor.New(tensor.Float32, 1, n)
	w := tensor.PackB(tensor.New(tensor.Float32, k, n), false)
	var times []float64
	for end := time.Now().Add(500 * time.Millisecond); len(times) < 5 || time.Now().Before(end); {
		times = append(times, timed(func() { tensor.MatMulPacked(c, a, w, nil) }, max(1, (64<<20)/bytes)))
	}
	return float64(bytes) / slices.Min(times) / 1e9
}
