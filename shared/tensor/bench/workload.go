package bench

import (
	"fmt"
	"slices"
	"time"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// Workload is a whole network of random weights in a published shape, to be measured: speed does not depend on the
// weights.
type Workload struct {
	Name  string  // for instance "minilm-l6/f32/32x64": shape, type, batch x tokens
	Unit  string  // what Items counts: "sentences", "pictures", "tokens", "steps"
	Items float64 // units of one run
	Flops float64 // arithmetic of one run, two for a multiply-add
	Bytes float64 // of weights read in one run
	New   func() func()
}

// Measurement is one measured workload.
type Measurement struct {
	Name      string  `json:"name"`
	Unit      string  `json:"unit"`
	Kernels   string  `json:"kernels"`
	Threads   int     `json:"threads"`
	Seconds   float64 `json:"seconds"` // of one run, median
	PerSecond float64 `json:"per_second"`
	GFs       float64 `json:"gf_per_s"`
}

// Workloads lists the networks that can be measured, by shape.
func Workloads() []Workload {
	return slices.Concat(
		encoders(miniLM, f32Linear),
	)
}

// Find is the workload of the given name; the error lists those that exist.
func Find(name string) (Workload, error) {
	var names []string
	for _, w := range Workloads() {
		if w.Name == name {
			return w, nil
		}
		names = append(names, w.Name)
	}
	return Workload{}, fmt.Errorf("no workload is named %q; there are %q", name, names)
}

// Measure runs w once to warm up, then takes the median of samples samples, each of at least 50 ms of work.
func (w Workload) Measure(samples int) Measurement {
	t := median(w.New(), 50*time.Millisecond, samples)
	return Measurement{
		Name: w.Name, Unit: w.Unit, Kernels: tensor.Kernels(), Threads: tensor.Threads(),
		Seconds: t, PerSecond: w.Items / t, GFs: w.Flops / t / 1e9,
	}
}

// median is the median time of one run in seconds, over samples samples of at least the given work each.
func median(run func(), work time.Duration, samples int) float64 {
	run()
	begin := time.Now()
	run()
	n := max(1, int(work/max(time.Since(begin), time.Microsecond)))
	times := make([]float64, max(1, samples))
	for s := range times {
		begin := time.Now()
		for range n {
			run()
		}
		times[s] = time.Since(begin).Seconds() / float64(n)
	}
	slices.Sort(times)
	return times[len(times)/2]
}
