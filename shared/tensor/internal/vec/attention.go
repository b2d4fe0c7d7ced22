package vec

// ExpSub sets dst = exp(x-m) and returns the sum of dst: 16 lanes, tree.
func ExpSub[T Float](dst, x []T, m T) T { return sumExp(dst, x, m) }

// Exp1 is e to the power x, the function that Exp applies to every element.
func Exp1[T Float](x T) T { return exp1(x) }

// Log1 is the natural logarithm, the function that Log applies to every element.
func Log1[T Float](x T) T { return log1(x) }

// FMA1 is a*b + c rounded once.
func FMA1[T Float](a, b, c T) T { return fma(a, b, c) }
