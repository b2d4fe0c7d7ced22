package tensor

import "math"

// Sum adds x over the given axes; no axes means all of them. dst has these axes with size 1, or
// without them.
func Sum(dst, x *Tensor, axes ...int) {
	red := reducedAxes("Sum", dst, x, axes)
	sumAxes(dst, x, red)
}

// Mean is Sum divided by the number of elements added.
func Mean(dst, x *Tensor, axes ...int) {
	red := reducedAxes("Mean", dst, x, axes)
	n := 1
	for i, r := range red[:x.rank] {
		if r {
			n *= x.shape[i]
		}
	}
	sumAxes(dst, x, red)
	scalarRight("Mean", opDiv, dst, dst, float64(n))
}

// SumTo is the adjoint of BroadcastTo: it adds x over the axes along which dst would be repeated.
func SumTo(dst, x *Tensor) {
	sameType("SumTo", dst, x)
	broadcastStrides("SumTo", x, dst)
	var red [MaxRank]bool
	lead := int(x.rank) - int(dst.rank)
	for i := range x.Shape() {
		red[i] = i < lead || (dst.shape[i-lead] == 1 && x.shape[i] != 1)
	}
	sumAxes(dst, x, red)
}

// reducedAxes checks dst against x without the axes and marks them.
func reducedAxes(op string, dst, x *Tensor, axes []int) [MaxRank]bool {
	sameType(op, dst, x)
	var red [MaxRank]bool
	for _, a := range axes {
		red[axisOf(op, x, a)] = true
	}
	if len(axes) == 0 {
		for i := range x.Shape() {
			red[i] = true
		}
	}
	removed, kept := dst.rank, dst.rank == x.rank
	ok, j := true, 0
	for i, d := range x.Shape() {
		if kept && dst.shape[i] != d && !(red[i] && dst.shape[i] == 1) {
			kept = false
		}
		if kept && red[i] && dst.shape[i] != 1 {
			kept = false
		}
		if red[i] {
			continue
		}
		if j >= int(removed) || dst.shape[j] != d {
			ok = false
		}
		j++
	}
	if !kept && (!ok || j != int(removed)) {
		panic(shapeError(op, "dst must be x's shape with the reduced axes removed or 1", dst, x))
	}
	return red
}

func sumAxes(dst, x *Tensor, red [MaxRank]bool) {
	var s strides
	n := 1
	for i := int(x.rank) - 1; i >= 0; i-- {
		if !red[i] {
			s[i] = n
			n *= x.shape[i]
		}
	}
	dst.Zero()
	if dst.dtype == Float64 {
		walk3(x, s, s, func(i, j, _ int) { dst.f64[j] += x.f64[i] })
		return
	}
	walk3(x, s, s, func(i, j, _ int) { dst.f32[j] += x.f32[i] })
}

// MaxAlong is the largest element along one axis, which dst lacks or has with size 1; NaN if any
// element is NaN; +0 is larger than -0. The axis must not be empty.
func MaxAlong(dst, x *Tensor, axis int) {
	axis = axisOf("MaxAlong", x, axis)
	reducedAxes("MaxAlong", dst, x, []int{axis})
	outer, n, inner := product(x.shape[:axis]), x.shape[axis], product(x.shape[axis+1:x.rank])
	if n == 0 {
		panic(shapeError("MaxAlong", "the axis is empty", x))
	}
	if x.dtype == Float64 {
		maxAlong[float64](dst, x, outer, n, inner)
		return
	}
	maxAlong[float32](dst, x, outer, n, inner)
}

func maxAlong[T float](dst, x *Tensor, outer, n, inner int) {
	d, s := data[T](dst), data[T](x)
	for o := range outer {
		row := d[o*inner : (o+1)*inner]
		copy(row, s[o*n*inner:])
		for j := 1; j < n; j++ {
			zip(opMaximum, row, row, s[(o*n+j)*inner:(o*n+j+1)*inner])
		}
	}
}

// SumSquares is the sum of the squares of x's elements.
func SumSquares(x *Tensor) float64 {
	var s float64
	for _, v := range x.f32 {
		s += float64(v) * float64(v)
	}
	for _, v := range x.f64 {
		s += v * v
	}
	return s
}

// rows splits x into rows along its last axis.
func rows(op string, x *Tensor) (r, c int) {
	if x.rank == 0 {
		panic(shapeError(op, "want at least one axis", x))
	}
	c = x.shape[x.rank-1]
	return product(x.shape[:x.rank-1]), c
}

// Softmax is exp(x-max)/sum over the last axis.
func Softmax(dst, x *Tensor) {
	sameShape("Softmax", dst, x)
	r, c := rows("Softmax", x)
	if x.dtype == Float64 {
		softmax[float64](dst, x, r, c, false)
		return
	}
	softmax[float32](dst, x, r, c, false)
}

// LogSoftmax is x-max-log(sum of exp(x-max)) over the last axis.
func LogSoftmax(dst, x *Tensor) {
	sameShape("LogSoftmax", dst, x)
	r, c := rows("LogSoftmax", x)
	if x.dtype == Float64 {
		softmax[float64](dst, x, r, c, true)
		return
	}
	softmax[float32](dst, x, r, c, true)
}

func softmax[T float](dst, x *Tensor, r, c int, logs bool) {
	d, s := data[T](dst), data[T](x)
	for i := range r {
		in, out := s[i*c:(i+1)*c], d[i*c:(i+1)*c]
		m := math.Inf(-1)
		for _, v := range in {
			m = max(m, float64(v))
		}
		var sum float64
		for _, v := range in {
			sum += math.Exp(float64(v) - m)
		}
		for j, v := range in {
			if logs {
				out[j] = T(float64(v) - m - math.Log(sum))
			} else {
				out[j] = T(math.Exp(float64(v)-m) / sum)
			}
		}
	}
}

// SoftmaxGrad is y*(dy - sum(y*dy)) over the last axis, the derivative of Softmax from its result y.
func SoftmaxGrad(dst, y, dy *Tensor) {
	sameShape("SoftmaxGrad", dst, y)
	sameShape("SoftmaxGrad", dst, dy)
	r, c := rows("SoftmaxGrad", y)
	if y.dtype == Float64 {
		softmaxGrad[float64](dst, y, dy, r, c)
		return
	}
	softmaxGrad[float32](dst, y, dy, r, c)
}

func softmaxGrad[T float](dst, y, dy *Tensor, r, c int) {
	d, p, g := data[T](dst), data[T](y), data[T](dy)
	for i := range r {
		var dot T
		for j := i * c; j < (i+1)*c; j++ {
			dot = fma(p[j], g[j], dot)
		}
		for j := i * c; j < (i+1)*c; j++ {
			d[j] = p[j] * (g[j] - dot)
		}
	}
}
