package vec

import "math"

// AdamWArgs are the constants of one AdamW step, the same for every element.
type AdamWArgs struct {
	LR, Beta1, Beta2, Eps float64
	WeightDecay           float64 // decoupled; 0 for biases and norms
	BiasCorr1, BiasCorr2  float64 // 1-Beta1^t and 1-Beta2^t
	GradScale             float64 // multiplies the gradient first: clipping and accumulation
}

// AdamW updates parameters and both moments in one pass. Each constant below is computed in float64 and
// rounded once to T: gs = GradScale, w1 = 1-Beta1, b2 = Beta2, w2 = 1-Beta2, r2 = 1/sqrt(BiasCorr2),
// decay = 1-LR*WeightDecay, step = LR/BiasCorr1. Then
//
//	g = grad*gs;  m = fma(w1, g-m, m);  v = fma(b2, v, w2*(g*g))
//	param = fma(-step, m/fma(sqrt(v), r2, eps), param*decay)
//
// A mean that is not nil moves with the parameter in the same pass, as Lerp would move it by t:
// mean = fma(t, param-mean, mean).
func AdamW[T Float](param, grad, m, v, mean []T, t float64, a AdamWArgs) {
	gs, w1, b2, w2 := T(a.GradScale), T(1-a.Beta1), T(a.Beta2), T(1-a.Beta2)
	r2, eps := T(1/math.Sqrt(a.BiasCorr2)), T(a.Eps)
	decay, step := T(1-float64(a.LR*a.WeightDecay)), T(a.LR/a.BiasCorr1)
	tt := T(t)
	grad, m, v = grad[:len(param)], m[:len(param)], v[:len(param)]
	if native[T](len(param)) {
		for i := 0; i < len(param); i += maxCall {
			n := min(maxCall, len(param)-i)
			if mean == nil {
				kAdamW(p32(param[i:]), p32(m[i:]), p32(v[i:]), p32(grad[i:]), float32(gs), float32(w1), float32(b2),
					float32(w2), float32(r2), float32(eps), float32(decay), float32(step), n)
			} else {
				kAdamWMean(p32(param[i:]), p32(m[i:]), p32(v[i:]), p32(mean[i:]), p32(grad[i:]), float32(gs), float32(w1),
					float32(b2), float32(w2), float32(r2), float32(eps), float32(decay), float32(step), float32(tt), n)
			}
		}
		return
	}
	for i, p := range param {
		g := mul(grad[i], gs)
		m[i] = canon(fma(w1, g-m[i], m[i]))
		v[i] = canon(fma(b2, v[i], mul(w2, mul(g, g))))
		param[i] = canon(fma(-step, m[i]/fma(sqrt(v[i]), r2, eps), mul(p, decay)))
		if mean != nil {
			mean[i] = canon(fma(tt, param[i]-mean[i], mean[i]))
		}
	}
}

// SGDMomentum updates parameters and velocity in one pass, constants rounded once to T:
//
//	g = fma(weightDecay, param, grad*gradScale);  vel = fma(mu, vel, g);  param = fma(-lr, vel, param)
func SGDMomentum[T Float](param, grad, vel []T, lr, mu, weightDecay, gradScale float64) {
	l, mm, wd, gs := T(lr), T(mu), T(weightDecay), T(gradScale)
	grad, vel = grad[:len(param)], vel[:len(param)]
	if native[T](len(param)) {
		for i := 0; i < len(param); i += maxCall {
			kSgd(p32(param[i:]), p32(vel[i:]), p32(grad[i:]), float32(l), float32(mm), float32(wd), float32(gs),
				min(maxCall, len(param)-i))
		}
		return
	}
	for i, p := range param {
		g := fma(wd, p, mul(grad[i], gs))
		vel[i] = canon(fma(mm, vel[i], g))
		param[i] = canon(fma(-l, vel[i], p))
	}
}
