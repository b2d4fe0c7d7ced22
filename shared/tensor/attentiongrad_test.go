package tensor_test

import (
	"math"
	"testing"

	. "github.com/manifold-gen/manifold/shared/tensor"
)

// naiveAttentionGrad is the derivative by its definition in float64.
func naiveAttentionGrad(c attentionCase, q, k, v, dy *Tensor) (dq, dk, dv []float64) {
	y, lse := naiveAttention(c, q, k, v)
	w, kw := c.heads*c.e, c.kv*c.e
	dq, dk, dv = make([]float64, c.b*c.t*w), make([]float64, c.b*c.s*kw), make([]float64, c.b*c.s*kw)
	for b := range c.b {
		for h := range c.heads {
			kh := h / (c.heads / c.kv)
			for t := range c.t {
				at := (b*c.t+t)*w + h*c.e
				dot := 0.0
				for i := range c.e {
					dot += y[at+i] * dy.At(b, t, h*c.e+i)
				}
				for j := range c.keys(b, t) {
					kat := (b*c.s+j)*kw + kh*c.e
					s, dp := 0.0, 0.0
					for i := range c.e {
						s += q.At(b, t, h*c.e+i) * k.At(b, j, kh*c.e+i) * 0.37
						dp += dy.At(b, t, h*c.e+i) * v.At(b, j, kh*c.e+i)
					}
					p := math.Exp(s - lse[(b*c.heads+h)*c.t+t])
					ds := p * (dp - dot) * 0.37
					for i := range c.e {
						dq[at+i] += ds * k.At(b, j, kh*c.e+i)
						dk[kat+i] += ds * q.At(b, t, h*c.e+i)
						dv[kat+i] += p * dy.At(b, t, h*c.e+i)
					}
				}
			}
		}
	}
	return dq, dk, dv
}

// gradients are dq, dk and dv for the inputs of the case.
func (c attentionCase) gradients(d DType) (dq, dk, dv *Tensor) {
	q, k, v := c.inputs(d)
	y, lse := fresh(d, c.b, c.t, c.heads*c.e), fresh(d, c.b, c.heads, c.t)
	AttentionEx(y, lse, q, k, v, c.spec())
	dq, dk, dv = fresh(d, q.Shape()...), fresh(d, k.Shape()...), fresh(d, v.Shape()...)
	AttentionGrad(dq, dk, dv, input(d, 4, y.Shape()...), q, k, v, y, lse, c.spec())
	return dq, dk, dv
}

// TestAttentionGradAgainstNaive compares AttentionGrad with the definition in float64, norm-wise.
func TestAttentionGradAgainstNaive(t *testing.T) {
	for _, c := range attentionCases {
		for _, d := range []DType{Float32, Float64} {
			q, k, v := c.inputs(d)
			dq, dk, dv := c.gradients(d)
			wq, wk, wv := naiveAttentionGrad(c, q, k, v, input(d, 4, c.b, c.t, c.heads*c.e))
			limit := 4e-6
			if d == Float64 {
				limit = 1e-14
			}
			for i, pair := range [][2][]float64{{values(dq), wq}, {values(dk), wk}, {values(dv), wv}} {
				if e := normError(pair[0], pair[1]); !(e < limit) && c.s > 1 {
					t.Errorf("%v %s, result %d: error %.2g", c, d, i, e)
				}
			}
		}
	}
}

// TestAttentionGradColumns checks the derivatives of columns of one tensor, and that the batch does not matter.
func TestAttentionGradColumns(t *testing.T) {
	c := attentionCase{2, 90, 90, 4, 2, 12, true, 0, []int{90, 70}}
	q, k, v := c.inputs(Float32)
	dq, dk, dv := c.gradients(Float32)
	w := (c.heads + 2*c.kv) * c.e
	all, want, got := New(Float32, c.b, c.t, w), New(Float32, c.b, c.t, w), New(Float32, c.b, c.t, w)
	Concat(all, 2, q, k, v)
	Concat(want, 2, dq, dk, dv)
	s := c.spec()
	s.KAt, s.VAt = c.heads*c.e, (c.heads+c.kv)*c.e
	y, lse := New(Float32, c.b, c.t, c.heads*c.e), New(Float32, c.b, c.heads, c.t)
	AttentionEx(y, lse, all, all, all, s)
	dy := input(Float32, 4, y.Shape()...)
	AttentionGrad(got, got, got, dy, all, all, all, y, lse, s)
	same(t, "columns", want, got)
	for b := range c.b {
		part := func(x *Tensor) *Tensor {
			n := x.Len() / c.b
			return FromFloat32(x.F32()[b*n:(b+1)*n], append([]int{1}, x.Shape()[1:]...)...)
		}
		one := New(Float32, 1, c.t, w)
		s.Lengths = c.lengths[b : b+1]
		AttentionGrad(one, one, one, part(dy), part(all), part(all), part(all), part(y), part(lse), s)
		same(t, "alone", part(want), one)
	}
}
