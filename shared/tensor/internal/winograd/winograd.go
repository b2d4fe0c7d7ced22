package winograd

import "unsafe"

// Lanes is the number of channels that a transform takes at a time; all channels come in multiples of it.
const Lanes = 16

// Form is a size of tile; the zero value is no Winograd at all.
type Form uint8

// The forms.
const (
	None Form = iota
	F2        // tiles of 2x2 outputs from 4x4 pixels
	F4        // tiles of 4x4 outputs from 6x6 pixels
)

// Tile is the number of outputs along a side of a tile.
func (f Form) Tile() int { return 2 * int(f) }

// Span is the number of pixels along a side of a tile, and of points in one dimension.
func (f Form) Span() int { return f.Tile() + 2 }

// Points is the number of products of a tile.
func (f Form) Points() int { return f.Span() * f.Span() }

// MaxPoints is the number of points of the largest form.
const MaxPoints = 36

// Args is the argument of a transform. The assembly knows its layout.
type Args struct {
	// Table holds Points addresses of the pixels of a tile for Input, Tile*Tile addresses of its results for Output,
	// row by row; those of Spread and Collect. N elements lie at each.
	Table *unsafe.Pointer
	// Data is point 0, written by Input and Weights, read by Output; points are Stride bytes apart.
	Data   unsafe.Pointer
	Stride int
	// N is 4 times the number of channels for Input and Output, and the number of lines for Weights.
	N int
	// Src is the first of 9 taps that lie Tap bytes apart; each is N lines of 16 columns that lie Line bytes apart.
	// Lines of the result lie 64 bytes apart. Only Weights reads these.
	Src       unsafe.Pointer
	Tap, Line int

	_ [MaxPoints*Lanes + Lanes]float32 // temporary memory of the assembly, from which it takes whole cache lines
}

// Input transforms the pixels of one tile.
func Input(f Form, a *Args) {
	if !native(f, kindInput, a) {
		inputPortable(f, a)
	}
}

// Output transforms the products of one tile into its results.
func Output(f Form, a *Args) {
	if !native(f, kindOutput, a) {
		outputPortable(f, a)
	}
}

// Weights transforms lines of weights.
func Weights(f Form, a *Args) {
	if !native(f, kindWeights, a) {
		weightsPortable(f, a)
	}
}

// Spread transforms the gradients of the 4x4 results of a tile, at the addresses of the table, into points: the
// transpose of Output for F4.
func Spread(a *Args) {
	if !native(F4, kindSpread, a) {
		spreadPortable(a)
	}
}

// Collect transforms points into the gradients of 9 taps, at the addresses of the table: the transpose of Weights for
// F4.
func Collect(a *Args) {
	if !native(F4, kindCollect, a) {
		collectPortable(a)
	}
}

// The kinds of transforms.
const (
	kindInput = iota
	kindOutput
	kindWeights
	kindSpread // and the next for F4 alone
	kindCollect
)
