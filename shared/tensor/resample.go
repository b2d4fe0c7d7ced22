package tensor

import "github.com/manifold-gen/manifold/shared/tensor/internal/vec"

// halves runs a loop over the rows of pixels of small [N, H, W, C], whose partner is large [N, 2H, 2W, C].
// j.i holds W and C.
func halves(op string, dst, small, large, dy *Tensor, f32, f64 func(j *job, lo, hi int)) {
	sameType(op, small, large)
	apart(op, small, large)
	if small.rank != 4 || large.rank != 4 {
		panic(shapeError(op, "want [N, H, W, C] and [N, 2H, 2W, C]", small, large))
	}
	n, h, w, c := small.Dims4()
	if large.shape != [MaxRank]int{n, 2 * h, 2 * w, c} {
		panic(shapeError(op, "want [N, H, W, C] and [N, 2H, 2W, C]", small, large))
	}
	j := newJob()
	j.t = [10]*Tensor{dst, small, large, dy}
	j.i = [8]int{w, c}
	j.rows(small.dtype, n*h, 4*w*c, cheap, f32, f64)
}

// UpsampleNearest2 repeats every pixel of x [N, H, W, C] two by two: dst [N, 2H, 2W, C].
func UpsampleNearest2(dst, x *Tensor) {
	halves("UpsampleNearest2", dst, x, dst, nil, upsampleLoop[float32], upsampleLoop[float64])
}

func upsampleLoop[T float](j *job, lo, hi int) {
	s, d, w, c := data[T](j.t[1]), data[T](j.t[2]), j.i[0], j.i[1]
	for r := lo; r < hi; r++ {
		top := d[2*r*2*w*c : (2*r+1)*2*w*c]
		for x := range w {
			px := s[(r*w+x)*c : (r*w+x+1)*c]
			copy(top[2*x*c:], px)
			copy(top[(2*x+1)*c:], px)
		}
		copy(d[(2*r+1)*2*w*c:(2*r+2)*2*w*c], top)
	}
}

// SumPool2 adds pixels two by two: x [N, 2H, 2W, C], dst [N, H, W, C]; (top left + bottom left) + (top
// right + bottom right). It is the adjoint of UpsampleNearest2.
func SumPool2(dst, x *Tensor) {
	halves("SumPool2", dst, dst, x, nil, sumPoolLoop[float32], sumPoolLoop[float64])
}

// AvgPool2 is SumPool2 times a quarter.
func AvgPool2(dst, x *Tensor) {
	halves("AvgPool2", dst, dst, x, nil, sumPoolLoop[float32], sumPoolLoop[float64])
	Scale(dst, dst, 0.25)
}

// MaxPool2 is the largest of pixels two by two, by the rules of Maximum.
func MaxPool2(dst, x *Tensor) {
	halves("MaxPool2", dst, dst, x, nil, maxPoolLoop[float32], maxPoolLoop[float64])
}

func sumPoolLoop[T float](j *job, lo, hi int) { poolRows[T](j, lo, hi, vec.Add) }
func maxPoolLoop[T float](j *job, lo, hi int) { poolRows[T](j, lo, hi, vec.Maximum) }

// poolRows joins two rows of pixels, then neighbours, through scratch of one row.
func poolRows[T float](j *job, lo, hi int, op vec.Binary) {
	d, s, w, c := data[T](j.t[1]), data[T](j.t[2]), j.i[0], j.i[1]
	b, both := scratch[T](2 * w * c)
	defer b.release()
	for r := lo; r < hi; r++ {
		top := s[2*r*2*w*c : (2*r+2)*2*w*c]
		vec.Zip(op, both, top[:2*w*c], top[2*w*c:])
		for x := range w {
			two := both[2*x*c : (2*x+2)*c]
			vec.Zip(op, d[(r*w+x)*c:(r*w+x+1)*c], two[:c], two[c:])
		}
	}
}

// MaxPool2Grad is the derivative of MaxPool2: dy [N, H, W, C] goes to the first of the four pixels, in the
// order top left, top right, bottom left, bottom right, that is equal to the largest (-0 equals +0), or to
// the first NaN; the others get +0.
func MaxPool2Grad(dx, x, dy *Tensor) {
	sameShape("MaxPool2Grad", dx, x)
	halves("MaxPool2Grad", dx, dy, x, nil, maxPoolGradLoop[float32], maxPoolGradLoop[float64])
}

func maxPoolGradLoop[T float](j *job, lo, hi int) {
	d, g, s, w, c := data[T](j.t[0]), data[T](j.t[1]), data[T](j.t[2]), j.i[0], j.i[1]
	for r := lo; r < hi; r++ {
		for x := range w {
			tl, bl := (2*r*2*w+2*x)*c, ((2*r+1)*2*w+2*x)*c
			for k := range c {
				at := [4]int{tl + k, tl + c + k, bl + k, bl + c + k}
				first := 0
				for i := 1; i < 4; i++ {
					v, best := s[at[i]], s[at[first]]
					if best == best && (v > best || v != v) {
						first = i
					}
				}
				for _, i := range at {
					d[i] = 0
				}
				d[at[first]] = g[(r*w+x)*c+k]
			}
		}
	}
}

// SpaceToDepth2 turns blocks of two by two pixels into channels: x [N, 2H, 2W, C], dst [N, H, W, 4C], the
// new channels in the order (row, column, channel).
func SpaceToDepth2(dst, x *Tensor) {
	blocks2("SpaceToDepth2", dst, x, toDeepLoop[float32], toDeepLoop[float64])
}

// DepthToSpace2 is the inverse of SpaceToDepth2: x [N, H, W, 4C], dst [N, 2H, 2W, C].
func DepthToSpace2(dst, x *Tensor) {
	blocks2("DepthToSpace2", x, dst, toWideLoop[float32], toWideLoop[float64])
}

// blocks2 runs a loop over the rows of pixels of deep [N, H, W, 4C], whose partner is wide [N, 2H, 2W, C].
func blocks2(op string, deep, wide *Tensor, f32, f64 func(j *job, lo, hi int)) {
	sameType(op, deep, wide)
	apart(op, deep, wide)
	if deep.rank != 4 || wide.rank != 4 {
		panic(shapeError(op, "want [N, H, W, 4C] and [N, 2H, 2W, C]", deep, wide))
	}
	n, h, w, c := deep.Dims4()
	if c%4 != 0 || wide.shape != [MaxRank]int{n, 2 * h, 2 * w, c / 4} {
		panic(shapeError(op, "want [N, H, W, 4C] and [N, 2H, 2W, C]", deep, wide))
	}
	j := newJob()
	j.t[0], j.t[1] = deep, wide
	j.i = [8]int{w, c / 4}
	j.rows(deep.dtype, n*h, w*c, cheap, f32, f64)
}

func toDeepLoop[T float](j *job, lo, hi int) { moveBlocks[T](j, lo, hi, true) }
func toWideLoop[T float](j *job, lo, hi int) { moveBlocks[T](j, lo, hi, false) }

// moveBlocks copies runs of 2C elements: two neighbouring pixels of a row are one run in either layout.
func moveBlocks[T float](j *job, lo, hi int, toDeep bool) {
	deep, wide, w, c := data[T](j.t[0]), data[T](j.t[1]), j.i[0], j.i[1]
	for r := lo; r < hi; r++ {
		for i := range 2 * w {
			dy, x := i/w, i%w
			d := deep[((r*w+x)*4+2*dy)*c:][:2*c]
			s := wide[((2*r+dy)*2*w+2*x)*c:][:2*c]
			if toDeep {
				copy(d, s)
			} else {
				copy(s, d)
			}
		}
	}
}
