package recipe

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"

	"github.com/manifold-gen/manifold/shared/dataset"
	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/picture"
	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"
)

// base is what the tasks of this package share: parameters, pictures, and their binary forms.
type base struct {
	recipe   *Recipe
	data     *recipe.Pictures
	binarise string
	labelled bool // the model is told classes
	params   []*nn.Param
	tape     *autograd.Tape // for evaluations
	print    string

	class   []int32
	uniform []float32
}

// newBase identifies a task by a kind and everything that its result depends on.
func newBase(r *Recipe, p *recipe.Pictures, binarise string, labelled bool, net any, identity ...any) base {
	text, err := json.Marshal(append([]any{r.Architecture, r.Seed, p.Fingerprint(), binarise, labelled}, identity...))
	if err != nil {
		panic(err) // numbers and strings always have a JSON form
	}
	sum := sha256.Sum256(text)
	return base{
		recipe: r, data: p, binarise: binarise, labelled: labelled, params: nn.Params(net),
		tape: autograd.NewInference(nil), print: hex.EncodeToString(sum[:]),
		uniform: make([]float32, p.Height*p.Width*p.Channels),
	}
}

// Params implements train.Task.
func (b *base) Params() []*nn.Param { return b.params }

// Samples implements train.Task.
func (b *base) Samples() int { return b.data.Train.Len() }

// Fingerprint implements train.Task.
func (b *base) Fingerprint() string { return b.print }

// size is the numbers of a picture.
func (b *base) size() int { return len(b.uniform) }

// Seeds that keep draws apart from those of the training itself.
const (
	evalSeed   = 0x6576616c75617465
	staticSeed = 0x7374617469630000
)

// Binarise makes a gray picture x binary: 1 with the probability of its value. uniform is memory of x's length.
func Binarise(x, uniform []float32, s rng.Stream, draw uint64, step uint32) {
	s.Uniform(uniform, draw, step, rng.Binarise)
	for i, v := range x {
		x[i] = 0
		if uniform[i] < v {
			x[i] = 1
		}
	}
}

// batch fills x [N, D] with the pictures of a training batch, in [0, 1], binary where the recipe says so; the classes
// are nil for a model that is told none. Dynamic binarisation is by the draws at the batch's step.
func (b *base) batch(x *tensor.Tensor, in train.Batch) ([]int32, error) {
	return b.rows(x, &b.data.Train, in.Rng, uint32(in.Step), func(i int) (int, uint64) {
		return int(in.Samples[i]), in.Draws[i]
	})
}

// slice fills x [N, D] with pictures of a split from some place on, for evaluation.
func (b *base) slice(x *tensor.Tensor, split *recipe.Split, from int) ([]int32, error) {
	return b.rows(x, split, b.evalStream(), 0, func(i int) (int, uint64) { return from + i, uint64(from + i) })
}

// rows fills x with pictures of a split; at is which, and the number of its draw.
func (b *base) rows(x *tensor.Tensor, split *recipe.Split, s rng.Stream, step uint32, at func(i int) (int, uint64)) (
	[]int32, error,
) {
	n, d := x.Dim(0), b.size()
	b.class = append(b.class[:0], make([]int32, n)...)
	for i := range n {
		sample, draw := at(i)
		index, row := split.Index(sample), x.F32()[i*d:(i+1)*d]
		if err := dataset.UnitPicture(split.Dataset, index, row); err != nil {
			return nil, fault.Wrap("recipe.rows", err)
		}
		b.class[i] = int32(split.Label(index))
		switch b.binarise {
		case static:
			which := uint32(0)
			if split == &b.data.Selection {
				which = 1 // registered splits number their pictures from 0 each
			}
			Binarise(row, b.uniform, rng.New(b.recipe.Seed^staticSeed), uint64(index), which)
		case dynamic:
			Binarise(row, b.uniform, s, draw, step)
		}
	}
	if !b.labelled {
		return nil, nil
	}
	return b.class, nil
}

// evalStream is the noise of evaluations.
func (b *base) evalStream() rng.Stream { return rng.New(b.recipe.Seed ^ evalSeed) }

// load copies weights into a model of the same structure as the trained one.
func load(net any, model []weights.Param) error {
	return tensor.Catch(func() {
		for i, p := range nn.Params(net) {
			p.CopyFrom(model[i].Tensor)
			p.Changed()
		}
	})
}

// evalRows is how many pictures an evaluation looks at together; it does not change a bit.
const evalRows = 250

// gapPictures is on how many training pictures an evaluation looks for overfitting.
const gapPictures = 1000

// overfit is how much larger, relative to it, the loss of unseen pictures may be than that of training pictures
// before an alarm says so.
const overfit = 0.1

// overfitting is the alarm for two losses.
func overfitting(unseen, seen float64) []string {
	if gap := unseen - seen; gap > overfit*math.Abs(seen) {
		return []string{fmt.Sprintf("The loss on pictures for selection (%.4g) is %.0f %% above that on training pictures "+
			"(%.4g): the model learns them by heart.", unseen, 100*gap/math.Abs(seen), seen)}
	}
	return nil
}

// bins is the number of bars of a histogram of weights.
const bins = 41

// histogram counts the weights in bars of equal width over +-limit, the largest magnitude: the counts, and the bars'
// borders.
func histogram(model []weights.Param) map[string][]float64 {
	var limit float64
	for _, p := range model {
		for _, v := range p.Tensor.F32() {
			limit = max(limit, math.Abs(float64(v)))
		}
	}
	counts, borders := make([]float64, bins), make([]float64, bins+1)
	for i := range borders {
		borders[i] = limit * (2*float64(i)/bins - 1)
	}
	for _, p := range model {
		for _, v := range p.Tensor.F32() {
			at := 0
			if limit > 0 {
				at = int((float64(v)/limit + 1) / 2 * bins)
			}
			counts[min(max(at, 0), bins-1)]++
		}
	}
	return map[string][]float64{"weights": counts, "weights_borders": borders}
}

// show makes one picture of rows of pictures in [0, 1].
func (b *base) show(name string, x []float32, columns int) (train.Preview, error) {
	d := b.size()
	list := make([]*picture.Picture, len(x)/d)
	row := make([]float32, d)
	for i := range list {
		for j, v := range x[i*d : (i+1)*d] {
			row[j] = 2*min(max(v, 0), 1) - 1
		}
		list[i] = picture.FromSamples(row, b.data.Width, b.data.Height, b.data.Channels)
	}
	grid, err := picture.Grid(list, columns, 1)
	if err != nil {
		return train.Preview{}, err
	}
	return train.Preview{Name: name, Image: grid.Image()}, nil
}
