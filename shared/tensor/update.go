package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/vec"

// AdamWParams are the numbers of one AdamW update. BC1 and BC2 are the bias corrections 1-B1^step and
// 1-B2^step; GradScale multiplies the gradient first, for clipping.
type AdamWParams struct {
	LR, B1, B2, Eps, WeightDecay, BC1, BC2, GradScale float64
	Mean                                              float64 // AdamWAll: how far averages move, 1 less their decay
}

// AdamW updates param and its moments m and v in one pass (Loshchilov and Hutter: Decoupled weight decay
// regularization). The numbers are combined in float64 and rounded to the type once: w1 = 1-B1, w2 = 1-B2,
// r2 = 1/sqrt(BC2), decay = 1-LR*WeightDecay, step = LR/BC1. Then
//
//	g = grad*GradScale;  m = fma(w1, g-m, m);  v = fma(B2, v, w2*(g*g))
//	param = fma(-step, m/fma(sqrt(v), r2, Eps), param*decay)
func AdamW(param, grad, m, v *Tensor, h AdamWParams) {
	j := newJob()
	j.state = [1]AdamWState{{Param: param, Grad: grad, M: m, V: v, WeightDecay: h.WeightDecay}}
	j.adamW(j.state[:], h)
}

// AdamWState is a parameter of AdamWAll with what belongs to it.
type AdamWState struct {
	Param, Grad, M, V *Tensor
	Mean              *Tensor // its moving average, or nil
	WeightDecay       float64 // in place of AdamWParams's
}

// AdamWAll is AdamW for every one of states and, where there is a Mean, Lerp(Mean, Param, h.Mean) in the same pass over
// memory. All of it is one parallel region. The tensors have one type; a state without Grad is left out.
func AdamWAll(states []AdamWState, h AdamWParams) { newJob().adamW(states, h) }

func (j *job) adamW(states []AdamWState, h AdamWParams) {
	pieces := 0
	for i := range states {
		s := &states[i]
		if s.Grad == nil {
			continue
		}
		sameType("AdamW", states[0].Param, s.Param)
		for _, t := range [...]*Tensor{s.Grad, s.M, s.V, s.Mean} {
			if t != nil {
				sameShape("AdamW", s.Param, t)
			}
		}
		pieces += adamPieces(s)
	}
	if pieces == 0 {
		j.release()
		return
	}
	j.states, j.adj = states, h
	// Pieces are found by counting, so that a run takes several neighbours.
	j.run(states[0].Param.dtype, pieces, 4, 16, adamWLoop[float32], adamWLoop[float64])
}

// adamPiece is the elements of a state that are updated at a time.
const adamPiece = dear

func adamPieces(s *AdamWState) int {
	if s.Grad == nil {
		return 0
	}
	return (s.Param.Len() + adamPiece - 1) / adamPiece
}

func adamWLoop[T float](j *job, lo, hi int) {
	i, from := 0, lo
	for from >= adamPieces(&j.states[i]) {
		from -= adamPieces(&j.states[i])
		i++
	}
	for n := hi - lo; n > 0; i, from = i+1, 0 {
		s := &j.states[i]
		k := min(n, adamPieces(s)-from)
		if k > 0 {
			adamRange[T](s, &j.adj, from*adamPiece, min((from+k)*adamPiece, s.Param.Len()))
			n -= k
		}
	}
}

// adamRange updates the elements lo .. hi-1 of a state.
func adamRange[T float](s *AdamWState, h *AdamWParams, lo, hi int) {
	var mean []T
	if s.Mean != nil {
		mean = data[T](s.Mean)[lo:hi]
	}
	vec.AdamW(data[T](s.Param)[lo:hi], data[T](s.Grad)[lo:hi], data[T](s.M)[lo:hi], data[T](s.V)[lo:hi], mean, h.Mean,
		vec.AdamWArgs{
			LR: h.LR, Beta1: h.B1, Beta2: h.B2, Eps: h.Eps, WeightDecay: s.WeightDecay,
			BiasCorr1: h.BC1, BiasCorr2: h.BC2, GradScale: h.GradScale,
		})
}

// SGDMomentum updates param and its velocity in one pass, numbers rounded to the type once:
//
//	g = fma(weightDecay, param, grad*gradScale);  vel = fma(mu, vel, g);  param = fma(-lr, vel, param)
func SGDMomentum(param, grad, vel *Tensor, lr, mu, weightDecay, gradScale float64) {
	sameShape("SGDMomentum", param, grad)
	sameShape("SGDMomentum", param, vel)
	j := newJob()
	j.t[0], j.t[1], j.t[2] = param, grad, vel
	j.adj = AdamWParams{LR: lr, B1: mu, WeightDecay: weightDecay, GradScale: gradScale}
	j.elements(param.dtype, param.Len(), cheap, sgdLoop[float32], sgdLoop[float64])
}

func sgdLoop[T float](j *job, lo, hi int) {
	h := j.adj
	vec.SGDMomentum(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], data[T](j.t[2])[lo:hi],
		h.LR, h.B1, h.WeightDecay, h.GradScale)
}

// Lerp is dst += t*(x-dst) by one fused multiply-add, the update of a moving average; t is rounded to the
// type once.
func Lerp(dst, x *Tensor, t float64) {
	sameShape("Lerp", dst, x)
	j := newJob()
	j.t[0], j.t[1], j.c = dst, x, t
	j.elements(dst.dtype, dst.Len(), cheap, lerpLoop[float32], lerpLoop[float64])
}

func lerpLoop[T float](j *job, lo, hi int) {
	vec.Lerp(data[T](j.t[0])[lo:hi], data[T](j.t[1])[lo:hi], T(j.c))
}
