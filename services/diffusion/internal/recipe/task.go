package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/diffusion/internal/schedule"
	"github.com/manifold-gen/manifold/services/diffusion/internal/unet"
)

// task is a denoiser in training: train.Task of Ho et al., "Denoising Diffusion Probabilistic Models" (2020,
// algorithm 1), with the prediction of Salimans and Ho (2022) and the class dropout of Ho and Salimans (2022).
type task struct {
	recipe *Recipe
	data   *recipe.Pictures
	cfg    unet.Config
	net    *unet.UNet
	twin   *unet.UNet // holds the weights that are evaluated and shown
	tape   *autograd.Tape
	params []*nn.Param
	sch    *schedule.Schedule
	pred   schedule.Prediction
	drop   float32

	// Room for one micro-batch.
	x0, eps  []float32
	timestep []float32
	class    []int32
}

// newTask draws the initial weights of a recipe's network.
func newTask(r *Recipe, data *recipe.Pictures) (*task, error) {
	cfg, err := r.network(data.Height, data.Channels, len(data.Classes))
	if err != nil {
		return nil, err
	}
	t := &task{recipe: r, data: data, cfg: cfg, tape: autograd.NewInference(tensor.NewArena())}
	if t.net, err = unet.New(cfg); err != nil {
		return nil, fault.E(fault.Invalid, "BAD_MODEL", "recipe.newTask", "%w", err)
	}
	if t.twin, err = unet.New(cfg); err != nil {
		return nil, fault.E(fault.Invalid, "BAD_MODEL", "recipe.newTask", "%w", err)
	}
	t.net.Recompute = r.Train.Recompute
	nn.Init(t.net, r.Seed)
	t.params = nn.Params(t.net)
	if t.sch, err = schedule.Parse(cfg.Schedule, cfg.Steps); err != nil {
		return nil, fault.E(fault.Invalid, "BAD_RECIPE", "recipe.newTask", "%w", err)
	}
	if t.pred, err = schedule.ParsePrediction(cfg.Prediction); err != nil {
		return nil, fault.E(fault.Invalid, "BAD_RECIPE", "recipe.newTask", "%w", err)
	}
	if cfg.Classes > 0 {
		t.drop = 0.1
		if p := r.Diffusion.ClassDropout; p != nil {
			t.drop = float32(*p)
		}
	}
	return t, nil
}

// Params implements train.Task.
func (t *task) Params() []*nn.Param { return t.params }

// Samples implements train.Task.
func (t *task) Samples() int { return t.data.Train.Len() }

// Fingerprint implements train.Task.
func (t *task) Fingerprint() string {
	text, err := json.Marshal([]any{
		"diffusion", t.cfg, t.recipe.Seed, t.data.Fingerprint(), t.recipe.Diffusion.MinSNR, t.drop,
		t.recipe.Diffusion.Flip,
	})
	if err != nil {
		panic(err) // numbers and strings always have a JSON form
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// draw is everything random about one row: its timestep, noise, class as the network sees it, and mirroring.
type draw struct {
	stream  rng.Stream
	number  uint64
	step    uint32
	drop    float32
	flip    bool
	picture int // in the training set
}

// Loss implements train.Task: the mean of w(t) (prediction - target)^2 over pictures and pixels.
func (t *task) Loss(tape *autograd.Tape, b train.Batch) (*autograd.Value, error) {
	n := len(b.Samples)
	t.room(n)
	c := t.cfg
	x := tape.Arena().New(tensor.Float32, n, c.ImageSize, c.ImageSize, c.InChannels)
	target := tape.Arena().New(tensor.Float32, n, c.ImageSize, c.ImageSize, c.InChannels)
	root := tape.Arena().New(tensor.Float32, n, 1, 1, 1) // square roots of the rows' loss weights
	for i, s := range b.Samples {
		d := draw{stream: b.Rng, number: b.Draws[i], step: uint32(b.Step), drop: t.drop, flip: t.recipe.Diffusion.Flip,
			picture: t.data.Train.Index(int(s))}
		if err := t.row(x, target, root, i, d); err != nil {
			return nil, err
		}
	}
	out := t.net.Forward(tape, tape.Const(x), t.timestep, t.class)
	diff := autograd.Sub(out, tape.Const(target))
	if t.recipe.Diffusion.MinSNR > 0 {
		diff = autograd.Mul(diff, tape.Const(root))
	}
	return autograd.Mean(autograd.Square(diff)), nil
}

// room makes the buffers fit a batch of n.
func (t *task) room(n int) {
	size := t.cfg.ImageSize * t.cfg.ImageSize * t.cfg.InChannels
	if len(t.x0) != size {
		t.x0, t.eps = make([]float32, size), make([]float32, size)
	}
	if len(t.timestep) != n {
		t.timestep, t.class = make([]float32, n), make([]int32, n)
	}
}

// row draws row i of a batch: the noisy picture, what the network should say, and the weight of its loss.
func (t *task) row(x, target, root *tensor.Tensor, i int, d draw) error {
	size := len(t.x0)
	if err := t.data.Train.Picture(d.picture, t.x0); err != nil {
		return fault.Wrap("recipe.Loss", err)
	}
	var step [1]int32
	d.stream.Ints(step[:], int32(t.sch.T()), d.number, d.step, rng.Time)
	d.stream.Normal(t.eps, d.number, d.step, rng.Noise)
	if d.flip {
		var u [1]float32
		if d.stream.Uniform(u[:], d.number, d.step, rng.Augment); u[0] < 0.5 {
			mirror(t.x0, t.cfg.ImageSize, t.cfg.InChannels)
		}
	}
	alphaBar := t.sch.AlphaBar[step[0]]
	schedule.AddNoise(x.F32()[i*size:(i+1)*size], t.x0, t.eps, alphaBar)
	schedule.Target(target.F32()[i*size:(i+1)*size], t.x0, t.eps, t.pred, alphaBar)
	root.F32()[i] = float32(math.Sqrt(lossWeight(t.pred, alphaBar, t.recipe.Diffusion.MinSNR)))
	t.timestep[i] = float32(step[0])
	t.class[i] = int32(t.cfg.Classes)
	if t.cfg.Classes > 0 {
		var u [1]float32
		if d.drop > 0 {
			d.stream.Uniform(u[:], d.number, d.step, rng.Drop)
		}
		if u[0] >= d.drop {
			t.class[i] = int32(t.data.Train.Label(d.picture))
		}
	}
	return nil
}

// mirror reverses the rows of a picture [size, size, channels].
func mirror(x []float32, size, channels int) {
	for y := range size {
		row := x[y*size*channels : (y+1)*size*channels]
		for l, r := 0, size-1; l < r; l, r = l+1, r-1 {
			for c := range channels {
				row[l*channels+c], row[r*channels+c] = row[r*channels+c], row[l*channels+c]
			}
		}
	}
}

// lossWeight is the weight that makes the loss of a prediction equal to min(SNR, gamma) times that of the picture
// (Hang et al. 2023, section 3.4); gamma 0 is no weighting at all.
func lossWeight(p schedule.Prediction, alphaBar, gamma float64) float64 {
	if gamma == 0 {
		return 1
	}
	snr := alphaBar / (1 - alphaBar)
	switch p {
	case schedule.Epsilon:
		return min(1, gamma/snr)
	case schedule.V:
		return min(snr, gamma) / (snr + 1)
	}
	return min(snr, gamma)
}

// evalBatch is how many pictures the evaluation gives the network at a time; it does not change a bit.
const evalBatch = 32

// evalSeed keeps the evaluation's draws apart from the training's.
const evalSeed = 0x6576616c75617465

// Evaluate implements train.Task: the unweighted loss on the selection split, with the classes shown, at timesteps
// that are spread evenly over the schedule.
func (t *task) Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error) {
	if err := t.load(model); err != nil {
		return nil, err
	}
	n := t.data.Selection.Len()
	var total float64
	for from := 0; from < n; from += evalBatch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		sum, err := t.evaluate(from, min(from+evalBatch, n))
		if err != nil {
			return nil, err
		}
		total += sum
	}
	return map[string]float64{"loss": total / float64(n)}, nil
}

// evaluate is the sum of the mean squared errors of some pictures of the selection split.
func (t *task) evaluate(from, to int) (float64, error) {
	n, c := to-from, t.cfg
	t.tape.Reset()
	t.room(n)
	x := t.tape.Arena().New(tensor.Float32, n, c.ImageSize, c.ImageSize, c.InChannels)
	target := t.tape.Arena().New(tensor.Float32, n, c.ImageSize, c.ImageSize, c.InChannels)
	stream := rng.New(t.recipe.Seed ^ evalSeed)
	size := len(t.x0)
	for i := range n {
		at := from + i
		picture := t.data.Selection.Index(at)
		if err := t.data.Selection.Picture(picture, t.x0); err != nil {
			return 0, fault.Wrap("recipe.Evaluate", err)
		}
		stream.Normal(t.eps, uint64(at), 0, rng.Noise)
		step := (2*at + 1) * t.sch.T() / (2 * t.data.Selection.Len())
		schedule.AddNoise(x.F32()[i*size:(i+1)*size], t.x0, t.eps, t.sch.AlphaBar[step])
		schedule.Target(target.F32()[i*size:(i+1)*size], t.x0, t.eps, t.pred, t.sch.AlphaBar[step])
		t.timestep[i] = float32(step)
		t.class[i] = int32(c.Classes)
		if c.Classes > 0 {
			t.class[i] = int32(t.data.Selection.Label(picture))
		}
	}
	var sum float64
	err := tensor.Catch(func() {
		out := t.twin.Forward(t.tape, t.tape.Const(x), t.timestep, t.class)
		for i, want := range target.F32() {
			d := float64(out.F32()[i]) - float64(want)
			sum += float64(d * d)
		}
	})
	return sum / float64(size), err
}

// load copies weights into the network that is evaluated.
func (t *task) load(model []weights.Param) error {
	return tensor.Catch(func() {
		for i, p := range nn.Params(t.twin) {
			p.CopyFrom(model[i].Tensor)
			p.Changed()
		}
	})
}
