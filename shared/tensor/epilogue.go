package tensor

// Epilogue is what a product does to its result before it leaves the cache, in this order: add Bias,
// apply Act, add Residual. The bits are those of Add, the activation and Add called one by one. A nil
// Epilogue does nothing.
type Epilogue struct {
	Bias     *Tensor // [N], or nil
	Act      Activation
	Residual *Tensor // shape of dst, or nil; it must not overlap dst
}

// check panics unless the epilogue fits dst.
func (e *Epilogue) check(op string, dst *Tensor) {
	if e == nil {
		return
	}
	if e.Bias != nil {
		vector(op, "Bias", e.Bias, dst.Dim(-1), dst)
	}
	if e.Residual != nil {
		sameShape(op, dst, e.Residual)
	}
	if e.Act > ActGELU {
		panic(shapeError(op, "unknown activation", dst))
	}
}

// apply runs the epilogue by the unfused operations.
func (e *Epilogue) apply(dst *Tensor) {
	if e == nil {
		return
	}
	if e.Bias != nil {
		Add(dst, dst, e.Bias)
	}
	switch e.Act {
	case ActSiLU:
		SiLU(dst, dst)
	case ActReLU:
		ReLU(dst, dst)
	case ActGELU:
		GELU(dst, dst)
	}
	if e.Residual != nil {
		Add(dst, dst, e.Residual)
	}
}
