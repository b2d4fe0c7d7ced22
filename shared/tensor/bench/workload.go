package bench

import (
	"fmt"
	"slices"
	"time"
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
	Flops     float64 `json:"flops"` // of one run, two for a multiply-add
	Bytes     float64 `json:"bytes"` // of weights read in one run
}

// Workloads lists the networks that can be measured, by shape.
func Workloads() []Workload {
	return slices.Concat(
		productWorkloads(),
		lowProducts(),
		encoders(miniLM, f32Linear),
		encoders(miniLM, int8Linear),
		encoders(miniLM, bf16Linear),
		trainings(),
		generators(),
		decoders(qwen05),
		decoders(stories15m),
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
	return w.measurement(median(w.New(), sample, samples))
}

// median is the median time of one run in seconds, over samples samples of at least the given work each.
func median(run func(), work time.Duration, samples int) float64 {
	run()
	begin := time.Now()
	run()
	n := max(1, int(work/max(time.Since(begin), time.Microsecond)))
	times := make([]float64, max(1, samples))
	for s := range times {
		times[s] = timed(run, n)
	}
	slices.Sort(times)
	return times[len(times)/2]
}
