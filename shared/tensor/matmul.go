package tensor

import "fmt"

// Activation is the function of an Epilogue.
type Activation uint8

// The activations.
const (
	ActNone Activation = iota
	ActSiLU
	ActReLU
	ActGELU
)

// MatMul is a times b: [.., M, K] x [.., K, N] -> [.., M, N]. With transA a is [.., K, M]; with transB b
// is [.., N, K]. A b of two axes serves every leading index of a. The order: k ascends in fused
// multiply-adds from 0 inside blocks of 256, and block sums are added in ascending order.
func MatMul(dst, a, b *Tensor, transA, transB bool) { MatMulEx(dst, a, b, transA, transB, nil) }

// MatMulEx is MatMul followed by the epilogue.
func MatMulEx(dst, a, b *Tensor, transA, transB bool, ep *Epilogue) {
	p := matShape("MatMul", dst, a, b, transA, transB)
	ep.check("MatMul", dst)
	if dst.dtype == Float64 {
		matmul(dst.f64, a.f64, b.f64, p, transA, transB)
	} else {
		matmul(dst.f32, a.f32, b.f32, p, transA, transB)
	}
	ep.apply(dst)
}

// matSizes are the sizes of a batched product; stepB is 0 where one b serves all.
type matSizes struct{ batch, m, k, n, stepB int }

func matShape(op string, dst, a, b *Tensor, transA, transB bool) matSizes {
	sameType(op, dst, a, b)
	if a.rank < 2 || b.rank < 2 || dst.rank != a.rank || (b.rank != 2 && b.rank != a.rank) {
		panic(shapeError(op, "want [.., M, K] x [.., K, N] or [K, N]", a, b, dst))
	}
	var p matSizes
	ra, rb := int(a.rank), int(b.rank)
	p.m, p.k = a.shape[ra-2], a.shape[ra-1]
	if transA {
		p.m, p.k = p.k, p.m
	}
	kb, n := b.shape[rb-2], b.shape[rb-1]
	if transB {
		kb, n = n, kb
	}
	p.n = n
	p.batch = product(a.shape[:ra-2])
	if rb > 2 {
		p.stepB = p.k * p.n
	}
	ok := kb == p.k && dst.shape[ra-2] == p.m && dst.shape[ra-1] == p.n
	for i := range ra - 2 {
		ok = ok && dst.shape[i] == a.shape[i] && (rb == 2 || b.shape[i] == a.shape[i])
	}
	if !ok {
		panic(shapeError(op, fmt.Sprintf("dst is not the product (transA %v, transB %v)", transA, transB), a, b, dst))
	}
	return p
}

func matmul[T float](dst, a, b []T, p matSizes, transA, transB bool) {
	for l := range p.batch {
		d, x, y := dst[l*p.m*p.n:], a[l*p.m*p.k:], b[l*p.stepB:]
		for i := range p.m {
			for j := range p.n {
				var sum T
				for k0 := 0; k0 < p.k; k0 += 256 {
					var acc T
					for k := k0; k < min(k0+256, p.k); k++ {
						u, v := i*p.k+k, k*p.n+j
						if transA {
							u = k*p.m + i
						}
						if transB {
							v = j*p.k + k
						}
						acc = fma(x[u], y[v], acc)
					}
					sum += acc
				}
				d[i*p.n+j] = sum
			}
		}
	}
}
