package quant

import "fmt"

// Case is one benchmarkable product.
type Case struct {
	Name  string
	Flops float64 // of one Run, two for every multiply-add
	Bytes float64 // of the weights, the rows and the result, once each
	New   func() (run func())
}

// Cases lists products of every format by few and many rows, at sizes of decoders. The quantisation of the rows is part
// of a run.
func Cases() []Case {
	var l []Case
	for _, kind := range []Kind{Q80, Q40, Q4K, Q6K} {
		for _, s := range [][3]int{{1, 4864, 1024}, {8, 4864, 1024}, {512, 1024, 1024}} {
			m, n, k := s[0], s[1], s[2]
			weights := n * k / kind.Block() * kind.BlockBytes()
			l = append(l, Case{
				Name:  fmt.Sprintf("quant/%s/%dx%dx%d", kind, m, k, n),
				Flops: 2 * float64(m) * float64(n) * float64(k),
				Bytes: float64(weights + 4*m*(k+n)),
				New:   func() func() { return benchCase(kind, m, n, k) },
			})
		}
	}
	return l
}

func benchCase(kind Kind, m, n, k int) func() {
	raw := make([]byte, n*k/kind.Block()*kind.BlockBytes())
	for i := range raw {
		raw[i] = byte(i * 37 & 0x3B) // scales are finite
	}
	w, err := Pack(kind, raw, n, k)
	if err != nil {
		panic(err)
	}
	x, c, rows := make([]float32, m*k), make([]float32, m*n), NewRows(m, k)
	for i := range x {
		x[i] = float32(i%17-8) / 16
	}
	return func() {
		rows.Quantize(0, x)
		MatMul(c, rows, m, w, nil)
	}
}
