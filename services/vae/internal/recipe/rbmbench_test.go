package recipe

import (
	"math"
	"os"
	"testing"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/optim"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/train"
)

// BenchmarkCD1 is a training step of an RBM with 784 visible and 500 hidden units by CD-1 in batches of 100, as the
// training loop does it: data, draws, statistics, momentum. An epoch of 45,000 pictures is 450 steps. The last
// reconstruction is a mean, or drawn. Pictures are MNIST's where MANIFOLD_DATA has them, else noise with as many pixels
// that are not 0. The machine learns for an epoch before it is timed, because that makes units rarer.
func BenchmarkCD1(b *testing.B) {
	for _, sampled := range []bool{false, true} {
		b.Run(map[bool]string{false: "mean", true: "drawn"}[sampled], func(b *testing.B) { benchmarkCD1(b, sampled) })
	}
}

func benchmarkCD1(b *testing.B, sampled bool) {
	part := digitsOrNoise(b)
	p := &recipe.Pictures{Train: recipe.Split{Dataset: part}, Selection: recipe.Split{Dataset: part}, Height: 28, Width: 28,
		Channels: 1}
	r := &Recipe{Architecture: "rbm", Model: &rbmModel{Learning: learning{Sampled: sampled}}}
	r.setDefaults()
	task, err := r.Model.(*rbmModel).task(r, p)
	if err != nil {
		b.Fatal(err)
	}
	const batch = 100
	in := train.Batch{Samples: make([]int32, batch), Draws: make([]uint64, batch), Rng: rng.New(1)}
	sgd := optim.NewSGD(task.Params(), 0.5, 0, false)
	tape := autograd.NewTape(tensor.NewArena())
	step := func() {
		tape.Reset()
		for i := range batch {
			in.Draws[i]++
			in.Samples[i] = int32((in.Step*batch + i) % part.Len())
		}
		loss, err := task.Loss(tape, in)
		if err != nil {
			b.Fatal(err)
		}
		tape.Once()
		nn.Gradient(tape, loss, task.Params())
		optim.ClipGlobalNorm(task.Params(), math.MaxFloat64, 1)
		sgd.Step(0.05, 1)
		in.Step++
	}
	for range 450 {
		step()
	}
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	b.ReportMetric(450*b.Elapsed().Seconds()/float64(b.N), "s/epoch")
}

func digitsOrNoise(b *testing.B) dataset.Dataset {
	if dir := os.Getenv("MANIFOLD_DATA"); dir != "" {
		l := &dataset.Locator{Dirs: []string{dir}, Offline: true}
		set, err := l.Open(b.Context(), dataset.Request{Name: "mnist", Split: "train"})
		if err != nil {
			b.Fatal(err)
		}
		return set
	}
	data := make([]byte, 2000*784)
	for i := range data {
		if i*2654435761>>7%5 == 0 { // a fifth of the pixels, as of digits
			data[i] = byte(i * 40503 >> 3)
		}
	}
	part, err := dataset.NewPictures(data, 28, 28, 1, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	return part
}
