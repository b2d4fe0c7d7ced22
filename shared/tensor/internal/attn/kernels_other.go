//go:build !amd64 && !arm64

package attn

const noKernel = "attn: no kernel"

func kernels() bool { return false }

func kWeigh(p *float32, ld, rows, cols int, n *int, m, top, sum *float32) (left int) { panic(noKernel) }

func kWeighGrad(p, dp *float32, ld, rows, cols int, n *int, lse, d *float32) { panic(noKernel) }

func kScaleRows(dst, src *float32, ldd, lds, rows, cols int, s *float32, next int) { panic(noKernel) }
