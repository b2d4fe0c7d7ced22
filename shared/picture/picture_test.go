package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"slices"
	"testing"
)

func sample(w, h, c int) *Picture {
	p := New(w, h, c)
	s := uint32(7)
	for i := range p.Pix {
		s = s*1664525 + 1013904223
		p.Pix[i] = byte(i*3) ^ byte(s>>24)&31
	}
	return p
}

// What EncodePNG writes, the standard library reads back exactly, for every filter's sake in several sizes.
func TestEncodePNG(t *testing.T) {
	for _, size := range [][3]int{{1, 1, 1}, {28, 28, 1}, {7, 5, 3}, {32, 32, 3}, {9, 4, 4}} {
		p := sample(size[0], size[1], size[2])
		data, err := EncodePNG(p, Text{KeySeed, "17"}, Text{KeyLabel, "sieben é"}, Text{KeyModel, "模型"})
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%v: %v", size, err)
		}
		if got := fromImage(m, p.Channels); !bytes.Equal(got.Pix, p.Pix) {
			t.Errorf("%v: other pixels", size)
		}
		again, _ := EncodePNG(p, Text{KeySeed, "17"}, Text{KeyLabel, "sieben é"}, Text{KeyModel, "模型"})
		if !bytes.Equal(data, again) {
			t.Errorf("%v: other bytes the second time", size)
		}
		text, err := ReadText(data)
		want := []Text{{KeySeed, "17"}, {KeyLabel, "sieben é"}, {KeyModel, "模型"}}
		if err != nil || !slices.Equal(text, want) {
			t.Errorf("%v: text %q, %v", size, text, err)
		}
		back, err := Decode(data, p.Channels, MaxPixels)
		if err != nil || !bytes.Equal(back.Pix, p.Pix) {
			t.Errorf("%v: Decode: %v", size, err)
		}
	}
	for _, bad := range []*Picture{{1, 1, 2, []byte{1, 2}}, {0, 1, 1, nil}, {2, 2, 1, []byte{1}}} {
		if _, err := EncodePNG(bad); err == nil {
			t.Errorf("%v was encoded", bad)
		}
	}
	if _, err := EncodePNG(sample(1, 1, 1), Text{"", "x"}); err == nil {
		t.Error("an empty keyword was written")
	}
}

func TestQuantise(t *testing.T) {
	nan := float32(math.NaN())
	x := []float32{-1, 1, 0, -2, 2, nan, float32(math.Inf(1)), float32(math.Inf(-1)), -0.9961, 0.003921569}
	want := []byte{0, 255, 128, 0, 255, 0, 255, 0, 0, 128}
	got := make([]byte, len(x))
	Quantise(got, x)
	if !bytes.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	f := make([]float32, 256)
	Dequantise(f, all)
	back := make([]byte, 256)
	Quantise(back, f)
	if !bytes.Equal(back, all) || f[0] != -1 || f[255] != 1 {
		t.Error("256 levels do not survive the way to a model and back")
	}
}

func TestHostileFiles(t *testing.T) {
	good, err := EncodePNG(sample(8, 8, 1), Text{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	huge := slices.Clone(good)
	binary.BigEndian.PutUint32(huge[16:], 1<<30)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "cut": good[:40], "huge": huge, "magic alone": good[:8],
	} {
		if p, err := Decode(data, 1, MaxPixels); err == nil {
			t.Errorf("%s: decoded to %d x %d", name, p.Width, p.Height)
		}
	}
	for n := range good {
		if _, err := ReadText(good[:n]); err == nil && n != 8 {
			// Cuts at chunk borders are whole PNGs as far as text goes.
			if n != 33 && n != 48 && n != len(good)-12 {
				t.Errorf("text of a PNG cut at %d", n)
			}
		}
	}
}

func TestDecodeJPEG(t *testing.T) {
	m := image.NewRGBA(image.Rect(0, 0, 16, 16))
	for i := range m.Pix {
		m.Pix[i] = 200
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	p, err := Decode(b.Bytes(), 1, MaxPixels)
	if err != nil || p.Width != 16 || abs(int(p.Pix[0])-200) > 2 {
		t.Fatalf("%v %v", p, err)
	}
}

func TestFit(t *testing.T) {
	p := &Picture{4, 2, 1, []byte{0, 100, 10, 20, 50, 50, 30, 40}}
	if got := Fit(p, 2, 1); !bytes.Equal(got.Pix, []byte{50, 25}) {
		t.Errorf("halved: %v", got.Pix)
	}
	if got := Fit(p, 4, 2); got != p {
		t.Error("a picture that fits was copied")
	}
	if got := Fit(&Picture{1, 1, 3, []byte{1, 2, 3}}, 2, 2); !bytes.Equal(got.Pix, bytes.Repeat([]byte{1, 2, 3}, 4)) {
		t.Errorf("doubled: %v", got.Pix)
	}
	// 3 -> 2: the middle pixel is shared, weights 2/3 and 1/3.
	if got := Fit(&Picture{3, 1, 1, []byte{0, 90, 30}}, 2, 1); !bytes.Equal(got.Pix, []byte{30, 50}) {
		t.Errorf("3 to 2: %v", got.Pix)
	}
}

func TestConvertAndGrid(t *testing.T) {
	rgb := &Picture{1, 1, 3, []byte{255, 0, 0}}
	if g := Convert(rgb, 1); g.Pix[0] != color.GrayModel.Convert(color.RGBA{255, 0, 0, 255}).(color.Gray).Y {
		t.Errorf("gray %v", g.Pix)
	}
	if a := Convert(rgb, 4); !bytes.Equal(a.Pix, []byte{255, 0, 0, 255}) {
		t.Errorf("rgba %v", a.Pix)
	}
	var list []*Picture
	for i := range 5 {
		list = append(list, &Picture{1, 1, 1, []byte{byte(i + 1)}})
	}
	g, err := Grid(list, 0, 1)
	want := []byte{1, 0, 2, 0, 3, 0, 0, 0, 0, 0, 4, 0, 5, 0, 0}
	if err != nil || g.Width != 5 || g.Height != 3 || !bytes.Equal(g.Pix, want) {
		t.Errorf("%v %v", g, err)
	}
	if _, err := Grid(nil, 0, 0); err == nil {
		t.Error("a grid of nothing")
	}
	if _, err := Grid([]*Picture{rgb, list[0]}, 0, 0); err == nil {
		t.Error("a grid of two kinds")
	}
}

func FuzzDecode(f *testing.F) {
	good, _ := EncodePNG(sample(8, 8, 3), Text{"a", "b"})
	f.Add(good)
	f.Add([]byte("\xff\xd8\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data, 3, 1<<16)
		if err == nil && p.Check() != nil {
			t.Error(p.Check())
		}
		_, _ = ReadText(data)
	})
}
