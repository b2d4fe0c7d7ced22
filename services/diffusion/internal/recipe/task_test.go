package recipe

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/train"
)

// tinyTask is the task of the tiny recipe after a change.
func tinyTask(t *testing.T, change func(*Recipe)) *task {
	t.Helper()
	r, err := Parse(text(t, "tiny"))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	p, err := r.open(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := newTask(r, p)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func batch(n int) train.Batch {
	b := train.Batch{Step: 3, Samples: make([]int32, n), Draws: make([]uint64, n), Rng: rng.New(9)}
	for i := range n {
		b.Samples[i], b.Draws[i] = int32(7*i), uint64(100+i)
	}
	return b
}

// TestInitialLoss: a fresh network predicts zero, so the loss is the mean square of the target: 1 for noise, and about
// abar + (1-abar) E[x0^2] for the velocity.
func TestInitialLoss(t *testing.T) {
	for _, pred := range []string{"epsilon", "x0", "v"} {
		k := tinyTask(t, func(r *Recipe) { r.Diffusion.Prediction = pred })
		var want float64
		b := batch(64)
		size := 64
		var step [1]int32
		eps := make([]float32, size)
		x0 := make([]float32, size)
		target := make([]float32, size)
		for i, s := range b.Samples {
			if err := k.data.Train.Picture(int(s), x0); err != nil {
				t.Fatal(err)
			}
			b.Rng.Ints(step[:], 100, b.Draws[i], 3, rng.Time)
			b.Rng.Normal(eps, b.Draws[i], 3, rng.Noise)
			p, err := schedule.ParsePrediction(pred)
			if err != nil {
				t.Fatal(err)
			}
			schedule.Target(target, x0, eps, p, k.sch.AlphaBar[step[0]])
			for _, v := range target {
				want += float64(v) * float64(v) / float64(size*64)
			}
		}
		loss, err := k.Loss(autograd.NewTape(nil), b)
		if err != nil {
			t.Fatal(err)
		}
		if got := float64(loss.F32()[0]); math.Abs(got-want) > 1e-5*want {
			t.Errorf("%s: the initial loss is %v, want %v", pred, got, want)
		}
	}
}

// TestMinSNRIsOneLoss: under min-SNR weighting the three predictions weigh errors of the picture alike.
func TestMinSNRIsOneLoss(t *testing.T) {
	for _, alphaBar := range []float64{0.001, 0.3, 0.9, 0.9999} {
		snr := alphaBar / (1 - alphaBar)
		want := min(snr, 5)
		// An error e of the picture is an error e sqrt(SNR) of the noise and e / sqrt(1-abar) of the velocity.
		rows := map[schedule.Prediction]float64{
			schedule.X0: 1, schedule.Epsilon: snr, schedule.V: 1 / (1 - alphaBar),
		}
		for p, scale := range rows {
			if got := lossWeight(p, alphaBar, 5) * scale; math.Abs(got-want) > 1e-9*want {
				t.Errorf("abar %v, %s: weight %v of the picture's error, want %v", alphaBar, p, got, want)
			}
		}
		if lossWeight(schedule.V, alphaBar, 0) != 1 {
			t.Error("without min-SNR the weight is not 1")
		}
	}
}

func TestClassDropout(t *testing.T) {
	k := tinyTask(t, nil)
	b := batch(250)
	if _, err := k.Loss(autograd.NewTape(nil), b); err != nil {
		t.Fatal(err)
	}
	hidden := 0
	for i, c := range k.class {
		switch int(c) {
		case k.cfg.Classes:
			hidden++
		case k.data.Train.Label(int(b.Samples[i])):
		default:
			t.Fatalf("row %d has class %d, its label is %d", i, c, k.data.Train.Label(int(b.Samples[i])))
		}
	}
	// 25 expected, standard deviation 4.7.
	if hidden < 10 || hidden > 40 {
		t.Errorf("%d of 250 classes are hidden, want about 25", hidden)
	}
}

// TestRowDoesNotDependOnItsBatch: the draws of a sample are those of its number, wherever it lies.
func TestRowDoesNotDependOnItsBatch(t *testing.T) {
	k := tinyTask(t, nil)
	x := tensor.New(tensor.Float32, 4, 8, 8, 1)
	target := tensor.New(tensor.Float32, 4, 8, 8, 1)
	root := tensor.New(tensor.Float32, 4, 1, 1, 1)
	k.room(4)
	d := draw{stream: rng.New(1), number: 42, step: 5, drop: 0.1, picture: 3}
	for _, i := range []int{0, 3} {
		if err := k.row(x, target, root, i, d); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(x.F32()[:64], x.F32()[192:]) || !slices.Equal(target.F32()[:64], target.F32()[192:]) ||
		k.timestep[0] != k.timestep[3] || k.class[0] != k.class[3] {
		t.Error("rows 0 and 3 of the same sample differ")
	}
}

func TestMirror(t *testing.T) {
	x := []float32{1, 2, 3, 4, 5, 6, 7, 8} // 2x2x2
	mirror(x, 2, 2)
	if !slices.Equal(x, []float32{3, 4, 1, 2, 7, 8, 5, 6}) {
		t.Errorf("mirrored to %v", x)
	}
}
