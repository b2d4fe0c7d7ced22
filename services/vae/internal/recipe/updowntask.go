package recipe

import (
	"context"
	"fmt"

	"github.com/manifold-gen/manifold/shared/recipe"
	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
	"github.com/manifold-gen/manifold/shared/tensor/rng"
	"github.com/manifold-gen/manifold/shared/tensor/weights"
	"github.com/manifold-gen/manifold/shared/train"

	"github.com/manifold-gen/manifold/services/vae/internal/dbn"
	"github.com/manifold-gen/manifold/services/vae/internal/model"
	"github.com/manifold-gen/manifold/services/vae/internal/rbm"
)

// upDownTask is a deep belief network whose layers are fine-tuned together.
type upDownTask struct {
	base
	sweeps int
	net    *dbn.DBN
	twin   *dbn.DBN // holds the weights that are evaluated and shown
	draws  []rng.Row
	a      *tensor.Arena
}

func newUpDownTask(r *Recipe, p *recipe.Pictures, c dbn.Config, m *dbnModel, layers []*rbm.RBM) *upDownTask {
	t := &upDownTask{sweeps: m.UpDown.Sweeps, net: dbn.New(c), twin: dbn.New(c), a: tensor.NewArena()}
	t.net.Assemble(layers)
	identity := []any{c, m.UpDown.Sweeps}
	for _, q := range nn.Params(t.net) {
		identity = append(identity, tensor.SumSquares(q.Tensor))
	}
	t.base = newBase(r, p, m.Binarise, c.Labels > 0, t.net, identity...)
	return t
}

// Loss implements train.Task. Its value is the cross-entropy of reconstructions of the first pictures of the batch.
func (t *upDownTask) Loss(tape *autograd.Tape, b train.Batch) (*autograd.Value, error) {
	a := tape.Arena()
	x := a.New(tensor.Float32, len(b.Samples), t.size())
	class, err := t.batch(x, b)
	if err != nil {
		return nil, err
	}
	t.draws = t.draws[:0]
	for _, d := range b.Draws {
		t.draws = append(t.draws, rng.Row{Stream: b.Rng, Sample: d})
	}
	for _, p := range t.params {
		p.Changed() // the optimiser wrote them; layers pack them again
	}
	grads := t.net.UpDown(x, class, t.sweeps, t.draws, a)
	return surrogate(tape, t.params, grads, t.reconstruct(t.net, x, min(shown, x.Dim(0)), a)), nil
}

// reconstruct is the mean cross-entropy of the first n pictures after going up to the penultimate layer and down.
func (t *upDownTask) reconstruct(net *dbn.DBN, x *tensor.Tensor, n int, a *tensor.Arena) float64 {
	mark := a.Mark()
	defer a.Release(mark)
	d := t.size()
	v := a.New(tensor.Float32, n, d)
	copy(v.F32(), x.F32())
	up, _ := net.Recognition(v, nil, a)
	down, _ := net.Generation(up[len(up)-1], nil, a)
	var s float64
	for i := range n {
		s += lost(rbm.Binary, v.F32()[i*d:(i+1)*d], down[0].F32()[i*d:(i+1)*d])
	}
	return s / float64(n)
}

func (t *upDownTask) bind(model []weights.Param) error {
	if err := load(t.twin, model); err != nil {
		return err
	}
	t.twin.Changed()
	return nil
}

// Evaluate implements train.Task on the selection split: reconstruction, and the share of pictures that the top machine
// gives a wrong label.
func (t *upDownTask) Evaluate(ctx context.Context, model []weights.Param) (map[string]float64, error) {
	if err := t.bind(model); err != nil {
		return nil, err
	}
	n := t.data.Selection.Len()
	var rec float64
	wrong := 0
	for from := 0; from < n; from += evalRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := min(evalRows, n-from)
		t.a.Reset()
		x := t.a.New(tensor.Float32, rows, t.size())
		class, err := t.slice(x, &t.data.Selection, from)
		if err != nil {
			return nil, err
		}
		rec += t.reconstruct(t.twin, x, rows, t.a) * float64(rows) / float64(n)
		if class != nil {
			wrong += t.errors(x, class)
		}
	}
	m := map[string]float64{"loss": rec, "reconstruction": rec}
	if t.labelled {
		m["error"] = float64(wrong) / float64(n)
	}
	return m, nil
}

// errors is how many pictures get a wrong label.
func (t *upDownTask) errors(x *tensor.Tensor, class []int32) int {
	up, _ := t.twin.Recognition(x, nil, t.a)
	v := t.a.New(tensor.Float32, x.Dim(0), t.twin.Top.Visible())
	none := make([]int32, x.Dim(0))
	for i := range none {
		none[i] = model.Unconditional
	}
	t.twin.Join(v, up[len(up)-1], none, t.a)
	wrong := 0
	V, L := t.twin.Top.Visible(), t.twin.Labels
	for i, c := range class {
		labels := v.F32()[(i+1)*V-L : (i+1)*V]
		for _, p := range labels {
			if p > labels[c] {
				wrong++
				break
			}
		}
	}
	return wrong
}

// Report implements train.Reporter.
func (t *upDownTask) Report(_ context.Context, model []weights.Param) (train.Report, error) {
	return train.Report{Series: histogram(model)}, nil
}

// Preview implements train.Task: what the network dreams of each class.
func (t *upDownTask) Preview(ctx context.Context, params []weights.Param, step int) ([]train.Preview, error) {
	if err := t.bind(params); err != nil {
		return nil, err
	}
	top := t.twin.Top
	t.a.Reset()
	v, h := t.a.New(tensor.Float32, chainTiles, top.Visible()), t.a.New(tensor.Float32, chainTiles, top.Hidden)
	h.Zero()
	draws, class := make([]rng.Row, chainTiles), make([]int32, chainTiles)
	for i := range class {
		class[i] = model.Unconditional
		if t.labelled {
			class[i] = int32(i % t.twin.Labels)
		}
	}
	mark := t.a.Mark()
	for s := range chainSweeps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for i := range draws {
			draws[i] = rng.Row{Stream: t.evalStream(), Sample: uint64(i), Step: uint32(s)}
		}
		top.Sweep(v, h, draws, nil, class, t.a)
		t.a.Release(mark)
	}
	top.VisibleMean(v, h, nil, t.a)
	down, _ := t.twin.Generation(t.twin.Penultimate(v, t.a), nil, t.a)
	p, err := t.show(fmt.Sprintf("dreams-%d", step), down[0].F32(), columns(chainTiles))
	return []train.Preview{p}, err
}
