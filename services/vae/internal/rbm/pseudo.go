package rbm

import (
	"fmt"

	"github.com/manifold-gen/manifold/shared/fault"
	"github.com/manifold-gen/manifold/shared/tensor"
)

// MaxPseudo is the most visible units of which PseudoLikelihood changes every one.
const MaxPseudo = 1000

// PseudoLikelihood writes the sum over all pixels of log p(v_i | all other units) of every row of v [B, V] (Besag
// 1975), in nats: exactly, changing one pixel after the other, where scikit-learn changes one that it draws. Changing
// unit i by d moves every x_j by d W_ij, so that
//
//	F(v + d e_i) - F(v) = -d b_i - sum_j (softplus(x_j + d W_ij) - softplus(x_j)).
//
// A gray value v_i counts as one of the two values v_i and 1-v_i, as in scikit-learn. Labels stay what they are.
// It is an error for Gaussian units, which have densities, and for more than MaxPseudo visible units.
func (m *RBM) PseudoLikelihood(dst []float64, v *tensor.Tensor, a *tensor.Arena) error {
	if m.Units == Gaussian || m.Visible() > MaxPseudo {
		return fault.E(fault.Invalid, "NO_PSEUDO_LIKELIHOOD", "rbm.PseudoLikelihood", "%s",
			fmt.Sprintf("the machine has %d %s units; pseudo-likelihoods are for up to %d binary or softmax ones",
				m.Visible(), m.Units, MaxPseudo))
	}
	mark := a.Mark()
	defer a.Release(mark)
	B, V := v.Dims2()
	x := a.New(tensor.Float32, B, m.Hidden)
	m.HiddenInput(x, v, a)
	for i := range B {
		p := pseudo{m: m, v: v.F32()[i*V : (i+1)*V], x: x.F32()[i*m.Hidden : (i+1)*m.Hidden], a: a}
		inner := a.Mark()
		if m.Units == Binary {
			dst[i] = p.binary()
		} else {
			dst[i] = p.softmax()
		}
		a.Release(inner)
	}
	return nil
}

// pseudo is one row.
type pseudo struct {
	m    *RBM
	v, x []float32
	a    *tensor.Arena
}

func (p pseudo) binary() float64 {
	m, n := p.m, p.m.Pixels
	d := p.a.New(tensor.Float32, m.Visible(), 1)
	for i, v := range p.v {
		d.F32()[i] = 1 - 2*v
	}
	moved := p.a.New(tensor.Float32, m.Visible(), m.Hidden) // [V, H]
	tensor.Mul(moved, m.Weight.Tensor, d)
	x := p.a.New(tensor.Float32, 1, m.Hidden)
	copy(x.F32(), p.x)
	tensor.Add(moved, moved, x)
	sums := p.softplus(moved)
	tensor.Softplus(x, x)
	now := p.a.New(tensor.Float32, 1, 1)
	tensor.Sum(now, x, 1) // in the order of the other sums
	var total float64
	for i, b := range m.VisibleBias.F32()[:n] {
		rise := -float64(float64(d.F32()[i])*float64(b)) - (float64(sums[i]) - float64(now.F32()[0]))
		total -= softplus(-rise) // log sigmoid(F(changed) - F(v))
	}
	return total
}

// softplus adds softplus over the rows of x, which it overwrites.
func (p pseudo) softplus(x *tensor.Tensor) []float32 {
	tensor.Softplus(x, x)
	sums := p.a.New(tensor.Float32, x.Dim(0), 1)
	tensor.Sum(sums, x, 1)
	return sums.F32()
}

func (p pseudo) softmax() float64 {
	m, n := p.m, p.m.pixelUnits()
	W := m.Weight.F32()
	// x without the pixel's level that is on: [P, 1, H].
	rest := p.a.New(tensor.Float32, m.Pixels, 1, m.Hidden)
	for g := range m.Pixels {
		row := rest.F32()[g*m.Hidden : (g+1)*m.Hidden]
		copy(row, p.x)
		for k := range m.Levels {
			if i := g*m.Levels + k; p.v[i] != 0 {
				for j := range row {
					row[j] -= float32(p.v[i] * W[i*m.Hidden+j])
				}
			}
		}
	}
	moved := p.a.New(tensor.Float32, m.Pixels, m.Levels, m.Hidden)
	copy(moved.F32(), W[:n*m.Hidden])
	tensor.Add(moved, moved, rest)
	sums := p.softplus(p.a.View(moved, n, m.Hidden))
	var total float64
	for g := range m.Pixels {
		var chosen, all float64
		for k := range m.Levels {
			i := g*m.Levels + k
			s := float64(m.VisibleBias.F32()[i]) + float64(sums[i])
			if k == 0 {
				all = s
			} else {
				all = logSumExp(all, s)
			}
			chosen += float64(float64(p.v[i]) * s)
		}
		total += chosen - all
	}
	return total
}
