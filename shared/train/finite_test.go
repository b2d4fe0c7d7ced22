package train

import (
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor"
	"github.com/manifold-gen/manifold/shared/tensor/autograd"
	"github.com/manifold-gen/manifold/shared/tensor/nn"
)

// A loss that is not finite names the layer whose result was the first that was not.
func TestFirstBadNamesTheLayer(t *testing.T) {
	type model struct {
		In  *nn.Linear `weights:"in"`
		Out *nn.Linear `weights:"out"`
	}
	m := &model{nn.NewLinear(2, 3, true), nn.NewLinear(3, 1, true)}
	nn.Init(m, 1)
	params := nn.Params(m)
	tape := autograd.NewTape(nil)
	for _, row := range []struct {
		want    string
		x, down float64
	}{
		{"the MatMul of in.weight", 3e38, 0}, {"the Log after in.weight", 1, -1e30}, {"the MatMul of out.weight", 1e38, 0},
	} {
		tape.Reset()
		x := tensor.New(tensor.Float32, 1, 2)
		x.Fill(row.x)
		m.In.Weight.Fill(2)
		if row.x == 1e38 {
			m.In.Weight.Fill(1)
		}
		m.Out.Weight.Fill(5)
		h := m.In.Forward(tape, tape.Const(x))
		if row.down != 0 {
			h = autograd.Log(autograd.AddScalar(h, row.down))
		}
		m.Out.Forward(tape, h)
		if got := firstBad(tape, params); got != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}
