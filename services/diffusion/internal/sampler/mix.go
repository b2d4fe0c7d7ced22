package sampler

// mix is x = a*x0 + b*x in float32, each product rounded before the sum.
func mix(x []float32, a float64, x0 []float32, b float64) {
	fa, fb := float32(a), float32(b)
	x0 = x0[:len(x)]
	for i := range x {
		x[i] = float32(fa*x0[i]) + float32(fb*x[i])
	}
}

// add is x = x + c*z in float32, the product rounded before the sum.
func add(x []float32, c float64, z []float32) {
	fc := float32(c)
	z = z[:len(x)]
	for i := range x {
		x[i] += float32(fc * z[i])
	}
}
