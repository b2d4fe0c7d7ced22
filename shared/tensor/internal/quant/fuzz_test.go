package quant

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/manifold-gen/manifold/shared/tensor/internal/cpu"
)

// FuzzBlocks gives arbitrary bytes to everything that reads blocks: weights are those of the formats' formulas, Pack
// refuses scales that are not finite and nothing else, and products have the same bits on every kernel set.
func FuzzBlocks(f *testing.F) {
	whole := make([]byte, 1<<10)
	for i := range whole {
		whole[i] = byte(i * 37 & 0x3B)
	}
	ones := make([]byte, 1<<10)
	for i := range ones {
		ones[i] = 0xFF
	}
	for kind := range kinds {
		f.Add(uint8(kind), uint8(1), whole, []byte{0, 0, 128, 63})
		f.Add(uint8(kind), uint8(18), whole, whole)
		f.Add(uint8(kind), uint8(1), ones, ones)                             // every scale is NaN
		f.Add(uint8(kind), uint8(2), whole, []byte{0, 0, 128, 127})          // infinities in the rows
		f.Add(uint8(kind), uint8(1), append([]byte{0, 0x7C}, ones...), ones) // the first scale is infinite
	}
	f.Fuzz(func(t *testing.T, format, outputs uint8, raw, numbers []byte) {
		kind, n := Kind(format%kinds), int(outputs%40)+1
		blocks := len(raw) / n / kind.BlockBytes()
		if blocks == 0 || blocks > 64 {
			return
		}
		size := n * blocks * kind.BlockBytes()
		if _, err := Pack(kind, raw[:size-1], n, blocks*kind.Block()); err == nil {
			t.Fatal("a byte too few is no error")
		}
		raw = raw[:size]
		k := blocks * kind.Block()
		w := make([]float32, n*k)
		kind.Dequantize(w, raw)
		finite := true
		for i, got := range w {
			block := raw[i/kind.Block()*kind.BlockBytes():][:kind.BlockBytes()]
			want, ok := weight(kind, block, i%kind.Block())
			finite = finite && ok
			if want != want {
				want = math.Float32frombits(0x7FC00000)
			}
			if math.Float32bits(got) != math.Float32bits(want) && got != want {
				t.Fatalf("%s: weight %d is %g (%08x), want %g", kind, i, got, math.Float32bits(got), want)
			}
		}
		p, err := Pack(kind, raw, n, k)
		if finite != (err == nil) {
			t.Fatalf("%s: scales are finite: %t, error: %v", kind, finite, err)
		}
		if err != nil {
			return
		}
		row := make([]float32, k)
		for i := range n {
			p.Row(row, i)
			agree(t, kind, "Row", row, w[i*k:(i+1)*k])
		}
		products(t, p, numbers)
	})
}

// products compares the kernel sets on three rows of the numbers, repeated.
func products(t *testing.T, p *Packed, numbers []byte) {
	t.Helper()
	const m = 3
	x := make([]float32, m*p.K())
	for i := range x {
		if len(numbers) >= 4 {
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(numbers[i%(len(numbers)/4)*4:]))
		}
	}
	before := cpu.Active()
	defer func() { _ = cpu.Set(before.String()) }()
	var want []float32
	for _, isa := range []string{"portable", before.String(), "avx2"} {
		if cpu.Set(isa) != nil {
			continue // not here
		}
		got := product(x, m, p)
		if want == nil {
			want = got
		}
		agree(t, p.Kind(), "product of "+isa, got, want)
		for r := range m {
			agree(t, p.Kind(), "row alone", product(x[r*p.K():(r+1)*p.K()], 1, p), want[r*p.N():(r+1)*p.N()])
		}
	}
}

// agree compares bits; a NaN is like another.
func agree(t *testing.T, kind Kind, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) && (got[i] == got[i] || want[i] == want[i]) {
			t.Fatalf("%s: %s: element %d is %g, want %g", kind, what, i, got[i], want[i])
		}
	}
}

// weight is element i of a block by the formulas of the formats' authors, and whether the scales are finite.
func weight(kind Kind, b []byte, i int) (w float32, finite bool) {
	half := func(at int) float64 {
		u := binary.LittleEndian.Uint16(b[at:])
		v := math.Ldexp(float64(u&0x3FF|0x400), int(u>>10&31)-25)
		switch {
		case u>>10&31 == 0:
			v = math.Ldexp(float64(u&0x3FF), -24)
		case u&0x7FFF == 0x7C00:
			v = math.Inf(1)
		case u&0x7C00 == 0x7C00:
			v = math.NaN()
		}
		if u>>15 == 1 {
			v = -v
		}
		return v
	}
	isFinite := func(v float64) bool { return !math.IsInf(v, 0) && !math.IsNaN(v) }
	switch kind {
	case Q80:
		d := half(0)
		return float32(d * float64(int8(b[2+i]))), isFinite(d)
	case Q40:
		d := half(0)
		q := b[2+i%16] >> (i / 16 * 4) & 15
		return float32(d * (float64(q) - 8)), isFinite(d)
	case Q4K:
		d, dmin, j := half(0), half(2), i/32
		var s, m byte
		if j < 4 {
			s, m = b[4+j]&63, b[8+j]&63
		} else {
			s = b[8+j]&15 | b[j]>>6<<4
			m = b[8+j]>>4 | b[4+j]>>6<<4
		}
		q := b[16+i/64*32+i%32] >> (j % 2 * 4) & 15
		return float32(d*float64(s)*float64(q)) - float32(dmin*float64(m)), isFinite(d) && isFinite(dmin)
	default:
		d := half(208)
		n, l, part := i/128, i%32, i/32%4
		low := b[n*64+part%2*32+l] >> (part / 2 * 4) & 15
		high := b[128+n*32+l] >> (2 * part) & 3
		s := float64(int8(b[192+i/16]))
		return float32(d * s * (float64(low|high<<4) - 32)), isFinite(d)
	}
}
