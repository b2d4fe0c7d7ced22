package winograd

import (
	"unsafe"

	"github.com/manifold-gen/manifold/shared/tensor/internal/vec"
)

// This file states the transforms in plain Go; the assembly does the same in every lane.

// The points of F(4) and the coefficients of its weights.
const (
	a      = 5. / 8
	b      = 3. / 2
	scale0 = 1 / (a * a * b * b)
	scaleA = 1 / (2 * a * a * (a*a - b*b))
	scaleB = 1 / (2 * b * b * (b*b - a*a))
)

// row is the values of one dimension of one channel.
type row [6]float32

func fma(x, y, z float32) float32 { return vec.FMA32(x, y, z) }

func inputRow(f Form, x row) row {
	if f == F2 {
		return row{x[0] - x[2], x[1] + x[2], x[2] - x[1], x[1] - x[3]}
	}
	e, o := fma(-b*b, x[2], x[4]), fma(-b*b, x[1], x[3])
	g, p := fma(-a*a, x[2], x[4]), fma(-a*a, x[1], x[3])
	return row{
		fma(a*a*b*b, x[0], fma(-(a*a+b*b), x[2], x[4])),
		fma(a, o, e), fma(-a, o, e), fma(b, p, g), fma(-b, p, g),
		fma(a*a*b*b, x[1], fma(-(a*a+b*b), x[3], x[5])),
	}
}

func weightsRow(f Form, w row) row {
	if f == F2 {
		t := w[0] + w[2]
		return row{w[0], 0.5 * (t + w[1]), 0.5 * (t - w[1]), w[2]}
	}
	t, s := fma(a*a, w[2], w[0]), fma(b*b, w[2], w[0])
	return row{
		scale0 * w[0], scaleA * fma(a, w[1], t), scaleA * fma(-a, w[1], t),
		scaleB * fma(b, w[1], s), scaleB * fma(-b, w[1], s), w[2],
	}
}

func outputRow(f Form, m row) row {
	if f == F2 {
		return row{(m[0] + m[1]) + m[2], (m[1] - m[2]) - m[3]}
	}
	s, d, t, e := m[1]+m[2], m[1]-m[2], m[3]+m[4], m[3]-m[4]
	return row{(m[0] + s) + t, fma(a, d, b*e), fma(a*a, s, b*b*t), fma(a*a*a, d, fma(b*b*b, e, m[5]))}
}

// at is the float32 at p + off bytes.
func at(p unsafe.Pointer, off int) *float32 { return (*float32)(unsafe.Add(p, off)) }

func inputPortable(f Form, args *Args) {
	n := f.Span()
	table := unsafe.Slice(args.Table, n*n)
	var x [6]row // x[i] is row i
	for c := 0; c < args.N; c += 4 {
		for j := range n {
			var d row
			for i := range n {
				d[i] = *at(table[i*n+j], c)
			}
			for i, v := range inputRow(f, d) {
				x[i][j] = v
			}
		}
		for i := range n {
			r := inputRow(f, x[i])
			for j := range n {
				*at(args.Data, (i*n+j)*args.Stride+c) = r[j]
			}
		}
	}
}

func outputPortable(f Form, args *Args) {
	n, k := f.Span(), f.Tile()
	table := unsafe.Slice(args.Table, k*k)
	var y [6]row // y[j] is column j
	for c := 0; c < args.N; c += 4 {
		for i := range n {
			var d row
			for j := range n {
				d[j] = *at(args.Data, (i*n+j)*args.Stride+c)
			}
			for j, v := range outputRow(f, d) {
				y[j][i] = v
			}
		}
		for j := range k {
			r := outputRow(f, y[j])
			for i := range k {
				*at(table[i*k+j], c) = r[i]
			}
		}
	}
}

func weightsPortable(f Form, args *Args) {
	n := f.Span()
	var u [6]row // u[j] is column j
	for k := range args.N {
		for l := range Lanes {
			for i := range 3 {
				var w row
				for j := range 3 {
					w[j] = *at(args.Src, (3*i+j)*args.Tap+k*args.Line+4*l)
				}
				for j, v := range weightsRow(f, w) {
					u[j][i] = v
				}
			}
			for j := range n {
				r := weightsRow(f, u[j])
				for i := range n {
					*at(args.Data, (i*n+j)*args.Stride+64*k+4*l) = r[i]
				}
			}
		}
	}
}

func spreadRow(x row) row {
	t, p := fma(a*a, x[2], x[0]), fma(a*a, x[3], x[1])
	s, q := fma(b*b, x[2], x[0]), fma(b*b, x[3], x[1])
	return row{x[0], fma(a, p, t), fma(-a, p, t), fma(b, q, s), fma(-b, q, s), x[3]}
}

func collectRow(m row) row {
	s, d := float32(scaleA*(m[1]+m[2])), float32(scaleA*(m[1]-m[2]))
	t, e := float32(scaleB*(m[3]+m[4])), float32(scaleB*(m[3]-m[4]))
	return row{fma(scale0, m[0], s) + t, fma(a, d, float32(b*e)), fma(a*a, s, fma(b*b, t, m[5]))}
}

func spreadPortable(args *Args) {
	table := unsafe.Slice(args.Table, 16)
	var x [6]row // x[i] is row i
	for c := 0; c < args.N; c += 4 {
		for j := range 4 {
			var d row
			for i := range 4 {
				d[i] = *at(table[i*4+j], c)
			}
			for i, v := range spreadRow(d) {
				x[i][j] = v
			}
		}
		for i := range x {
			for j, v := range spreadRow(x[i]) {
				*at(args.Data, (i*6+j)*args.Stride+c) = v
			}
		}
	}
}

func collectPortable(args *Args) {
	table := unsafe.Slice(args.Table, 9)
	var y [3]row // y[j] is column j
	for c := 0; c < args.N; c += 4 {
		for i := range 6 {
			var d row
			for j := range d {
				d[j] = *at(args.Data, (i*6+j)*args.Stride+c)
			}
			r := collectRow(d)
			for j, v := range r[:3] {
				y[j][i] = v
			}
		}
		for j := range y {
			r := collectRow(y[j])
			for i, v := range r[:3] {
				*at(table[i*3+j], c) = v
			}
		}
	}
}
