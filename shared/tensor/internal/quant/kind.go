package quant

// Kind is a format of weights.
type Kind uint8

// The formats.
const (
	Q80 Kind = iota
	Q40
	Q4K
	Q6K
)

const kinds = 4

// Sizes of the layout: outputs of a panel, weights of a step, bytes of a line, bytes of a step's scales.
const (
	Width      = 16
	Step       = 32
	line       = 64
	stepScales = 32
)

// format is what differs between kinds.
type format struct {
	name       string
	block      int // weights of a block
	blockBytes int
	chunk      int // steps of a chunk
	head       int // bytes of a chunk before the scales of its steps
	lines      int // bytes of a step's lines
	halves     int // scales of a step
	offset     int32
}

var formats = [kinds]format{
	Q80: {name: "q8_0", block: 32, blockBytes: 34, chunk: 2, lines: 512, halves: 1, offset: 128},
	Q40: {name: "q4_0", block: 32, blockBytes: 18, chunk: 2, lines: 256, halves: 1, offset: 8},
	Q4K: {name: "q4_k", block: 256, blockBytes: 144, chunk: 8, head: line, lines: 256, halves: 1},
	Q6K: {
		name: "q6_k", block: 256, blockBytes: 210, chunk: 8, head: line, lines: 384, halves: 2, offset: 32,
	},
}

// String is the name that GGUF tools use, in lower case.
func (k Kind) String() string { return formats[k].name }

// Valid says whether k is one of the formats.
func (k Kind) Valid() bool { return k < kinds }

// Block is the number of weights of a block; rows are whole blocks.
func (k Kind) Block() int { return formats[k].block }

// BlockBytes is the size of a block in a file.
func (k Kind) BlockBytes() int { return formats[k].blockBytes }

// panelBytes is the size of a panel of steps steps.
func (f *format) panelBytes(steps int) int {
	chunks := (steps + f.chunk - 1) / f.chunk
	return chunks*(f.head+f.chunk*stepScales) + steps*f.lines
}

// at is where a step's chunk, scales and lines begin in its panel.
func (f *format) at(step int) (chunk, scales, lines int) {
	c, s := step/f.chunk, step%f.chunk
	chunk = c * (f.head + f.chunk*(stepScales+f.lines))
	scales = chunk + f.head + s*stepScales
	return chunk, scales, chunk + f.head + f.chunk*stepScales + s*f.lines
}
