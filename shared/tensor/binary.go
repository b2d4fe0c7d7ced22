package tensor

// Add is a+b with broadcasting: sizes are aligned at the last axis, and a missing axis or one of size
// 1 is repeated. dst has the broadcast shape and may be an operand of that shape. All binary
// operations share these rules.
func Add(dst, a, b *Tensor) { binary("Add", opAdd, dst, a, b) }

// Sub is a-b.
func Sub(dst, a, b *Tensor) { binary("Sub", opSub, dst, a, b) }

// Mul is a*b.
func Mul(dst, a, b *Tensor) { binary("Mul", opMul, dst, a, b) }

// Div is a/b by IEEE division.
func Div(dst, a, b *Tensor) { binary("Div", opDiv, dst, a, b) }

// Maximum is the larger element; NaN if either is NaN; +0 is larger than -0.
func Maximum(dst, a, b *Tensor) { binary("Maximum", opMaximum, dst, a, b) }

// Minimum is the smaller element; NaN if either is NaN; -0 is smaller than +0.
func Minimum(dst, a, b *Tensor) { binary("Minimum", opMinimum, dst, a, b) }

// Greater is 1 where a > b and 0 elsewhere, also where either is NaN.
func Greater(dst, a, b *Tensor) { binary("Greater", opGreater, dst, a, b) }

// binary runs op over broadcast operands.
func binary(name string, op binaryOp, dst, a, b *Tensor) {
	sameType(name, dst, a, b)
	sa, sb := broadcastStrides(name, dst, a), broadcastStrides(name, dst, b)
	checkBroadcast(name, dst, a, b)
	if dst.dtype == Float64 {
		binaryLoop[float64](op, dst, a, b, sa, sb)
		return
	}
	binaryLoop[float32](op, dst, a, b, sa, sb)
}

func binaryLoop[T float](op binaryOp, dst, a, b *Tensor, sa, sb strides) {
	d, x, y := data[T](dst), data[T](a), data[T](b)
	walk3(dst, sa, sb, func(i, j, k int) { d[i] = binary1(op, x[j], y[k]) })
}

// Where is a where cond is not zero (NaN counts as not zero) and b elsewhere, with broadcasting.
func Where(dst, cond, a, b *Tensor) {
	sameType("Where", dst, cond, a, b)
	sc := broadcastStrides("Where", dst, cond)
	sa, sb := broadcastStrides("Where", dst, a), broadcastStrides("Where", dst, b)
	if dst.dtype == Float64 {
		whereLoop[float64](dst, cond, a, b, sc, sa, sb)
		return
	}
	whereLoop[float32](dst, cond, a, b, sc, sa, sb)
}

func whereLoop[T float](dst, cond, a, b *Tensor, sc, sa, sb strides) {
	d, c, x, y := data[T](dst), data[T](cond), data[T](a), data[T](b)
	idx := [MaxRank]int{}
	for i := range d {
		var oc, oa, ob int
		for ax := range dst.Shape() {
			oc += idx[ax] * sc[ax]
			oa += idx[ax] * sa[ax]
			ob += idx[ax] * sb[ax]
		}
		if c[oc] != 0 {
			d[i] = x[oa]
		} else {
			d[i] = y[ob]
		}
		step(&idx, dst)
	}
}

// AXPY is dst += c*x, one fused multiply-add per element; c is rounded to the type once.
func AXPY(dst *Tensor, c float64, x *Tensor) {
	sameShape("AXPY", dst, x)
	if dst.dtype == Float64 {
		for i, v := range x.f64 {
			dst.f64[i] = fma(c, v, dst.f64[i])
		}
		return
	}
	for i, v := range x.f32 {
		dst.f32[i] = fma(float32(c), v, dst.f32[i])
	}
}
