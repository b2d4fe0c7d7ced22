package tensor

// strides are the distances in elements between neighbours along each axis of a broadcast shape; a
// repeated axis has 0.
type strides [MaxRank]int

// broadcastStrides are x's strides over dst's shape. It panics if x does not broadcast to it.
func broadcastStrides(op string, dst, x *Tensor) strides {
	var s strides
	lead := int(dst.rank) - int(x.rank)
	if lead < 0 {
		panic(shapeError(op, "does not broadcast", dst, x))
	}
	n := 1
	for i := int(x.rank) - 1; i >= 0; i-- {
		switch x.shape[i] {
		case dst.shape[lead+i]:
			s[lead+i] = n
		case 1:
		default:
			panic(shapeError(op, "does not broadcast", dst, x))
		}
		n *= x.shape[i]
	}
	return s
}

// checkBroadcast panics if dst is larger than what a and b broadcast to.
func checkBroadcast(op string, dst, a, b *Tensor) {
	for i := 1; i <= int(dst.rank); i++ {
		d := 1
		for _, t := range []*Tensor{a, b} {
			if i <= int(t.rank) && t.shape[int(t.rank)-i] != 1 {
				d = t.shape[int(t.rank)-i]
			}
		}
		if d != dst.shape[int(dst.rank)-i] {
			panic(shapeError(op, "dst is not the broadcast shape", dst, a, b))
		}
	}
}

// step moves idx to the next element of t in row-major order.
func step(idx *[MaxRank]int, t *Tensor) {
	for ax := int(t.rank) - 1; ax >= 0; ax-- {
		if idx[ax]++; idx[ax] < t.shape[ax] {
			return
		}
		idx[ax] = 0
	}
}

func walk3(dst *Tensor, sa, sb strides, f func(i, j, k int)) {
	idx := [MaxRank]int{}
	for i := range dst.Len() {
		var oa, ob int
		for ax := range dst.Shape() {
			oa += idx[ax] * sa[ax]
			ob += idx[ax] * sb[ax]
		}
		f(i, oa, ob)
		step(&idx, dst)
	}
}

// BroadcastTo repeats x to dst's shape.
func BroadcastTo(dst, x *Tensor) {
	sameType("BroadcastTo", dst, x)
	s := broadcastStrides("BroadcastTo", dst, x)
	if dst.dtype == Float64 {
		walk3(dst, s, s, func(i, j, _ int) { dst.f64[i] = x.f64[j] })
		return
	}
	walk3(dst, s, s, func(i, j, _ int) { dst.f32[i] = x.f32[j] })
}
