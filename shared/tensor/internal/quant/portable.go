package quant

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// portable is the few-row kernel in plain Go, the specification of the assembly.
func (j *job) portable(s *scratch, ldc, lo, hi, row, rows int) {
	f := &formats[j.w.kind]
	steps := j.w.k / Step
	for p := lo; p < hi; p++ {
		panel := j.w.data[p*j.w.panel : (p+1)*j.w.panel]
		for r := range rows {
			recs := j.x.recs[(row+r)*steps : (row+r+1)*steps]
			acc := (*[Width]float32)(unsafe.Add(s.args.c, 4*(r*ldc+(p-lo)*Width)))
			*acc = [Width]float32{}
			for i := range recs {
				j.w.kind.unpack(&s.u, panel, i)
				for h := range f.halves {
					addStep(acc, &s.u, &recs[i], h, f)
				}
				if j.w.kind == Q4K {
					for l := range acc {
						acc[l] = vec.FMA32(-s.u.low[l], recs[i].sum, acc[l])
					}
				}
			}
		}
	}
}

// addStep adds a step, or half h of one, to the sums of a panel.
func addStep(acc *[Width]float32, u *unpacked, r *record, h int, f *format) {
	groups := 8 / f.halves
	for l := range acc {
		var sum int32
		for g := h * groups; g < (h+1)*groups; g++ {
			for i := range 4 {
				sum += (int32(u.q[g][4*l+i]) - f.offset) * int32(r.q[4*g+i])
			}
		}
		acc[l] = vec.FMA32(float32(sum), float32(u.scale[h][l]*r.scale), acc[l])
	}
}
