package quant

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"testing"
)

// TestGGUF compares blocks and weights with those of the Python package gguf: tools/reference/gguf_quants.py.
func TestGGUF(t *testing.T) {
	text, err := os.ReadFile("testdata/gguf.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases map[string]struct {
			Rows, Cols           int
			Raw, Weights, Source string
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for kind := range Kind(kinds) {
		c, ok := file.Cases[kind.String()]
		if !ok {
			t.Fatalf("%s: no golden", kind)
		}
		raw, want := decode(t, c.Raw), floats(t, c.Weights)
		got := make([]float32, c.Rows*c.Cols)
		kind.Dequantize(got, raw)
		compare(t, kind, "Dequantize", got, want)
		p, err := Pack(kind, raw, c.Rows, c.Cols)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Rows {
			p.Row(got[i*c.Cols:(i+1)*c.Cols], i)
		}
		compare(t, kind, "Row", got, want)
		if c.Source != "" {
			blocks := make([]byte, len(raw))
			kind.Quantize(blocks, floats(t, c.Source))
			if !bytes.Equal(blocks, raw) {
				t.Errorf("%s: the quantised blocks differ", kind)
			}
		}
	}
}

func compare(t *testing.T, kind Kind, what string, got, want []float32) {
	t.Helper()
	for i, w := range want {
		if got[i] != w {
			t.Fatalf("%s: %s: element %d is %g, want %g", kind, what, i, got[i], w)
		}
	}
}

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func floats(t *testing.T, s string) []float32 {
	t.Helper()
	b := decode(t, s)
	x := make([]float32, len(b)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return x
}

// TestQuantizeError bounds the root mean square of what the quantisers lose of normals: a uniform error of the step of
// the digits, 1/sqrt(12) of it, the step being the largest of a block over its digits (for 16 or 32 normals about 2).
func TestQuantizeError(t *testing.T) {
	w := normals(64*256, 9)
	for kind, limit := range map[Kind]float64{Q80: 0.0075, Q40: 0.11, Q4K: 0.10, Q6K: 0.025} {
		raw := make([]byte, len(w)/kind.Block()*kind.BlockBytes())
		kind.Quantize(raw, w)
		back := make([]float32, len(w))
		kind.Dequantize(back, raw)
		var diff, norm float64
		for i, v := range w {
			d := float64(v - back[i])
			diff += d * d
			norm += float64(v) * float64(v)
		}
		e := math.Sqrt(diff / norm)
		t.Logf("%s: %.4f", kind, e)
		if !(e < limit) {
			t.Errorf("%s: error %g, want below %g", kind, e, limit)
		}
	}
}
