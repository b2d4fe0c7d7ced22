package depthwise

import "unsafe"

// lanes is the number of channels of a block; the kernels want at least so many.
const lanes = 16

// maxTaps is the number of taps of one row that gather takes at a time.
const maxTaps = 8

// args is the argument of a kernel. The assembly knows its layout. All distances are in bytes.
type args struct {
	y, x, w unsafe.Pointer
	// From one pixel of y to the next, and between those of x that the same tap meets.
	yPixel, xPixel int
	// From what a tap meets to what the next one in its row, and the first one of the next row, meets.
	xRow, xTap int
	// The same for the weights; for gather wRow is the distance of blocks of 16 channels.
	wRow, wTap int
	rows, taps int // at least 1
	pixels     int
	bytes      int // of the channels of a pixel
}

// filter sets, for every pixel p and channel c, y[p][c] to the sum over rows a and taps b, in ascending order, of
// x[p][a][b][c] * w[a][b][c] in fused multiply-adds from +0.
func filter[T Float](a *args) {
	if size[T]() == 4 && native(kindFilter, a) {
		return
	}
	es := size[T]()
	for p := range a.pixels {
		y := unsafe.Slice((*T)(unsafe.Add(a.y, p*a.yPixel)), a.bytes/es)
		for c := range y {
			var sum T
			for r := range a.rows {
				for t := range a.taps {
					x := *(*T)(unsafe.Add(a.x, p*a.xPixel+r*a.xRow+t*a.xTap+c*es))
					w := *(*T)(unsafe.Add(a.w, r*a.wRow+t*a.wTap+c*es))
					sum = fma(x, w, sum)
				}
			}
			y[c] = sum
		}
	}
}

// gather adds to the gradients of up to maxTaps taps b of a kernel row, for every channel c, the products
// x[p][b][c] * y[p][c] in ascending order of the pixels in fused multiply-adds. Gradients lie in blocks of channels,
// [16] for each tap; where the channels are no multiple of 16 the last block holds the last 16 of them.
func gather[T Float](a *args) {
	if size[T]() == 4 && native(kindGather, a) {
		return
	}
	es := size[T]()
	channels := a.bytes / es
	w := a.w
	for c0 := 0; c0 < channels; c0 += lanes {
		from := min(c0, channels-lanes)
		for t := range a.taps {
			sums := (*[lanes]T)(unsafe.Add(w, t*lanes*es))
			for p := range a.pixels {
				x := (*[lanes]T)(unsafe.Add(a.x, p*a.xPixel+t*a.xTap+from*es))
				y := (*[lanes]T)(unsafe.Add(a.y, p*a.yPixel+from*es))
				for c := range sums {
					sums[c] = fma(x[c], y[c], sums[c])
				}
			}
		}
		w = unsafe.Add(w, a.wRow)
	}
}

// The kinds of kernels.
const (
	kindFilter = iota
	kindGather
)
