package bench

import (
	"math"

	"github.com/manifold-gen/manifold/shared/tensor"
)

// int8Linear and bf16Linear are layers of narrow weights: activations are narrowed by the layer norm or the activation
// that makes them, and float32 stays where attention and residuals need it.
var (
	int8Linear = lowLinears(tensor.LowInt8, 1)
	bf16Linear = lowLinears(tensor.LowBF16, 2)
)

func lowLinears(t tensor.LowType, bytes float64) linearType {
	pack := tensor.PackInt8
	if t == tensor.LowBF16 {
		pack = tensor.PackBF16
	}
	return linearType{
		name: t.String(), bytes: bytes,
		make: func(r *random, in, out int) linear {
			w := r.tensor(1/math.Sqrt(float64(in)), in, out)
			return &lowLinear{w: pack(w, false), ep: tensor.Epilogue{Bias: r.tensor(0.02, out)}}
		},
	}
}

type lowLinear struct {
	w    *tensor.PackedLow
	ep   tensor.Epilogue
	then tensor.LowThen
}

func (l *lowLinear) apply(dst, x *signal, s step) {
	l.ep.Act, l.ep.Residual, l.then = s.act, s.residual, tensor.LowThen{}
	if s.norm != nil {
		l.then.Gamma, l.then.Beta, l.then.Eps = s.norm.gamma, s.norm.beta, s.norm.eps
	}
	if s.narrow {
		l.then.Out = &dst.low
	}
	dst.kept = s.narrow
	if x.kept {
		tensor.MatMulLow(dst.x, &x.low, l.w, &l.ep, &l.then)
	} else {
		tensor.MatMulNarrow(dst.x, x.x, l.w, &l.ep, &l.then)
	}
}
