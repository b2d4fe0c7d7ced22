// Package bench offers the kernel benchmarks to commands: every product and convolution with its arithmetic, and the
// peak of the machine's multiply-adds to hold them against.
//
// Invariant: a figure is always given beside a peak measured in the same run, because machines are shared and clocks
// change.
package bench

import (
	"slices"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Result is one benchmarked kernel.
type Result struct {
	Name    string  `json:"name"`
	Kernels string  `json:"kernels"`
	Threads int     `json:"threads"`
	Flops   float64 `json:"flops,omitempty"`         // of one run, two for a multiply-add; 0 for passes over memory
	Seconds float64 `json:"seconds"`                 // of one run, median
	GFs     float64 `json:"gf_per_s,omitempty"`      // flops / median seconds / 1e9
	Peak    float64 `json:"peak_gf_per_s,omitempty"` // threads times the single-thread peak measured just before
	Share   float64 `json:"share_of_peak,omitempty"`
	// The floor is the least time of one run: the longer of its arithmetic at the peak and of its operands and result
	// at the speed of reading as many bytes again and again, measured just after. Kernels that do not state their
	// bytes have the arithmetic alone. Passes over memory (pass/...) have no arithmetic to count: their floor is the time
	// of the cheapest passes that read, fill and update as many arrays of elements at the same place.
	Bytes float64 `json:"bytes,omitempty"`
	GBs   float64 `json:"gb_per_s,omitempty"` // bytes / median seconds / 1e9
	Read  float64 `json:"read_gb_per_s,omitempty"`
	Floor float64 `json:"floor_seconds"`
	Near  float64 `json:"share_of_floor"` // floor / seconds
}

// Names lists the kernels that can be measured.
func Names() []string {
	var l []string
	for _, k := range kernels() {
		l = append(l, k.name)
	}
	return l
}

// Run measures the kernel of the given name: the median of samples samples, each of at least 20 ms of work, with
// packing counted, using the kernels and threads in use. It returns false for an unknown name.
func Run(name string, samples int) (Result, bool) {
	all := kernels()
	i := slices.IndexFunc(all, func(k kernel) bool { return k.name == name })
	if i < 0 {
		return Result{}, false
	}
	c := all[i].make()
	peak := all[i].peak() * float64(tensor.Threads())
	t := median(c.Run, 20*time.Millisecond, samples)
	r := Result{
		Name: name, Kernels: tensor.Kernels(), Threads: tensor.Threads(),
		Flops: c.Flops, Seconds: t, GFs: c.Flops / t / 1e9, Peak: peak,
	}
	if peak > 0 {
		r.Share = r.GFs / peak
		r.Floor = c.Flops / peak / 1e9
	}
	if c.Bytes > 0 {
		r.Bytes, r.GBs = c.Bytes, c.Bytes/t/1e9
	}
	switch {
	case all[i].floor != nil:
		r.Floor = all[i].floor()
	case c.Bytes > 0:
		r.Read = streaming(int(c.Bytes))
		r.Floor = max(r.Floor, c.Bytes/r.Read/1e9)
	}
	r.Near = r.Floor / t
	return r, true
}
