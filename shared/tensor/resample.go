package tensor

// halves checks small [N, H, W, C] against large [N, 2H, 2W, C].
func halves(op string, small, large *Tensor) (n, h, w, c int) {
	sameType(op, small, large)
	if small.rank != 4 || large.rank != 4 {
		panic(shapeError(op, "want [N, H, W, C]", small, large))
	}
	n, h, w, c = small.Dims4()
	if large.shape != [MaxRank]int{n, 2 * h, 2 * w, c} {
		panic(shapeError(op, "want [N, H, W, C] and [N, 2H, 2W, C]", small, large))
	}
	return n, h, w, c
}

// UpsampleNearest2 repeats every pixel of x [N, H, W, C] two by two: dst [N, 2H, 2W, C].
func UpsampleNearest2(dst, x *Tensor) {
	n, h, w, c := halves("UpsampleNearest2", x, dst)
	if x.dtype == Float64 {
		upsample(dst.f64, x.f64, n*h, w, c)
		return
	}
	upsample(dst.f32, x.f32, n*h, w, c)
}

func upsample[T float](d, s []T, rows, w, c int) {
	for r := range rows {
		top := d[2*r*2*w*c : (2*r+1)*2*w*c]
		for x := range w {
			px := s[(r*w+x)*c : (r*w+x+1)*c]
			copy(top[2*x*c:], px)
			copy(top[(2*x+1)*c:], px)
		}
		copy(d[(2*r+1)*2*w*c:(2*r+2)*2*w*c], top)
	}
}

// SumPool2 adds pixels two by two: x [N, 2H, 2W, C], dst [N, H, W, C]; (top left + top right) + (bottom
// left + bottom right). It is the adjoint of UpsampleNearest2.
func SumPool2(dst, x *Tensor) { pool2("SumPool2", dst, x, false) }

// AvgPool2 is SumPool2 times a quarter.
func AvgPool2(dst, x *Tensor) {
	pool2("AvgPool2", dst, x, false)
	Scale(dst, dst, 0.25)
}

// MaxPool2 is the largest of pixels two by two, by the rules of Maximum.
func MaxPool2(dst, x *Tensor) { pool2("MaxPool2", dst, x, true) }

func pool2(op string, dst, x *Tensor, largest bool) {
	n, h, w, c := halves(op, dst, x)
	if x.dtype == Float64 {
		poolRows(dst.f64, x.f64, n*h, w, c, largest)
		return
	}
	poolRows(dst.f32, x.f32, n*h, w, c, largest)
}

func poolRows[T float](d, s []T, rows, w, c int, largest bool) {
	for r := range rows {
		for x := range w {
			tl, bl := (2*r*2*w+2*x)*c, ((2*r+1)*2*w+2*x)*c
			for k := range c {
				p, q, u, v := s[tl+k], s[tl+c+k], s[bl+k], s[bl+c+k]
				if largest {
					d[(r*w+x)*c+k] = max(p, q, u, v)
				} else {
					d[(r*w+x)*c+k] = (p + q) + (u + v)
				}
			}
		}
	}
}

// MaxPool2Grad is the derivative of MaxPool2: dy goes to the first of the four pixels, in the order top
// left, top right, bottom left, bottom right, that is equal to the largest, or NaN where that is NaN.
func MaxPool2Grad(dx, x, dy *Tensor) {
	sameShape("MaxPool2Grad", dx, x)
	n, h, w, c := halves("MaxPool2Grad", dy, x)
	if x.dtype == Float64 {
		maxPoolGrad(dx.f64, x.f64, dy.f64, n*h, w, c)
		return
	}
	maxPoolGrad(dx.f32, x.f32, dy.f32, n*h, w, c)
}

func maxPoolGrad[T float](d, s, g []T, rows, w, c int) {
	for r := range rows {
		for x := range w {
			tl, bl := (2*r*2*w+2*x)*c, ((2*r+1)*2*w+2*x)*c
			for k := range c {
				at := [4]int{tl + k, tl + c + k, bl + k, bl + c + k}
				best := max(s[at[0]], s[at[1]], s[at[2]], s[at[3]])
				given := false
				for _, i := range at {
					d[i] = 0
					if !given && (s[i] == best || (s[i] != s[i] && best != best)) {
						d[i], given = g[(r*w+x)*c+k], true
					}
				}
			}
		}
	}
}

// SpaceToDepth2 turns blocks of two by two pixels into channels: x [N, 2H, 2W, C], dst [N, H, W, 4C], the
// new channels in the order (row, column, channel).
func SpaceToDepth2(dst, x *Tensor) { blocks2("SpaceToDepth2", dst, x, true) }

// DepthToSpace2 is the inverse of SpaceToDepth2: x [N, H, W, 4C], dst [N, 2H, 2W, C].
func DepthToSpace2(dst, x *Tensor) { blocks2("DepthToSpace2", x, dst, false) }

// blocks2 moves between deep [N, H, W, 4C] and wide [N, 2H, 2W, C].
func blocks2(op string, deep, wide *Tensor, toDeep bool) {
	sameType(op, deep, wide)
	if deep.rank != 4 || wide.rank != 4 {
		panic(shapeError(op, "want [N, H, W, C]", deep, wide))
	}
	n, h, w, c := deep.Dims4()
	if c%4 != 0 || wide.shape != [MaxRank]int{n, 2 * h, 2 * w, c / 4} {
		panic(shapeError(op, "want [N, H, W, 4C] and [N, 2H, 2W, C]", deep, wide))
	}
	if deep.dtype == Float64 {
		moveBlocks(deep.f64, wide.f64, n*h, w, c/4, toDeep)
		return
	}
	moveBlocks(deep.f32, wide.f32, n*h, w, c/4, toDeep)
}

func moveBlocks[T float](deep, wide []T, rows, w, c int, toDeep bool) {
	for r := range rows {
		for dy := range 2 {
			for x := range w {
				// Two neighbouring pixels of a row are one run in either layout.
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
}
